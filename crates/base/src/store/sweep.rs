//! What a killed process may leave, and who clears it away.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Lock, StoreError, doing};

/// The file in a process's part of `tmp/` that it holds a lock on while it lives.
const ALIVE: &str = ".lock";

/// Removes the parts of `tmp` whose processes are gone. Only under the lock `locks/tmp`.
pub(super) fn sweep(tmp: &Path) -> Result<(), StoreError> {
    for path in parts(tmp)? {
        if !path.is_dir() {
            fs::remove_file(&path).map_err(doing("sweeping the store"))?;
        } else if !is_alive(&path)? {
            remove_tree(&path).map_err(doing("sweeping the store"))?;
        }
    }
    Ok(())
}

/// Returns the ids of the processes that have the store open.
pub(super) fn living(root: &Path) -> Result<Vec<u32>, StoreError> {
    let mut found = Vec::new();
    for path in parts(&root.join("tmp"))? {
        let id = path.file_name().and_then(|name| name.to_str()?.split_once('-')?.0.parse().ok());
        if let Some(id) = id.filter(|_| path.join(ALIVE).is_file())
            && is_alive(&path)?
        {
            found.push(id);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn is_alive(part: &Path) -> Result<bool, StoreError> {
    Ok(Lock::try_exclusive(&part.join(ALIVE))?.is_none())
}

fn parts(tmp: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(tmp).map_err(doing("sweeping the store"))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(doing("sweeping the store"))).collect()
}

/// Makes this process's folder in `tmp` and locks it. One process may open a store more than once.
pub(super) fn own(tmp: &Path) -> Result<(PathBuf, Lock), StoreError> {
    for n in 0.. {
        let path = tmp.join(format!("{}-{n}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => {
                let lock = Lock::exclusive(&path.join(ALIVE))?;
                return Ok((path, lock));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(doing("making a folder in the store's tmp")(error)),
        }
    }
    unreachable!("no process opens a store that often")
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
    use crate::Store;

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
    fn says_who_has_the_store_open() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(living(store.root()).unwrap(), [std::process::id()]);
        let error = Store::open_alone(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(store);
        drop(Store::open_alone(dir.path()).unwrap());
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
