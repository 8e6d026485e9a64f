//! Why the store failed.

use std::io;

use super::layout::Key;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused; its message names the path.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
    /// The bucket's server refused, or could not be reached.
    #[error("while {doing} {key}")]
    Bucket {
        /// What was being done.
        doing: &'static str,
        /// To which object.
        key: String,
        /// The error.
        #[source]
        source: object_store::Error,
    },
    /// An object is not what the layout says.
    #[error("{key} of the store holds something else than it should")]
    Damaged {
        /// Which.
        key: String,
    },
    /// The store is of another format.
    #[error("the store has the format {found}; this program knows {known}")]
    Format {
        /// What it has.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// The address of a bucket is none.
    #[error("`{0}` is no address of a bucket; one is `s3://bucket/prefix`")]
    Address(String),
    /// The work was stopped with the process.
    #[error("the server is stopping")]
    Stopped,
}

impl StoreError {
    pub(crate) fn damaged(key: &Key) -> Self {
        Self::Damaged { key: key.as_str().to_owned() }
    }

    /// Whether there is no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// Whether it may go well on another try: the bucket's server was busy or away.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Bucket { source: object_store::Error::Generic { .. }, .. } | Self::Stopped)
    }
}

/// Puts what was being done to an I/O error.
pub(crate) fn doing(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, source }
}
