//! OCI images: descriptors, manifests, layouts and archives (image-spec 1.1).
#![forbid(unsafe_code)]

pub mod archive;
mod blobs;
mod config;
mod descriptor;
mod error;
mod index;
mod inspect;
pub mod layout;
mod manifest;
pub mod media;
mod read;
pub mod remote;
mod time;
pub mod tree;
mod validate;
mod written;

pub use archive::{Format, UnknownFormat, rewrite, write};
pub use blobs::{Blobs, closure};
pub use config::{Config, Empty, Execution, History, RootFs};
pub use descriptor::{Descriptor, Platform};
pub use error::OciError;
pub use index::Index;
pub use inspect::{Inspection, LayerInspection, inspect};
pub use layout::Tagged;
pub use manifest::Manifest;
pub use read::{Source, manifests};
pub use time::rfc3339;
pub use validate::{Finding, validate};
pub use written::Written;
