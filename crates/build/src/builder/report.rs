//! What a build reports: how each definition came to be, and its packages.

use std::collections::BTreeMap;

use apk::Record;
use base::{Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::environment::Member;
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
}

impl Report {
    /// Every package, in order.
    pub fn packages(&self) -> impl Iterator<Item = &Record> {
        self.built.iter().flat_map(|built| &built.packages)
    }
}
