//! Scratch directories: made before a run, removed after it whatever a build left there.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::SandboxError;
use crate::plan::Root;

impl Root {
    /// Makes what the root needs on disk.
    pub(crate) fn prepare(&self) -> Result<(), SandboxError> {
        let Self::Overlay { scratch, .. } = self else { return Ok(()) };
        for name in ["upper", "work", "root"] {
            let path = scratch.join(name);
            fs_err::create_dir_all(&path).map_err(|source| SandboxError::Scratch { path, source })?;
        }
        Ok(())
    }
}

/// Removes `path` and all below it, also below directories that a build or the overlay left without permission
/// to enter them (the kernel keeps a `work/work` of mode 0). A path that is not there is no error.
pub fn discard(path: &Path) -> Result<(), SandboxError> {
    remove(path).map_err(|source| SandboxError::Discard { path: path.to_owned(), source })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_dir() => return fs_err::remove_file(path),
        Ok(_) => {}
    }
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        done => return done,
    }
    open_up(path)?;
    fs_err::remove_dir_all(path)
}

/// Gives the owner full permission on every directory below `path`.
fn open_up(path: &Path) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    for entry in fs_err::read_dir(path)? {
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
    fn discards_directories_that_nobody_may_enter() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("scratch/work/work/deep");
        fs_err::create_dir_all(&deep).unwrap();
        fs_err::set_permissions(deep.parent().unwrap(), std::fs::Permissions::from_mode(0o000)).unwrap();
        discard(&dir.path().join("scratch")).unwrap();
        assert!(!dir.path().join("scratch").exists());
        discard(&dir.path().join("scratch")).unwrap();
    }
}
