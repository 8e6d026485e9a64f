//! Tests packages, each in a fresh root.

use std::collections::BTreeMap;
use std::time::Instant;

use apk::Record;
use base::{Finish, PackageName, Task, TaskKind};
use spec::Recipe;
use spec::recipe;

use super::definition::Prepared;
use super::site::Steps;
use super::{Attempt, Builder, Outcome, Tested};
use crate::action::{self, Action as _};
use crate::distro::{Product, products};
use crate::environment;
use crate::error::BuildError;
use crate::files::Files;
use crate::graph::{self, Order};
use crate::schedule::{self, OnFailure, Processors};
use crate::timeline::{self, Ended, Phase};
use crate::work;

/// One test of a package.
struct Subject<'a> {
    recipe: &'a Recipe,
    product: Product<'a>,
    test: &'a recipe::Test,
    /// What its root may hold, and needs built.
    order: Order,
}

impl<'a> Builder<'a> {
    /// Tests packages of `targets`. The first failure is the error; see [`Builder::attempt_tests`].
    pub fn test(&self, targets: &[String]) -> Result<Vec<Tested>, BuildError> {
        self.attempt_tests(targets)?.whole()
    }

    /// Tests packages of `targets`, each in a fresh root with exactly the package that its definition now makes.
    ///
    /// What is named is tested: for the name of a definition all its packages, for a subpackage only that. Everything that
    /// the tests need is built first; then tests run, some at a time.
    pub fn attempt_tests(&self, targets: &[String]) -> Result<Attempt<Vec<Tested>>, BuildError> {
        let subjects = self.subjects(targets)?;
        let roots: Vec<String> = subjects.values().flat_map(Subject::roots).collect();
        let built = self.attempt_order(&graph::order_for_root(self.distro, &roots)?)?;
        let Attempt { report, mut failed, mut held, mut left } = built;
        let mut waiting = Order::default();
        for (package, subject) in &subjects {
            let missing = subject.order.definitions.iter().find(|origin| report.of(origin).is_none());
            match missing {
                None => waiting.definitions.push(package.clone()),
                Some(origin) if left.contains(origin) => left.push(package.clone()),
                Some(origin) => drop(held.insert(package.clone(), held.get(origin).unwrap_or(origin).clone())),
            }
        }
        if !failed.is_empty() && self.on_failure == OnFailure::Finish {
            left.append(&mut waiting.definitions);
        }
        let resources = waiting.definitions.iter().map(|package| (package, &subjects[package].recipe.test_resources));
        let loads = schedule::loads(self.store, "test", self.distro.arch, resources);
        for package in &waiting.definitions {
            let piece = timeline::piece_of(&Task::new(TaskKind::Test, package.as_str()));
            let needs = subjects[package].order.definitions.iter().map(PackageName::to_string).collect();
            self.timeline.planned(&piece, needs, loads.get(package).filter(|load| load.is_known).map(|load| load.seconds));
        }
        let work = |package: &PackageName, _: &[Tested], processors: Processors<'_>| {
            let subject = &subjects[package];
            let ours = subject.order.definitions.iter().filter_map(|origin| report.of(origin));
            let ours: Vec<Record> = ours.flat_map(|built| built.packages.iter().cloned()).collect();
            self.test_one(subject, &ours, processors)
        };
        let mut ran = schedule::run(&waiting, self.pace(), |package| loads.get(package).copied().unwrap_or_default(), &work);
        failed.append(&mut ran.failed);
        left.append(&mut ran.left);
        Ok(Attempt { report: ran.done.into_values().collect(), failed, held, left })
    }

    /// The tests that `targets` stand for, by package.
    fn subjects(&self, targets: &[String]) -> Result<BTreeMap<PackageName, Subject<'a>>, BuildError> {
        let mut subjects = BTreeMap::new();
        for target in targets {
            let origin = graph::origin_of(self.distro, target)?;
            let recipe = &self.definition(&origin)?.recipe;
            for product in products(recipe) {
                let is_meant = target == origin.as_str() || target == product.name.as_str();
                if let (true, Some(test)) = (is_meant, product.test) {
                    let mut subject = Subject { recipe, product, test, order: Order::default() };
                    subject.order = graph::order_for_root(self.distro, &subject.roots())?;
                    subjects.insert(subject.product.name.clone(), subject);
                }
            }
        }
        Ok(subjects)
    }

    fn test_one(&self, subject: &Subject<'_>, ours: &[Record], processors: Processors<'_>) -> Result<Tested, BuildError> {
        let start = Instant::now();
        let Subject { recipe, product, test, .. } = subject;
        let package = product.name;
        let task = Task::new(TaskKind::Test, package.as_str());
        let piece = timeline::piece_of(&task);
        self.timeline.begun(&piece);
        let planning = self.timeline.measure(&piece, Phase::Plan, "");
        let record = ours.iter().find(|record| record.info.name == *package).ok_or_else(|| BuildError::NoDefinition(package.clone()))?;
        // The package itself, and no other that might provide its name.
        let mut wants = vec![format!("{package}={}", record.info.version)];
        wants.extend(test.environment.packages.iter().filter(|want| *want != package.as_str()).cloned());
        let environment_error = |source| BuildError::Environment { package: package.clone(), source: Box::new(source) };
        let environment = environment::solved(&wants, ours, self.seeds).map_err(environment_error)?;
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
        let done = action.recorded(self.store)?.is_some();
        drop(planning);
        self.reporter.started(&task);
        let result = if done { Ok(()) } else { self.test_now(&prepared, test, &action, &task, processors) };
        let how = if done { Finish::Cached } else { Finish::Done };
        self.reporter.finished(&task, if result.is_ok() { how } else { Finish::Failed });
        self.timeline.ended(
            &piece,
            match (&result, done) {
                (Err(_), _) => Ended::Failed,
                (Ok(()), true) => Ended::Cached,
                (Ok(()), false) => Ended::Done,
            },
        );
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
        test: &recipe::Test,
        action: &action::Test<'_>,
        task: &Task,
        processors: Processors<'_>,
    ) -> Result<(), BuildError> {
        let start = Instant::now();
        let package = action.package;
        self.bring_sources(package, &prepared.jobs, task)?;
        let recipe = &prepared.definition.recipe;
        let name = format!("test-{package}-{}", recipe.arch);
        let _alone = self.store.lock(&name)?;
        let mut site = self.site(&name, package, prepared, &test.environment, recipe.timeout, task)?;
        let shell = format!("undistro shell {package} --failed --test");
        self.steps(&mut site, &Steps { jobs: &prepared.jobs, package, epoch: prepared.epoch, task, shell: &shell }, processors)?;
        let log = self.keep_log(&site)?;
        site.remove()?;
        let seconds = start.elapsed().as_secs_f64();
        action.record(self.store, &action::TestResult { log, seconds })?;
        schedule::note(self.store, "test", package, recipe.arch, seconds)?;
        Ok(())
    }
}

impl Subject<'_> {
    /// What its root is asked to hold.
    fn roots(&self) -> Vec<String> {
        let package = std::iter::once(self.product.name.to_string());
        package.chain(self.test.environment.packages.iter().cloned()).collect()
    }
}
