//! Progress: libraries tell what they do, the caller draws it.

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

/// Hears of progress. Every method does nothing unless it is written out.
pub trait Reporter: Send + Sync {
    /// A task began.
    fn started(&self, _task: &Task) {}
    /// A task came on: `done` of `total` units (bytes for fetches, steps for builds).
    fn advanced(&self, _task: &Task, _done: u64, _total: Option<u64>) {}
    /// A task printed a line, without its end.
    fn line(&self, _task: &Task, _line: &[u8]) {}
    /// A task ended.
    fn finished(&self, _task: &Task, _how: Finish) {}
    /// Something a person should know that stops nothing.
    fn warned(&self, _text: &str) {}
}

/// Says nothing to nobody.
impl Reporter for () {}
