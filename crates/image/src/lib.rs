//! Composes images: contents, root, layers, config, lock.
#![forbid(unsafe_code)]

mod accounts;
mod compose;
mod contents;
pub mod database;
mod error;
mod execution;
mod layer;
pub mod lock;
mod mutate;
mod require;
pub mod root;
mod sbom;
pub mod table;

pub use compose::{Composed, compose, index};
pub(crate) use contents::Files;
pub use error::{AccountReason, ImageError, PathReason};
pub use layer::Layer;
pub use lock::{Lock, LockError, Locked, lock};
pub use require::{Requirement, requirements};
pub use sbom::namespace;
