//! Builds what is ready, some at a time, until all is done or something fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use base::PackageName;

use crate::error::BuildError;
use crate::graph::Order;

/// Builds one definition, given what is done.
type Work<'a, T> = dyn Fn(&PackageName, &BTreeMap<PackageName, T>) -> Result<T, BuildError> + Sync + 'a;

/// What the workers share.
struct State<T> {
    waiting: Vec<PackageName>,
    running: usize,
    done: BTreeMap<PackageName, T>,
    failed: Option<BuildError>,
}

/// Calls `work` for every definition of `order`, with what is done of all; each after those that it needs.
///
/// After a failure nothing more begins; what runs then is awaited, since its result is worth keeping. The first failure
/// is returned.
pub(crate) fn run<T: Clone + Send>(
    order: &Order,
    workers: usize,
    stop: &AtomicBool,
    work: &Work<'_, T>,
) -> Result<BTreeMap<PackageName, T>, BuildError> {
    let waiting = order.definitions.clone();
    let state = Mutex::new(State { waiting, running: 0, done: BTreeMap::new(), failed: None });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| worker(order, stop, &state, &changed, work));
        }
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed {
        Some(error) => Err(error),
        None if stop.load(Ordering::Relaxed) && !state.waiting.is_empty() => Err(BuildError::Stopped),
        None => Ok(state.done),
    }
}

fn worker<T: Clone + Send>(order: &Order, stop: &AtomicBool, state: &Mutex<State<T>>, changed: &Condvar, work: &Work<'_, T>) {
    let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if guard.failed.is_some() || guard.waiting.is_empty() || stop.load(Ordering::Relaxed) {
            return;
        }
        let is_ready =
            |origin: &PackageName| order.needs.get(origin).is_none_or(|needs| needs.iter().all(|need| guard.done.contains_key(need)));
        let Some(at) = guard.waiting.iter().position(is_ready) else {
            if guard.running == 0 {
                return;
            }
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let origin = guard.waiting.remove(at);
        let done = guard.done.clone();
        guard.running += 1;
        drop(guard);
        let result = work(&origin, &done);
        guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.running -= 1;
        match result {
            Ok(result) => drop(guard.done.insert(origin, result)),
            Err(error) => drop(guard.failed.get_or_insert(error)),
        }
        changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(needs: &[(&str, &[&str])]) -> Order {
        let name = |text: &str| text.parse::<PackageName>().unwrap();
        Order {
            definitions: needs.iter().map(|(origin, _)| name(origin)).collect(),
            needs: needs.iter().map(|(origin, needs)| (name(origin), needs.iter().map(|need| name(need)).collect())).collect(),
        }
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let order = order(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["a", "b", "c"])]);
        for workers in [1, 2, 8] {
            let needs = &order.needs;
            let work = |origin: &PackageName, done: &BTreeMap<PackageName, ()>| {
                assert!(needs[origin].iter().all(|need| done.contains_key(need)), "{origin}");
                Ok(())
            };
            assert_eq!(run(&order, workers, &AtomicBool::new(false), &work).unwrap().len(), 4);
        }
    }

    #[test]
    fn nothing_begins_after_a_failure() {
        let order = order(&[("a", &[]), ("b", &["a"])]);
        let work = |origin: &PackageName, _: &BTreeMap<PackageName, ()>| Err(BuildError::NoDefinition(origin.clone()));
        let error = run(&order, 4, &AtomicBool::new(false), &work).unwrap_err();
        assert!(matches!(error, BuildError::NoDefinition(name) if name.as_str() == "a"));
    }

    #[test]
    fn a_wish_to_stop_is_told() {
        let order = order(&[("a", &[]), ("b", &["a"])]);
        let stop = AtomicBool::new(false);
        let work = |_: &PackageName, _: &BTreeMap<PackageName, ()>| {
            stop.store(true, Ordering::Relaxed);
            Ok(())
        };
        assert!(matches!(run(&order, 2, &stop, &work), Err(BuildError::Stopped)));
    }
}
