//! Where the time of a build goes: every phase of every piece of work, from begin to end.
//!
//! A [`Timeline`] is filled while work is done, by many threads. [`Timeline::timings`] then says what took how long and what
//! the end waited for.

mod timings;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base::{Task, TaskKind};
use serde::{Deserialize, Serialize};

pub use timings::{FORMAT, Piece, Span, Timings};

/// What time goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It could have begun, and waited for room.
    Queue,
    /// Deciding which packages its root holds, and whether it was done before.
    Plan,
    /// Bringing sources.
    Fetch,
    /// Making its root.
    Environment,
    /// A step of its pipeline.
    Step,
    /// Keeping what the steps left.
    Keep,
    /// Finding out what the packages need and provide, and what was linked into them.
    Analyse,
    /// Writing the packages.
    Emit,
    /// Stating how they came to be.
    State,
    /// A step of a test.
    Test,
    /// Composing an image.
    Compose,
}

/// How a piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It was done now.
    Done,
    /// Its steps had been run before; packages were made of what they left.
    Emitted,
    /// It had been done before.
    Cached,
    /// It failed, or was stopped.
    Failed,
}

/// Collects what takes how long. Times are seconds since it was made.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    pieces: Mutex<BTreeMap<String, Collected>>,
}

/// What the piece of work is called that a task is part of.
pub(crate) fn piece_of(task: &Task) -> String {
    match task.kind {
        TaskKind::Test => format!("test {}", task.name),
        _ => task.name.clone(),
    }
}

/// What is known of one piece of work.
#[derive(Debug, Default)]
struct Collected {
    /// When it was planned; what was not begins at once.
    planned: Option<f64>,
    expected: Option<f64>,
    needs: Vec<String>,
    /// When it began, if it did.
    begin: Option<f64>,
    /// When it ended, and how.
    end: Option<(f64, Ended)>,
    spans: Vec<Span>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { start: Instant::now(), pieces: Mutex::default() }
    }
}

impl Timeline {
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn pieces(&self) -> MutexGuard<'_, BTreeMap<String, Collected>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a piece of work is to be done, after others; `expected` is how many seconds it took before. What is
    /// planned again is the same piece.
    pub fn planned(&self, name: &str, needs: Vec<String>, expected: Option<f64>) {
        let planned = Some(self.now());
        self.pieces().entry(name.to_owned()).or_insert_with(|| Collected { planned, expected, needs, ..Collected::default() });
    }

    /// Notes that a piece of work begins, unless it has before.
    pub(crate) fn begun(&self, name: &str) {
        let now = self.now();
        self.pieces().entry(name.to_owned()).or_default().begin.get_or_insert(now);
    }

    /// Notes that a piece of work ended. Of a piece that is looked at again, the first end counts.
    pub(crate) fn ended(&self, name: &str, how: Ended) {
        let now = self.now();
        self.pieces().entry(name.to_owned()).or_default().end.get_or_insert((now, how));
    }

    /// Measures until what it returns is dropped, whatever way that happens. A piece that has ended is not measured again.
    pub fn measure(&self, name: &str, phase: Phase, label: &str) -> Measured<'_> {
        Measured { timeline: self, name: name.to_owned(), phase, label: label.to_owned(), begin: self.now() }
    }

    /// Does `work`, which is a whole piece of it.
    pub fn piece<T, E>(&self, name: &str, phase: Phase, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.begun(name);
        let measured = self.measure(name, phase, "");
        let result = work();
        drop(measured);
        self.ended(name, if result.is_ok() { Ended::Done } else { Ended::Failed });
        result
    }
}

/// A measurement that goes on until it is dropped.
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct Measured<'a> {
    timeline: &'a Timeline,
    name: String,
    phase: Phase,
    label: String,
    begin: f64,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let end = self.timeline.now();
        let span = Span { phase: self.phase, label: std::mem::take(&mut self.label), begin: self.begin, end };
        let mut pieces = self.timeline.pieces();
        let piece = pieces.entry(std::mem::take(&mut self.name)).or_default();
        if piece.end.is_none() {
            piece.spans.push(span);
        }
    }
}
