//! Carries out work in a build root: scripts in the sandbox, native steps on the host between them.

mod log;
mod script;
mod strip;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use base::store::remove_tree;
use base::{PackageName, Reporter, Store, StoreError, Task, TaskKind};
use fs_err as fs;
use sandbox::{Bind, Launcher, Outcome, Ownership, Plan, Root, SandboxError};
use serde::{Deserialize, Serialize};
use source::{Fetcher, UnpackError};
use spec::recipe::{Backoff, OUTPUTS, Retry, WORKSPACE};

use crate::native::patch::{self, PatchError};
use crate::native::place::{PlaceError, Workspace};
use crate::native::split::{SplitError, split};
use crate::reproduce::Variation;
use crate::schedule::Processors;
use crate::sources;
use crate::timeline::{self, Phase, Timeline};
use crate::work::{Fetch, Job, Work};

pub(crate) use log::Log;
pub(crate) use script::constants;

/// What every run is given by its caller.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) store: &'a Store,
    pub(crate) fetcher: &'a Fetcher<'a>,
    pub(crate) launcher: &'a Launcher,
    pub(crate) reporter: &'a dyn Reporter,
    /// Set when the caller wants to end; then no further step begins.
    pub(crate) stop: &'a AtomicBool,
    pub(crate) timeline: &'a Timeline,
    /// How many processors a step may count on, asked when it begins.
    pub(crate) processors: Processors<'a>,
    /// The first of them, where not all are used.
    pub(crate) first_cpu: usize,
}

/// Why a step did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Its script or program ended badly.
    #[error("{}", ended(.0))]
    Ended(Outcome),
    /// The sandbox could not be made.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A source can not be had.
    #[error(transparent)]
    Fetch(#[from] source::FetchError),
    /// A source can not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A patch does not apply.
    #[error("the patch {name}")]
    Patch {
        /// The patch.
        name: String,
        /// Why.
        #[source]
        source: PatchError,
    },
    /// A patch is too large to be one.
    #[error("the patch {name} has more than {MAX_PATCH} bytes")]
    LargePatch {
        /// The patch.
        name: String,
    },
    /// Files can not be moved to the package.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A place is outside of the workspace, or not there.
    #[error("`{place}`")]
    Place {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// The operating system refused; its message names the path.
    #[error("in the workspace")]
    Io(#[source] io::Error),
    /// The caller asked to end.
    #[error("stopped")]
    Stopped,
}

/// The largest patch. The diff between two releases of Linux, the largest that anyone ships, has some 100 MB.
const MAX_PATCH: u64 = 256 << 20;

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(code) => format!("it ended with exit code {code}"),
        Outcome::Signaled(signal) => format!("signal {signal} killed it"),
        Outcome::TimedOut => "it took longer than the definition's timeout and was killed".to_owned(),
    }
}

/// A folder of the store in which one run works: the workspace, the scratch top of the root, the log.
#[derive(Debug)]
pub(crate) struct Site {
    folder: PathBuf,
    pub(crate) workspace: Workspace,
    pub(crate) log: Log,
    /// Who is to own what the steps made.
    pub(crate) ownership: Ownership,
    /// Whether it was told that this machine can not record owners.
    told_unrecorded: bool,
    /// Everything but the command.
    plan: Plan,
}

/// What a failed step leaves for a person, in `failed.json` of its site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failed {
    /// The step.
    pub label: String,
    /// Exactly what was run, or what a native step would have been run beside.
    pub plan: Plan,
    /// The directory that the step works in.
    pub directory: String,
}

/// The file in a site that says how a failed step can be looked at.
const FAILED: &str = "failed.json";

impl Site {
    /// Makes the site `name` anew: what an earlier run left there goes.
    ///
    /// `lowers` is the build root, topmost first; `environment` is what every step sees.
    pub(crate) fn open(
        store: &Store,
        name: &str,
        lowers: Vec<PathBuf>,
        environment: BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<Self, SiteError> {
        let folder = store.work_path(name);
        clear(&folder)?;
        let (home, scratch) = (folder.join("home"), folder.join("scratch"));
        for path in [&folder, &home, &scratch] {
            fs::create_dir(path).map_err(SiteError::Io)?;
        }
        let mut plan = Plan::new(Root::overlay(lowers, scratch), ["/bin/sh"]);
        plan.environment = environment;
        plan.limits.wall = timeout;
        let workspace = Workspace::new(&home).map_err(SiteError::Io)?;
        plan.binds.push(Bind { source: workspace.root().to_owned(), target: WORKSPACE.to_owned(), writable: true });
        let log = Log::create(&folder.join("log")).map_err(SiteError::Io)?;
        Ok(Self { folder, workspace, log, ownership: Ownership::new(), told_unrecorded: false, plan })
    }

    /// Returns where the log is while the site is there.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Returns the folder on the host that the package's files go to, making it if it is not there.
    pub(crate) fn output(&self, package: &PackageName) -> Result<PathBuf, PlaceError> {
        self.workspace.directory(Some(OUTPUTS), package.as_str())
    }

    /// Whether owners, set-id bits and devices that steps made were recorded, as far as anything was run.
    pub(crate) fn owners_recorded(&self) -> bool {
        !self.told_unrecorded
    }

    /// Gives the steps other circumstances, which must change nothing that they make.
    pub(crate) fn vary(&mut self, variation: &Variation) -> io::Result<()> {
        variation.apply(&mut self.plan, &self.folder)
    }

    /// A plan to run `command` here.
    pub(crate) fn plan(&self, command: Vec<String>) -> Plan {
        Plan { command, ..self.plan.clone() }
    }

    /// Removes all of it.
    pub(crate) fn remove(self) -> Result<(), SiteError> {
        clear(&self.folder)
    }

    /// Notes for [`failed`] which step failed.
    fn note_failure(&self, failed: &Failed) -> io::Result<()> {
        fs::write(self.folder.join(FAILED), serde_json::to_vec_pretty(failed)?)
    }

    /// Carries out jobs in turn. On failure: which one, and why.
    pub(crate) fn run(&mut self, jobs: &[Job], means: &Means<'_>, task: &Task, time: SystemTime) -> Result<(), (usize, StepError)> {
        for (index, job) in jobs.iter().enumerate() {
            means.reporter.step(task, &job.label);
            means.reporter.advanced(task, index as u64 + 1, Some(jobs.len() as u64));
            let phase = if task.kind == TaskKind::Test { Phase::Test } else { Phase::Step };
            let _running = means.timeline.measure(&timeline::piece_of(task), phase, &job.label);
            if let Err(error) = self.attempt(job, means, task, time) {
                self.log.flush(means.reporter, task);
                let plan = self.script_plan(job, "");
                let directory = job.directory.clone().unwrap_or_else(|| WORKSPACE.to_owned());
                // The failure itself is what the caller must hear of, not that a note of it could not be written.
                let _ = self.note_failure(&Failed { label: job.label.clone(), plan, directory });
                return Err((index, error));
            }
        }
        self.log.flush(means.reporter, task);
        Ok(())
    }

    /// Carries out one job, again where it asks for it.
    fn attempt(&mut self, job: &Job, means: &Means<'_>, task: &Task, time: SystemTime) -> Result<(), StepError> {
        let attempts = job.retry.map_or(1, |retry| retry.attempts.max(1));
        for attempt in 1.. {
            if means.stop.load(Ordering::Relaxed) {
                return Err(StepError::Stopped);
            }
            match self.carry_out(job, means, task, time) {
                Err(StepError::Ended(outcome)) if attempt < attempts => {
                    let delay = job.retry.map_or(Duration::ZERO, |retry| delay(retry, attempt));
                    let text = format!("attempt {attempt} of {attempts}: {}; next in {} s", ended(&outcome), delay.as_secs_f64());
                    self.log.note(&text, means.reporter, task);
                    std::thread::sleep(delay);
                }
                done => return done,
            }
        }
        unreachable!("the last attempt returns")
    }

    fn carry_out(&mut self, job: &Job, means: &Means<'_>, task: &Task, time: SystemTime) -> Result<(), StepError> {
        self.log.note(&format!("== {}", job.label), means.reporter, task);
        match &job.work {
            Work::Script(script) => {
                let mut plan = self.script_plan(job, script);
                // A variation of a build may have its own number.
                if plan.limits.cpus.is_none() {
                    plan.limits.cpus = Some((means.processors)());
                    plan.limits.first_cpu = means.first_cpu;
                }
                self.command(&plan, means, task)
            }
            Work::Fetch(fetch) => self.fetch(job, fetch, means),
            Work::Patch { patches, series, strip, fuzz } => {
                let base = patch::Options { strip: *strip, fuzz: *fuzz, time };
                self.patch(job, patches, series.as_deref(), base, means, task)
            }
            Work::Strip { options } => strip::strip(self, &job.context, options, means, task),
            Work::Split { from, rule } => {
                let place = |source| StepError::Place { place: from.to_string(), source };
                let (from, into) = (self.output(from).map_err(place)?, self.output(&job.context).map_err(place)?);
                for path in split(rule, &from, &into)? {
                    self.log.note(&path, means.reporter, task);
                }
                Ok(())
            }
        }
    }

    /// Runs a program in the sandbox; its output goes to the log.
    fn command(&mut self, plan: &Plan, means: &Means<'_>, task: &Task) -> Result<(), StepError> {
        let log = &mut self.log;
        let mut output = |bytes: &[u8]| log.write(bytes, means.reporter, task);
        let ran = sandbox::record(plan, means.launcher, &mut self.ownership, &mut output)?;
        log.flush(means.reporter, task);
        if let Some(failure) = ran.unrecorded.filter(|_| !self.told_unrecorded) {
            self.told_unrecorded = true;
            means.reporter.warned(&format!("{}: owners can not be recorded here: {failure}", task.name));
        }
        if ran.outcome.success() { Ok(()) } else { Err(StepError::Ended(ran.outcome)) }
    }

    fn fetch(&mut self, job: &Job, fetch: &Fetch, means: &Means<'_>) -> Result<(), StepError> {
        // It was brought into the store before the sandbox was made; here it is only found.
        let fetched = sources::bring(fetch, job.context.as_str(), means.fetcher, &())?;
        let base = job.directory.as_deref();
        let directory = |place: &str| {
            let error = |source| StepError::Place { place: place.to_owned(), source };
            self.workspace.directory(base, place).map_err(error)
        };
        let here = directory(".")?;
        if !(fetch.delete && fetch.unpack.is_some()) {
            source::place_file(means.store, &fetched.digest, &fetch.file_name, &here)?;
        }
        if let Some(unpack) = &fetch.unpack {
            let into = directory(&unpack.directory)?;
            source::unpack(means.store, &fetched.digest, &fetch.file_name, &into, unpack.strip, source::Limits::default())?;
        }
        Ok(())
    }

    fn patch(
        &mut self,
        job: &Job,
        patches: &[String],
        series: Option<&str>,
        options: patch::Options,
        means: &Means<'_>,
        task: &Task,
    ) -> Result<(), StepError> {
        let base = job.directory.as_deref();
        let read = |name: &str| {
            let error = |source| StepError::Place { place: name.to_owned(), source };
            let path = self.workspace.existing(base, name).map_err(error)?;
            let mut text = Vec::new();
            fs::File::open(path).and_then(|file| file.take(MAX_PATCH + 1).read_to_end(&mut text)).map_err(StepError::Io)?;
            if text.len() as u64 > MAX_PATCH { Err(StepError::LargePatch { name: name.to_owned() }) } else { Ok(text) }
        };
        let mut list: Vec<(String, patch::Options)> = patches.iter().map(|name| (name.clone(), options)).collect();
        if let Some(series) = series {
            list = patch::series(&String::from_utf8_lossy(&read(series)?), options);
        }
        for (name, options) in list {
            let error = |source| StepError::Patch { name: name.clone(), source };
            let changes = patch::apply(&read(&name)?, &self.workspace, base, options).map_err(error)?;
            self.log.note(&name, means.reporter, task);
            for change in changes {
                let notes = if change.notes.is_empty() { String::new() } else { format!(": {}", change.notes.join(", ")) };
                self.log.note(&format!("  {}{notes}", change.name), means.reporter, task);
            }
        }
        Ok(())
    }
}

/// A folder to work in can not be had.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The operating system refused; its message names the path.
    #[error("while making a folder to build in")]
    Io(#[source] io::Error),
    /// What a former run left can not be read.
    #[error("{} can not be read", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

/// Returns what the failed run `name` left, if there is one.
pub(crate) fn failed(store: &Store, name: &str) -> Result<Option<Failed>, SiteError> {
    let path = store.work_path(name).join(FAILED);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|source| SiteError::Failed { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SiteError::Io(error)),
    }
}

fn clear(folder: &Path) -> Result<(), SiteError> {
    match remove_tree(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SiteError::Io(error)),
        _ => Ok(()),
    }
}

fn delay(retry: Retry, attempt: u32) -> Duration {
    let factor = match retry.backoff {
        Backoff::Constant => 1,
        Backoff::Linear => u64::from(attempt),
        Backoff::Exponential => 1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX),
    };
    Duration::from_millis(retry.initial_delay_ms.saturating_mul(factor).min(retry.max_delay_ms))
}

impl From<StoreError> for SiteError {
    fn from(error: StoreError) -> Self {
        Self::Io(io::Error::other(error))
    }
}
