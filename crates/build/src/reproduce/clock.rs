//! Makes the library that moves the clock, in a build root, with a compiler of the seeds.

use std::path::Path;
use std::time::SystemTime;

use apk::Record;
use base::{PackageName, Task, TaskKind};
use fs_err as fs;

use crate::builder::Builder;
use crate::environment;
use crate::error::BuildError;
use crate::run::{self, Site, SiteError};
use crate::work::{Job, Work};

/// The library's text.
const SOURCE: &str = include_str!("clock.c");

/// Which clock programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// This many seconds ahead.
    Ahead(u32),
    /// Always this time, in seconds since 1970.
    Frozen(u32),
}

impl Builder<'_> {
    /// Makes the library at `place`. False where the seeds hold no compiler to make it with.
    pub fn clock(&self, clock: Clock, place: &Path) -> Result<bool, BuildError> {
        let Some(compiler) = compiler(self.seeds) else { return Ok(false) };
        let package = compiler.clone();
        let wants = [compiler.as_str(), "bash", "coreutils"].map(str::to_owned);
        let environment = |source| BuildError::Environment { package: package.clone(), source: Box::new(source) };
        let members = environment::solved(&wants, &[], self.seeds).map_err(environment)?;
        let contents: Vec<_> = members.iter().map(|member| member.content).collect();
        let root = |source| BuildError::Root { package: package.clone(), source: Box::new(source) };
        let root = image::root::make(self.store, &contents, self.reporter).map_err(root)?;
        let name = "reproduce-clock";
        let _alone = self.store.lock(name)?;
        let mut site = Site::open(self.store, name, root.lowers, run::constants(0), None)?;
        let folder = site.workspace.root().to_owned();
        fs::write(folder.join("clock.c"), SOURCE).map_err(SiteError::Io)?;
        let task = Task::new(TaskKind::Build, name);
        let job = job(&compiler, clock);
        site.run(&[job], &self.means(&|| self.limits.jobs), &task, SystemTime::UNIX_EPOCH).map_err(|(_, source)| BuildError::Step {
            package,
            step: name.into(),
            number: 1,
            of: 1,
            log: site.log_path().into(),
            tail: Vec::new(),
            shell: "undistro doctor".into(),
            source: Box::new(source),
        })?;
        fs::copy(folder.join("clock.so"), place).map_err(SiteError::Io)?;
        site.remove()?;
        Ok(true)
    }
}

fn job(compiler: &PackageName, clock: Clock) -> Job {
    let define = match clock {
        Clock::Ahead(seconds) => format!("-DSHIFT={seconds}L"),
        Clock::Frozen(seconds) => format!("-DFROZEN -DSHIFT={seconds}L"),
    };
    let script = format!("{compiler} -O2 -fPIC -shared -nostdlib -fno-stack-protector -fno-builtin {define} clock.c -o clock.so");
    Job {
        label: "the clock".to_owned(),
        context: compiler.clone(),
        environment: std::collections::BTreeMap::new(),
        directory: None,
        retry: None,
        work: Work::Script(script),
    }
}

/// The newest gcc among the seeds: the name of the package is that of its program.
fn compiler(seeds: &[Record]) -> Option<PackageName> {
    let version = |name: &PackageName| name.as_str().strip_prefix("gcc-")?.parse::<u32>().ok();
    let named = seeds.iter().map(|record| &record.info.name).filter(|name| version(name).is_some());
    named.max_by_key(|name| version(name)).cloned()
}
