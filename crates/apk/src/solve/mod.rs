//! The solver: which packages a world needs, in which order they are installed, or why there is no answer.
//!
//! A complete search in apk's order of preference (the module `search` decides, concludes and learns); see `docs/solver.md` for the rules.
//!
//! ```
//! use apk::solve::{Policy, Repository, World, solve};
//!
//! let index = apk::Index::parse(b"P:a\nV:1\nD:so:b.so.1\n\nP:b\nV:2\np:so:b.so.1=1.0\n").unwrap();
//! let repositories = [Repository::new(&index.records)];
//! let solution = solve(&World::parse("a").unwrap(), &repositories, Policy::Apk, &[]).unwrap();
//! let names: Vec<_> = solution.packages.iter().map(|chosen| chosen.record.info.identity()).collect();
//! assert_eq!(names, ["b-2", "a-1"]);
//! ```

pub mod check;
pub mod command;
mod culprit;
mod decide;
mod explain;
mod found;
mod learn;
mod order;
mod prefer;
mod propagate;
mod request;
mod search;
mod solution;
mod state;
mod table;
mod tolerant;
pub mod transcript;
mod turn;
mod universe;

pub use culprit::{Culprit, Line};
pub use request::{Flags, Mark, Policy, Request, World};
pub use solution::{Change, Chosen, Kind, Solution};
pub use universe::Universe;

use std::fmt;

use crate::Record;

/// What one repository offers.
#[derive(Debug, Clone)]
pub struct Repository<'a> {
    /// With a tag, packages are taken from it only for wants that are pinned to the tag (`name@tag`), and what those need.
    pub tag: Option<String>,
    /// 0 is the most preferred. [`Policy::Ranked`] looks at it first, the others last.
    pub rank: u32,
    /// Its packages. Their order does not matter.
    pub records: &'a [Record],
    /// Whether its files can be had. Of one that is out of reach only what is installed can be used.
    pub reachable: bool,
}

impl<'a> Repository<'a> {
    /// Makes a repository without a tag, of rank 0, within reach.
    #[must_use]
    pub const fn new(records: &'a [Record]) -> Self {
        Self { tag: None, rank: 0, records, reachable: true }
    }

    /// Sets its rank.
    #[must_use]
    pub fn ranked(self, rank: u32) -> Self {
        Self { rank, ..self }
    }

    /// Sets its tag.
    #[must_use]
    pub fn tagged(self, tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Says that its files can not be had.
    #[must_use]
    pub fn out_of_reach(self) -> Self {
        Self { reachable: false, ..self }
    }
}

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What the installed database says of it.
    pub record: Record,
    /// The tag of the repository that it came from.
    pub tag: Option<String>,
}

/// There is no answer. Displays the reasons in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsolvable {
    /// Why, in sentences. All of them together leave no way; without any one of them there would be one.
    pub reasons: Vec<String>,
    /// On what it fails, as apk reports it.
    pub culprits: Vec<Culprit>,
}

impl Unsolvable {
    /// Returns apk's report: the packages that would be taken and what they break. Where nothing that would be taken is broken by
    /// itself, the reasons stand in its place.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = "unable to select packages:".to_owned();
        if self.culprits.is_empty() {
            self.reasons.iter().for_each(|reason| report += &format!("\n  {reason}"));
        }
        self.culprits.iter().for_each(|culprit| report += &format!("\n{culprit}"));
        report
    }
}

impl fmt::Display for Unsolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no set of packages fits: {}", self.reasons.join("; "))
    }
}

impl std::error::Error for Unsolvable {}

/// Solves a world over repositories. Use a [`Universe`] to solve more than once over the same.
pub fn solve<'a>(
    world: &World,
    repositories: &'a [Repository<'a>],
    policy: Policy,
    installed: &'a [Present],
) -> Result<Solution<'a>, Unsolvable> {
    Universe::new(repositories, installed, None).solve(&Request::new(world.clone(), policy))
}
