//! The YAML languages: package, pipeline and image definitions, as written and as meant.
//!
//! ```text
//! text → package::parse  → Package (as written, with places) → evaluate        → Recipe
//! text → image::parse    → Image   (as written, with places) → image::evaluate → image::Config
//! text → pipeline::parse → Pipeline, found by name through pipeline::Folder
//! ```
//!
//! Every mistake is collected: see [`Diagnostics`].
#![forbid(unsafe_code)]

pub mod access;
pub mod builtin;
mod condition;
mod diagnostic;
pub mod distro;
mod duration;
mod evaluate;
pub mod fixes;
mod format;
mod hash;
pub mod image;
mod license;
pub mod package;
pub mod pipeline;
pub mod recipe;
pub mod scaffold;
pub mod schema;
pub mod seed;
pub mod serve;
mod shell;
mod text;
pub mod transform;
pub mod update;
pub mod yaml;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Fix, Located, MAX_FINDINGS, Severity, Source, sarif};
pub use evaluate::{Context, Libc, check, evaluate};
pub use format::format;
pub use recipe::Recipe;
