//! A transparency log of tiles, in the shape of Rekor v2: who can see the log can see every signature that was ever made with a key.
//!
//! ```text
//! checkpoint              what the log signs: its name, size and root (C2SP tlog-checkpoint, a signed note)
//! tile/0/000              256 hashes of entries; tile/1/000 the roots of 256 such tiles, and so on (C2SP tlog-tiles)
//! tile/0/000.p/5          a tile that is not full yet: 5 hashes
//! tile/entries/000[.p/5]  the entries themselves, each behind its length in two bytes
//! pending/<sha256>        the last batch, kept until the tiles hold it
//! head.json               size, tree and checkpoint, moved by compare-and-set: the one thing that decides what the log is
//! ```
//!
//! An append writes its batch, moves the head, then writes tiles and the public checkpoint. Whoever comes next finishes what a kill
//! left undone, from the head and the batch: those two give the tiles, byte for byte. Two writers can not fork the log: only one moves
//! the head, and the other begins anew.

mod audit;
pub mod entry;
mod folder;
mod note;
mod proof;
mod storage;
mod tile;
mod tree;
mod write;

pub use audit::{Audit, audit, entry_at, extended, published};
pub use folder::Folder;
pub use note::{Checkpoint, LogKey};
pub use proof::{consistency_holds, inclusion_root};
pub use storage::{Storage, StorageError};
pub use tree::Hash;
pub use write::{Appended, Log, MAX_BATCH};

/// Why the log did not do what was asked, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The place that keeps it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There is no log.
    #[error("there is no log here")]
    Missing,
    /// There is one already.
    #[error("there is a log already, of {size} entries")]
    Exists {
        /// How many entries it has.
        size: u64,
    },
    /// Its head can not be read.
    #[error("the log's head can not be read: {reason}")]
    Head {
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint can not be read.
    #[error("the checkpoint can not be read: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A checkpoint is of another log.
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    Origin {
        /// The log that was expected.
        expected: String,
        /// The log that it is of.
        found: String,
    },
    /// A checkpoint has no signature of the log's key.
    #[error("the checkpoint is not signed by the log's key ({origin})")]
    Unsigned {
        /// The log's name.
        origin: String,
    },
    /// A signature by the log's key is wrong.
    #[error("the signature of the checkpoint of {origin} does not hold")]
    Signature {
        /// The log's name.
        origin: String,
    },
    /// An entry is too long.
    #[error("an entry of {size} bytes is longer than {most}", most = tile::MAX_ENTRY)]
    Entry {
        /// Its length.
        size: usize,
    },
    /// More entries than one append takes.
    #[error("{count} entries are more than one append takes, {most}", most = write::MAX_BATCH)]
    Batch {
        /// How many.
        count: usize,
    },
    /// Others were faster, again and again.
    #[error("other writers moved the log's head {tries} times")]
    Busy {
        /// How often it was tried.
        tries: usize,
    },
    /// Something that the head says is there is not.
    #[error("`{name}` is missing from the log")]
    Lost {
        /// Its name.
        name: String,
    },
    /// Something is not what the tree says.
    #[error("`{name}` is not what the log's tree says: {reason}")]
    Damaged {
        /// Its name.
        name: String,
        /// What differs.
        reason: &'static str,
    },
    /// The tree that the entries make is not the one that was signed.
    #[error("the {size} entries of the log make another tree than its checkpoint says")]
    Root {
        /// How many entries.
        size: u64,
    },
    /// The log is shorter than it was.
    #[error("the log has {size} entries, and had {known} when it was last seen")]
    Shrunk {
        /// How many it has.
        size: u64,
        /// How many it had.
        known: u64,
    },
    /// The log does not begin with what it was.
    #[error("the log of {size} entries does not extend the one of {known} that was last seen: it was forked or written anew")]
    Forked {
        /// How many it has.
        size: u64,
        /// How many it had.
        known: u64,
    },
    /// A place that the log does not have.
    #[error("the log has {size} entries; there is none at {index}")]
    Index {
        /// The place.
        index: u64,
        /// How many it has.
        size: u64,
    },
    /// An entry can not be read.
    #[error("the entry {index} of the log is no `hashedrekord` of version 0.0.2: {reason}")]
    Body {
        /// Its place.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
}
