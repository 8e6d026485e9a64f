//! Progress: libraries tell what they do, the caller draws it.

use std::time::Duration;

/// What sort of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bringing a source or package into the store.
    Fetch,
    /// Turning a foreign package into one of ours.
    Seed,
    /// Making a build root.
    Root,
    /// Running a package's steps.
    Build,
    /// Running a package's tests.
    Test,
    /// Writing packages.
    Emit,
    /// Writing an index of packages.
    Index,
    /// Composing an image.
    Compose,
    /// Carrying a blob from or to a registry.
    Transfer,
}

/// One piece of work that a person may wait for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// What sort of work it is.
    pub kind: Kind,
    /// To which thing: a package, a file.
    pub name: String,
}

impl Task {
    /// Names a task.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Done,
    /// Its result was there already.
    Cached,
    /// It failed; the error says why.
    Failed,
}

/// How far a whole of many tasks is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// How many there are.
    pub total: usize,
    /// How many are done.
    pub done: usize,
    /// How many failed.
    pub failed: usize,
    /// Those that run, the most urgent first.
    pub running: Vec<Running>,
    /// How many wait.
    pub waiting: usize,
    /// The most urgent of those.
    pub next: Vec<Waiting>,
    /// How long it all will take yet, as far as that can be known.
    pub remaining: Option<Duration>,
}

/// One of many that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// What it is called.
    pub name: String,
    /// How long it took before.
    pub expected: Option<Duration>,
}

/// One of many that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it is called.
    pub name: String,
    /// What it waits for; nothing where it waits for room.
    pub needs: Vec<String>,
}

/// Hears of progress. Every method does nothing unless it is written out.
pub trait Reporter: Send + Sync {
    /// A task began.
    fn started(&self, _task: &Task) {}
    /// A task came on: `done` of `total` units (bytes for fetches, steps for builds).
    fn advanced(&self, _task: &Task, _done: u64, _total: Option<u64>) {}
    /// A task comes to a step of this name.
    fn step(&self, _task: &Task, _name: &str) {}
    /// A task printed a line, without its end.
    fn line(&self, _task: &Task, _line: &[u8]) {}
    /// A task ended.
    fn finished(&self, _task: &Task, _how: Finish) {}
    /// Of many tasks, so many are done. Told now and then while they run.
    fn overview(&self, _overview: &Overview) {}
    /// Something a person should know that stops nothing.
    fn warned(&self, _text: &str) {}
}

/// Says nothing to nobody.
impl Reporter for () {}
