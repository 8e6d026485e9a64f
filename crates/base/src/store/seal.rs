//! Seals: what a tree was when it was kept, and whether it still is.
//!
//! A seal has two parts. The *print* is one digest over path, mode, size, inode and time of change of every entry: no
//! program can write to a file and leave it. It is compared each time a tree is used, at the cost of one look at every entry.
//! The *table* holds the digest of every file. It is read when the print differs (a store that was copied has other inodes)
//! and by `undistro store verify`.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use fs_err as fs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, blob, doing};
use crate::Digest;
use crate::tree::{Entry, Kind, TreePath};

/// The kind of record that holds a tree's seal.
pub(super) const SEAL: &str = "seal";
/// The kind of record that holds a tree's table.
pub(super) const SEAL_TABLE: &str = "seal-table";

/// Digests of a tree's files, as far as who made it knows them. Other files are read and hashed.
pub type Contents = BTreeMap<TreePath, Digest>;

/// Returns the digests that a file table states.
#[must_use]
pub fn contents(entries: &[Entry]) -> Contents {
    let mut known = Contents::new();
    for entry in entries {
        let digest = match &entry.kind {
            Kind::File { digest, .. } => *digest,
            Kind::Hardlink { target } => known.get(target).copied(),
            _ => None,
        };
        known.extend(digest.map(|digest| (entry.path.clone(), digest)));
    }
    known
}

/// What is written down of a tree when it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seal {
    pub(super) print: Digest,
    /// The blob that the tree belongs to, and is kept with; none for one that can be made of a blob at any time.
    pub(super) of: Option<Digest>,
}

/// An entry of a tree's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sealed {
    Directory(u32),
    File(u32, u64, Digest),
    Link(String),
    /// What no tree holds; so it never equals what was sealed.
    Other,
}

pub(super) type SealTable = BTreeMap<String, Sealed>;

impl Store {
    /// Seals what lies in `place` as the tree `key`.
    pub(super) fn seal(&self, key: &Digest, place: &Path, of: Option<Digest>, known: &Contents) -> Result<(), StoreError> {
        let table = table(place, known).map_err(doing("sealing a tree"))?;
        let print = print(place).map_err(doing("sealing a tree"))?;
        self.put_record(SEAL_TABLE, key, &table)?;
        self.put_record(SEAL, key, &Seal { print, of })
    }

    /// Whether the tree under `key` is what was sealed. One whose files are right, and only inodes and times are others, is
    /// sealed anew.
    pub(super) fn is_whole(&self, key: &Digest) -> Result<bool, StoreError> {
        let place = self.tree_path(key);
        if !place.is_dir() {
            return Ok(false);
        }
        let Some(seal) = self.record::<Seal>(SEAL, key)? else { return Ok(false) };
        if print(&place).map_err(doing("looking at a tree"))? == seal.print {
            return Ok(true);
        }
        if !self.differences(key)?.is_empty() {
            return Ok(false);
        }
        self.seal(key, &place, seal.of, &Contents::new())?;
        Ok(true)
    }

    /// Reads the whole tree under `key` and returns the paths that are not what was sealed.
    pub(super) fn differences(&self, key: &Digest) -> Result<Vec<String>, StoreError> {
        let sealed = self.record::<SealTable>(SEAL_TABLE, key)?.ok_or(StoreError::Missing { digest: *key })?;
        let found = table(&self.tree_path(key), &Contents::new()).map_err(doing("reading a tree"))?;
        let all = sealed.keys().chain(found.keys().filter(|path| !sealed.contains_key(*path)));
        Ok(all.filter(|path| found.get(*path) != sealed.get(*path)).cloned().collect())
    }
}

/// Returns the digest of what can be seen of every entry without reading one. The folder itself is left out: its time of
/// change is that of its last renaming.
pub(super) fn print(dir: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut line = Vec::with_capacity(256);
    walk(dir, &mut |path, _, _, stat| {
        line.clear();
        line.extend_from_slice(path);
        line.push(0);
        for number in
            [u64::from(stat.st_mode), stat.st_ino, stat.st_size.cast_unsigned(), stat.st_ctime.cast_unsigned(), stat.st_ctime_nsec]
        {
            line.extend_from_slice(&number.to_le_bytes());
        }
        hasher.update(&line);
        Ok(())
    })?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Reads the tree into a table. Digests of files are taken from `known` where it has them.
fn table(dir: &Path, known: &Contents) -> io::Result<SealTable> {
    let mut table = SealTable::new();
    // A second name of a file is not read a second time.
    let mut by_inode = BTreeMap::new();
    walk(dir, &mut |path, parent, name, stat| {
        let path = String::from_utf8_lossy(path).into_owned();
        let entry = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Sealed::Directory(stat.st_mode),
            FileType::RegularFile => {
                let told = TreePath::parse(&path).ok().and_then(|path| known.get(&path).copied());
                let digest = match told.or_else(|| by_inode.get(&stat.st_ino).copied()) {
                    Some(digest) => digest,
                    None => hash_at(parent, name, &path)?,
                };
                by_inode.insert(stat.st_ino, digest);
                Sealed::File(stat.st_mode, stat.st_size.cast_unsigned(), digest)
            }
            FileType::Symlink => Sealed::Link(rustix::fs::readlinkat(parent, name, Vec::new())?.to_string_lossy().into_owned()),
            _ => Sealed::Other,
        };
        table.insert(path, entry);
        Ok(())
    })?;
    Ok(table)
}

fn hash_at(parent: &OwnedFd, name: &CString, path: &str) -> io::Result<Digest> {
    // Not noted as used: what is only checked is not wanted for that.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(parent, name, flags, Mode::empty());
    let fd = open(flags | OFlags::NOATIME).or_else(|_| open(flags))?;
    blob::hash(&mut fs::File::from_parts(std::fs::File::from(fd), path))
}

type Each<'a> = dyn FnMut(&[u8], &OwnedFd, &CString, &Stat) -> io::Result<()> + 'a;

/// What is read of a directory at once; most have fewer entries than this holds.
const LISTING: usize = 16 << 10;

/// Calls `each` for every entry below `dir`, in order of names: its path, the directory that holds it, its name, its status.
fn walk(dir: &Path, each: &mut Each<'_>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(LISTING);
    let walked = open_dir(rustix::fs::CWD, dir).and_then(|top| walk_in(top, &mut Vec::new(), &mut buffer, each));
    walked.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))
}

fn walk_in(dir: OwnedFd, below: &mut Vec<u8>, buffer: &mut Vec<u8>, each: &mut Each<'_>) -> io::Result<()> {
    let mut names = Vec::new();
    // Not `rustix::fs::Dir`, which opens each directory a second time.
    let mut listing = rustix::fs::RawDir::new(&dir, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    for name in names {
        let length = below.len();
        if length > 0 {
            below.push(b'/');
        }
        below.extend_from_slice(name.as_bytes());
        let stat = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        each(below, &dir, &name, &stat)?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            walk_in(open_dir(&dir, &name)?, below, buffer, each)?;
        }
        below.truncate(length);
    }
    Ok(())
}

fn open_dir(at: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}
