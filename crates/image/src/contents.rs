//! The packages of a lock, opened: their tables, and single files of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use apk::Package;
use apk::package::Limits;
use base::tree::{Kind, TreePath};
use base::{Arch, Store};

use crate::lock::Lock;
use crate::table::{Content, Contribution, Table};
use crate::{ImageError, Locked};

/// The longest file that is read whole: an account file, os-release, an SBOM. The largest SBOM of the field has 30 MB.
const MAX_READ: u64 = 128 << 20;

/// The kind of record that holds a package's table. The number is raised when [`apk::Table`] changes.
pub(crate) const TABLES: &str = "package-table-1";

/// A package of the image.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) package: Package,
    pub(crate) table: apk::Table,
}

impl Opened {
    pub(crate) fn name(&self) -> String {
        self.package.info().identity()
    }
}

/// Opens what the lock names. A package's data are read and checked once; afterwards its table is a record of the store.
pub(crate) fn open(store: &Store, lock: &Lock) -> Result<Vec<Opened>, ImageError> {
    lock.packages.iter().map(|locked| open_one(store, lock.arch, locked)).collect()
}

fn open_one(store: &Store, arch: Arch, locked: &Locked) -> Result<Opened, ImageError> {
    let package = Package::open_blob(store, &locked.content)?;
    let info = package.info();
    if info.name != locked.name || info.version != locked.version {
        let locked_name = format!("{}-{}", locked.name, locked.version);
        return Err(ImageError::Locked { locked: locked_name, content: locked.content, found: info.identity() });
    }
    if info.arch != arch.apk() && info.arch != "noarch" {
        return Err(ImageError::Arch { package: info.identity(), found: info.arch.clone(), wanted: arch.apk() });
    }
    if let Some(table) = store.record(TABLES, &locked.content)? {
        return Ok(Opened { package, table });
    }
    let table = package.table()?;
    store.put_record(TABLES, &locked.content, &table)?;
    Ok(Opened { package, table })
}

/// Returns the packages as the table sees them.
pub(crate) fn contributions(opened: &[Opened]) -> Vec<Contribution<'_>> {
    opened.iter().map(|one| Contribution { info: one.package.info(), entries: &one.table.entries }).collect()
}

/// Files of the image that were read into memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<TreePath, Vec<u8>>);

impl Files {
    /// Reads those of `wanted` that the table holds, wherever their bytes lie.
    pub(crate) fn read(opened: &[Opened], table: &Table, wanted: &BTreeSet<TreePath>) -> Result<Self, ImageError> {
        let mut found = BTreeMap::new();
        let mut from: BTreeMap<usize, BTreeMap<&TreePath, &TreePath>> = BTreeMap::new();
        for path in wanted {
            // An etc/os-release is most often a link.
            let row = table.follow(path, true).ok().and_then(|end| table.get(&end));
            match row.map(|row| (row.owner, &row.content)) {
                Some((Some(owner), Content::Member(member))) => {
                    from.entry(owner).or_default().insert(member, path);
                }
                Some((_, Content::Bytes(bytes))) => {
                    found.insert(path.clone(), bytes.to_vec());
                }
                _ => {}
            }
        }
        for (owner, members) in from {
            read_members(&opened[owner], &members, &mut found)?;
        }
        Ok(Self(found))
    }

    /// Returns a file as text, or `None` if the image has none.
    pub(crate) fn text(&self, path: &TreePath) -> Result<Option<&str>, ImageError> {
        let text = self.0.get(path).map(|bytes| std::str::from_utf8(bytes)).transpose();
        text.map_err(|_| ImageError::Text { path: path.clone() })
    }

    pub(crate) fn get(&self, path: &TreePath) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }
}

fn read_members(
    from: &Opened,
    members: &BTreeMap<&TreePath, &TreePath>,
    found: &mut BTreeMap<TreePath, Vec<u8>>,
) -> Result<(), ImageError> {
    from.package.read_data(&Limits::default(), |entry, content| {
        let (Some(path), Kind::File { size, .. }) = (members.get(&entry.path), &entry.kind) else { return Ok(()) };
        if *size > MAX_READ {
            return Err(ImageError::Large { package: from.name(), path: entry.path.clone(), size: *size, most: MAX_READ });
        }
        let mut bytes = Vec::new();
        content.take(MAX_READ).read_to_end(&mut bytes).map_err(ImageError::Layer)?;
        found.insert((*path).clone(), bytes);
        Ok(())
    })?;
    Ok(())
}
