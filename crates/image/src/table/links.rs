//! Hard links in a table: rows whose bytes are the same file are its names; the first in order of path comes first in a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::tree::{Entry, Kind, TreePath};

use super::{Content, Row, Table};

/// What makes rows names of one file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum File<'a> {
    Member(Option<usize>, &'a TreePath),
    /// Bytes made here have no name of their own; only a link shares them.
    Bytes(*const u8),
}

fn file(row: &Row) -> Option<File<'_>> {
    match &row.content {
        Content::Nothing => None,
        Content::Member(member) => Some(File::Member(row.owner, member)),
        Content::Bytes(bytes) => Some(File::Bytes(Arc::as_ptr(bytes).cast())),
    }
}

impl Table {
    /// Returns every name of the file at `path`, in order; `path` alone if it is no file.
    pub(crate) fn names(&self, path: &TreePath) -> Vec<TreePath> {
        let Some(wanted) = self.rows.get(path).and_then(file) else { return vec![path.clone()] };
        self.rows.values().filter(|row| file(row).as_ref() == Some(&wanted)).map(|row| row.entry.path.clone()).collect()
    }

    /// Returns the entries as an archive states them, in order of path: further names of a file are hard links to its first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut firsts: BTreeMap<File<'_>, &TreePath> = BTreeMap::new();
        self.rows.values().map(move |row| {
            let Some(file) = file(row) else { return row.entry.clone() };
            let first = *firsts.entry(file).or_insert(&row.entry.path);
            if *first == row.entry.path {
                return row.entry.clone();
            }
            Entry { kind: Kind::Hardlink { target: first.clone() }, ..row.entry.clone() }
        })
    }
}
