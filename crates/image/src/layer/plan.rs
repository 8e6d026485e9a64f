//! What each layer holds, in order: plain data from which a layer's bytes follow.

use std::collections::{BTreeMap, BTreeSet};

use base::Digest;
use base::tree::{Entry, Kind, TreePath};
use serde::Serialize;

use crate::contents::Opened;
use crate::table::{Content, Row, Table};

/// Raised when the same plan would give other bytes: the order, the archive's form, the compressor.
pub(crate) const FORMAT: u32 = 1;

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    format: u32,
    /// Directories, parents first.
    pub(crate) directories: Vec<Entry>,
    /// What packages hold.
    pub(crate) parts: Vec<Part>,
    /// What was made here.
    pub(crate) made: Vec<Made>,
}

/// What one package gives to a layer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Part {
    /// Its place in the lock. Not part of the layer's identity: the digests of the entries are.
    #[serde(skip)]
    pub(crate) package: usize,
    /// Symbolic links and devices, in order of path.
    pub(crate) others: Vec<Entry>,
    /// Files in the order of the package: where the bytes lie in it, and the entries that they become. The first is the
    /// file, the others hard links to it.
    pub(crate) files: Vec<(TreePath, Vec<Entry>)>,
}

/// Something made here, with its bytes; the entry's digest stands for them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Made {
    pub(crate) entry: Entry,
    #[serde(skip)]
    pub(crate) bytes: Vec<u8>,
}

impl Plan {
    /// Returns what the layer's bytes depend on, as one digest.
    pub(crate) fn key(&self) -> Digest {
        Digest::of(serde_json::to_vec(self).expect("paths, numbers and digests are always JSON"))
    }

    /// Returns the places of its packages.
    pub(crate) fn packages(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.package).collect()
    }
}

/// Plans one layer per group of packages, and one for what was made here. `single` puts all into one.
pub(crate) fn plan(table: &Table, opened: &[Opened], groups: &[Vec<usize>], single: bool) -> Vec<Plan> {
    if single {
        let all: Vec<usize> = (0..opened.len()).collect();
        return vec![layer(table, opened, &all, true)];
    }
    let mut plans: Vec<_> = groups.iter().map(|group| layer(table, opened, group, false)).collect();
    plans.push(layer(table, opened, &[], true));
    plans
}

fn layer(table: &Table, opened: &[Opened], packages: &[usize], top: bool) -> Plan {
    let parts: Vec<_> = packages.iter().map(|package| part(table, opened, *package)).collect();
    let made = if top { made(table) } else { Vec::new() };
    let mut directories: BTreeSet<TreePath> = BTreeSet::new();
    let entries = parts.iter().flat_map(|part| part.others.iter().chain(part.files.iter().flat_map(|(_, entries)| entries)));
    for entry in entries.chain(made.iter().map(|made| &made.entry)) {
        directories.extend(entry.path.ancestors());
    }
    for stated in packages.iter().filter_map(|package| table.directories_of(*package)) {
        directories.extend(stated.iter().flat_map(|path| path.ancestors().chain([path.clone()])));
    }
    if top {
        let own = table.rows().filter(|row| row.owner.is_none() && row.entry.is_directory() && !is_above(table, &row.entry.path));
        directories.extend(own.flat_map(|row| row.entry.path.ancestors().chain([row.entry.path.clone()])));
    }
    let directories = directories.iter().filter_map(|path| table.get(path)).map(|row| row.entry.clone()).collect();
    Plan { format: FORMAT, directories, parts, made }
}

/// Whether something lies below a directory: then a layer that holds it brings the directory.
fn is_above(table: &Table, directory: &TreePath) -> bool {
    table.first_below(directory).is_some()
}

fn part(table: &Table, opened: &[Opened], package: usize) -> Part {
    let mut others = Vec::new();
    let mut names: BTreeMap<&TreePath, Vec<&Row>> = BTreeMap::new();
    for row in table.rows().filter(|row| row.owner == Some(package)) {
        match &row.content {
            Content::Member(member) => names.entry(member).or_default().push(row),
            _ if row.entry.is_directory() => {}
            _ => others.push(row.entry.clone()),
        }
    }
    let mut files = Vec::new();
    for entry in &opened[package].table.entries {
        if let Some(rows) = names.get(&entry.path) {
            files.push((entry.path.clone(), linked(rows.iter().copied())));
        }
    }
    Part { package, others, files }
}

/// Makes the first row the file and the others hard links to it.
fn linked<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for row in rows {
        let kind = match entries.first() {
            None => row.entry.kind.clone(),
            Some(first) => Kind::Hardlink { target: first.path.clone() },
        };
        entries.push(Entry { kind, ..row.entry.clone() });
    }
    entries
}

fn made(table: &Table) -> Vec<Made> {
    let mut made = Vec::new();
    for row in table.rows().filter(|row| row.owner.is_none() && !row.entry.is_directory()) {
        let names = table.names(&row.entry.path);
        let first = names.first().filter(|first| **first != row.entry.path);
        let (kind, bytes) = match (&row.content, first) {
            (_, Some(first)) => (Kind::Hardlink { target: first.clone() }, Vec::new()),
            (Content::Bytes(bytes), None) => (row.entry.kind.clone(), bytes.to_vec()),
            _ => (row.entry.kind.clone(), Vec::new()),
        };
        made.push(Made { entry: Entry { kind, ..row.entry.clone() }, bytes });
    }
    made
}
