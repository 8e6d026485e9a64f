//! What a package descends from: the seeds in its build root, and those of the packages in it, all the way down.
//!
//! It is read from provenance. A package of which none is kept is told as unknown, never as free of seeds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use attest::slsa::Provenance;
use base::{Digest, Store};
use serde::Serialize;

use crate::provenance::{ProvenanceError, kept, kind};

/// What a package descends from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// The seeds, by name.
    pub seeds: BTreeMap<String, Seed>,
    /// The packages of ours that it was built with, directly or not, by name and content.
    pub packages: BTreeMap<String, BTreeSet<Digest>>,
    /// Packages of which no provenance is kept: what they descend from is not known.
    pub unknown: BTreeMap<String, Digest>,
}

/// A seed that something descends from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seed {
    /// Its version.
    pub version: String,
    /// Its package URL, where the lock of the seeds told it.
    pub purl: Option<String>,
    /// Its content.
    pub content: Digest,
    /// Whether it was in the package's own build root.
    pub direct: bool,
    /// The packages in whose build roots it was.
    pub through: BTreeSet<String>,
}

impl Lineage {
    /// Whether nothing foreign went in, as far as that is known of everything.
    #[must_use]
    pub fn is_ours_alone(&self) -> bool {
        self.seeds.is_empty() && self.unknown.is_empty()
    }
}

/// Follows the provenance of the package `name` whose content is `content`.
pub fn lineage(store: &Store, name: &str, content: &Digest) -> Result<Lineage, ProvenanceError> {
    let mut lineage = Lineage::default();
    let mut waiting = VecDeque::from([(name.to_owned(), *content)]);
    let mut seen = BTreeSet::from([*content]);
    while let Some((builder, content)) = waiting.pop_front() {
        let Some(statement) = kept(store, &content)?.into_iter().next() else {
            lineage.unknown.insert(builder, content);
            continue;
        };
        let direct = seen.len() == 1;
        let text = |one: &attest::intoto::Resource| one.name.clone().unwrap_or_default();
        for seed in statement.predicate.taken(kind::SEED) {
            let Some(content) = seed.digest() else { continue };
            let version = seed.annotation("version").unwrap_or_default().to_owned();
            let entry = lineage.seeds.entry(text(seed));
            let entry = entry.or_insert_with(|| Seed { version, purl: seed.uri.clone(), content, direct, through: BTreeSet::new() });
            entry.through.insert(builder.clone());
        }
        for package in statement.predicate.taken(kind::PACKAGE) {
            let Some(content) = package.digest() else { continue };
            lineage.packages.entry(text(package)).or_default().insert(content);
            if seen.insert(content) {
                waiting.push_back((text(package), content));
            }
        }
    }
    Ok(lineage)
}

/// Returns the statement about `content` and those of everything it was built with, each once, the first first: all that a rebuild
/// from nothing but sources needs. Of several runs that gave one content, the last is told
/// of whose root everything is known; the root of an older one may be nothing that can be made today.
pub fn closure(store: &Store, content: &Digest) -> Result<Vec<Provenance>, ProvenanceError> {
    let mut all: Vec<Provenance> = Vec::new();
    let (mut waiting, mut seen) = (VecDeque::from([*content]), BTreeSet::from([*content]));
    while let Some(content) = waiting.pop_front() {
        let Some(statement) = best(store, &content)? else { continue };
        for package in statement.predicate.taken(kind::PACKAGE).filter_map(attest::intoto::Resource::digest) {
            if seen.insert(package) {
                waiting.push_back(package);
            }
        }
        if !all.contains(&statement) {
            all.push(statement);
        }
    }
    Ok(all)
}

/// The last statement about `content` that names no package without a statement of its own; else the last.
fn best(store: &Store, content: &Digest) -> Result<Option<Provenance>, ProvenanceError> {
    let mut all = kept(store, content)?;
    let last = all.last().cloned();
    while let Some(statement) = all.pop() {
        let mut known = true;
        for package in statement.predicate.taken(kind::PACKAGE).filter_map(attest::intoto::Resource::digest) {
            known = known && !kept(store, &package)?.is_empty();
        }
        if known {
            return Ok(Some(statement));
        }
    }
    Ok(last)
}
