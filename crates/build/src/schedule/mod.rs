//! Builds what is ready, the most urgent first and some at a time, until all is done or something fails.

mod load;
mod queue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{Overview, PackageName, Reporter, Running, Waiting};

use crate::error::BuildError;
use crate::graph::Order;
use queue::{Queue, State};

pub use load::Limits;
pub(crate) use load::{Load, loads, note};

/// What is done when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Nothing more begins. What runs is awaited, since its result is worth keeping.
    #[default]
    Finish,
    /// Everything that does not need what failed is built.
    KeepGoing,
}

/// How a schedule is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Pace<'a> {
    pub(crate) limits: Limits,
    pub(crate) on_failure: OnFailure,
    /// Set by the caller to end: nothing more begins.
    pub(crate) stop: &'a AtomicBool,
    pub(crate) reporter: &'a dyn Reporter,
}

/// What came of a schedule.
#[derive(Debug)]
pub(crate) struct Ran<T> {
    /// What is done.
    pub(crate) done: BTreeMap<PackageName, T>,
    /// What failed, in the order in which it did.
    pub(crate) failed: Vec<(PackageName, BuildError)>,
    /// What could not begin, since the other failed.
    pub(crate) held: BTreeMap<PackageName, PackageName>,
    /// What did not begin, though it could have: the end came before.
    pub(crate) left: Vec<PackageName>,
}

/// How many processors may be counted on, asked whenever something begins.
pub(crate) type Processors<'a> = &'a (dyn Fn() -> usize + Sync);

/// Builds one definition, given what came of those that it needs, in the order of their names.
type Work<'a, T> = dyn Fn(&PackageName, &[T], Processors<'_>) -> Result<T, BuildError> + Sync + 'a;

/// What the workers share.
struct Shared<'a, T> {
    pace: Pace<'a>,
    state: Mutex<Progress<'a, T>>,
    /// Something ended: others may begin, or all is over.
    changed: Condvar,
    /// The last one ended.
    over: Condvar,
    start: Instant,
}

struct Progress<'a, T> {
    queue: Queue<'a>,
    begun: BTreeMap<usize, Duration>,
    done: BTreeMap<usize, T>,
    failed: Vec<(PackageName, BuildError)>,
    workers: usize,
}

/// Calls `work` for every definition of `order`, each after those that it needs.
pub(crate) fn run<T: Clone + Send>(order: &Order, pace: Pace<'_>, load: impl Fn(&PackageName) -> Load, work: &Work<'_, T>) -> Ran<T> {
    let queue = Queue::new(order, pace.limits, load);
    let workers = pace.limits.jobs.clamp(1, queue.len().max(1));
    let state = Progress { queue, begun: BTreeMap::new(), done: BTreeMap::new(), failed: Vec::new(), workers };
    let shared = Shared { pace, state: Mutex::new(state), changed: Condvar::new(), over: Condvar::new(), start: Instant::now() };
    std::thread::scope(|scope| {
        scope.spawn(|| shared.watch());
        // The caller's thread works too.
        for _ in 1..workers {
            scope.spawn(|| shared.worker(work));
        }
        shared.worker(work);
    });
    let Progress { queue, done, failed, .. } = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut held, mut left) = (BTreeMap::new(), Vec::new());
    for at in 0..queue.len() {
        match queue.state(at) {
            State::Held(by) => drop(held.insert(queue.name(at).clone(), queue.name(by).clone())),
            State::Waiting => left.push(queue.name(at).clone()),
            State::Running | State::Done | State::Failed => {}
        }
    }
    let done = done.into_iter().map(|(at, result)| (order.definitions[at].clone(), result)).collect();
    Ran { done, failed, held, left }
}

impl<'a, T: Clone + Send> Shared<'a, T> {
    fn lock(&self) -> MutexGuard<'_, Progress<'a, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker(&self, work: &Work<'_, T>) {
        let mut state = self.lock();
        loop {
            let is_ending =
                self.pace.stop.load(Ordering::Relaxed) || (!state.failed.is_empty() && self.pace.on_failure == OnFailure::Finish);
            if is_ending || state.queue.is_over() {
                break;
            }
            let Some(at) = state.queue.begin() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.begun.insert(at, self.start.elapsed());
            let name = state.queue.name(at);
            let needs: Vec<T> = state.queue.needs(at).iter().filter_map(|need| state.done.get(need).cloned()).collect();
            drop(state);
            let result = work(name, &needs, &|| self.lock().queue.processors(at));
            state = self.lock();
            match result {
                Ok(result) => {
                    state.queue.done(at);
                    state.done.insert(at, result);
                }
                Err(BuildError::Stopped) => state.queue.given_up(at),
                Err(error) => {
                    state.queue.failed(at);
                    state.failed.push((name.clone(), error));
                }
            }
            self.changed.notify_all();
        }
        state.workers -= 1;
        if state.workers == 0 {
            self.over.notify_all();
        }
    }

    /// Tells how far it all is, now and then, until it is over.
    fn watch(&self) {
        let mut state = self.lock();
        loop {
            let waited = self.over.wait_timeout_while(state, TELLING, |state| state.workers > 0);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if !timeout.timed_out() {
                return;
            }
            let overview = overview(&guard, self.start.elapsed());
            drop(guard);
            self.pace.reporter.overview(&overview);
            state = self.lock();
        }
    }
}

/// How often it is told how far all is.
const TELLING: Duration = Duration::from_millis(250);

/// How many of those that wait are told by name.
const WAITING: usize = 4;

fn overview<T>(state: &Progress<'_, T>, now: Duration) -> Overview {
    let queue = &state.queue;
    let ran = |at: usize| state.begun.get(&at).map_or(0.0, |begun| now.saturating_sub(*begun).as_secs_f64());
    let running = |at: usize| {
        let load = queue.load(at);
        Running { name: queue.name(at).to_string(), expected: load.is_known.then(|| Duration::from_secs_f64(load.seconds)) }
    };
    let waiting = |at: usize| {
        let open = queue.needs(at).iter().filter(|need| queue.state(**need) != State::Done);
        Waiting { name: queue.name(at).to_string(), needs: open.map(|need| queue.name(*need).to_string()).collect() }
    };
    let all_waiting = queue.waiting();
    let is_known = (0..queue.len()).any(|at| queue.load(at).is_known);
    Overview {
        total: queue.len(),
        done: state.done.len(),
        failed: state.failed.len(),
        running: queue.running().map(running).collect(),
        waiting: all_waiting.len(),
        next: all_waiting.iter().take(WAITING).map(|at| waiting(*at)).collect(),
        remaining: is_known.then(|| Duration::from_secs_f64(queue.remaining(ran))),
    }
}

#[cfg(test)]
mod tests;
