//! The content-addressed store: everything undistro keeps, in one folder of one user.
//!
//! ```text
//! store.json             format number and owner
//! lock                   shared by every process that uses the store, exclusive for garbage collection
//! blobs/sha256/ab/abcd…  bytes under their digest: sources, packages, layers, logs
//! trees/<digest>/        a package extracted once; the name is its content digest
//! records/<kind>/<key>.json  what is known of a key: action results, seals, look-ups
//! locks/<name>           one work, one process
//! work/<name>/           what a running or failed build left, for a person to look at
//! tmp/<pid>-<n>/         in flight; swept when its process is gone
//! ```
//!
//! Everything is written below `tmp/`, checked, flushed to disk and renamed into place: a kill leaves a whole thing or
//! nothing, and what it leaves in `tmp/` is swept by the next process that opens the store.

mod blob;
mod lock;
mod record;
mod tree;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::Digest;

pub use blob::BlobWriter;
pub use lock::Lock;
pub use tree::remove_tree;

/// The format of the layout above. Raised when an older undistro could not read the store.
pub const FORMAT: u32 = 1;

/// A store opened by this process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    tmp: PathBuf,
    counter: AtomicU64,
    _in_use: Lock,
    _tmp_in_use: Lock,
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

/// Puts what was being done to an I/O error.
fn doing(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, source }
}

#[derive(Serialize, Deserialize)]
struct Layout {
    format: u32,
}

impl Store {
    /// Opens the store in `root`, making it if it is not there, and sweeps what dead processes left.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(doing("making the store"))?;
        let root = fs::canonicalize(root).map_err(doing("opening the store"))?;
        check_owner(&root)?;
        for part in ["blobs/sha256", "trees", "records", "locks", "work", "tmp"] {
            fs::create_dir_all(root.join(part)).map_err(doing("making the store"))?;
        }
        check_format(&root)?;
        let in_use = Lock::shared(&root.join("lock"))?;
        let setting_up = Lock::exclusive(&root.join("locks/tmp"))?;
        sweep(&root.join("tmp"))?;
        let tmp = root.join("tmp").join(format!("{}-0", std::process::id()));
        let (tmp, tmp_in_use) = own_tmp(tmp)?;
        drop(setting_up);
        Ok(Self { root, tmp, counter: AtomicU64::new(0), _in_use: in_use, _tmp_in_use: tmp_in_use })
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

fn check_owner(root: &Path) -> Result<(), StoreError> {
    let owner = fs::metadata(root).map_err(doing("opening the store"))?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user { Ok(()) } else { Err(StoreError::Owner { path: root.to_owned(), owner, user }) }
}

fn check_format(root: &Path) -> Result<(), StoreError> {
    let path = root.join("store.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = root.join("tmp").join(format!("store.json.{}", std::process::id()));
            fs::write(&fresh, format!("{{\"format\":{FORMAT}}}\n")).map_err(doing("making the store"))?;
            return fs::rename(&fresh, &path).map_err(doing("making the store"));
        }
        Err(error) => return Err(doing("opening the store")(error)),
    };
    let layout: Layout = serde_json::from_str(&text).map_err(|source| StoreError::Record { path, source })?;
    if layout.format == FORMAT { Ok(()) } else { Err(StoreError::Format { path: root.to_owned(), found: layout.format }) }
}

/// Removes the folders in `tmp` whose processes are gone.
fn sweep(tmp: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(tmp).map_err(doing("sweeping the store"))? {
        let path = entry.map_err(doing("sweeping the store"))?.path();
        let is_dir = path.symlink_metadata().is_ok_and(|m| m.is_dir());
        if is_dir && Lock::try_exclusive(&path.join(".lock"))?.is_some() {
            remove_tree(&path).map_err(doing("sweeping the store"))?;
        }
    }
    Ok(())
}

/// Makes this process's folder in `tmp` and locks it. One process may open a store more than once.
fn own_tmp(first: PathBuf) -> Result<(PathBuf, Lock), StoreError> {
    let mut path = first;
    for n in 1.. {
        match fs::create_dir(&path) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => path.set_file_name(format!("{}-{n}", std::process::id())),
            Err(error) => return Err(doing("making a folder in the store's tmp")(error)),
        }
    }
    let lock = Lock::exclusive(&path.join(".lock"))?;
    Ok((path, lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_a_dead_process_left() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let left = dir.path().join("tmp/1-0");
        fs::create_dir_all(left.join("deep")).unwrap();
        fs::write(left.join("deep/file"), "x").unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(!left.exists());
        let second = Store::open(dir.path()).unwrap();
        assert!(store.tmp.exists() && second.tmp.exists(), "a living process keeps its folder");
    }

    #[test]
    fn refuses_a_newer_format() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        fs::write(dir.path().join("store.json"), r#"{"format":99}"#).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Format { found: 99, .. })));
    }

    #[test]
    fn names_stay_inside() {
        assert_eq!(safe("../x"), "_.._x");
        assert_eq!(safe("nginx-1.2"), "nginx-1.2");
    }
}
