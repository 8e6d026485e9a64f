//! What differs between two images or two packages: packages, files, bytes.

use std::collections::{BTreeMap, BTreeSet};

use base::tree::{Entry, Kind, TreePath};
use serde::Serialize;

use crate::Snapshot;
use crate::snapshot::PackageLine;

/// All that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Packages that came, went, or changed, by name.
    pub packages: Vec<Change<String, PackageLine>>,
    /// Entries that came, went, or changed, by path.
    pub entries: Vec<Change<TreePath, Entry>>,
    /// Bytes of all files before.
    pub size_before: u64,
    /// Bytes of all files after.
    pub size_after: u64,
}

/// One thing that differs. Absent on one side, it came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<K, T> {
    /// Its name or path.
    pub key: K,
    /// What it was.
    pub before: Option<T>,
    /// What it is.
    pub after: Option<T>,
    /// What about it changed, when it is on both sides.
    pub what: Vec<Aspect>,
}

/// What can change about a package or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The version of a package.
    Version,
    /// The licence of a package.
    License,
    /// The package whose definition made it.
    Origin,
    /// The size of a package's files.
    Size,
    /// File, directory or link.
    Kind,
    /// The bytes of a file, or the target of a link.
    Content,
    /// Permission bits.
    Mode,
    /// Owner or group.
    Owner,
    /// The time of last change.
    Time,
    /// Extended attributes.
    Xattrs,
}

impl Diff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.entries.is_empty()
    }
}

/// Compares two snapshots.
#[must_use]
pub fn diff(before: &Snapshot, after: &Snapshot) -> Diff {
    let lines = |snapshot: &Snapshot| -> BTreeMap<String, PackageLine> {
        snapshot.packages().into_iter().map(|line| (line.name.clone(), line)).collect()
    };
    let size = |snapshot: &Snapshot| snapshot.entries.values().map(Entry::size).sum();
    Diff {
        packages: changes(&lines(before), &lines(after), package),
        entries: changes(&before.entries, &after.entries, entry),
        size_before: size(before),
        size_after: size(after),
    }
}

fn changes<K: Ord + Clone, T: Clone>(
    before: &BTreeMap<K, T>,
    after: &BTreeMap<K, T>,
    compare: fn(&T, &T) -> Vec<Aspect>,
) -> Vec<Change<K, T>> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |key: &K| {
        let (before, after) = (before.get(key), after.get(key));
        let what = before.zip(after).map(|(before, after)| compare(before, after)).unwrap_or_default();
        let differs = before.is_none() || after.is_none() || !what.is_empty();
        differs.then(|| Change { key: key.clone(), before: before.cloned(), after: after.cloned(), what })
    };
    keys.into_iter().filter_map(change).collect()
}

fn aspects<const N: usize>(pairs: [(bool, Aspect); N]) -> Vec<Aspect> {
    pairs.into_iter().filter(|(differs, _)| *differs).map(|(_, aspect)| aspect).collect()
}

fn package(a: &PackageLine, b: &PackageLine) -> Vec<Aspect> {
    aspects([
        (a.version != b.version, Aspect::Version),
        (a.license != b.license, Aspect::License),
        (a.origin != b.origin, Aspect::Origin),
        (a.size != b.size, Aspect::Size),
    ])
}

fn entry(a: &Entry, b: &Entry) -> Vec<Aspect> {
    let same_kind = std::mem::discriminant(&a.kind) == std::mem::discriminant(&b.kind);
    let same_content = match (&a.kind, &b.kind) {
        (Kind::File { digest: x, .. }, Kind::File { digest: y, .. }) => x == y,
        (x, y) => !same_kind || x == y,
    };
    aspects([
        (!same_kind, Aspect::Kind),
        (!same_content, Aspect::Content),
        (a.mode != b.mode, Aspect::Mode),
        ((a.uid, a.gid) != (b.uid, b.gid), Aspect::Owner),
        (a.mtime != b.mtime, Aspect::Time),
        (a.xattrs != b.xattrs, Aspect::Xattrs),
    ])
}

#[cfg(test)]
mod tests {
    use base::Digest;

    use super::*;

    fn snapshot(entries: &[Entry]) -> Snapshot {
        Snapshot { entries: entries.iter().map(|entry| (entry.path.clone(), entry.clone())).collect(), ..Snapshot::default() }
    }

    fn file(path: &str, text: &str) -> Entry {
        let kind = Kind::File { size: text.len() as u64, digest: Some(Digest::of(text)) };
        Entry::new(TreePath::parse(path).unwrap(), kind, 0o644, 1)
    }

    #[test]
    fn names_what_came_what_went_and_what_changed() {
        let mut moved = file("d", "d");
        moved.uid = 5;
        moved.mode = 0o600;
        let link = Entry { kind: Kind::Symlink { target: "x".into() }, ..file("e", "") };
        let before = snapshot(&[file("a", "1"), file("b", "2"), file("c", "3"), file("d", "d"), file("e", "")]);
        let after = snapshot(&[file("a", "1"), file("c", "33"), moved, link, file("f", "new")]);
        let found = diff(&before, &after);
        let told: Vec<_> =
            found.entries.iter().map(|one| (one.key.as_str(), one.before.is_some(), one.after.is_some(), one.what.clone())).collect();
        assert_eq!(
            told,
            [
                ("b", true, false, vec![]),
                ("c", true, true, vec![Aspect::Content]),
                ("d", true, true, vec![Aspect::Mode, Aspect::Owner]),
                ("e", true, true, vec![Aspect::Kind]),
                ("f", false, true, vec![]),
            ]
        );
        assert_eq!((found.size_before, found.size_after), (4, 7));
        assert!(diff(&before, &before).is_empty());
    }
}
