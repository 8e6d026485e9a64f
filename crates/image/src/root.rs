//! Build roots: every package extracted once, stacked read-only, and one small generated layer on top.
//!
//! A root is a list of directories for an overlay. Nothing is copied: a second root of the same packages is a look-up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use apk::package::Limits;
use apk::{Package, Table};
use base::store::Contents;
use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Reporter, Store, StoreError, Task, TaskKind};
use fs_err as fs;
use rayon::prelude::*;

use crate::contents::TABLES;
use crate::table::{self, Contribution, TableError};

/// The form of extracted packages and of the generated layer. Raised when the same packages would give another root.
const FORMAT: u32 = 1;

/// Why a root could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A package can not be extracted.
    #[error(transparent)]
    Package(#[from] apk::PackageError),
    /// Packages can not stand beside each other.
    #[error(transparent)]
    Table(#[from] TableError),
    /// One package has a directory where another has none: an overlay would hide what is below.
    #[error("`{path}` is a directory in {directory} and none in {other}; a build root can not hold both")]
    Clash {
        /// The path.
        path: TreePath,
        /// The package that has a directory there.
        directory: String,
        /// The package that has something else.
        other: String,
    },
    /// The store failed.
    #[error("while making a build root")]
    Store(#[from] StoreError),
    /// The operating system refused; its message names the path.
    #[error("while making a build root")]
    Io(#[source] io::Error),
}

/// Directories that make a root when they are stacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The directories, topmost first.
    pub lowers: Vec<PathBuf>,
}

/// Makes the root of packages that the store keeps under these digests, in install order.
///
/// What the packages do not bring, the generated layer has: the links of a merged `/usr`, places to mount at, accounts
/// of root alone. Every path belongs to the caller, so that a user namespace of one id sees it as root's.
///
/// Packages are extracted, and the seals of those that were are looked at, on every processor at once.
pub fn make(store: &Store, packages: &[Digest], reporter: &dyn Reporter) -> Result<Root, RootError> {
    let mut lowers = packages.par_iter().map(|content| extract(store, content, reporter)).collect::<Result<Vec<_>, _>>()?;
    lowers.push(generate(store, packages)?);
    lowers.reverse();
    Ok(Root { lowers })
}

fn tree_key(content: &Digest) -> Digest {
    Digest::of(format!("package {FORMAT} {content}"))
}

/// Returns the tree of a package, extracting it the first time.
fn extract(store: &Store, content: &Digest, reporter: &dyn Reporter) -> Result<PathBuf, RootError> {
    let key = tree_key(content);
    store.tree_or_make(&key, |dir| {
        let package = Package::open_blob(store, content)?;
        let name = package.info().identity();
        let task = Task::new(TaskKind::Root, &name);
        reporter.started(&task);
        let extracted = package.extract(dir, &Limits::default());
        reporter.finished(&task, if extracted.is_ok() { base::Finish::Done } else { base::Finish::Failed });
        let table = extracted?;
        store.put_record(TABLES, content, &table)?;
        Ok(base::store::contents(&table.entries))
    })
}

fn generate(store: &Store, packages: &[Digest]) -> Result<PathBuf, RootError> {
    let list: Vec<String> = packages.iter().map(Digest::to_string).collect();
    let key = Digest::of(format!("generated {FORMAT} {}", list.join(" ")));
    store.tree_or_make(&key, |dir| {
        let parts = packages.par_iter().map(|content| part(store, content)).collect::<Result<Vec<_>, _>>()?;
        refuse_clashes(&parts)?;
        raise_winners(&parts, dir)?;
        fill_in(&parts, dir)?;
        Ok(Contents::new())
    })
}

fn part(store: &Store, content: &Digest) -> Result<Part, RootError> {
    let package = Package::open_blob(store, content)?;
    let table = match store.record(TABLES, content)? {
        Some(table) => table,
        None => {
            let table = package.table()?;
            store.put_record(TABLES, content, &table)?;
            table
        }
    };
    let key = tree_key(content);
    Ok((package, table, store.tree(&key).ok_or(StoreError::Missing { digest: key })?))
}

type Part = (Package, Table, PathBuf);

/// Refuses a path that is a directory in one package and none in another.
fn refuse_clashes(parts: &[Part]) -> Result<(), RootError> {
    let mut seen: BTreeMap<&TreePath, (&Entry, &Package)> = BTreeMap::new();
    for (package, table, _) in parts {
        for entry in &table.entries {
            let (first, holder) = seen.entry(&entry.path).or_insert((entry, package));
            if first.is_directory() != entry.is_directory() {
                let (directory, other) = if entry.is_directory() { (package, *holder) } else { (*holder, package) };
                let name = |package: &Package| package.info().identity();
                return Err(RootError::Clash { path: entry.path.clone(), directory: name(directory), other: name(other) });
            }
        }
    }
    Ok(())
}

/// Where a package further down holds a path by `replaces`, its file is put on top of them all.
fn raise_winners(parts: &[Part], dir: &Path) -> Result<(), RootError> {
    let contributions: Vec<_> =
        parts.iter().map(|(package, table, _)| Contribution { info: package.info(), entries: &table.entries }).collect();
    let merged = table::merge(&contributions)?;
    let mut topmost: BTreeMap<&TreePath, usize> = BTreeMap::new();
    for (place, (_, table, _)) in parts.iter().enumerate() {
        topmost.extend(table.entries.iter().filter(|entry| !entry.is_directory()).map(|entry| (&entry.path, place)));
    }
    for (path, top) in topmost {
        // A path below a link to a directory lies elsewhere in the merged table, and the overlay finds it by the link.
        let Some(owner) = merged.get(path).and_then(|row| row.owner).filter(|owner| *owner != top) else { continue };
        let (from, to) = (parts[owner].2.join(path), dir.join(path));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(RootError::Io)?;
        }
        match fs::read_link(&from) {
            Ok(target) => std::os::unix::fs::symlink(target, &to).map_err(RootError::Io)?,
            Err(_) => drop(fs::copy(&from, &to).map_err(RootError::Io)?),
        }
    }
    Ok(())
}

/// Directories that the sandbox mounts at or that programs count on.
const DIRECTORIES: [&str; 8] = ["dev", "etc", "home", "proc", "run", "sys", "tmp", "var"];

/// Links of a merged `/usr` (the file hierarchy of every current distribution): scripts name `/bin/sh`.
const LINKS: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// The accounts of a root that no package gave any: the only user inside is root.
const FILES: [(&str, &str); 2] = [("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")];

/// Makes what no package brings.
fn fill_in(parts: &[Part], dir: &Path) -> Result<(), RootError> {
    let held = |path: &str| parts.iter().any(|(_, table, _)| table.entries.iter().any(|entry| entry.path.as_str() == path));
    let kind = |path: &str| {
        let mut entries = parts.iter().flat_map(|(_, table, _)| &table.entries);
        entries.find(|entry| entry.path.as_str() == path).map(|entry| &entry.kind)
    };
    for path in DIRECTORIES.into_iter().filter(|path| !held(path)) {
        fs::create_dir_all(dir.join(path)).map_err(RootError::Io)?;
    }
    for path in LINKS.into_iter().filter(|path| !held(path)) {
        let target = format!("usr/{path}");
        if matches!(kind(&target), Some(Kind::Directory)) {
            std::os::unix::fs::symlink(&target, dir.join(path)).map_err(RootError::Io)?;
        }
    }
    for (path, text) in FILES.into_iter().filter(|(path, _)| !held(path)) {
        fs::create_dir_all(dir.join("etc")).map_err(RootError::Io)?;
        fs::write(dir.join(path), text).map_err(RootError::Io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use apk::{Info, Scripts};
    use std::collections::BTreeSet;

    struct Made {
        info: Info,
        entries: Vec<Entry>,
        content: BTreeMap<TreePath, Vec<u8>>,
    }

    fn package(name: &str) -> Made {
        Made { info: Info::new(name.parse().unwrap(), "1-r0".parse().unwrap(), "x86_64"), entries: vec![], content: BTreeMap::new() }
    }

    impl Made {
        fn file(mut self, path: &str, text: &str) -> Self {
            let path = TreePath::parse(path).unwrap();
            for above in path.ancestors() {
                if !self.entries.iter().any(|entry| entry.path == above) {
                    self.entries.push(Entry::new(above, Kind::Directory, 0o755, 0));
                }
            }
            let kind = Kind::File { size: text.len() as u64, digest: Some(Digest::of(text)) };
            self.entries.push(Entry::new(path.clone(), kind, 0o644, 0));
            self.content.insert(path, text.into());
            self
        }

        fn link(mut self, path: &str, target: &str) -> Self {
            let kind = Kind::Symlink { target: target.to_owned() };
            self.entries.push(Entry::new(TreePath::parse(path).unwrap(), kind, 0o777, 0));
            self
        }

        fn replaces(mut self, name: &str) -> Self {
            self.info.replaces = vec![name.parse().unwrap()];
            self
        }

        fn store(&self, store: &Store) -> Digest {
            let mut open =
                |entry: &Entry| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(io::Cursor::new(self.content[&entry.path].clone()))) };
            apk::package::store_package(store, &self.info, &Scripts::new(), &self.entries, &mut open, 0).unwrap().content()
        }
    }

    /// Makes a root and says what it holds, as an overlay would show it.
    fn root(packages: &[Made]) -> Result<BTreeMap<String, String>, RootError> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let contents: Vec<_> = packages.iter().map(|package| package.store(&store)).collect();
        let root = make(&store, &contents, &())?;
        assert_eq!(make(&store, &contents, &()).unwrap(), root);
        let mut shown = BTreeMap::new();
        for lower in &root.lowers {
            list(lower, "", &mut shown);
        }
        Ok(shown)
    }

    fn list(dir: &Path, below: &str, shown: &mut BTreeMap<String, String>) {
        let names: BTreeSet<_> = fs::read_dir(dir.join(below)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        for name in names {
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let place = dir.join(&path);
            if let Ok(target) = fs::read_link(&place) {
                shown.entry(path).or_insert(format!("-> {}", target.display()));
            } else if place.is_dir() {
                list(dir, &path, shown);
            } else {
                shown.entry(path).or_insert(fs::read_to_string(&place).unwrap());
            }
        }
    }

    #[test]
    fn what_packages_lack_is_generated() {
        let shown = root(&[package("sh").file("usr/bin/sh", "x")]).unwrap();
        assert_eq!(shown["bin"], "-> usr/bin");
        assert!(shown["etc/passwd"].starts_with("root:x:0:0:"));
        assert!(!shown.contains_key("lib"), "there is no usr/lib to lead to");
    }

    #[test]
    fn what_packages_bring_stays() {
        let shown = root(&[package("layout").file("etc/passwd", "own").link("bin", "elsewhere").file("usr/bin/sh", "x")]).unwrap();
        assert_eq!((shown["etc/passwd"].as_str(), shown["bin"].as_str()), ("own", "-> elsewhere"));
    }

    #[test]
    fn the_package_that_replaces_holds_the_file_wherever_it_stands() {
        let (a, b) = (|| package("a").file("etc/x", "a").replaces("b"), || package("b").file("etc/x", "b"));
        assert_eq!(root(&[a(), b()]).unwrap()["etc/x"], "a");
        assert_eq!(root(&[b(), a()]).unwrap()["etc/x"], "a");
    }

    #[test]
    fn refuses_a_directory_over_a_link() {
        let error = root(&[package("layout").link("lib", "usr/lib"), package("old").file("lib/x", "x")]).unwrap_err();
        assert_eq!(error.to_string(), "`lib` is a directory in old-1-r0 and none in layout-1-r0; a build root can not hold both");
    }

    #[test]
    fn refuses_a_file_of_two_packages() {
        assert!(matches!(root(&[package("a").file("x", "a"), package("b").file("x", "b")]), Err(RootError::Table(_))));
    }
}
