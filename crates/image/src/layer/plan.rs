//! What each layer holds, in order: plain data from which a layer's bytes follow.

use std::collections::{BTreeMap, BTreeSet};

use base::Digest;
use base::tree::{Entry, Kind, TreePath};
use spec::image::Compression;

use super::FORMAT;
use super::group::in_order;
use super::part::{File, Part};
use crate::contents::Opened;
use crate::table::{Content, Row, Table};

/// One layer.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The places of its packages in the lock.
    pub(crate) packages: Vec<usize>,
    /// Directories, parents first.
    pub(crate) directories: Vec<Entry>,
    /// What packages hold. What was changed last comes last: the start of a layer stays as it was.
    pub(crate) parts: Vec<Part>,
    /// What was made here.
    pub(crate) made: Vec<Made>,
}

/// Something made here, with its bytes; the entry's digest stands for them.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) entry: Entry,
    pub(crate) bytes: Vec<u8>,
}

impl Plan {
    /// Returns what the layer's bytes depend on, as one digest.
    pub(crate) fn key(&self, compression: Compression) -> Digest {
        let parts: Vec<_> = self.parts.iter().map(|part| part.key(compression)).collect();
        let made: Vec<_> = self.made.iter().map(|made| &made.entry).collect();
        let all = (FORMAT, compression, &self.directories, parts, made);
        Digest::of(serde_json::to_vec(&all).expect("paths, numbers and digests are always JSON"))
    }
}

/// Plans one layer per group of packages, and one for what was made here. `single` puts all into one.
pub(crate) fn plan(table: &Table, opened: &[Opened], groups: &[Vec<usize>], single: bool) -> Vec<Plan> {
    if single {
        let infos: Vec<_> = opened.iter().map(|one| one.package.info()).collect();
        return vec![layer(table, opened, &in_order(&infos, (0..opened.len()).collect()), true)];
    }
    let mut plans: Vec<_> = groups.iter().map(|group| layer(table, opened, group, false)).collect();
    plans.push(layer(table, opened, &[], true));
    plans
}

fn layer(table: &Table, opened: &[Opened], packages: &[usize], top: bool) -> Plan {
    let parts = packages.iter().map(|package| part(table, *package, &opened[*package].table.entries));
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let made = if top { made(table) } else { Vec::new() };
    let mut directories: BTreeSet<TreePath> = BTreeSet::new();
    let entries = parts.iter().flat_map(Part::entries);
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
    Plan { packages: packages.to_vec(), directories, parts, made }
}

/// Whether something lies below a directory: then a layer that holds it brings the directory.
fn is_above(table: &Table, directory: &TreePath) -> bool {
    table.first_below(directory).is_some()
}

/// Returns what the package in this place gives. `entries` are its own, in its order.
///
/// Of the names of a file the one that the package gives it is the file, or else the first; the others are hard links.
pub(crate) fn part(table: &Table, package: usize, entries: &[Entry]) -> Part {
    let mut part = Part { package, ..Part::default() };
    let mut names: BTreeMap<&TreePath, Vec<&Row>> = BTreeMap::new();
    for row in table.rows().filter(|row| row.owner == Some(package)) {
        match &row.content {
            Content::Member(member) => names.entry(member).or_default().push(row),
            _ if row.entry.is_directory() => {}
            _ => part.others.push(row.entry.clone()),
        }
    }
    for member in entries {
        let Some(rows) = names.get(&member.path) else { continue };
        let own = rows.iter().find(|row| row.entry.path == member.path).or_else(|| rows.first());
        let Some(file) = own else { continue };
        part.files.push(File { member: member.path.clone(), entry: file.entry.clone() });
        for row in rows.iter().filter(|row| row.entry.path != file.entry.path) {
            let kind = Kind::Hardlink { target: file.entry.path.clone() };
            part.others.push(Entry { kind, ..row.entry.clone() });
        }
    }
    part.others.sort_by(|a, b| a.path.cmp(&b.path));
    part
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
