//! A store in a folder. Files are written beside their place, flushed and renamed.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fs_err as fs;
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock, utimensat};
use rustix::io::Errno;

use super::error::doing;
use super::layout::{Key, Place};
use super::{Entry, MAX_POINTER, Meta, StoreError};

/// A store in a folder; copies are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: Arc<Path>,
    next: Arc<AtomicU64>,
}

impl Folder {
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root.join("tmp")).map_err(doing("making the store's folder"))?;
        Ok(Self { root: root.into(), next: Arc::default() })
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// A name in `tmp` that no other writer has: the process, and a number within it.
    pub(super) fn aside(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("tmp/{}-{number}", std::process::id()))
    }

    /// Opens a file to read it.
    pub(crate) fn open_file(&self, key: &Key) -> Result<Option<std::fs::File>, StoreError> {
        present(fs::File::open(self.path(key.as_str())))
            .map(|file| file.map(|file| file.into_parts().0))
            .map_err(doing("opening an object"))
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let Some(file) = self.open_file(key)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_POINTER + 1).read_to_end(&mut bytes).map_err(doing("reading an object"))?;
        if bytes.len() as u64 > MAX_POINTER { Err(StoreError::damaged(key)) } else { Ok(Some(bytes.into())) }
    }

    pub(crate) fn stat(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        let metadata = present(fs::symlink_metadata(self.path(key.as_str()))).map_err(doing("looking for an object"))?;
        metadata.filter(std::fs::Metadata::is_file).map(|metadata| meta(&metadata)).transpose()
    }

    pub(crate) fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return self.mark(key);
        }
        let aside = self.aside();
        let mut file = fs::File::create(&aside).map_err(doing("writing an object"))?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(doing("writing an object"));
        let result = written.and_then(|()| self.place(&aside, key));
        if result.is_err() {
            let _ = fs::remove_file(&aside);
        }
        result
    }

    /// Makes an empty file, or makes it new again: nothing to write aside.
    pub(crate) fn mark(&self, key: &Key) -> Result<(), StoreError> {
        if self.renew(key)? {
            return Ok(());
        }
        let path = self.path(key.as_str());
        let create = || fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map(drop);
        self.with_parents(&path, create).map_err(doing("writing an object"))?;
        sync_parent(&path)
    }

    /// Makes an empty file new again, if it is there.
    pub(crate) fn renew(&self, key: &Key) -> Result<bool, StoreError> {
        let now = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        match utimensat(CWD, self.path(key.as_str()), &now, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(doing("touching an object")(error.into())),
        }
    }

    /// Locks a file against other processes; `None` when one of them has it. It is locked until it is closed.
    pub(crate) fn lock(&self, key: &Key) -> Result<Option<fs::File>, StoreError> {
        let path = self.path(key.as_str());
        let open = || fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = self.with_parents(&path, open).map_err(doing("taking a lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(doing("taking a lock")(error.into())),
        }
    }

    /// Moves a whole, flushed file to its place.
    pub(super) fn place(&self, aside: &Path, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key.as_str());
        self.with_parents(&path, || fs::rename(aside, &path)).map_err(doing("placing an object"))?;
        sync_parent(&path)
    }

    /// Does `work`; makes the folders above `path` and does it again where they were missing.
    pub(super) fn with_parents<T>(&self, path: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| *above != &*self.root).collect();
        for folder in above.iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => fs::File::open(folder.parent().unwrap_or(folder))?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        work()
    }

    pub(crate) fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        let path = self.path(key.as_str());
        let there = present(fs::remove_file(&path)).map_err(doing("deleting an object"))?.is_some();
        if there {
            sync_parent(&path)?;
        }
        Ok(there)
    }

    /// Deletes many objects; each folder is flushed once, at the end.
    pub(crate) fn delete_all(&self, keys: &[Key]) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        for key in keys {
            let path = self.path(key.as_str());
            if present(fs::remove_file(&path)).map_err(doing("deleting an object"))?.is_some() {
                folders.insert(path.parent().map(Path::to_owned).unwrap_or_default());
            }
        }
        folders
            .iter()
            .try_for_each(|folder| fs::File::open(folder).and_then(|folder| folder.sync_all()))
            .map_err(doing("flushing a folder"))
    }

    pub(crate) fn list(&self, place: &Place, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for (leaf, entry) in self.entries(place)? {
            if !leaf.starts_with(prefix) {
                continue;
            }
            // Another process may delete what was listed.
            let Some(metadata) = present(entry.metadata()).map_err(doing("listing objects"))? else { continue };
            if metadata.is_file() {
                entries.push(Entry { leaf, meta: meta(&metadata)? });
            }
        }
        entries.sort_unstable_by(|a, b| a.leaf.cmp(&b.leaf));
        Ok(entries)
    }

    pub(crate) fn leaves(&self, place: &Place, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        let mut leaves: Vec<String> = self.entries(place)?.into_iter().map(|(leaf, _)| leaf).collect();
        leaves.retain(|leaf| after.is_none_or(|after| leaf.as_str() > after));
        leaves.sort_unstable();
        leaves.truncate(most);
        Ok(leaves)
    }

    pub(crate) fn places(&self, place: &Place) -> Result<Vec<String>, StoreError> {
        let mut places = Vec::new();
        for (leaf, entry) in self.entries(place)? {
            if entry.file_type().map_err(doing("listing a folder"))?.is_dir() {
                places.push(leaf);
            }
        }
        places.sort_unstable();
        Ok(places)
    }

    fn entries(&self, place: &Place) -> Result<Vec<(String, fs::DirEntry)>, StoreError> {
        let Some(read) = present(fs::read_dir(self.path(place.as_str()))).map_err(doing("listing a folder"))? else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for entry in read {
            let entry = entry.map_err(doing("listing a folder"))?;
            // Names that are not UTF-8 are none of ours.
            if let Ok(leaf) = entry.file_name().into_string() {
                entries.push((leaf, entry));
            }
        }
        Ok(entries)
    }
}

/// `None` where nothing is.
pub(super) fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn meta(metadata: &std::fs::Metadata) -> Result<Meta, StoreError> {
    let modified = metadata.modified().map_err(doing("reading the time of an object"))?;
    Ok(Meta { size: metadata.len(), modified })
}

/// Makes the name of a file as durable as its bytes.
fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(doing("flushing a folder"))
}
