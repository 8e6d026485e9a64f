//! An image or a package as anyone who has it sees it: its packages and its files.

use std::collections::BTreeMap;

use apk::Package;
use apk::installed::Database;
use base::tree::{Entry, TreePath};
use oci::{Blobs, Descriptor, Manifest, tree};
use serde::Serialize;

use crate::{ImageError, database};

/// Where apk and others keep the installed database; images that apk made hold it at the second.
const DATABASES: [&str; 2] = [database::PLACE, "lib/apk/db/installed"];

/// What an image or a package holds.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Its packages. An image without a package database has none.
    pub database: Database,
    /// Its files; each with its sha256.
    pub entries: BTreeMap<TreePath, Entry>,
    /// Small files that were asked for.
    pub contents: BTreeMap<TreePath, Vec<u8>>,
}

/// A package, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The package whose definition made it.
    pub origin: Option<String>,
    /// Its licence.
    pub license: String,
    /// Bytes that its files take.
    pub size: u64,
}

/// An image with its packages, as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Layers, sizes, user, entrypoint.
    pub image: oci::Inspection,
    /// Packages, by name.
    pub packages: Vec<PackageLine>,
    /// How many files, links and devices it holds.
    pub files: usize,
    /// Bytes of its files.
    pub unpacked: u64,
}

impl Snapshot {
    /// Reads all layers of an image. `keep` says which files' content is wanted besides the database.
    pub fn of_image(blobs: &dyn Blobs, image: &Descriptor, keep: &dyn Fn(&TreePath) -> bool) -> Result<Self, ImageError> {
        let manifest = Manifest::read(blobs, image)?;
        let wanted = |path: &TreePath| DATABASES.contains(&path.as_str()) || keep(path);
        let tree = tree::merged(blobs, &manifest, &wanted)?;
        let database = DATABASES.iter().find_map(|place| tree.content(place)).map(Database::parse).transpose()?;
        let entries = tree.entries.into_iter().map(|(path, (entry, _))| (path, entry)).collect();
        Ok(Self { database: database.unwrap_or_default(), entries, contents: tree.contents })
    }

    /// Reads the data of a package.
    pub fn of_package(package: &Package) -> Result<Self, ImageError> {
        let table = package.table()?;
        let installed = apk::installed::Installed::new(package.record().clone(), &table);
        let entries = table.entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        Ok(Self { database: Database { packages: vec![installed] }, entries, contents: BTreeMap::new() })
    }

    /// Returns its packages in order of name.
    #[must_use]
    pub fn packages(&self) -> Vec<PackageLine> {
        let line = |installed: &apk::installed::Installed| {
            let info = &installed.record.info;
            PackageLine {
                name: info.name.to_string(),
                version: info.version.to_string(),
                origin: info.origin.as_ref().map(ToString::to_string),
                license: info.license.clone(),
                size: info.installed_size,
            }
        };
        let mut lines: Vec<_> = self.database.packages.iter().map(line).collect();
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        lines
    }

    /// Returns the names of the packages that hold `path`: one for a file, any number for a directory.
    #[must_use]
    pub fn owners(&self, path: &TreePath) -> Vec<String> {
        self.database.owners(path).map(|installed| installed.record.info.identity()).collect()
    }
}

/// Reads an image: what its configuration says, and its packages.
pub fn inspect(blobs: &dyn Blobs, image: &Descriptor) -> Result<Inspection, ImageError> {
    let snapshot = Snapshot::of_image(blobs, image, &|_| false)?;
    Ok(Inspection {
        image: oci::inspect(blobs, image)?,
        packages: snapshot.packages(),
        files: snapshot.entries.values().filter(|entry| !entry.is_directory()).count(),
        unpacked: snapshot.entries.values().map(Entry::size).sum(),
    })
}
