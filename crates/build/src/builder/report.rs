//! What a build reports: how each definition came to be, and its packages.

use std::collections::{BTreeMap, BTreeSet};

use apk::Record;
use base::{Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::environment::Member;
use crate::error::BuildError;
use crate::lint::Finding;

/// How a package came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its steps were run.
    Built,
    /// Its packages were made of trees that were there.
    Emitted,
    /// It was there.
    Cached,
}

/// One definition that is built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The definition.
    pub origin: PackageName,
    /// How it came to be.
    pub outcome: Outcome,
    /// Its packages, the main one first.
    pub packages: Vec<Record>,
    /// What it was built in.
    pub environment: Vec<Member>,
    /// What checks found, by package.
    pub findings: BTreeMap<PackageName, Vec<Finding>>,
    /// The log of its steps, if they were run by this store.
    pub log: Option<Digest>,
    /// `SOURCE_DATE_EPOCH` of the build.
    pub epoch: i64,
    /// The keys of its actions.
    pub actions: Actions,
    /// How long it took now.
    pub seconds: f64,
}

/// The keys of the actions that made a definition's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    /// Of its steps.
    pub run: Digest,
    /// Of making packages of what they left.
    pub emit: Digest,
}

/// One package that was tested.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// Exactly which bytes.
    pub content: Option<Digest>,
    /// Whether it had passed before.
    pub outcome: Outcome,
    /// How long it took now.
    pub seconds: f64,
}

/// What a build did, in the order in which it was planned.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The definitions.
    pub built: Vec<Built>,
    /// For each definition, those whose packages its environment may hold.
    pub(crate) needs: BTreeMap<PackageName, BTreeSet<PackageName>>,
}

impl Report {
    /// Every package, in order.
    pub fn packages(&self) -> impl Iterator<Item = &Record> {
        self.built.iter().flat_map(|built| &built.packages)
    }

    /// What was built of one definition.
    #[must_use]
    pub fn of(&self, origin: &PackageName) -> Option<&Built> {
        self.built.iter().find(|built| built.origin == *origin)
    }

    /// The definitions that `built` needs and that were made anew now, where it was not itself: they came out as they were,
    /// to the byte, or it uses nothing of them. Nothing above them is built again (early cut-off).
    pub fn cut_off<'a>(&'a self, built: &'a Built) -> impl Iterator<Item = &'a PackageName> {
        let needs = self.needs.get(&built.origin).filter(|_| built.outcome == Outcome::Cached);
        let anew = self.built.iter().filter(|one| one.outcome != Outcome::Cached);
        anew.map(|one| &one.origin).filter(move |origin| needs.is_some_and(|needs| needs.contains(*origin)))
    }
}

/// What came of many pieces of work, some of which may have failed.
#[derive(Debug, Default)]
pub struct Attempt<T> {
    /// What was done.
    pub report: T,
    /// What failed, in the order in which it did.
    pub failed: Vec<(PackageName, BuildError)>,
    /// What could not be done, since the other failed.
    pub held: BTreeMap<PackageName, PackageName>,
    /// What did not begin, though it could have: after the failure nothing more was begun, or the caller asked to end.
    pub left: Vec<PackageName>,
}

impl<T> Attempt<T> {
    /// Returns the report if all of it was done, else why not.
    pub fn whole(mut self) -> Result<T, BuildError> {
        if !self.failed.is_empty() {
            return Err(self.failed.swap_remove(0).1);
        }
        if self.left.is_empty() { Ok(self.report) } else { Err(BuildError::Stopped) }
    }
}
