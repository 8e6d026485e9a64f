//! The merged file table of packages: which entry lies at each path, and whose it is.
//!
//! Packages are laid over each other in install order, as apk does. A path that two packages hold is decided by these
//! rules, in this order: two directories are one; equal content is one; the package that `replaces` the other holds it
//! (both replacing each other: the higher `replaces_priority`); of two packages of one origin the later holds it;
//! anything else is a conflict. An entry below a symbolic link to a directory (a merged `lib`) lies where the link leads.

mod conflict;
mod links;
mod merge;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apk::Info;
use base::tree::{Entry, Kind, TreePath};

pub use conflict::{Conflict, Reason, TableError};
pub use merge::merge;

/// The time of every directory: a layer that repeats a directory has the same bytes in every image.
pub const DIRECTORY_TIME: i64 = 0;

/// A package as the table sees it.
#[derive(Debug, Clone, Copy)]
pub struct Contribution<'a> {
    /// What the package says of itself.
    pub info: &'a Info,
    /// What it holds, in the order of its data. Files carry their digests.
    pub entries: &'a [Entry],
}

/// One path. A hard link is a row of its own with the kind and the bytes of its file; see [`Table::entries`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What lies there.
    pub entry: Entry,
    /// Whose it is: the place of a package in the list that was merged, or `None` for what was made here.
    pub owner: Option<usize>,
    /// Where the bytes come from.
    pub content: Content,
}

/// Where the bytes of a row come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It has none: a directory, a symbolic link, a device.
    Nothing,
    /// The file at this path of its owner's data.
    Member(TreePath),
    /// These.
    Bytes(Arc<[u8]>),
}

/// The merged table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    rows: BTreeMap<TreePath, Row>,
    directories: Vec<BTreeSet<TreePath>>,
}

impl Table {
    /// Returns the row at `path`.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Row> {
        self.rows.get(path)
    }

    /// Returns every row in order of path.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Returns the directories that the package at this place holds, alone or with others.
    #[must_use]
    pub fn directories_of(&self, package: usize) -> Option<&BTreeSet<TreePath>> {
        self.directories.get(package)
    }

    /// Puts a file that was made here, in place of whatever file was there.
    pub fn put_file(&mut self, path: &TreePath, mode: u32, mtime: i64, bytes: Vec<u8>) -> Result<(), TableError> {
        let kind = Kind::File { size: bytes.len() as u64, digest: Some(base::Digest::of(&bytes)) };
        self.put(Row { entry: Entry::new(path.clone(), kind, mode, mtime), owner: None, content: Content::Bytes(bytes.into()) })
    }

    /// Puts a row that was made here, with the directories above it. What it takes the place of must be no directory.
    pub fn put(&mut self, mut row: Row) -> Result<(), TableError> {
        let made = |reason| TableError::Made { path: row.entry.path.clone(), reason };
        let path = self.resolve(&row.entry.path).map_err(made)?;
        if self.rows.get(&path).is_some_and(|there| there.entry.is_directory() != row.entry.is_directory()) {
            return Err(made(Reason::Directory));
        }
        self.make_parents(&path).map_err(made)?;
        row.entry.path = path.clone();
        self.rows.insert(path, row);
        Ok(())
    }

    /// Changes mode or owner of what lies at `path`; every name of a hard-linked file is changed with it.
    pub(crate) fn change(&mut self, path: &TreePath, change: &dyn Fn(&mut Entry)) {
        for name in self.names(path) {
            if let Some(row) = self.rows.get_mut(&name) {
                change(&mut row.entry);
            }
        }
    }
}

#[cfg(test)]
mod tests;
