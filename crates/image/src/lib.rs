//! Composes images: contents, root, layers, config, lock.
#![forbid(unsafe_code)]

mod accounts;
mod compose;
mod contents;
pub mod database;
pub mod diff;
mod error;
mod execution;
pub mod explain;
mod layer;
pub mod lock;
mod mutate;
mod require;
pub mod root;
mod sbom;
mod snapshot;
pub mod table;
pub mod verify;

pub use compose::{Composed, compose, compose_whole, index};
pub(crate) use contents::Files;
pub use diff::{Diff, diff};
pub use error::{AccountReason, ImageError, PathReason};
pub use explain::explain;
pub use layer::Layer;
pub use lock::{Lock, LockError, Locked, lock};
pub use require::{Requirement, requirements};
pub use sbom::namespace;
pub use snapshot::{Inspection, PackageLine, Snapshot, inspect};
pub use verify::verify;
