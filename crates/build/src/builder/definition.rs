//! Builds one definition: Run, then Emit, each only if it was not done before.

use std::collections::BTreeMap;
use std::time::Instant;

use apk::Record;
use base::{Digest, Finish, PackageName, Task, TaskKind};
use spec::Recipe;

use super::site::{Steps, site_name};
use super::{Actions, Builder, Built, Outcome};
use crate::action::{self, Action as _, RunResult};
use crate::distro::{Definition, products};
use crate::emit::{self, About};
use crate::environment::{self, Member};
use crate::error::BuildError;
use crate::files::Files;
use crate::licenses;
use crate::linked::{self, Linked};
use crate::output::Output;
use crate::provenance::{self, Event, ProvenanceError};
use crate::schedule::{self, Processors};
use crate::sources;
use crate::timeline::{Ended, Phase};
use crate::work::{self, Job};

/// Everything about a Run that is known before it runs.
pub(super) struct Prepared<'a> {
    pub(super) definition: &'a Definition,
    pub(super) jobs: Vec<Job>,
    pub(super) epoch: i64,
    pub(super) environment: Vec<Member>,
    pub(super) files: Option<Files>,
}

impl<'a> Builder<'a> {
    /// Runs and emits one definition; `ours` are the packages that its environment may hold.
    pub(super) fn build_one(&self, origin: &PackageName, ours: &[Record], processors: Processors<'_>) -> Result<Built, BuildError> {
        self.timed(origin, || self.make(&self.prepare(origin, ours)?, processors))
    }

    /// Builds the definition `origin` in exactly this root. Nothing of what it needs is built: it must be in the store.
    pub fn build_in(&self, origin: &PackageName, environment: Vec<Member>) -> Result<Built, BuildError> {
        self.timed(origin, || self.make(&self.prepare_in(origin, environment)?, &|| self.limits.jobs))
    }

    /// Does the work of one definition, and notes how long it took.
    fn timed(&self, origin: &PackageName, work: impl FnOnce() -> Result<Built, BuildError>) -> Result<Built, BuildError> {
        let start = Instant::now();
        self.timeline.begun(origin.as_str());
        let result = work();
        let ended = match &result {
            Ok(built) if built.outcome == Outcome::Built => Ended::Done,
            Ok(built) if built.outcome == Outcome::Emitted => Ended::Emitted,
            Ok(_) => Ended::Cached,
            Err(_) => Ended::Failed,
        };
        self.timeline.ended(origin.as_str(), ended);
        let built = Built { seconds: start.elapsed().as_secs_f64(), ..result? };
        if built.outcome == Outcome::Built {
            schedule::note(self.store, "build", origin, self.distro.arch, built.seconds)?;
        }
        Ok(built)
    }

    fn make(&self, prepared: &Prepared<'_>, processors: Processors<'_>) -> Result<Built, BuildError> {
        let (run, ran, run_key) = self.run(prepared, processors)?;
        let recipe = &prepared.definition.recipe;
        let origin = &recipe.name;
        let fixes = prepared.definition.fixes.as_ref();
        let analysing = self.timeline.measure(origin.as_str(), Phase::Analyse, "linked");
        let error = |source| BuildError::Linked { package: origin.clone(), source: Box::new(source) };
        let objects = linked::linked(self.store, &run.environment, &run.outputs).map_err(error)?;
        let error = |source| BuildError::Linked { package: origin.clone(), source: Box::new(source) };
        let linked =
            &linked::elements(self.store, &objects, &self.distro.settings, &linked::seed_licenses(&self.distro.folder)).map_err(error)?;
        drop(analysing);
        let about = About {
            timeline: self.timeline,
            recipe,
            jobs: &prepared.jobs,
            distro: &self.distro.settings,
            fixes,
            epoch: prepared.epoch,
            linked,
            licenses: &licenses::read(&run.licenses, self.store)?,
        };
        let task = Task::new(TaskKind::Emit, origin.as_str());
        self.reporter.started(&task);
        let emitting = self.timeline.measure(origin.as_str(), Phase::Emit, "");
        let emitted = emit::emit(&about, &run.outputs, self.store);
        drop(emitting);
        let how = match &emitted {
            Ok(emitted) if emitted.was_there => Finish::Cached,
            Ok(_) => Finish::Done,
            Err(_) => Finish::Failed,
        };
        self.reporter.finished(&task, how);
        let emitted = emitted?;
        let actions = Actions { run: run_key, emit: emitted.key };
        let packages: Vec<Record> = emitted.packages.iter().map(|one| one.record.clone()).collect();
        if (ran || !emitted.was_there)
            && let Some(event) = &run.event
        {
            let error = |source| BuildError::Provenance { package: origin.clone(), source: Box::new(source) };
            let _stating = self.timeline.measure(origin.as_str(), Phase::State, "");
            self.state(prepared, event, &packages, &actions, &objects).map_err(error)?;
        }
        let outcome = match (ran, emitted.was_there) {
            (true, _) => Outcome::Built,
            (false, false) => Outcome::Emitted,
            (false, true) => Outcome::Cached,
        };
        let findings = emitted.packages.iter().filter(|one| !one.findings.is_empty());
        Ok(Built {
            origin: origin.clone(),
            outcome,
            findings: findings.map(|one| (one.record.info.name.clone(), one.findings.clone())).collect(),
            packages,
            environment: run.environment,
            log: run.log,
            epoch: prepared.epoch,
            actions,
            seconds: 0.0,
        })
    }

    pub(super) fn prepare(&self, origin: &PackageName, ours: &[Record]) -> Result<Prepared<'a>, BuildError> {
        let _planning = self.timeline.measure(origin.as_str(), Phase::Plan, "");
        let wants = &self.definition(origin)?.recipe.environment.packages;
        let environment_error = |source| BuildError::Environment { package: origin.clone(), source: Box::new(source) };
        let environment = environment::solved(wants, ours, self.seeds).map_err(environment_error)?;
        self.prepare_in(origin, environment)
    }

    fn prepare_in(&self, origin: &PackageName, environment: Vec<Member>) -> Result<Prepared<'a>, BuildError> {
        let definition = self.definition(origin)?;
        let recipe = &definition.recipe;
        let work_error = |source| BuildError::Work { package: origin.clone(), source: Box::new(source) };
        let jobs = work::jobs(recipe).map_err(work_error)?;
        let fetching = self.timeline.measure(origin.as_str(), Phase::Fetch, "");
        let epoch = self.epoch(recipe, &jobs)?;
        drop(fetching);
        let files =
            Files::read(&definition.folder).map_err(|source| BuildError::Output { package: origin.clone(), source: Box::new(source) })?;
        Ok(Prepared { definition, jobs, epoch, environment, files })
    }

    fn epoch(&self, recipe: &Recipe, jobs: &[Job]) -> Result<i64, BuildError> {
        let settings = &self.distro.settings;
        let bounds = (settings.source_date_epoch, settings.source_date_ceiling);
        let error = |source| BuildError::Source { package: recipe.name.clone(), source: Box::new(source) };
        sources::epoch(jobs, recipe.name.as_str(), self.fetcher, bounds, self.reporter).map_err(error)
    }

    /// Carries out the Run action, or finds that it was; says which, and the action's key.
    fn run(&self, prepared: &Prepared<'_>, processors: Processors<'_>) -> Result<(RunResult, bool, Digest), BuildError> {
        let recipe = &prepared.definition.recipe;
        let action = action::Run {
            arch: recipe.arch,
            epoch: prepared.epoch,
            environment: prepared.environment.iter().map(|member| member.content).collect(),
            variables: &recipe.environment.env,
            files: prepared.files.as_ref().map(|files| files.digest),
            outputs: products(recipe).iter().map(|product| product.name).collect(),
            jobs: &prepared.jobs,
            licenses: licenses::paths(recipe),
        };
        let key = action.key();
        if let Some(done) = self.recorded(&action)? {
            return Ok((done, false, key));
        }
        // Another process may build the same; then its result is this one's too.
        let _alone = self.store.lock(&format!("build-{}-{}", recipe.name, recipe.arch))?;
        if let Some(done) = self.recorded(&action)? {
            return Ok((done, false, key));
        }
        let task = Task::new(TaskKind::Build, recipe.name.as_str());
        self.reporter.started(&task);
        let result = self.run_now(prepared, key, &task, processors);
        self.reporter.finished(&task, if result.is_ok() { Finish::Done } else { Finish::Failed });
        let result = result?;
        action.record(self.store, &result)?;
        Ok((result, true, key))
    }

    /// Returns what is recorded of a Run whose trees are all there.
    fn recorded(&self, action: &action::Run<'_>) -> Result<Option<RunResult>, BuildError> {
        let Some(done) = action.recorded(self.store)? else { return Ok(None) };
        for (package, output) in &done.outputs {
            let error = |source| BuildError::Output { package: package.clone(), source: Box::new(source) };
            if Output::open(self.store, output).map_err(error)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(done))
    }

    fn run_now(&self, prepared: &Prepared<'_>, key: Digest, task: &Task, processors: Processors<'_>) -> Result<RunResult, BuildError> {
        let (start, started) = (Instant::now(), self.host.now());
        let recipe = &prepared.definition.recipe;
        let package = &recipe.name;
        let sources = self.bring_sources(package, &prepared.jobs, task)?;
        let name = site_name(recipe);
        let mut site = self.site(&name, package, prepared, &recipe.environment, recipe.timeout, task)?;
        let output_error = |source| BuildError::Output { package: package.clone(), source: Box::new(source) };
        let place_error = |source| BuildError::Place { package: package.clone(), source: Box::new(source) };
        let names: Vec<PackageName> = products(recipe).iter().map(|product| product.name.clone()).collect();
        for name in &names {
            site.output(name).map_err(place_error)?;
        }
        let work =
            Steps { jobs: &prepared.jobs, package, epoch: prepared.epoch, task, shell: &format!("undistro shell {package} --failed") };
        self.steps(&mut site, &work, processors)?;
        let _keeping = self.timeline.measure(package.as_str(), Phase::Keep, "");
        let mut outputs = BTreeMap::new();
        for name in names {
            let folder = site.output(&name).map_err(place_error)?;
            let output = Output::keep(self.store, &folder, prepared.epoch, &site.ownership).map_err(output_error)?;
            outputs.insert(name, output.digest);
        }
        let log = self.keep_log(&site)?;
        let owners_recorded = site.owners_recorded();
        let licenses = licenses::keep(recipe, &site.workspace, self.store, self.reporter)?;
        site.remove()?;
        let environment = prepared.environment.clone();
        let event = Event {
            action: key,
            format: action::RUN_FORMAT,
            started: provenance::seconds(started),
            finished: provenance::seconds(self.host.now()),
            builder: self.host.builder(),
            invocation: self.host.invocation(),
            cpus: self.host.cpus(),
            epoch: prepared.epoch,
            owners_recorded,
            sources,
            environment: provenance::environment(
                &environment,
                &self.distro.settings.id,
                recipe.arch,
                &provenance::seeds(&self.distro.folder),
            ),
            log,
        };
        Ok(RunResult { outputs, environment, log, licenses, seconds: start.elapsed().as_secs_f64(), event: Some(event) })
    }

    /// States how the packages of a run came to be.
    fn state(
        &self,
        prepared: &Prepared<'_>,
        event: &Event,
        packages: &[Record],
        actions: &Actions,
        linked: &Linked,
    ) -> Result<(), ProvenanceError> {
        let made = provenance::Made {
            recipe: &prepared.definition.recipe,
            packages,
            emit: actions.emit,
            materials: provenance::materials(self.distro, prepared.definition).map_err(ProvenanceError::Definition)?,
            linked,
            checkout: self.host.checkout(&self.distro.folder),
        };
        let statement = provenance::statement(event, made)?;
        let contents: Vec<Digest> = packages.iter().filter_map(|record| record.content).collect();
        provenance::keep(self.store, &contents, &statement)?;
        Ok(())
    }
}
