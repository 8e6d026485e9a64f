//! Opens shells in build roots: before the first step, or where one failed.

use apk::Record;
use base::{Task, TaskKind};
use sandbox::Plan;
use spec::recipe;

use super::Builder;
use super::site::{Steps, site_name};
use crate::distro::products;
use crate::error::BuildError;
use crate::graph::{self, Order};
use crate::run::{self, Failed};
use crate::work::Work;

impl Builder<'_> {
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
        let task = Task::new(TaskKind::Root, origin.as_str());
        self.bring_sources(&origin, &prepared.jobs, &task)?;
        let recipe = &prepared.definition.recipe;
        let name = format!("shell-{origin}-{}", recipe.arch);
        let mut site = self.site(&name, &origin, &prepared, &recipe.environment, None, &task)?;
        for product in products(recipe) {
            site.output(product.name).map_err(|source| BuildError::Place { package: origin.clone(), source: Box::new(source) })?;
        }
        let first = prepared.jobs.iter().take_while(|job| matches!(job.work, Work::Fetch(_) | Work::Patch { .. })).count();
        let work = Steps { jobs: &prepared.jobs[..first], package: &origin, epoch: prepared.epoch, task: &task, shell: "" };
        self.steps(&mut site, &work, &|| self.limits.jobs)?;
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

/// A plan that gives the caller's terminal to a shell in `directory`.
fn at_terminal(mut plan: Plan, directory: &str) -> Plan {
    let directory = if directory.starts_with('/') { directory.to_owned() } else { format!("{}/{directory}", recipe::WORKSPACE) };
    let enter = r#"cd "$1" 2> /dev/null; shell=/bin/bash; test -x "$shell" || shell=/bin/sh; exec "$shell" -i"#;
    plan.command = ["/bin/sh", "-c", enter, "sh", &directory].map(str::to_owned).into();
    plan.limits.wall = None;
    plan.terminal = true;
    plan
}
