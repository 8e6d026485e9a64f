//! Builds packages in order, tests them, and opens shells: the actions put together.

mod definition;
mod report;
mod shell;
mod site;
mod test;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use apk::Record;
use attest::key::{Named, PrivateKey};
use base::{Finish, PackageName, Reporter, Store, Task, TaskKind};
use sandbox::Launcher;
use source::Fetcher;

use crate::distro::{Definition, Distro};
use crate::error::BuildError;
use crate::graph::{self, Order};
use crate::provenance::Host;
use crate::reproduce::Variation;
use crate::run::Means;
use crate::schedule;

pub use report::{Actions, Built, Outcome, Report, Tested};

/// Builds the packages of one distribution.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// The definitions.
    pub distro: &'a Distro,
    /// Where everything is kept.
    pub store: &'a Store,
    /// Brings sources.
    pub fetcher: &'a Fetcher<'a>,
    /// Becomes the sandbox.
    pub launcher: &'a Launcher,
    /// The seeds that the first packages are built with.
    pub seeds: &'a [Record],
    /// How many packages are built at one time.
    pub jobs: usize,
    /// Hears of progress.
    pub reporter: &'a dyn Reporter,
    /// The machine and the program, for provenance.
    pub host: &'a dyn Host,
    /// Circumstances that are to be other than usual, to show that they change nothing. It is no part of any key.
    pub variation: &'a Variation,
    /// Set by the caller to end: no further step begins, and what is finished stays.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("distro", &self.distro.folder).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

/// The most packages that are built at one time. Each uses all processors in its own `make`; more at a time help only while
/// the others configure, and take memory.
const MOST_BUILDS: usize = 4;

impl<'a> Builder<'a> {
    /// Says in which order `targets` and what they need would be built.
    pub fn order(&self, targets: &[String]) -> Result<Order, BuildError> {
        Ok(graph::order(self.distro, targets)?)
    }

    /// Builds `targets` and what they need: to be built, and to run.
    pub fn build(&self, targets: &[String]) -> Result<Report, BuildError> {
        self.build_order(&graph::order(self.distro, targets)?)
    }

    fn build_order(&self, order: &Order) -> Result<Report, BuildError> {
        let build = |origin: &PackageName, done: &BTreeMap<PackageName, Arc<Built>>| {
            self.build_one(origin, &available(order, origin, done)).map(Arc::new)
        };
        let mut done = schedule::run(order, self.jobs.clamp(1, MOST_BUILDS), self.stop, &build)?;
        let built = order.definitions.iter().filter_map(|origin| done.remove(origin)).map(Arc::unwrap_or_clone);
        Ok(Report { built: built.collect() })
    }

    pub(crate) fn means(&self) -> Means<'a> {
        Means { store: self.store, fetcher: self.fetcher, launcher: self.launcher, reporter: self.reporter, stop: self.stop }
    }

    fn definition(&self, origin: &PackageName) -> Result<&'a Definition, BuildError> {
        self.distro.definition(origin).ok_or_else(|| BuildError::NoDefinition(origin.clone()))
    }

    /// Writes a signed repository of what a build reported: `dir/ARCH/NAME-VERSION.apk` and `dir/ARCH/APKINDEX.tar.gz`.
    pub fn index(&self, report: &Report, dir: &Path, key: &Named<PrivateKey>) -> Result<Vec<Record>, BuildError> {
        let task = Task::new(TaskKind::Index, dir.display().to_string());
        self.reporter.started(&task);
        let written = self.write_index(report, dir, key);
        self.reporter.finished(&task, if written.is_ok() { Finish::Done } else { Finish::Failed });
        written
    }

    fn write_index(&self, report: &Report, dir: &Path, key: &Named<PrivateKey>) -> Result<Vec<Record>, BuildError> {
        let contents = report.packages().filter_map(|record| record.content);
        let opened = contents.map(|content| apk::Package::open_blob(self.store, &content)).collect::<Result<Vec<_>, _>>();
        let packages = opened.map_err(apk::repository::RepositoryError::Package)?;
        let settings = &self.distro.settings;
        let description =
            settings.version_id.as_ref().map_or_else(|| settings.name.clone(), |version| format!("{} {version}", settings.name));
        Ok(apk::repository::write(dir, self.distro.arch.apk(), &description, &packages, key)?.records)
    }
}

/// The packages of all that `origin` needs.
fn available(order: &Order, origin: &PackageName, done: &BTreeMap<PackageName, Arc<Built>>) -> Vec<Record> {
    let needs = order.needs.get(origin);
    let built = needs.into_iter().flatten().filter_map(|need| done.get(need));
    built.flat_map(|built| built.packages.iter().cloned()).collect()
}
