//! Builds packages in order, tests them, and opens shells: the actions put together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use apk::Record;
use attest::intoto::Resource;
use attest::key::{Named, PrivateKey};
use base::{Digest, Finish, PackageName, Reporter, Store, Task, TaskKind, Version};
use fs_err as fs;
use sandbox::{Launcher, Plan};
use serde::{Deserialize, Serialize};
use source::Fetcher;
use spec::Recipe;
use spec::recipe;

use crate::action::{self, Action as _, RunResult};
use crate::distro::{Definition, Distro, Product, products};
use crate::emit::{self, About};
use crate::environment::{self, Member};
use crate::error::BuildError;
use crate::files::Files;
use crate::graph::{self, Order};
use crate::licenses;
use crate::linked::{self, Linked};
use crate::lint::Finding;
use crate::output::Output;
use crate::provenance::{self, Event, Host, ProvenanceError};
use crate::reproduce::Variation;
use crate::run::{self, Failed, Means, Site, SiteError, StepError};
use crate::schedule;
use crate::sources;
use crate::work::{self, Job, Work};

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

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("distro", &self.distro.folder).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

/// The most packages that are built at one time. Each uses all processors in its own `make`; more at a time help only while
/// the others configure, and take memory.
const MOST_BUILDS: usize = 4;

/// Everything about a Run that is known before it runs.
struct Prepared<'a> {
    definition: &'a Definition,
    jobs: Vec<Job>,
    epoch: i64,
    environment: Vec<Member>,
    files: Option<Files>,
}

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

    /// Runs and emits one definition; `ours` are the packages that its environment may hold.
    fn build_one(&self, origin: &PackageName, ours: &[Record]) -> Result<Built, BuildError> {
        let start = Instant::now();
        let prepared = self.prepare(origin, ours)?;
        self.make(&prepared, start)
    }

    /// Builds the definition `origin` in exactly this root. Nothing of what it needs is built: it must be in the store.
    pub fn build_in(&self, origin: &PackageName, environment: Vec<Member>) -> Result<Built, BuildError> {
        let start = Instant::now();
        let prepared = self.prepare_in(origin, environment)?;
        self.make(&prepared, start)
    }

    fn make(&self, prepared: &Prepared<'_>, start: Instant) -> Result<Built, BuildError> {
        let (run, ran, run_key) = self.run(prepared)?;
        let recipe = &prepared.definition.recipe;
        let origin = &recipe.name;
        let fixes = prepared.definition.fixes.as_ref();
        let error = |source| BuildError::Linked { package: origin.clone(), source: Box::new(source) };
        let objects = linked::linked(self.store, &run.environment, &run.outputs).map_err(error)?;
        let error = |source| BuildError::Linked { package: origin.clone(), source: Box::new(source) };
        let linked =
            &linked::elements(self.store, &objects, &self.distro.settings, &linked::seed_licenses(&self.distro.folder)).map_err(error)?;
        let about = About {
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
        let emitted = emit::emit(&about, &run.outputs, self.store);
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
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn prepare(&self, origin: &PackageName, ours: &[Record]) -> Result<Prepared<'a>, BuildError> {
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
        let epoch = self.epoch(recipe, &jobs)?;
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
    fn run(&self, prepared: &Prepared<'_>) -> Result<(RunResult, bool, Digest), BuildError> {
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
        let result = self.run_now(prepared, key, &task);
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

    fn run_now(&self, prepared: &Prepared<'_>, key: Digest, task: &Task) -> Result<RunResult, BuildError> {
        let (start, started) = (Instant::now(), self.host.now());
        let recipe = &prepared.definition.recipe;
        let package = &recipe.name;
        let sources = self.bring_sources(package, &prepared.jobs)?;
        let name = site_name(recipe);
        let mut site = self.site(&name, package, prepared, &recipe.environment, recipe.timeout)?;
        let output_error = |source| BuildError::Output { package: package.clone(), source: Box::new(source) };
        let place_error = |source| BuildError::Place { package: package.clone(), source: Box::new(source) };
        let names: Vec<PackageName> = products(recipe).iter().map(|product| product.name.clone()).collect();
        for name in &names {
            site.output(name).map_err(place_error)?;
        }
        self.steps(&mut site, &prepared.jobs, package, prepared.epoch, task, &format!("undistro shell {package} --failed"))?;
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

    /// Brings every source into the store before a sandbox is made, and describes them.
    fn bring_sources(&self, package: &PackageName, jobs: &[Job]) -> Result<Vec<Resource>, BuildError> {
        let bring = |fetch| {
            let error = |source: source::FetchError| BuildError::Source { package: package.clone(), source: Box::new(source.into()) };
            let fetched = sources::bring(fetch, package.as_str(), self.fetcher, self.reporter).map_err(error)?;
            Ok(provenance::source(fetch, &fetched, package.as_str()))
        };
        sources::pinned(jobs).map(bring).collect()
    }

    /// Makes root and workspace for a build or a test.
    fn site(
        &self,
        name: &str,
        package: &PackageName,
        prepared: &Prepared<'_>,
        environment: &recipe::Environment,
        timeout: Option<Duration>,
    ) -> Result<Site, BuildError> {
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

    fn steps(&self, site: &mut Site, jobs: &[Job], package: &PackageName, epoch: i64, task: &Task, shell: &str) -> Result<(), BuildError> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch.unsigned_abs());
        site.run(jobs, &self.means(), task, time).map_err(|(index, source)| match source {
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

    fn keep_log(&self, site: &Site) -> Result<Option<Digest>, BuildError> {
        let Ok(mut file) = fs::File::open(site.log_path()) else { return Ok(None) };
        Ok(Some(self.store.put_from(&mut file)?.0))
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

    /// Tests packages of `targets`, each in a fresh root with exactly the package that its definition now makes.
    ///
    /// What is named is tested: for the name of a definition all its packages, for a subpackage only that.
    pub fn test(&self, targets: &[String]) -> Result<Vec<Tested>, BuildError> {
        let mut tested = Vec::new();
        for target in targets {
            let origin = graph::origin_of(self.distro, target)?;
            let recipe = &self.definition(&origin)?.recipe;
            for product in products(recipe).iter().filter(|product| target == origin.as_str() || target == product.name.as_str()) {
                if let Some(test) = product.test {
                    tested.push(self.test_one(recipe, product, test)?);
                }
            }
        }
        Ok(tested)
    }

    fn test_one(&self, recipe: &Recipe, product: &Product<'_>, test: &recipe::Test) -> Result<Tested, BuildError> {
        let start = Instant::now();
        let package = product.name;
        let mut roots = vec![package.to_string()];
        roots.extend(test.environment.packages.iter().cloned());
        let report = self.build_order(&graph::order_for_root(self.distro, &roots)?)?;
        let ours: Vec<Record> = report.packages().cloned().collect();
        let record = ours.iter().find(|record| record.info.name == *package).ok_or_else(|| BuildError::NoDefinition(package.clone()))?;
        // The package itself, and no other that might provide its name.
        let mut wants = vec![format!("{package}={}", record.info.version)];
        wants.extend(test.environment.packages.iter().filter(|want| *want != package.as_str()).cloned());
        let environment_error = |source| BuildError::Environment { package: package.clone(), source: Box::new(source) };
        let environment = environment::solved(&wants, &ours, self.seeds).map_err(environment_error)?;
        let definition = self.definition(&recipe.name)?;
        let work_error = |source| BuildError::Work { package: package.clone(), source: Box::new(source) };
        let mut jobs = Vec::new();
        work::lower(&test.pipeline, package, recipe, &mut jobs).map_err(work_error)?;
        let epoch = record.info.build_time.unwrap_or(self.distro.settings.source_date_epoch);
        let files =
            Files::read(&definition.folder).map_err(|source| BuildError::Output { package: package.clone(), source: Box::new(source) })?;
        let prepared = Prepared { definition, jobs, epoch, environment, files };
        let action = action::Test {
            arch: recipe.arch,
            epoch,
            package,
            environment: prepared.environment.iter().map(|member| member.content).collect(),
            variables: &test.environment.env,
            files: prepared.files.as_ref().map(|files| files.digest),
            jobs: &prepared.jobs,
        };
        let task = Task::new(TaskKind::Test, package.as_str());
        let done = action.recorded(self.store)?.is_some();
        self.reporter.started(&task);
        let result = if done { Ok(()) } else { self.test_now(&prepared, package, test, &task, &action) };
        let how = if done { Finish::Cached } else { Finish::Done };
        self.reporter.finished(&task, if result.is_ok() { how } else { Finish::Failed });
        result?;
        Ok(Tested {
            package: package.clone(),
            version: record.info.version.clone(),
            content: record.content,
            outcome: if done { Outcome::Cached } else { Outcome::Built },
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn test_now(
        &self,
        prepared: &Prepared<'_>,
        package: &PackageName,
        test: &recipe::Test,
        task: &Task,
        action: &action::Test<'_>,
    ) -> Result<(), BuildError> {
        let start = Instant::now();
        self.bring_sources(package, &prepared.jobs)?;
        let name = format!("test-{package}-{}", prepared.definition.recipe.arch);
        let _alone = self.store.lock(&name)?;
        let mut site = self.site(&name, package, prepared, &test.environment, prepared.definition.recipe.timeout)?;
        self.steps(&mut site, &prepared.jobs, package, prepared.epoch, task, &format!("undistro shell {package} --failed --test"))?;
        let log = self.keep_log(&site)?;
        site.remove()?;
        action.record(self.store, &action::TestResult { log, seconds: start.elapsed().as_secs_f64() })?;
        Ok(())
    }

    /// Makes what a shell in the build root of `target` runs in: its environment built, its files and unpacked, patched
    /// sources in the workspace. The caller runs the plan, which takes the terminal.
    pub fn shell(&self, target: &str) -> Result<Plan, BuildError> {
        let origin = graph::origin_of(self.distro, target)?;
        let order = graph::order(self.distro, std::slice::from_ref(&target.to_owned()))?;
        let needs = order.needs.get(&origin).cloned().unwrap_or_default();
        let before = Order { definitions: order.definitions.into_iter().filter(|name| needs.contains(name)).collect(), needs: order.needs };
        let report = self.build_order(&before)?;
        let ours: Vec<Record> = report.packages().cloned().collect();
        let prepared = self.prepare(&origin, &ours)?;
        self.bring_sources(&origin, &prepared.jobs)?;
        let recipe = &prepared.definition.recipe;
        let name = format!("shell-{origin}-{}", recipe.arch);
        let mut site = self.site(&name, &origin, &prepared, &recipe.environment, None)?;
        for product in products(recipe) {
            site.output(product.name).map_err(|source| BuildError::Place { package: origin.clone(), source: Box::new(source) })?;
        }
        let first = prepared.jobs.iter().take_while(|job| matches!(job.work, Work::Fetch(_) | Work::Patch { .. })).count();
        let task = Task::new(TaskKind::Root, origin.as_str());
        self.steps(&mut site, &prepared.jobs[..first], &origin, prepared.epoch, &task, "")?;
        Ok(at_terminal(site.plan(Vec::new()), recipe::WORKSPACE))
    }

    /// Returns what a shell where the last build (or test) of `target` failed runs in: its workspace, its root with all
    /// that was changed there, and the exact environment of the step.
    pub fn failed_shell(&self, target: &str, test: bool) -> Result<(Failed, Plan), BuildError> {
        let origin = graph::origin_of(self.distro, target)?;
        let recipe = &self.definition(&origin)?.recipe;
        let name = if test { format!("test-{target}-{}", recipe.arch) } else { site_name(recipe) };
        let failed = run::failed(self.store, &name)?.ok_or(BuildError::NotFailed(origin))?;
        let plan = at_terminal(failed.plan.clone(), &failed.directory);
        Ok((failed, plan))
    }
}

/// The packages of all that `origin` needs.
fn available(order: &Order, origin: &PackageName, done: &BTreeMap<PackageName, Arc<Built>>) -> Vec<Record> {
    let needs = order.needs.get(origin);
    let built = needs.into_iter().flatten().filter_map(|need| done.get(need));
    built.flat_map(|built| built.packages.iter().cloned()).collect()
}

/// The folder in which a recipe is built; tests and shells have others.
fn site_name(recipe: &Recipe) -> String {
    format!("build-{}-{}", recipe.name, recipe.arch)
}

/// A plan that gives the caller's terminal to a shell in `directory`.
fn at_terminal(mut plan: Plan, directory: &str) -> Plan {
    let directory = if directory.starts_with('/') { directory.to_owned() } else { format!("{}/{directory}", recipe::WORKSPACE) };
    let enter = r#"cd "$1" 2> /dev/null; shell=/bin/bash; test -x "$shell" || shell=/bin/sh; exec "$shell" -i"#;
    plan.command = ["/bin/sh", "-c", enter, "sh", &directory].map(str::to_owned).into();
    plan.limits.wall = None;
    plan.terminal = true;
    plan
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
