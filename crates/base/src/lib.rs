//! The shared nouns: digest, version, dependency, architecture, file tree, content-addressed store, reporter.
#![forbid(unsafe_code)]

mod arch;
mod dependency;
mod digest;
mod name;
mod report;
pub mod store;
pub mod tarball;
pub mod tree;
mod version;

pub use arch::{Arch, UnknownArch};
pub use dependency::{Constraint, Dependency, DependencyError, Operator};
pub use digest::{Digest, DigestError, HashState, Hashing};
pub use name::{NameError, PackageName};
pub use report::{Finish, Kind as TaskKind, Overview, Reporter, Running, Task, Waiting};
pub use store::{Store, StoreError};
pub use version::{Version, VersionError};
