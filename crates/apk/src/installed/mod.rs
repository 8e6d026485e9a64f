//! The installed database: which packages a root holds, and which files are whose (`usr/lib/apk/db/installed`).
//!
//! Beside it lie `scripts.tar` with the packages' scripts, and `triggers` with the directories that they watch.

mod scripts;
mod text;

use std::collections::BTreeMap;

use base::tree::{Entry, Kind, TreePath};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use crate::{Checksum, Record, Table};

pub use scripts::{Script, Trigger, parse_triggers, print_triggers, read_scripts, write_scripts};
pub use text::InstalledError;

/// The packages of a root, in the order in which they were installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Database {
    /// Each package with what it owns.
    pub packages: Vec<Installed>,
}

/// One package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What an index would say of it, and what it replaces.
    pub record: Record,
    /// The tag of the repository that it came from (`s:`).
    pub tag: Option<String>,
    /// What is broken, in apk's letters (`f:`).
    pub broken: Option<String>,
    /// Its directories, in the order of the text, with their files.
    pub directories: Vec<Directory>,
}

/// A directory and the files in it that one package owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it lies; `None` is the root itself.
    pub path: Option<TreePath>,
    /// Owner and mode, if not root's and 0755.
    pub access: Option<Access>,
    /// Its files, links and devices.
    pub files: Vec<File>,
}

/// A file, link or device that one package owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the directory.
    pub name: String,
    /// Owner and mode, if not root's and 0644.
    pub access: Option<Access>,
    /// SHA-1 of the content, or of a symbolic link's target.
    pub checksum: Checksum,
}

/// Owner, mode and extended attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    /// The checksum of the extended attributes, if there are any.
    pub xattrs: Checksum,
}

impl Access {
    fn of(entry: &Entry, usual: u32) -> Option<Self> {
        let access = Self { uid: entry.uid, gid: entry.gid, mode: entry.mode & 0o7777, xattrs: xattr_checksum(&entry.xattrs) };
        let plain = Self { uid: 0, gid: 0, mode: usual, xattrs: Checksum::Unstated };
        (access != plain).then_some(access)
    }
}

/// Returns what apk writes for extended attributes: the SHA-1 of each name and value with its length before it.
fn xattr_checksum(xattrs: &BTreeMap<String, Vec<u8>>) -> Checksum {
    if xattrs.is_empty() {
        return Checksum::Unstated;
    }
    let mut sha1 = Sha1::new();
    for bytes in xattrs.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        sha1.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        sha1.update(bytes);
    }
    Checksum::Sha1(sha1.finalize().into())
}

impl Installed {
    /// Makes the entry of a package that holds `table`.
    ///
    /// Give only what the package really owns in the root: leave out files that another package replaced.
    #[must_use]
    pub fn new(record: Record, table: &Table) -> Self {
        let mut directories: BTreeMap<Option<TreePath>, Directory> = BTreeMap::new();
        let make = |path: Option<TreePath>| Directory { path, access: None, files: Vec::new() };
        for entry in &table.entries {
            if entry.kind == Kind::Directory {
                let key = Some(entry.path.clone());
                directories.entry(key.clone()).or_insert_with(|| make(key)).access = Access::of(entry, 0o755);
            } else {
                let file = File {
                    name: entry.path.file_name().to_owned(),
                    access: Access::of(entry, 0o644),
                    checksum: table.checksums.get(&entry.path).copied().unwrap_or_default(),
                };
                let parent = entry.path.parent();
                directories.entry(parent.clone()).or_insert_with(|| make(parent)).files.push(file);
            }
        }
        let mut directories: Vec<_> = directories.into_values().collect();
        directories.iter_mut().for_each(|directory| directory.files.sort_by(|a, b| a.name.cmp(&b.name)));
        Self { record, tag: None, broken: None, directories }
    }

    /// Returns every path that the package owns, directories too.
    pub fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.directories.iter().flat_map(|directory| {
            let above = directory.path.as_ref().map(TreePath::as_str);
            let files = directory.files.iter().map(move |file| match above {
                Some(above) => format!("{above}/{}", file.name),
                None => file.name.clone(),
            });
            above.map(str::to_owned).into_iter().chain(files)
        })
    }
}

impl Database {
    /// Returns the packages that own `path`; a file has one at most.
    pub fn owners<'d>(&'d self, path: &'d TreePath) -> impl Iterator<Item = &'d Installed> + 'd {
        self.packages.iter().filter(move |installed| {
            installed.directories.iter().any(|directory| {
                directory.path.as_ref() == Some(path)
                    || (directory.path == path.parent() && directory.files.iter().any(|file| file.name == path.file_name()))
            })
        })
    }
}
