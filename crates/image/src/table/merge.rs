//! Lays packages over each other.

use std::collections::{BTreeMap, BTreeSet};

use apk::Info;
use base::tree::{Entry, Kind, TreePath};

use super::{Conflict, Content, Contribution, DIRECTORY_TIME, Reason, Row, Table, TableError};

/// Merges packages in install order.
pub fn merge(packages: &[Contribution<'_>]) -> Result<Table, TableError> {
    let table = Table { rows: BTreeMap::new(), directories: vec![BTreeSet::new(); packages.len()] };
    let mut merge = Merge { table, packages, conflicts: Vec::new() };
    for place in 0..packages.len() {
        merge.lay(place)?;
    }
    if !merge.conflicts.is_empty() {
        return Err(TableError::Conflicts(merge.conflicts));
    }
    Ok(merge.table)
}

struct Merge<'a> {
    table: Table,
    packages: &'a [Contribution<'a>],
    conflicts: Vec<Conflict>,
}

/// Which of two packages holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    First,
    Second,
}

impl Merge<'_> {
    fn lay(&mut self, package: usize) -> Result<(), TableError> {
        let files: BTreeMap<&TreePath, &Entry> = self.packages[package].entries.iter().map(|entry| (&entry.path, entry)).collect();
        for entry in self.packages[package].entries {
            if entry.path.as_str().split('/').any(|part| part.starts_with(".wh.")) {
                return Err(TableError::Whiteout { package: self.name(package), path: entry.path.clone() });
            }
            let row = self.row(package, entry, &files)?;
            if let Err((first, reason)) = self.place(package, row) {
                let (path, second) = (entry.path.clone(), self.name(package));
                self.conflicts.push(Conflict { path, first, second, reason });
            }
        }
        Ok(())
    }

    /// Makes a row of an entry. A hard link becomes a second name for the bytes of the file that it leads to.
    fn row(&self, package: usize, entry: &Entry, files: &BTreeMap<&TreePath, &Entry>) -> Result<Row, TableError> {
        let mut entry = entry.clone();
        let content = match &entry.kind {
            Kind::File { .. } => Content::Member(entry.path.clone()),
            Kind::Hardlink { target } => {
                let whole = files.get(target).filter(|whole| matches!(whole.kind, Kind::File { .. }));
                let Some(whole) = whole else {
                    return Err(TableError::Link { package: self.name(package), path: entry.path.clone(), target: target.clone() });
                };
                entry = Entry { path: entry.path.clone(), ..(*whole).clone() };
                Content::Member(whole.path.clone())
            }
            Kind::Directory => {
                entry.mtime = DIRECTORY_TIME;
                Content::Nothing
            }
            _ => Content::Nothing,
        };
        Ok(Row { entry, owner: Some(package), content })
    }

    /// Puts a row in its place, or says who stands in its way.
    fn place(&mut self, package: usize, mut row: Row) -> Result<(), (String, Reason)> {
        let written = row.entry.path.clone();
        let path = self.table.resolve(&written).map_err(|reason| (self.holder_above(&written), reason))?;
        row.entry.path = path.clone();
        if row.entry.is_directory() {
            return self.directory(package, row);
        }
        let Some(there) = self.table.rows.get(&path) else {
            self.table.make_parents(&path).map_err(|reason| (self.holder_above(&path), reason))?;
            self.table.rows.insert(path, row);
            return Ok(());
        };
        if there.entry.is_directory() {
            return Err((self.owner(there), Reason::Directory));
        }
        if same(&there.entry, &row.entry) {
            return Ok(());
        }
        let first = there.owner.filter(|first| *first != package).ok_or_else(|| (self.owner(there), Reason::Content))?;
        match holder(self.packages[first].info, self.packages[package].info) {
            Some(Holder::First) => {}
            Some(Holder::Second) => {
                self.table.rows.insert(path, row);
            }
            None => return Err((self.name(first), Reason::Content)),
        }
        Ok(())
    }

    fn directory(&mut self, package: usize, row: Row) -> Result<(), (String, Reason)> {
        let mut path = row.entry.path.clone();
        match self.table.rows.get_mut(&path) {
            // Made for what lies below it before anyone stated it.
            Some(there) if there.entry.is_directory() => {
                if there.owner.is_none() {
                    *there = row;
                }
            }
            Some(there) => {
                let leads = matches!(there.entry.kind, Kind::Symlink { .. }).then(|| self.table.leads_to_directory(&path)).flatten();
                let there = self.table.rows.get(&path).map_or_else(String::new, |there| self.owner(there));
                path = leads.ok_or((there, Reason::Directory))?;
            }
            None => {
                self.table.make_parents(&path).map_err(|reason| (self.holder_above(&path), reason))?;
                self.table.rows.insert(path.clone(), row);
            }
        }
        self.table.directories[package].insert(path);
        Ok(())
    }

    fn name(&self, package: usize) -> String {
        let info = self.packages[package].info;
        format!("{}-{}", info.name, info.version)
    }

    fn owner(&self, row: &Row) -> String {
        row.owner.map_or_else(|| "the image".to_owned(), |package| self.name(package))
    }

    /// Who holds what stands in the way above `path`.
    fn holder_above(&self, path: &TreePath) -> String {
        let above = path.ancestors().filter_map(|above| self.table.rows.get(&above)).find(|row| !row.entry.is_directory());
        above.map_or_else(|| "the image".to_owned(), |row| self.owner(row))
    }
}

/// Whether two entries that are no directories have the same content. Mode and owner are those of the first.
fn same(first: &Entry, second: &Entry) -> bool {
    match (&first.kind, &second.kind) {
        (Kind::File { digest: Some(a), .. }, Kind::File { digest: Some(b), .. }) => a == b,
        (Kind::File { .. }, Kind::File { .. }) => false,
        (a, b) => a == b,
    }
}

/// Which of two packages holds a path that both want, or `None` if that is a conflict.
fn holder(first: &Info, second: &Info) -> Option<Holder> {
    // apk gives a package that replaces the other its `replaces_priority`, 0 without one, and -1 when it does not replace.
    let priority = |one: &Info, other: &Info| {
        let replaces = one.replaces.iter().any(|it| it.name == other.name.as_str() && it.constraint.accepts(&other.version));
        if replaces { i128::from(one.replaces_priority.unwrap_or(0)) } else { -1 }
    };
    match priority(first, second).cmp(&priority(second, first)) {
        std::cmp::Ordering::Greater => Some(Holder::First),
        std::cmp::Ordering::Less => Some(Holder::Second),
        std::cmp::Ordering::Equal => (first.origin.is_some() && first.origin == second.origin).then_some(Holder::Second),
    }
}
