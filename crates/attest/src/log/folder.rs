//! A log in a folder.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;

use super::{Storage, StorageError};

/// The name of the public checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A log in a folder. Its head is moved under a lock of the file `lock` that the kernel drops with the process.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    counter: AtomicU64,
}

impl Folder {
    /// Takes a folder, which need not be there yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), counter: AtomicU64::new(0) }
    }

    /// Returns the folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", name)(error)),
        }
    }

    /// Writes beside, flushes, renames, and flushes the folder.
    fn replace(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        self.make(folder)?;
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let beside = self.root.join(format!(".tmp-{}-{number}", std::process::id()));
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(folder)?.sync_all()
    }

    /// Makes a folder and flushes each that it was made in.
    fn make(&self, folder: &Path) -> std::io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
            fs::File::open(above)?.sync_all()?;
        }
        Ok(())
    }
}

fn failed(doing: &'static str, name: &str) -> impl FnOnce(std::io::Error) -> StorageError {
    let name = name.to_owned();
    move |error| StorageError::Failed { doing, name, source: Box::new(error) }
}

impl Storage for Folder {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        match self.read(name)? {
            Some(there) if there == bytes => Ok(()),
            Some(_) => Err(StorageError::Changed { name: name.to_owned() }),
            None => self.replace(name, bytes).map_err(failed("writing", name)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("removing", name)(error)),
            _ => Ok(()),
        }
    }

    fn head(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.read("head.json")
    }

    fn move_head(&self, old: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError> {
        let failed = |error| failed("moving", "head.json")(error);
        self.make(&self.root).map_err(failed)?;
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join("lock")).map_err(failed)?;
        lock.file().lock().map_err(failed)?;
        if self.head()?.as_deref() != old {
            return Ok(false);
        }
        self.replace("head.json", new).map_err(failed)?;
        Ok(true)
    }

    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError> {
        self.replace(CHECKPOINT, checkpoint).map_err(failed("writing", CHECKPOINT))
    }
}
