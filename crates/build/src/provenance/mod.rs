//! Provenance: what went into a package, written once, when its steps were really run, and kept with the result.
//!
//! ```text
//! Event       one run: when, by whom, in what, of what       kept with the Run's result
//! Statement   the event, the definition's text, the packages  kept under the content of each package
//! ```
//!
//! A look-up that finds a package made before writes nothing. A second real run that gives equal content adds a second
//! statement: that a package was made twice is worth knowing. What each field means is written in `docs/provenance.md`.

mod event;
mod host;
mod image;
mod keep;
mod materials;
mod statement;

use std::path::PathBuf;

use base::{Digest, StoreError};

pub use event::members;
pub(crate) use event::{Event, environment, seeds, source};
pub use host::{Host, seconds};
pub use image::{Composition, image};
pub use keep::{keep, kept};
pub(crate) use materials::{materials, restore};
pub use statement::{LinkedObject, kind, linked_objects, subject_of_file};
pub(crate) use statement::{Made, statement};

/// Why provenance could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// A file of the definition can not be read.
    #[error("while reading the definition for its provenance")]
    Definition(#[source] std::io::Error),
    /// A file of a definition can not be written, or is none.
    #[error("the definition's file {}", path.display())]
    Restore {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A time that no calendar holds.
    #[error("{0} seconds since 1970 is no time that can be written")]
    Time(i64),
    /// What is kept is no statement.
    #[error("the provenance {digest} can not be read")]
    Parse {
        /// The blob.
        digest: Digest,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("while keeping provenance")]
    Store(#[from] StoreError),
}
