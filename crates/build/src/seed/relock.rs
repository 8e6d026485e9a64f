//! Writes the lock anew: what is wanted, resolved against what the suite has now.

use base::{Arch, Reporter};
use source::Fetcher;
use source::debian::{Archive, ArchiveError, Authority, Unchecked};
use spec::seed::Seed;

use super::{Lock, Release, ResolveError, resolve};

/// Why there is no new lock.
#[derive(Debug, thiserror::Error)]
pub enum RelockError {
    /// The suite can not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What is wanted can not be had from it.
    #[error("{suite} can not give the seeds")]
    Resolve {
        /// The suite.
        suite: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
}

/// Resolves what is wanted against the suite as the mirror has it now.
///
/// Only the lists are read, no package. The lock says what is known of the release file's signature.
pub fn relock(
    seed: &Seed,
    arch: Arch,
    fetcher: &Fetcher<'_>,
    authority: Result<&Authority, Unchecked>,
    reporter: &dyn Reporter,
) -> Result<Lock, RelockError> {
    let archive = Archive::open(fetcher, &seed.suite, authority)?;
    let index = archive.packages(&seed.component, arch, reporter)?;
    let packages = resolve(seed, &index).map_err(|source| RelockError::Resolve { suite: seed.suite.clone(), source })?;
    let release =
        Release { version: archive.release.version.clone(), date: archive.release.date.clone(), signature: archive.signature.clone() };
    Ok(Lock::new(arch, seed.suite.clone(), seed.component.clone(), release, packages))
}
