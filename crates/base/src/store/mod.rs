//! The content-addressed store: everything undistro keeps, in one folder of one user.
//!
//! ```text
//! store.json             format number
//! lock                   shared by every process that uses the store, exclusive for garbage collection
//! blobs/sha256/ab/abcd…  bytes under their digest: sources, packages, layers, logs
//! trees/<digest>/        a folder made once and sealed: an extracted package, what a build left
//! records/<kind>/<key>.json  what is known of a key, with a checksum: action results, seals, look-ups
//! locks/<name>           one work, one process
//! work/<name>/           what a running or failed build left, for a person to look at
//! tmp/<pid>-<n>/         in flight; swept when its process is gone
//! ```
//!
//! Everything is written below `tmp/`, checked, flushed to disk and renamed into place: a kill leaves a whole thing or
//! nothing, and what it leaves in `tmp/` is swept by the next process that opens the store. docs/format/store.md says it all.

mod blob;
mod collect;
mod inventory;
mod layout;
mod lock;
mod record;
mod references;
mod seal;
mod sweep;
mod tree;
mod verify;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::Digest;

pub use blob::BlobWriter;
pub use collect::{Collected, Keep, Removed, collect};
pub use inventory::{Room, Usage, usage};
pub use layout::FORMAT;
pub use lock::Lock;
pub use references::references;
pub use seal::{Contents, contents};
pub use sweep::remove_tree;
pub use verify::{Again, Damage, Verified, repair, verify};

/// A store opened by this process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    tmp: PathBuf,
    counter: AtomicU64,
    /// Trees whose seals this process has found whole: one look is enough for the time of a process.
    whole: Mutex<BTreeSet<Digest>>,
    _tmp_in_use: Lock,
    _in_use: Lock,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder belongs to someone else.
    #[error("the store {} belongs to user id {owner}, and you are {user}; name a store of your own with --store", path.display())]
    Owner {
        /// The store's folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// A newer undistro made it.
    #[error("the store {} has format {found}, this undistro knows {FORMAT}; use the undistro that made it, or name another with --store", path.display())]
    Format {
        /// The store's folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// The file that says the format does not.
    #[error("{} does not say which format the store has; if the store was made by this undistro, write {{\"format\":{FORMAT}}} into it", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// What was asked is done by one process alone, and others are there.
    #[error("the store {} is in use by {}; try again when they have ended", path.display(), processes_text(processes))]
    InUse {
        /// The store's folder.
        path: PathBuf,
        /// The ids of the processes.
        processes: Vec<u32>,
    },
    /// The bytes are not those that were asked for.
    #[error("checksum of {what}: expected {expected}, got {actual}")]
    Checksum {
        /// Which bytes.
        what: String,
        /// What they should be.
        expected: Digest,
        /// What they are.
        actual: Digest,
    },
    /// Nothing is kept under the digest.
    #[error("the store has no {digest}")]
    Missing {
        /// The digest.
        digest: Digest,
    },
    /// What is kept was changed since.
    #[error("{} is damaged; `undistro store verify --repair` removes what is, and it will be made again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A record is not in the form that its reader expects.
    #[error("the record {} can not be read; delete it, it will be made again", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
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

fn processes_text(processes: &[u32]) -> String {
    let list: Vec<_> = processes.iter().map(u32::to_string).collect();
    match list.len() {
        0 => "another process".to_owned(),
        1 => format!("process {}", list[0]),
        _ => format!("processes {}", list.join(", ")),
    }
}

/// Puts what was being done to an I/O error.
fn doing(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, source }
}

impl Store {
    /// Opens the store in `root`, making it if it is not there, and sweeps what dead processes left.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = layout::make(root)?;
        let _entering = Lock::exclusive(&root.join("locks/tmp"))?;
        let in_use = layout::enter(&root)?;
        Self::begin(root, in_use)
    }

    /// Opens the store for this process alone: no other has it open, and none can until this is dropped.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if one has; this does not wait.
    pub fn open_alone(root: &Path) -> Result<Self, StoreError> {
        let root = layout::make(root)?;
        let _entering = Lock::exclusive(&root.join("locks/tmp"))?;
        drop(layout::enter(&root)?);
        let alone = layout::alone(&root)?;
        Self::begin(root, alone)
    }

    /// Only under the lock `locks/tmp`.
    fn begin(root: PathBuf, in_use: Lock) -> Result<Self, StoreError> {
        sweep::sweep(&root.join("tmp"))?;
        let (tmp, tmp_in_use) = sweep::own(&root.join("tmp"))?;
        Ok(Self { root, tmp, counter: AtomicU64::new(0), whole: Mutex::default(), _tmp_in_use: tmp_in_use, _in_use: in_use })
    }

    /// Returns the store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a fresh path in this process's part of `tmp/`. Nothing is there yet.
    #[must_use]
    pub fn tmp_path(&self, hint: &str) -> PathBuf {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        self.tmp.join(format!("{n}-{hint}"))
    }

    /// Returns the folder in `work/` for `name`, which holds letters, digits and `+_.-` only. It may not exist.
    #[must_use]
    pub fn work_path(&self, name: &str) -> PathBuf {
        self.root.join("work").join(safe(name))
    }

    /// Waits until this process alone holds the lock `name`.
    pub fn lock(&self, name: &str) -> Result<Lock, StoreError> {
        Lock::exclusive(&self.root.join("locks").join(safe(name)))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What can not be removed now is swept by the next process.
        let _ = remove_tree(&self.tmp);
    }
}

/// A name that is one part of a path: what is not a letter, digit or one of `+_.-` becomes `_`.
fn safe(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "+_.-".contains(c) { c } else { '_' }).collect();
    if clean.starts_with('.') { format!("_{clean}") } else { clean }
}

/// Notes that a file was used now, in its time of access: eviction takes what was used last first. The time of change of
/// its content stays. That this fails, on a disk that can not be written, harms nothing.
fn used(file: &impl std::os::fd::AsFd) {
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: NOW, last_modification: OMIT });
}

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(safe("../x"), "_.._x");
        assert_eq!(safe("nginx-1.2"), "nginx-1.2");
    }
}
