//! Extracts a package into a directory, safely: nothing in the archive can reach outside, and nothing runs.

use std::io::{self, Read};
use std::path::Path;

use base::tree::{Entry, Kind, TreePath};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, OpenOptions, OpenOptionsExt as _, Permissions, PermissionsExt as _};
use rustix::fs::{AtFlags, Timespec, Timestamps, utimensat};

use super::walk::Stop;
use super::{Limits, Package, PackageError, Problem, Table, doing};

impl Package {
    /// Extracts the data into `dir`, which must be fresh and ours alone, and returns the table as the package states it.
    ///
    /// Files belong to the caller. Of the mode, the permission bits are applied, and the owner may always enter and change
    /// a directory; set-id bits, owners, xattrs and devices are in the table only. The hash of the data and the checksums
    /// are checked on the way; when this fails, `dir` holds a part and is to be thrown away.
    pub fn extract(&self, dir: &Path, limits: &Limits) -> Result<Table, PackageError> {
        let mut into = Into::open(dir).map_err(|problem| self.error(problem))?;
        let walked = self.walk(limits, &mut |entry, content| into.make(entry, content)).map_err(|stop| match stop {
            Stop::Problem(problem) | Stop::Caller(problem) => self.error(problem),
        })?;
        into.finish(&walked.table).map_err(|problem| self.error(problem))?;
        Ok(walked.table)
    }
}

/// The directory, and the one below it that was used last: entries come in order, so most share it.
struct Into {
    root: Dir,
    last: Option<(TreePath, Dir)>,
}

impl Into {
    fn open(dir: &Path) -> Result<Self, Problem> {
        let root = Dir::open_ambient_dir(dir, ambient_authority()).map_err(doing("opening the directory to extract into"))?;
        Ok(Self { root, last: None })
    }

    fn make(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Problem> {
        self.try_make(entry, content).map_err(|source| Problem::Extract { path: entry.path.clone(), source })
    }

    fn try_make(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let name = entry.path.file_name();
        match &entry.kind {
            Kind::Directory => match self.parent(&entry.path)?.create_dir_with(name, DirBuilder::new().recursive(false)) {
                // It was made for an entry below it, which came first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            },
            Kind::File { .. } => {
                let parent = self.parent(&entry.path)?;
                let mut file = parent.open_with(name, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
                io::copy(content, &mut file)?;
                file.set_permissions(Permissions::from_mode(entry.mode & 0o777))?;
                utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Kind::Symlink { target } => {
                let parent = self.parent(&entry.path)?;
                parent.symlink_contents(target, name)?;
                utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Kind::Hardlink { target } => {
                self.parent(&entry.path)?;
                self.root.hard_link(target, &self.root, &entry.path)?;
            }
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => {}
        }
        Ok(())
    }

    /// Returns the directory that holds `path`, making it where no entry has.
    fn parent(&mut self, path: &TreePath) -> io::Result<&Dir> {
        let Some(parent) = path.parent() else { return Ok(&self.root) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != parent) {
            self.root.create_dir_all(&parent)?;
            let dir = self.root.open_dir(&parent)?;
            self.last = Some((parent, dir));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, dir)| dir))
    }

    /// Sets what must come last: a directory's mode could shut out, and its time changes with what is put into it.
    fn finish(self, table: &Table) -> Result<(), Problem> {
        for entry in table.entries.iter().rev().filter(|entry| entry.is_directory()) {
            let set = || -> io::Result<()> {
                self.root.set_permissions(&entry.path, Permissions::from_mode(entry.mode & 0o1777 | 0o700))?;
                Ok(utimensat(&self.root, entry.path.as_str(), &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
            };
            set().map_err(|source| Problem::Extract { path: entry.path.clone(), source })?;
        }
        Ok(())
    }
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
