//! Builds a package from its provenance: the definition's text, the sources and the seeds are all named there by digest.
//!
//! The packages of ours that were in the root are taken from the store or a mirror, else rebuilt first, each from its own
//! statement. So a closure of statements and a mirror of sources are enough, without any folder of definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use attest::intoto::Resource;
use attest::slsa::{PACKAGE_BUILD, Provenance};
use base::tree::TreePath;
use base::{Arch, Digest, PackageName, Reporter, Store, Version};
use sandbox::Launcher;
use serde::Serialize;
use source::debian::{Signature, Unchecked};
use source::{Expected, Fetcher, Request};
use spec::seed::Seed;

use crate::builder::Builder;
use crate::distro::{Distro, DistroError};
use crate::environment::Member;
use crate::error::BuildError;
use crate::provenance::{Host, ProvenanceError, kind, restore};
use crate::reproduce::Variation;
use crate::schedule::{Limits, OnFailure};
use crate::seed::{self, Lock, Locked, Release, SeedError};
use crate::timeline::Timeline;

/// A package that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// The definition.
    pub origin: PackageName,
    /// Whether each package has the content that its provenance names.
    pub equal: bool,
    /// The packages: the content that is named, and the one that came out.
    pub packages: BTreeMap<String, (Option<Digest>, Option<Digest>)>,
    /// Whether this undistro carries the definition out by the very same actions.
    pub same_actions: bool,
}

/// A package can not be rebuilt from its provenance.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The statement is about something else.
    #[error("the statement is of the build type {0}; packages are rebuilt from {PACKAGE_BUILD}")]
    Type(String),
    /// Something that a rebuild needs is not in the statement.
    #[error("the provenance of {package} does not say {what}")]
    Lacking {
        /// Of which package.
        package: String,
        /// What is missing.
        what: String,
    },
    /// A package of the root is nowhere.
    #[error("{name} {content}, which {package} was built with, is in no store and no mirror, and no provenance of it was given")]
    Missing {
        /// Which package.
        name: String,
        /// Its content.
        content: Digest,
        /// Who needs it.
        package: String,
    },
    /// A package of the root was rebuilt and is another.
    #[error("{name}, which {package} was built with, comes out as {actual} and not as {expected}")]
    Other {
        /// Which package.
        name: String,
        /// Who needs it.
        package: String,
        /// What the provenance names.
        expected: Digest,
        /// What came out.
        actual: Digest,
    },
    /// The definition can not be put back or read.
    #[error("the definition of {package}")]
    Provenance {
        /// Of which package.
        package: String,
        /// Why.
        #[source]
        source: ProvenanceError,
    },
    /// The definition can not be read.
    #[error("the definition of {package}")]
    Definition {
        /// Of which package.
        package: String,
        /// Why.
        #[source]
        source: Box<DistroError>,
    },
    /// The definition holds what this undistro takes for a mistake.
    #[error("this undistro does not accept the definition of {package}:\n{mistakes}")]
    Mistaken {
        /// Of which package.
        package: String,
        /// The mistakes.
        mistakes: String,
    },
    /// A seed can not be had.
    #[error("a seed that {package} was built with")]
    Seed {
        /// Of which package.
        package: String,
        /// Why.
        #[source]
        source: Box<SeedError>,
    },
    /// The build failed.
    #[error(transparent)]
    Build(Box<BuildError>),
}

impl From<BuildError> for RebuildError {
    fn from(error: BuildError) -> Self {
        Self::Build(Box::new(error))
    }
}

/// What a rebuild works with. A store that holds no results makes it a real one.
#[derive(Clone, Copy)]
pub struct Workbench<'a> {
    /// Where everything is kept.
    pub store: &'a Store,
    /// Brings sources, seeds, and packages that a mirror has.
    pub fetcher: &'a Fetcher<'a>,
    /// Becomes the sandbox.
    pub launcher: &'a Launcher,
    /// Hears of progress.
    pub reporter: &'a dyn Reporter,
    /// The machine and the program, for provenance.
    pub host: &'a dyn Host,
    /// Set by the caller to end.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Workbench<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workbench").field("store", &self.store.root()).finish_non_exhaustive()
    }
}

/// Rebuilds what the first of `statements` is about, and before it what is missing of its root. Definitions are written below
/// `folder`. The last that is returned is what was asked for.
pub fn rebuild(statements: &[Provenance], folder: &Path, bench: Workbench<'_>) -> Result<Vec<Rebuilt>, RebuildError> {
    let mut rebuild = Rebuild { bench, statements, folder, done: Vec::new() };
    if let Some(first) = statements.first() {
        rebuild.one(first)?;
    }
    Ok(rebuild.done)
}

/// A rebuild from `statements`, the first of which is what is asked for.
struct Rebuild<'a> {
    bench: Workbench<'a>,
    statements: &'a [Provenance],
    folder: &'a Path,
    done: Vec<Rebuilt>,
}

impl Rebuild<'_> {
    fn one(&mut self, statement: &Provenance) -> Result<(), RebuildError> {
        let definition = &statement.predicate.build_definition;
        if definition.build_type != PACKAGE_BUILD {
            return Err(RebuildError::Type(definition.build_type.clone()));
        }
        let parameter = |name: &str| definition.external_parameters.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let lacking = |what: &str| RebuildError::Lacking { package: "a package".to_owned(), what: what.to_owned() };
        let origin: PackageName = parameter("package").and_then(|name| name.parse().ok()).ok_or_else(|| lacking("what it is called"))?;
        let arch: Arch = parameter("arch").and_then(|arch| arch.parse().ok()).ok_or_else(|| lacking("its architecture"))?;
        let environment = self.environment(statement, &origin, arch)?;
        let package = origin.to_string();
        let folder = self.folder.join(origin.as_str());
        restore(statement.predicate.taken(kind::DEFINITION), &folder)
            .map_err(|source| RebuildError::Provenance { package: package.clone(), source })?;
        let distro = Distro::load(&folder, arch)
            .map_err(|source| RebuildError::Definition { package: package.clone(), source: Box::new(source) })?;
        if let Some(mistaken) = distro.mistaken().next() {
            let mistakes = mistaken.diagnostics.render(&mistaken.path.display().to_string(), &mistaken.text);
            return Err(RebuildError::Mistaken { package, mistakes });
        }
        let Workbench { store, fetcher, launcher, reporter, host, stop } = self.bench;
        let variation = &Variation::default();
        let (limits, on_failure, timeline) = (Limits::jobs(host.cpus()), OnFailure::Finish, &Timeline::default());
        let builder = Builder {
            distro: &distro,
            store,
            fetcher,
            launcher,
            seeds: &[],
            limits,
            on_failure,
            timeline,
            reporter,
            host,
            variation,
            stop,
        };
        let built = builder.build_in(&origin, environment)?;
        let mut packages: BTreeMap<String, (Option<Digest>, Option<Digest>)> = BTreeMap::new();
        for subject in &statement.subject {
            let content = subject.annotation("content").and_then(|text| text.parse().ok());
            packages.entry(subject.name.clone().unwrap_or_default()).or_default().0 = content;
        }
        for record in &built.packages {
            let name = format!("{}.apk", record.info.identity());
            // A statement about one signed file is about that package alone.
            if let Some(entry) = packages.get_mut(&name) {
                entry.1 = record.content;
            }
        }
        let equal = packages.values().all(|(named, made)| named.is_some() && named == made);
        let same_actions = definition.internal_parameters.get("actions") == serde_json::to_value(built.actions).ok().as_ref();
        self.done.push(Rebuilt { origin, equal, packages, same_actions });
        Ok(())
    }

    /// Brings every package of the root into the store.
    fn environment(&mut self, statement: &Provenance, origin: &PackageName, arch: Arch) -> Result<Vec<Member>, RebuildError> {
        let seeds: Vec<&Resource> = statement.predicate.taken(kind::SEED).collect();
        self.seeds(&seeds, origin, arch)?;
        for resource in statement.predicate.taken(kind::PACKAGE) {
            self.package(resource, origin)?;
        }
        let is_member = |resource: &&Resource| matches!(resource.annotation("kind"), Some(kind::SEED | kind::PACKAGE));
        let members = statement.predicate.build_definition.resolved_dependencies.iter().filter(is_member);
        members.map(|resource| member(resource, origin)).collect()
    }

    fn package(&mut self, resource: &Resource, origin: &PackageName) -> Result<(), RebuildError> {
        let Member { name, content, .. } = member(resource, origin)?;
        let store = self.bench.store;
        let request =
            Request { name: format!("{name}.apk"), uris: Vec::new(), expected: Expected::Sha256(content), size: None, relock: None };
        if store.blob(&content).is_some() || self.bench.fetcher.fetch(&request, self.bench.reporter).is_ok() {
            return Ok(());
        }
        let text = content.to_string();
        let is_about = |one: &&Provenance| one.subject.iter().any(|subject| subject.annotation("content") == Some(text.as_str()));
        let missing = || RebuildError::Missing { name: name.to_string(), content, package: origin.to_string() };
        let statement = self.statements.iter().find(is_about).ok_or_else(missing)?;
        self.one(statement)?;
        if store.blob(&content).is_some() {
            return Ok(());
        }
        let made = self.done.last().and_then(|rebuilt| rebuilt.packages.values().find(|(named, _)| *named == Some(content)));
        let actual = made.and_then(|(_, made)| *made).ok_or_else(missing)?;
        Err(RebuildError::Other { name: name.to_string(), package: origin.to_string(), expected: content, actual })
    }

    /// Converts the seeds again, from the foreign packages that they were made of.
    fn seeds(&self, seeds: &[&Resource], origin: &PackageName, arch: Arch) -> Result<(), RebuildError> {
        let is_there = |one: &&Resource| one.digest().is_some_and(|digest| self.bench.store.blob(&digest).is_some());
        if seeds.iter().all(is_there) {
            return Ok(());
        }
        let lacking = |one: &Resource| RebuildError::Lacking {
            package: origin.to_string(),
            what: format!("of which file the seed {} was made", one.name.as_deref().unwrap_or("?")),
        };
        let (mut locked, mut links) = (Vec::new(), BTreeMap::new());
        for one in seeds {
            let deb: Locked =
                one.annotations.get("deb").and_then(|deb| serde_json::from_value(deb.clone()).ok()).ok_or_else(|| lacking(one))?;
            if let Some(stated) = one.annotations.get("links") {
                let stated: BTreeMap<TreePath, String> = serde_json::from_value(stated.clone()).map_err(|_| lacking(one))?;
                links.insert(deb.name.clone(), stated);
            }
            locked.push(deb);
        }
        let release = Release { version: None, date: None, signature: Signature::Unchecked(Unchecked::Waived) };
        let lock = Lock::new(arch, "provenance".into(), "provenance".into(), release, locked);
        let seed = Seed {
            suite: String::new(),
            component: String::new(),
            packages: BTreeSet::new(),
            without: BTreeMap::new(),
            links,
            licenses: BTreeMap::new(),
        };
        let made = seed::repository(&lock, &seed, self.bench.fetcher, self.bench.reporter)
            .map_err(|source| RebuildError::Seed { package: origin.to_string(), source: Box::new(source) })?;
        for one in seeds {
            let member = member(one, origin)?;
            let actual = made.records.iter().find(|record| record.info.name == member.name).and_then(|record| record.content);
            match actual {
                Some(actual) if actual != member.content => {
                    return Err(RebuildError::Other {
                        name: member.name.to_string(),
                        package: origin.to_string(),
                        expected: member.content,
                        actual,
                    });
                }
                Some(_) => {}
                None => return Err(lacking(one)),
            }
        }
        Ok(())
    }
}

/// Reads back which package of the root a resource is.
fn member(resource: &Resource, origin: &PackageName) -> Result<Member, RebuildError> {
    let lacking = |what: &str| RebuildError::Lacking {
        package: origin.to_string(),
        what: format!("the {what} of {}", resource.name.as_deref().unwrap_or("a package of its root")),
    };
    let name: PackageName = resource.name.as_deref().and_then(|name| name.parse().ok()).ok_or_else(|| lacking("name"))?;
    let version: Version = resource.annotation("version").and_then(|text| text.parse().ok()).ok_or_else(|| lacking("version"))?;
    let content = resource.digest().ok_or_else(|| lacking("content"))?;
    Ok(Member { name, version, content, seed: resource.annotation("kind") == Some(kind::SEED) })
}
