//! Trees: folders made once and then only read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Store, StoreError, doing};
use crate::Digest;

impl Store {
    /// Returns the tree kept under `key`, or `None`.
    #[must_use]
    pub fn tree(&self, key: &Digest) -> Option<PathBuf> {
        let path = self.tree_path(key);
        path.is_dir().then_some(path)
    }

    /// Returns the tree kept under `key`; if it is not there, `make` fills a fresh folder, which then becomes it.
    pub fn tree_or_make<E: From<StoreError>>(&self, key: &Digest, make: impl FnOnce(&Path) -> Result<(), E>) -> Result<PathBuf, E> {
        let place = self.tree_path(key);
        if place.is_dir() {
            return Ok(place);
        }
        let _alone = self.lock(&format!("tree-{}", key.hex()))?;
        if place.is_dir() {
            return Ok(place);
        }
        let tmp = self.tmp_path("tree");
        fs::create_dir(&tmp).map_err(doing("making a tree"))?;
        make(&tmp)?;
        fs::rename(&tmp, &place).map_err(doing("making a tree"))?;
        Ok(place)
    }

    fn tree_path(&self, key: &Digest) -> PathBuf {
        self.root.join("trees").join(key.hex())
    }
}

/// Removes a folder and all below it, also where a folder forbids its owner to change it.
///
/// Symbolic links are removed, never followed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    open_up(path)?;
    fs::remove_dir_all(path)
}

/// Gives the owner every right on each folder below `path`.
fn open_up(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"tree");
        let make = |path: &Path| fs::write(path.join("f"), "x").map_err(doing("testing"));
        let path = store.tree_or_make(&key, make).unwrap();
        assert_eq!(store.tree(&key), Some(path));
        store.tree_or_make(&key, |_| -> Result<(), StoreError> { unreachable!("made already") }).unwrap();
    }

    #[test]
    fn a_failed_make_leaves_no_tree() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"tree");
        let fail = |_: &Path| Err(StoreError::Missing { digest: key });
        assert!(store.tree_or_make(&key, fail).is_err());
        assert_eq!(store.tree(&key), None);
    }

    #[test]
    fn a_folder_without_rights_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let shut = dir.path().join("a/shut");
        fs::create_dir_all(shut.join("in")).unwrap();
        fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&dir.path().join("a")).unwrap();
        assert!(!dir.path().join("a").exists());
    }
}
