//! A folder that is filled through its handle: no path is joined, no symbolic link is followed.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use base::tree::TreePath;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

/// An open folder below which entries are made.
#[derive(Debug)]
pub(super) struct Folder {
    root: OwnedFd,
    /// The directory that was used last; archives are mostly in order.
    last: Option<(String, OwnedFd)>,
    /// Directories that were made on the way to others, outermost first.
    implied: Vec<TreePath>,
}

/// Why an entry could not be made.
#[derive(Debug)]
pub(super) enum EntryError {
    /// A part of the path is a symbolic link or a file, not a directory.
    NotADirectory(String),
    /// The place is taken by a directory.
    Taken,
    /// The operating system refused.
    Io(io::Error),
}

impl From<Errno> for EntryError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            root: rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?,
            last: None,
            implied: Vec::new(),
        })
    }

    /// Returns the directories that no entry asked for by name, though later ones may have, outermost first.
    pub(super) fn take_implied(&mut self) -> Vec<TreePath> {
        std::mem::take(&mut self.implied)
    }

    /// Makes a directory, and those above it that are missing.
    pub(super) fn directory(&mut self, path: &TreePath) -> Result<(), EntryError> {
        self.walk(path.as_str()).map(|_| ())
    }

    /// Makes a regular file and returns it for writing. What was there before, other than a directory, is replaced.
    pub(super) fn file(&mut self, path: &TreePath) -> Result<std::fs::File, EntryError> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = replacing(parent, name, |parent| rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR))?;
        Ok(fd.into())
    }

    /// Makes a symbolic link. Its target is text; nothing here follows it.
    pub(super) fn symlink(&mut self, path: &TreePath, target: &str) -> Result<(), EntryError> {
        let (parent, name) = self.place(path)?;
        replacing(parent, name, |parent| rustix::fs::symlinkat(target, parent, name))
    }

    /// Makes a second name of a file that was made before.
    pub(super) fn hardlink(&mut self, path: &TreePath, target: &TreePath) -> Result<(), EntryError> {
        let (parent, name) = self.place(target)?;
        let first = rustix::fs::openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let is_file = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&first)?.st_mode).is_file();
        if !is_file {
            return Err(EntryError::Io(io::Error::other("its target is not a regular file")));
        }
        let from = rustix::io::dup(parent)?;
        let target_name = target.file_name().to_owned();
        let (parent, name) = self.place(path)?;
        replacing(parent, name, |parent| rustix::fs::linkat(&from, target_name.as_str(), parent, name, AtFlags::empty()))
    }

    /// Sets a directory's permissions and time, once nothing more is put into it.
    pub(super) fn finish_directory(&mut self, path: &TreePath, mode: u32, mtime: i64) -> Result<(), EntryError> {
        let directory = self.walk(path.as_str())?;
        rustix::fs::fchmod(directory, Mode::from_raw_mode(mode))?;
        rustix::fs::futimens(directory, &times(mtime))?;
        Ok(())
    }

    /// Sets a symbolic link's own time.
    pub(super) fn finish_symlink(&mut self, path: &TreePath, mtime: i64) -> Result<(), EntryError> {
        let (parent, name) = self.place(path)?;
        rustix::fs::utimensat(parent, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Returns the directory that holds `path`, made if it is missing, and the last part.
    fn place<'a, 'b>(&'a mut self, path: &'b TreePath) -> Result<(&'a OwnedFd, &'b str), EntryError> {
        match path.as_str().rsplit_once('/') {
            Some((parent, name)) => Ok((self.walk(parent)?, name)),
            None => Ok((&self.root, path.as_str())),
        }
    }

    /// Opens `path` part by part, making what is missing.
    fn walk(&mut self, path: &str) -> Result<&OwnedFd, EntryError> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let mut at: Option<OwnedFd> = None;
            let mut end = 0;
            for part in path.split('/') {
                end += part.len();
                let parent = at.as_ref().unwrap_or(&self.root).as_fd();
                let next = match rustix::fs::openat(parent, part, DIRECTORY, Mode::empty()) {
                    Err(Errno::NOENT) => {
                        rustix::fs::mkdirat(parent, part, Mode::from_raw_mode(0o755))?;
                        self.implied.extend(TreePath::parse(&path[..end]));
                        rustix::fs::openat(parent, part, DIRECTORY, Mode::empty())
                    }
                    other => other,
                };
                at = Some(match next {
                    Ok(fd) => fd,
                    Err(Errno::NOTDIR | Errno::LOOP) => return Err(EntryError::NotADirectory(path[..end].to_owned())),
                    Err(errno) => return Err(errno.into()),
                });
                end += 1;
            }
            self.last = at.map(|fd| (path.to_owned(), fd));
        }
        self.last.as_ref().map(|(_, fd)| fd).ok_or_else(|| EntryError::NotADirectory(path.to_owned()))
    }
}

/// Sets an open file's permissions and time.
pub(super) fn finish_file(file: &std::fs::File, mode: u32, mtime: i64) -> io::Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
    Ok(rustix::fs::futimens(file, &times(mtime))?)
}

/// Runs `make`; if something other than a directory has the place, removes that and runs it once more.
fn replacing<T>(parent: &OwnedFd, name: &str, make: impl Fn(&OwnedFd) -> rustix::io::Result<T>) -> Result<T, EntryError> {
    match make(parent) {
        Err(Errno::EXIST) => match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) => Ok(make(parent)?),
            Err(Errno::ISDIR | Errno::PERM) => Err(EntryError::Taken),
            Err(errno) => Err(errno.into()),
        },
        other => Ok(other?),
    }
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
