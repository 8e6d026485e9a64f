//! What a log asks of the place that keeps it.

use std::error::Error;

/// Why the place that keeps a log did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It failed.
    #[error("while {doing} `{name}` of the log")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To what.
        name: String,
        /// The error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something that never changes is there already, and is not the same.
    #[error("`{name}` of the log is there already with other bytes: the log was written to by something that does not keep its rules")]
    Changed {
        /// What.
        name: String,
    },
}

/// A place that keeps a log: files that never change, one small head that is moved by compare-and-set, and its public copy.
///
/// What a method wrote is durable when it returns: after a loss of power it is there whole.
pub trait Storage {
    /// Returns a file.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;
    /// Writes a file that never changes. The same bytes again are no change.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError>;
    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> Result<(), StorageError>;
    /// Returns the head.
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError>;
    /// Moves the head from `old` to `new`; returns whether it was still `old`.
    fn move_head(&self, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError>;
    /// Replaces the public checkpoint.
    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError>;
}
