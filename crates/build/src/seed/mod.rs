//! Seeds: foreign packages that build the first of ours, as packages of our own kind.
//!
//! ```text
//! seed.yaml   what is wanted            spec::seed::Seed
//! seed.lock   what that is, by hash     Lock         <- resolve(seed, Debian's index)
//! seed        packages in the store     Repository   <- repository(lock): fetch, convert, check together
//! ```
//!
//! No maintainer script is run. A seed provides `seed:<name>`, by which it can be told from what we built.

mod convert;
mod diff;
mod error;
mod lock;
#[cfg(test)]
mod proof;
mod relock;
mod repository;
mod resolve;
mod sources;
mod spool;
#[cfg(test)]
mod tests;
mod tree;
mod version;

pub use convert::FORMAT;
pub use diff::difference;
pub use error::SeedError;
pub use lock::{Lock, Locked, LockedFile, LockedSource, Release};
pub use relock::{RelockError, relock, relock_sources};
pub use repository::{Repository, is_seed, repository, requests};
pub use resolve::{ResolveError, Unmet, resolve};
pub use sources::{source_requests, sources};
