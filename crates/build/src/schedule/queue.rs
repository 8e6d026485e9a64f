//! Which build begins next: a pure function of the graph, of how long builds took before, and of what may be used at once.
//!
//! The most urgent build that is ready begins first: the one from which the longest way leads to the end. When it does not
//! fit beside what runs, nothing begins before it, so that no small build keeps a large one waiting for ever.

use std::collections::{BTreeMap, BTreeSet};

use base::PackageName;

use super::load::{Limits, Load};
use crate::graph::Order;

/// The builds of one order and how far they are.
#[derive(Debug, Clone)]
pub(crate) struct Queue<'a> {
    order: &'a Order,
    loads: Vec<Load>,
    limits: Limits,
    /// For each, the seconds from its begin to the end of the last build that needs it, if there were no limits.
    ways: Vec<f64>,
    /// For each, what it can not do without.
    needs: Vec<Vec<usize>>,
    /// For each, what can not do without it.
    needed_by: Vec<Vec<usize>>,
    /// For each, how many of its needs are not done.
    missing: Vec<usize>,
    /// What could begin, the most urgent first.
    ready: BTreeSet<Urgency>,
    running: BTreeSet<Urgency>,
    state: Vec<State>,
}

/// Orders builds by how urgent they are; of equals, as the order has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Urgency {
    /// Microseconds of its way, from the largest number down.
    slack: u64,
    index: usize,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits for others, or for room.
    Waiting,
    /// It runs.
    Running,
    /// It is there.
    Done,
    /// It failed.
    Failed,
    /// It can not be built, since this one failed.
    Held(usize),
}

impl<'a> Queue<'a> {
    /// Prepares to build all of `order`; `load` says what each takes.
    pub(crate) fn new(order: &'a Order, limits: Limits, load: impl Fn(&PackageName) -> Load) -> Self {
        let places: BTreeMap<&PackageName, usize> = order.definitions.iter().enumerate().map(|(at, name)| (name, at)).collect();
        let loads: Vec<Load> = order.definitions.iter().map(load).collect();
        let needs_of = |name| order.needs.get(name).into_iter().flatten().filter_map(|need| places.get(need).copied()).collect();
        let needs: Vec<Vec<usize>> = order.definitions.iter().map(needs_of).collect();
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (at, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|need| needed_by[*need].push(at));
        }
        let ways = ways(&loads, &needed_by);
        let missing = needs.iter().map(Vec::len).collect();
        let state = vec![State::Waiting; needs.len()];
        let mut queue =
            Self { order, loads, limits, ways, needs, needed_by, missing, ready: BTreeSet::new(), running: BTreeSet::new(), state };
        queue.ready = (0..queue.state.len()).filter(|at| queue.missing[*at] == 0).map(|at| queue.urgency(at)).collect();
        queue
    }

    fn urgency(&self, index: usize) -> Urgency {
        Urgency { slack: u64::MAX - (self.ways[index].max(0.0) * 1e6) as u64, index }
    }

    /// Begins the most urgent build that is ready, if there is room for it.
    pub(crate) fn begin(&mut self) -> Option<usize> {
        let first = *self.ready.first()?;
        if !self.fits(first.index) {
            return None;
        }
        self.ready.remove(&first);
        self.running.insert(first);
        self.state[first.index] = State::Running;
        Some(first.index)
    }

    /// Whether there is room for it beside what runs. What is too large for the machine runs alone.
    fn fits(&self, index: usize) -> bool {
        let used: u64 = self.running.iter().map(|one| self.loads[one.index].memory).fold(0, u64::saturating_add);
        let room = used.saturating_add(self.loads[index].memory) <= self.limits.memory;
        self.running.is_empty() || (self.running.len() < self.limits.jobs.max(1) && room)
    }

    /// Notes that a build is done: others may be ready now.
    pub(crate) fn done(&mut self, index: usize) {
        self.running.remove(&self.urgency(index));
        self.state[index] = State::Done;
        for at in self.needed_by[index].clone() {
            self.missing[at] -= 1;
            if self.missing[at] == 0 && self.state[at] == State::Waiting {
                self.ready.insert(self.urgency(at));
            }
        }
    }

    /// Notes that a build failed: what needs it can not be built.
    pub(crate) fn failed(&mut self, index: usize) {
        self.running.remove(&self.urgency(index));
        self.state[index] = State::Failed;
        let mut above = self.needed_by[index].clone();
        while let Some(at) = above.pop() {
            if self.state[at] == State::Waiting {
                self.state[at] = State::Held(index);
                above.extend(&self.needed_by[at]);
            }
        }
    }

    /// Notes that a build ended before it was done, as was wished.
    pub(crate) fn given_up(&mut self, index: usize) {
        self.running.remove(&self.urgency(index));
        self.state[index] = State::Waiting;
    }

    /// Whether nothing runs and nothing more can begin.
    pub(crate) fn is_over(&self) -> bool {
        self.running.is_empty() && self.ready.is_empty()
    }

    /// How many processors a running build may count on for what it begins now.
    ///
    /// The most urgent has all: the end waits for it, and a compiler that is given half a machine takes twice as long. The
    /// others divide the machine among all that run, so that no more than twice the jobs are asked for in all. A definition
    /// that names a number of processors gets no fewer, as far as there are any.
    pub(crate) fn processors(&self, index: usize) -> usize {
        let all = self.limits.jobs.max(1);
        if self.running.first().is_none_or(|first| first.index == index) {
            return all;
        }
        (all / self.running.len()).max(self.loads[index].processors.min(all)).max(1)
    }

    /// The seconds until all is done, as far as can be known, when the running builds have run for `ran`.
    pub(crate) fn remaining(&self, ran: impl Fn(usize) -> f64) -> f64 {
        let mut rest = self.clone();
        let left = |at: usize| (self.loads[at].seconds - ran(at)).max(0.0);
        let mut ends: Vec<(usize, f64)> = self.running.iter().map(|one| (one.index, left(one.index))).collect();
        let mut now = 0.0;
        loop {
            while let Some(at) = rest.begin() {
                ends.push((at, now + self.loads[at].seconds));
            }
            let Some(first) = (0..ends.len()).min_by(|a, b| ends[*a].1.total_cmp(&ends[*b].1)) else { return now };
            let (at, end) = ends.swap_remove(first);
            now = end;
            rest.done(at);
        }
    }

    /// How far one is.
    pub(crate) fn state(&self, index: usize) -> State {
        self.state[index]
    }

    /// What one takes.
    pub(crate) fn load(&self, index: usize) -> &Load {
        &self.loads[index]
    }

    /// What one is called.
    pub(crate) fn name(&self, index: usize) -> &'a PackageName {
        &self.order.definitions[index]
    }

    /// What one can not do without.
    pub(crate) fn needs(&self, index: usize) -> &[usize] {
        &self.needs[index]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.state.len()
    }

    /// The running builds, the most urgent first.
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        self.running.iter().map(|one| one.index)
    }

    /// What waits, the most urgent first.
    pub(crate) fn waiting(&self) -> Vec<usize> {
        let mut waiting: Vec<Urgency> = (0..self.len()).filter(|at| self.state[*at] == State::Waiting).map(|at| self.urgency(at)).collect();
        waiting.sort();
        waiting.into_iter().map(|one| one.index).collect()
    }
}

/// For each build, the longest way from its begin to the end of the last that needs it.
fn ways(loads: &[Load], needed_by: &[Vec<usize>]) -> Vec<f64> {
    let mut ways = vec![0.0_f64; loads.len()];
    // What needs a build stands behind it in the order.
    for at in (0..loads.len()).rev() {
        let longest = needed_by[at].iter().map(|above| ways[*above]).fold(0.0, f64::max);
        ways[at] = loads[at].seconds + longest;
    }
    ways
}

#[cfg(test)]
mod tests;
