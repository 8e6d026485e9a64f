//! The circumstances of a build that must change nothing.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sandbox::{Bind, Plan};
use serde::{Deserialize, Serialize};

/// Where the library that moves the clock lies inside.
const CLOCK: &str = "/usr/lib/undistro-clock.so";

/// The file by which the GNU C library's linker loads it into every program. A variable would be seen by builds that record
/// their environment.
const PRELOAD: &str = "/etc/ld.so.preload";

/// What is other than usual inside the sandbox. What is varied outside of it (paths, user, umask, environment) is the caller's
/// to vary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// How many processors there seem to be; all when absent. Builds start as many jobs.
    pub cpus: Option<usize>,
    /// Whether directories list what they hold in another order.
    pub reverse_directories: bool,
    /// A library that moves the clock, loaded into every dynamic program of the GNU C library.
    pub clock: Option<PathBuf>,
}

impl Variation {
    /// Changes a plan. `folder` is one of the caller's for files that the plan binds.
    pub(crate) fn apply(&self, plan: &mut Plan, folder: &Path) -> io::Result<()> {
        if self.cpus.is_some() {
            plan.limits.cpus = self.cpus;
        }
        plan.reverse_directories = self.reverse_directories;
        if let Some(library) = &self.clock {
            let preload = folder.join("ld.so.preload");
            fs::write(&preload, format!("{CLOCK}\n"))?;
            plan.binds.push(Bind { source: library.clone(), target: CLOCK.to_owned(), writable: false });
            plan.binds.push(Bind { source: preload, target: PRELOAD.to_owned(), writable: false });
        }
        Ok(())
    }
}
