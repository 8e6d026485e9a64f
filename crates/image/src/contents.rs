//! The packages of a lock, opened: their tables, and single files of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use apk::Package;
use apk::package::Limits;
use base::tree::{Kind, TreePath};
use base::{Arch, Digest, Store};
use rayon::prelude::*;
use spec::image::Compression;

use crate::layer::{PartWriter, part};
use crate::lock::Lock;
use crate::table::{Content, Contribution, Row, Table, merge};
use crate::{ImageError, Locked, accounts, sbom};

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
pub(crate) fn open(store: &Store, lock: &Lock, compression: Compression) -> Result<Vec<Opened>, ImageError> {
    let opened: Vec<_> = lock.packages.par_iter().map(|locked| open_one(store, lock.arch, locked, compression)).collect();
    // Of several errors the first in the lock is told, whichever came first.
    opened.into_iter().collect()
}

fn open_one(store: &Store, arch: Arch, locked: &Locked, compression: Compression) -> Result<Opened, ImageError> {
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
    let table = admit(store, &package, compression)?;
    store.put_record(TABLES, &locked.content, &table)?;
    Ok(Opened { package, table })
}

/// Reads a package once, from front to end, for all that images need of it: its table, the files that are read again,
/// and the layer part that it gives where an image changes nothing of it.
fn admit(store: &Store, package: &Package, compression: Compression) -> Result<apk::Table, ImageError> {
    let mut writer = PartWriter::new(store, compression)?;
    let table = package.read_data(&Limits::default(), |entry, content| match &entry.kind {
        Kind::File { size, .. } if is_read(&entry.path) && *size <= MAX_READ => {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(ImageError::Layer)?;
            keep(store, &bytes)?;
            writer.append(entry, &mut bytes.as_slice())
        }
        Kind::File { .. } => writer.append(entry, content),
        _ => Ok(()),
    })?;
    let alone = merge(&[Contribution { info: package.info(), entries: &table.entries }]);
    // What can not even stand alone is refused where it is laid beside the others, with all that is wrong.
    if let Ok(alone) = alone {
        let part = part(&alone, 0, &table.entries);
        if part.files.iter().all(|file| file.entry.path == file.member) {
            writer.finish(&part)?;
        }
    }
    Ok(table)
}

/// Keeps a small file, also where a damaged one lies under its name.
fn keep(store: &Store, bytes: &[u8]) -> Result<(), ImageError> {
    store.put_from(&mut &*bytes)?;
    Ok(())
}

/// Whether composing reads a file of this name: then it is kept as a blob of its own.
fn is_read(path: &TreePath) -> bool {
    let path = path.as_str();
    accounts::FILES.contains(&path) || sbom::OS_RELEASE.contains(&path) || path.starts_with(sbom::FOLDER)
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
    pub(crate) fn read(store: &Store, opened: &[Opened], table: &Table, wanted: &BTreeSet<TreePath>) -> Result<Self, ImageError> {
        let mut found = BTreeMap::new();
        let mut from: BTreeMap<usize, BTreeMap<&TreePath, &TreePath>> = BTreeMap::new();
        for path in wanted {
            // An etc/os-release is most often a link.
            let Some(row) = table.follow(path, true).ok().and_then(|end| table.get(&end)) else { continue };
            match (&row.content, row.owner) {
                (Content::Bytes(bytes), _) => {
                    found.insert(path.clone(), bytes.to_vec());
                }
                (Content::Member(member), Some(owner)) => match kept(store, row)? {
                    Some(bytes) => {
                        found.insert(path.clone(), bytes);
                    }
                    None => {
                        from.entry(owner).or_default().insert(member, path);
                    }
                },
                _ => {}
            }
        }
        for (owner, members) in from {
            read_members(store, &opened[owner], &members, &mut found)?;
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

/// Returns the bytes of a file that is kept as a blob of its own, if it still is what it was.
fn kept(store: &Store, row: &Row) -> Result<Option<Vec<u8>>, ImageError> {
    match &row.entry.kind {
        Kind::File { size, digest: Some(digest) } if *size <= MAX_READ && store.blob(digest).is_some() => {
            let bytes = store.read_blob(digest)?;
            Ok((Digest::of(&bytes) == *digest).then_some(bytes))
        }
        _ => Ok(None),
    }
}

/// Reads files out of a package, and keeps them so that this need not be done again.
fn read_members(
    store: &Store,
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
        keep(store, &bytes)?;
        found.insert((*path).clone(), bytes);
        Ok(())
    })?;
    Ok(())
}
