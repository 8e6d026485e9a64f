//! A Debian file tree as ours has it: below `/usr`, without documentation, owned by root.

use std::collections::{BTreeMap, BTreeSet};

use base::tree::{Entry, Kind, TreePath};

/// Top directories that are links into `/usr` in our roots.
const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// What no build reads. Of `usr/share/doc`, the copyright files stay: they are the licence of what may be linked in.
const DROPPED: [&str; 6] = ["usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/bug"];

/// Two files came to lie at one path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash(pub(super) TreePath);

/// Collects the entries of a seed, each with what the caller knows of its content.
#[derive(Debug)]
pub(super) struct Tree<C> {
    entries: BTreeMap<TreePath, (Entry, Option<C>)>,
}

/// Where an entry's path leads in our tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Here.
    At(TreePath),
    /// Nowhere: nobody reads it.
    Dropped,
}

/// Returns where a path leads.
pub(super) fn destination(entry: &Entry) -> Destination {
    let path = merge(&entry.path);
    let below = |top: &str| path.as_str() == top || path.as_str().strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    let is_licence = path.file_name() == "copyright" && matches!(entry.kind, Kind::File { .. });
    if DROPPED.into_iter().any(below) && !is_licence { Destination::Dropped } else { Destination::At(path) }
}

/// `/bin/x` as `/usr/bin/x`.
fn merge(path: &TreePath) -> TreePath {
    let first = path.as_str().split('/').next().unwrap_or("");
    let merged = MERGED.contains(&first).then(|| TreePath::parse(&format!("usr/{path}")).ok()).flatten();
    merged.unwrap_or_else(|| path.clone())
}

/// A relative link means the same from its new place.
///
/// Through the links at the top, `/lib/x -> y` and `/usr/lib/x -> y` are one; but `../usr/lib/y` at `/lib/x` is not
/// `../usr/lib/y` at `/usr/lib/x`. Such a link becomes absolute.
fn relink(from: &TreePath, to: &TreePath, target: &str) -> String {
    if from == to || target.starts_with('/') {
        return target.to_owned();
    }
    match (meaning(from, target), meaning(to, target)) {
        (Some(before), after) if Some(&before) != after.as_ref() => format!("/{before}"),
        _ => target.to_owned(),
    }
}

/// The path in our tree that `target` means at `link`, by its text alone.
fn meaning(link: &TreePath, target: &str) -> Option<TreePath> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { link.as_str().split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    TreePath::parse(&parts.join("/")).ok().map(|path| merge(&path))
}

impl<C> Tree<C> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Adds an entry at its destination: owned by root, without set-id bits and attributes.
    ///
    /// A directory may come twice. A link beside the file that it leads to, as packages had them while `/bin` and
    /// `/usr/bin` were two, gives way to the file.
    pub(super) fn add(&mut self, entry: Entry, at: TreePath, content: Option<C>) -> Result<(), Clash> {
        let kind = match entry.kind {
            Kind::Symlink { target } => Kind::Symlink { target: relink(&entry.path, &at, &target) },
            Kind::Hardlink { target } => Kind::Hardlink { target: merge(&target) },
            other => other,
        };
        if MERGED.contains(&at.as_str()) {
            return Ok(());
        }
        let new = Entry { kind, mode: entry.mode & 0o1777, ..Entry::new(at.clone(), Kind::Directory, 0, entry.mtime) };
        if let Some((old, _)) = self.entries.get(&at) {
            let leads_here = |entry: &Entry| matches!(&entry.kind, Kind::Symlink { target } if meaning(&at, target).as_ref() == Some(&at));
            if old.is_directory() && new.is_directory() || leads_here(&new) {
                return Ok(());
            }
            if !leads_here(old) {
                return Err(Clash(at));
            }
        }
        self.entries.insert(at, (new, content));
        Ok(())
    }

    /// Adds a symbolic link of `seed.yaml`, at a path that must be free.
    pub(super) fn link(&mut self, at: &TreePath, target: &str, mtime: i64) -> Result<(), Clash> {
        if self.entries.contains_key(at) {
            return Err(Clash(at.clone()));
        }
        let kind = Kind::Symlink { target: target.to_owned() };
        self.entries.insert(at.clone(), (Entry::new(at.clone(), kind, 0o777, mtime), None));
        Ok(())
    }

    /// Returns the newest time of an entry.
    pub(super) fn newest(&self) -> i64 {
        self.entries.values().map(|(entry, _)| entry.mtime).max().unwrap_or(0)
    }

    /// Returns all entries in order, and what is known of contents. Directories that an entry lies in and that are not
    /// listed, or were dropped with the documentation in them, are added.
    pub(super) fn finish(mut self) -> (Vec<Entry>, BTreeMap<TreePath, C>) {
        let newest = self.newest();
        let needed: BTreeSet<TreePath> = self.entries.keys().flat_map(TreePath::ancestors).collect();
        for path in needed {
            self.entries.entry(path.clone()).or_insert_with(|| (Entry::new(path, Kind::Directory, 0o755, newest), None));
        }
        let mut contents = BTreeMap::new();
        let entries = self.entries.into_iter().map(|(path, (entry, content))| {
            contents.extend(content.map(|content| (path, content)));
            entry
        });
        (entries.collect(), contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn file(at: &str) -> Entry {
        Entry::new(path(at), Kind::File { size: 0, digest: None }, 0o4755, 5)
    }

    fn link(at: &str, target: &str) -> Entry {
        Entry::new(path(at), Kind::Symlink { target: target.into() }, 0o777, 5)
    }

    fn tree(entries: Vec<Entry>) -> Result<Vec<Entry>, Clash> {
        let mut tree: Tree<()> = Tree::new();
        for entry in entries {
            if let Destination::At(at) = destination(&entry) {
                tree.add(entry, at, None)?;
            }
        }
        Ok(tree.finish().0)
    }

    fn paths(entries: Vec<Entry>) -> Vec<String> {
        tree(entries).unwrap().into_iter().map(|entry| entry.path.to_string()).collect()
    }

    #[test]
    fn what_lies_at_the_top_moves_into_usr() {
        assert_eq!(
            paths(vec![file("bin/sh"), file("lib64/ld.so"), file("etc/x")]),
            ["etc", "etc/x", "usr", "usr/bin", "usr/bin/sh", "usr/lib64", "usr/lib64/ld.so"]
        );
    }

    #[test]
    fn documentation_is_dropped_and_licences_stay() {
        let given =
            ["usr/share/doc/x/README", "usr/share/man/man1/x.1", "usr/share/locale/de/x.mo", "usr/share/doc/x/copyright", "usr/share/docs"];
        let kept = paths(given.map(file).into());
        assert_eq!(kept, ["usr", "usr/share", "usr/share/doc", "usr/share/doc/x", "usr/share/doc/x/copyright", "usr/share/docs"]);
    }

    #[test]
    fn a_link_means_the_same_from_its_new_place() {
        let cases = [
            ("lib/x", "y", "y"),
            ("lib/x", "../usr/lib/y", "/usr/lib/y"),
            ("lib/x", "../etc/y", "/etc/y"),
            ("usr/bin/x", "../../lib/y", "../../lib/y"),
            ("bin/x", "/etc/y", "/etc/y"),
            ("lib/a/x", "../y", "../y"),
        ];
        for (at, target, expected) in cases {
            let entries = tree(vec![link(at, target)]).unwrap();
            let found = entries.into_iter().find_map(|entry| match entry.kind {
                Kind::Symlink { target } => Some(target),
                _ => None,
            });
            assert_eq!(found.as_deref(), Some(expected), "{at} -> {target}");
        }
    }

    #[test]
    fn set_id_bits_go() {
        assert_eq!(tree(vec![file("usr/bin/su")]).unwrap().pop().unwrap().mode, 0o755);
    }

    #[test]
    fn two_files_at_one_path_are_refused_but_a_link_to_the_other_gives_way() {
        assert_eq!(tree(vec![file("bin/x"), file("usr/bin/x")]), Err(Clash(path("usr/bin/x"))));
        for entries in [vec![file("bin/x"), link("usr/bin/x", "/bin/x")], vec![link("bin/x", "/usr/bin/x"), file("usr/bin/x")]] {
            let found = tree(entries).map(|entries| entries.into_iter().any(|entry| matches!(entry.kind, Kind::File { .. })));
            assert_eq!(found, Ok(true));
        }
    }

    #[test]
    fn a_link_needs_a_free_path() {
        let mut tree: Tree<()> = Tree::new();
        tree.link(&path("usr/bin/sh"), "bash", 1).unwrap();
        assert_eq!(tree.link(&path("usr/bin/sh"), "dash", 1), Err(Clash(path("usr/bin/sh"))));
    }
}
