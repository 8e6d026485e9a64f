//! Why an image could not be read or written.

use std::io;
use std::path::PathBuf;

use base::tarball::ReadError;
use base::{Digest, StoreError};

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A blob is not there.
    #[error("the image has no blob {0}")]
    Missing(Digest),
    /// A blob is not what its name says.
    #[error("the blob {expected} holds other bytes: {actual}")]
    Changed {
        /// Its name.
        expected: Digest,
        /// What its bytes hash to.
        actual: Digest,
    },
    /// A JSON text is too large to be one.
    #[error("{what} has {bytes} bytes; {most} are the most for JSON of an image")]
    Large {
        /// Which text.
        what: String,
        /// How long it is.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// A JSON text is not what it should be.
    #[error("{what} can not be understood")]
    Json {
        /// Which text.
        what: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A layer is no archive.
    #[error("the layer {layer} can not be read")]
    Layer {
        /// Its digest.
        layer: Digest,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// A layer's form is one that nothing here reads.
    #[error("the layer {layer} has the media type `{media_type}`, which can not be read")]
    LayerMedia {
        /// Its digest.
        layer: Digest,
        /// Its media type.
        media_type: String,
    },
    /// What was to be read is no image.
    #[error("{} is no OCI layout, OCI archive or docker archive", path.display())]
    NoImage {
        /// Where it lies.
        path: PathBuf,
    },
    /// The place for a layout holds something else.
    #[error("{} is there already and is no OCI layout; name another place, or remove it", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
    /// The image has several platforms where one was needed, or none.
    #[error("the image has {found} and one was asked for; say which with --arch")]
    Platforms {
        /// What it has.
        found: String,
    },
    /// Indexes within indexes without end.
    #[error("the index {0} lies too deep within other indexes")]
    Depth(Digest),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The operating system refused; its message names the path.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
}

/// Puts what was being done to an I/O error.
pub(crate) fn doing(doing: &'static str) -> impl Fn(io::Error) -> OciError {
    move |source| OciError::Io { doing, source }
}
