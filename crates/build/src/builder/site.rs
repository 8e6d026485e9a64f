//! Where steps are carried out: sources at hand, a root and a workspace, and what is told when a step fails.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use attest::intoto::Resource;
use base::{Digest, PackageName, Task};
use fs_err as fs;
use spec::Recipe;
use spec::recipe;

use super::Builder;
use super::definition::Prepared;
use crate::error::BuildError;
use crate::provenance;
use crate::run::{self, Site, SiteError, StepError};
use crate::schedule::Processors;
use crate::sources;
use crate::timeline::{self, Phase};
use crate::work::{Fetch, Job};

impl Builder<'_> {
    /// Brings every source into the store before a sandbox is made, and describes them.
    pub(super) fn bring_sources(&self, package: &PackageName, jobs: &[Job], task: &Task) -> Result<Vec<Resource>, BuildError> {
        let piece = timeline::piece_of(task);
        let bring = |fetch: &Fetch| {
            let _fetching = self.timeline.measure(&piece, Phase::Fetch, &fetch.file_name);
            let error = |source: source::FetchError| BuildError::Source { package: package.clone(), source: Box::new(source.into()) };
            let fetched = sources::bring(fetch, package.as_str(), self.fetcher, self.reporter).map_err(error)?;
            Ok(provenance::source(fetch, &fetched, package.as_str()))
        };
        sources::pinned(jobs).map(bring).collect()
    }

    /// Makes root and workspace for a build or a test.
    pub(super) fn site(
        &self,
        name: &str,
        package: &PackageName,
        prepared: &Prepared<'_>,
        environment: &recipe::Environment,
        timeout: Option<Duration>,
        task: &Task,
    ) -> Result<Site, BuildError> {
        let _making = self.timeline.measure(&timeline::piece_of(task), Phase::Environment, "");
        let contents: Vec<Digest> = prepared.environment.iter().map(|member| member.content).collect();
        let root_error = |source| BuildError::Root { package: package.clone(), source: Box::new(source) };
        let root = image::root::make(self.store, &contents, self.reporter).map_err(root_error)?;
        let mut variables = run::constants(prepared.epoch);
        variables.extend(environment.env.clone());
        let mut site = Site::open(self.store, name, root.lowers, variables, timeout)?;
        site.vary(self.variation).map_err(SiteError::Io)?;
        if let Some(files) = &prepared.files {
            let copied = files.copy(&prepared.definition.folder, site.workspace.root(), prepared.epoch);
            copied.map_err(|source| BuildError::Place { package: package.clone(), source: Box::new(source.into()) })?;
        }
        Ok(site)
    }

    pub(super) fn steps(&self, site: &mut Site, work: &Steps<'_>, processors: Processors<'_>) -> Result<(), BuildError> {
        let Steps { jobs, package, epoch, task, shell } = *work;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch.unsigned_abs());
        site.run(jobs, &self.means(processors), task, time).map_err(|(index, source)| match source {
            StepError::Stopped => BuildError::Stopped,
            _ if self.stop.load(Ordering::Relaxed) => BuildError::Stopped,
            source => BuildError::Step {
                package: package.clone(),
                step: jobs.get(index).map(|job| job.label.as_str().into()).unwrap_or_default(),
                number: index + 1,
                of: jobs.len(),
                log: site.log_path().into(),
                tail: tail(&site.log_path()),
                shell: shell.into(),
                source: Box::new(source),
            },
        })
    }

    pub(super) fn keep_log(&self, site: &Site) -> Result<Option<Digest>, BuildError> {
        let Ok(mut file) = fs::File::open(site.log_path()) else { return Ok(None) };
        Ok(Some(self.store.put_from(&mut file)?.0))
    }
}

/// Steps that are carried out in a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) jobs: &'a [Job],
    pub(super) package: &'a PackageName,
    pub(super) epoch: i64,
    /// Whom the reporter hears of.
    pub(super) task: &'a Task,
    /// The command that opens a shell where a step failed.
    pub(super) shell: &'a str,
}

/// The folder in which a recipe is built; tests and shells have others.
pub(super) fn site_name(recipe: &Recipe) -> String {
    format!("build-{}-{}", recipe.name, recipe.arch)
}

/// How many lines of a log an error shows.
const TAIL: usize = 20;

/// The most that is read of a log for its last lines.
const TAIL_BYTES: u64 = 64 << 10;

fn tail(log: &Path) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // The error itself is what must be told; without a log it is told without its last lines.
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].iter().map(|line| (*line).to_owned()).collect()
}
