//! What only the caller knows of a build: the clock, the program that runs, the machine.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use attest::intoto::Resource;
use attest::slsa::Builder;

/// The machine and the program that carry out a build. Provenance asks it, and nothing else in this room does.
pub trait Host: Sync + fmt::Debug {
    /// Returns the time.
    fn now(&self) -> SystemTime;

    /// Returns who builds: the mode, and the exact program.
    fn builder(&self) -> Builder;

    /// Returns a name for this one call of the program.
    fn invocation(&self) -> String;

    /// Returns how many processors builds may use.
    fn cpus(&self) -> usize;

    /// Returns the commit that the definitions in `folder` were checked out from, where it is known.
    fn checkout(&self, folder: &Path) -> Option<Resource>;
}

/// Returns whole seconds since 1970.
#[must_use]
pub fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
