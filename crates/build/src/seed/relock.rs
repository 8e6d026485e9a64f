//! Writes the lock anew: what is wanted, resolved against what the suite has now.

use base::{Arch, Reporter};
use source::Fetcher;
use source::debian::{Archive, ArchiveError, Authority, Unchecked};
use spec::seed::Seed;

use super::{Lock, Release, ResolveError, SeedError, resolve, sources};

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
    /// A seed can not be read.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The suite does not have the source of a seed any more.
    #[error("the suite has no source {source_package}, which the seed {seed} was made from")]
    NoSource {
        /// The seed.
        seed: String,
        /// Name and version of the source package.
        source_package: String,
    },
}

/// Resolves what is wanted against the suite as the mirror has it now.
///
/// Of packages only those are read whose source is pinned too. The lock says what is known of the release file's signature.
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
    let mut lock = Lock::new(arch, seed.suite.clone(), seed.component.clone(), release, packages);
    lock.sources = sources(&lock, seed, &archive, fetcher, reporter)?;
    Ok(lock)
}

/// Finds the sources of what `lock` holds, and leaves the rest of it as it is.
pub fn relock_sources(
    mut lock: Lock,
    seed: &Seed,
    fetcher: &Fetcher<'_>,
    authority: Result<&Authority, Unchecked>,
    reporter: &dyn Reporter,
) -> Result<Lock, RelockError> {
    let archive = Archive::open(fetcher, &lock.suite, authority)?;
    lock.sources = sources(&lock, seed, &archive, fetcher, reporter)?;
    Ok(lock)
}
