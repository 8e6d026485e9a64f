//! Builds packages in order, tests them, and opens shells: the actions put together.

mod definition;
mod report;
mod shell;
mod site;
mod test;

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
use crate::schedule::{self, Limits, OnFailure, Pace, Processors};
use crate::timeline::Timeline;

pub use report::{Actions, Attempt, Built, Outcome, Report, Tested};

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
    /// What may be used at one time.
    pub limits: Limits,
    /// What is done when a build fails.
    pub on_failure: OnFailure,
    /// Hears where the time goes.
    pub timeline: &'a Timeline,
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
        f.debug_struct("Builder").field("distro", &self.distro.folder).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<'a> Builder<'a> {
    /// Says in which order `targets` and what they need would be built.
    pub fn order(&self, targets: &[String]) -> Result<Order, BuildError> {
        Ok(graph::order(self.distro, targets)?)
    }

    /// Builds `targets` and what they need: to be built, and to run. The first failure is the error; see [`Builder::attempt`].
    pub fn build(&self, targets: &[String]) -> Result<Report, BuildError> {
        self.build_order(&self.order(targets)?)
    }

    /// Builds `targets` and what they need, and reports what was built, what failed, and what could not be built therefore.
    pub fn attempt(&self, targets: &[String]) -> Result<Attempt<Report>, BuildError> {
        self.attempt_order(&self.order(targets)?)
    }

    fn build_order(&self, order: &Order) -> Result<Report, BuildError> {
        self.attempt_order(order)?.whole()
    }

    fn attempt_order(&self, order: &Order) -> Result<Attempt<Report>, BuildError> {
        let arch = self.distro.arch;
        let resources = order.definitions.iter().filter_map(|origin| Some((origin, &self.distro.definition(origin)?.recipe.resources)));
        let loads = schedule::loads(self.store, "build", arch, resources);
        for origin in &order.definitions {
            let needs = order.needs.get(origin).into_iter().flatten().map(PackageName::to_string).collect();
            let load = loads.get(origin);
            self.timeline.planned(origin.as_str(), needs, load.filter(|load| load.is_known).map(|load| load.seconds));
        }
        let build = |origin: &PackageName, needs: &[Arc<Built>], processors: Processors<'_>| {
            let ours: Vec<Record> = needs.iter().flat_map(|built| built.packages.iter().cloned()).collect();
            self.build_one(origin, &ours, processors).map(Arc::new)
        };
        let load = |origin: &PackageName| loads.get(origin).copied().unwrap_or_default();
        let mut ran = schedule::run(order, self.pace(), load, &build);
        let built = order.definitions.iter().filter_map(|origin| ran.done.remove(origin)).map(Arc::unwrap_or_clone);
        let report = Report { built: built.collect(), needs: order.needs.clone() };
        Ok(Attempt { report, failed: ran.failed, held: ran.held, left: ran.left })
    }

    fn pace(&self) -> Pace<'a> {
        Pace { limits: self.limits, on_failure: self.on_failure, stop: self.stop, reporter: self.reporter }
    }

    pub(crate) fn means<'m>(&self, processors: Processors<'m>) -> Means<'m>
    where
        'a: 'm,
    {
        let Self { store, fetcher, launcher, reporter, timeline, stop, .. } = *self;
        Means { store, fetcher, launcher, reporter, timeline, stop, processors, first_cpu: self.limits.first_cpu }
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
