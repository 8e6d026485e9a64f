//! Tests packages, each in a fresh root.

use std::time::Instant;

use apk::Record;
use base::{Finish, PackageName, Task, TaskKind};
use spec::Recipe;
use spec::recipe;

use super::definition::Prepared;
use super::{Builder, Outcome, Tested};
use crate::action::{self, Action as _};
use crate::distro::{Product, products};
use crate::environment;
use crate::error::BuildError;
use crate::files::Files;
use crate::graph;
use crate::work;

impl Builder<'_> {
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
}
