//! Whether SBOM, package database and file system of an image agree: `undistro sbom --verify`.
//!
//! Every package of the database is in the SBOM and the other way round; every file that the database lists is there with
//! its checksum; every file that is there is listed by the database, or by the SBOM as made when the image was composed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use apk::Checksum;
use apk::installed::Database;
use attest::spdx::{Algorithm, Document, Element, Id, Relation, Relationship};
use base::tree::{Kind, TreePath};
use oci::{Blobs, Descriptor, Manifest, tree};
use sha1::{Digest as _, Sha1};

use crate::{ImageError, database};

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Finding {
    /// The SBOM is of another image.
    #[error("the SBOM is of another image: it describes no manifest {0}")]
    Subject(base::Digest),
    /// The image has no package database.
    #[error("the image has no package database at /{place}", place = database::PLACE)]
    NoDatabase,
    /// The database lists a package that the SBOM does not.
    #[error("{0} is installed, and the SBOM does not list it")]
    NotInSbom(String),
    /// The SBOM lists a package that the database does not.
    #[error("the SBOM lists {0}, and it is not installed")]
    NotInstalled(String),
    /// A file is listed and is not there.
    #[error("{owner} lists /{path}, and it is not there")]
    Missing {
        /// Who lists it.
        owner: String,
        /// The file.
        path: TreePath,
    },
    /// A file is another than is listed.
    #[error("/{path} is not what {owner} lists: its checksum should be {expected} and is {actual}")]
    Changed {
        /// Who lists it.
        owner: String,
        /// The file.
        path: TreePath,
        /// What is listed.
        expected: Checksum,
        /// What it is.
        actual: Checksum,
    },
    /// A file is there that nothing lists.
    #[error("/{0} is there, and neither the package database nor the SBOM lists it")]
    Unaccounted(TreePath),
    /// Two list the same file.
    #[error("/{path} is listed by {first} and by {second}")]
    Twice {
        /// The file.
        path: TreePath,
        /// Who lists it.
        first: String,
        /// Who lists it too.
        second: String,
    },
}

/// Who lists a file, and with which checksum. An unstated one is not compared.
type Listed = BTreeMap<TreePath, (String, Checksum)>;

/// Compares an image with its SBOM. The result is sorted.
pub fn verify(blobs: &dyn Blobs, image: &Descriptor, sbom: &Document) -> Result<Vec<Finding>, ImageError> {
    let mut findings = Vec::new();
    let describes = sbom.described().any(|one| one.checksums.iter().any(|sum| sum.checksum_value == image.digest.hex()));
    if !describes {
        findings.push(Finding::Subject(image.digest));
    }
    let manifest = Manifest::read(blobs, image)?;
    let tree = tree::merged(blobs, &manifest, &|path| path.as_str() == database::PLACE)?;
    let Some(text) = tree.content(database::PLACE) else {
        findings.push(Finding::NoDatabase);
        return Ok(findings);
    };
    let database = Database::parse(text)?;
    compare_packages(&database, sbom, &mut findings);
    let listed = listed(&database, sbom, &mut findings);
    compare_files(&listed, &present(blobs, &manifest, &tree)?, &mut findings);
    findings.sort();
    Ok(findings)
}

fn compare_packages(database: &Database, sbom: &Document, findings: &mut Vec<Finding>) {
    let installed: BTreeSet<_> = database.packages.iter().map(|one| one.record.info.identity()).collect();
    // What was linked into a package is in its files, and is not installed.
    let links = sbom.relationships.iter().filter(|one| one.relationship_type == Relation::STATIC_LINK);
    let linked: BTreeSet<_> = links.map(|one| &one.related_spdx_element).collect();
    let apks = sbom.packages.iter().filter(|element| is_apk(element) && !linked.contains(&element.id));
    let told: BTreeSet<_> =
        apks.map(|element| format!("{}-{}", element.name, element.version_info.as_deref().unwrap_or_default())).collect();
    findings.extend(installed.difference(&told).cloned().map(Finding::NotInSbom));
    findings.extend(told.difference(&installed).cloned().map(Finding::NotInstalled));
}

fn is_apk(element: &Element) -> bool {
    element.external_refs.iter().any(|one| one.reference_type == "purl" && one.reference_locator.starts_with("pkg:apk/"))
}

/// The files that the SBOM lists of an apk: melange's SBOMs once did, and what they say the database says too.
fn files_of_apks(sbom: &Document) -> BTreeSet<&Id> {
    let apks: BTreeSet<_> = sbom.packages.iter().filter(|element| is_apk(element)).map(|element| &element.id).collect();
    let holds = |one: &&Relationship| one.relationship_type == Relation::CONTAINS && apks.contains(&one.spdx_element_id);
    sbom.relationships.iter().filter(holds).map(|one| &one.related_spdx_element).collect()
}

/// What the database and the SBOM list, together.
fn listed(database: &Database, sbom: &Document, findings: &mut Vec<Finding>) -> Listed {
    let mut listed = Listed::new();
    let mut list = |owner: String, path: TreePath, checksum: Checksum| {
        if let Some((first, _)) = listed.get(&path) {
            findings.push(Finding::Twice { path, first: first.clone(), second: owner });
        } else {
            listed.insert(path, (owner, checksum));
        }
    };
    for installed in &database.packages {
        for directory in &installed.directories {
            for file in &directory.files {
                let path = match &directory.path {
                    Some(above) => above.join(&file.name),
                    None => TreePath::parse(&file.name),
                };
                // The database was parsed: its names are names of files.
                if let Ok(path) = path {
                    list(installed.record.info.identity(), path, file.checksum);
                }
            }
        }
    }
    let of_apks = files_of_apks(sbom);
    for file in sbom.files.iter().filter(|file| !of_apks.contains(&file.id)) {
        let sum = file.checksums.iter().find(|sum| sum.algorithm == Algorithm::SHA1);
        let checksum = sum.and_then(|sum| Checksum::from_hex(&sum.checksum_value).ok()).unwrap_or_default();
        if let Ok(path) = TreePath::parse(&file.file_name) {
            list("the SBOM".into(), path, checksum);
        }
    }
    listed
}

/// Every file and link of the merged file system with its SHA-1; the layers are read once more for it.
fn present(blobs: &dyn Blobs, manifest: &Manifest, merged: &tree::Tree) -> Result<BTreeMap<TreePath, Checksum>, ImageError> {
    let mut present = BTreeMap::new();
    for (place, layer) in manifest.layers.iter().enumerate() {
        tree::read_layer(blobs, layer, |item, content| {
            let path = item.entry.path;
            let Some((entry, from)) = merged.entries.get(&path) else { return Ok(()) };
            if *from != place || entry.is_directory() {
                return Ok(());
            }
            let checksum = match &entry.kind {
                Kind::Symlink { target } => Checksum::sha1(target),
                Kind::Hardlink { target } => present.get(target).copied().unwrap_or_default(),
                Kind::File { .. } => sha1_of(content)?,
                _ => Checksum::Unstated,
            };
            present.insert(path, checksum);
            Ok(())
        })?;
    }
    Ok(present)
}

fn sha1_of(content: &mut dyn Read) -> Result<Checksum, oci::OciError> {
    let mut sha1 = Sha1::new();
    let mut block = [0; 64 << 10];
    loop {
        match content.read(&mut block) {
            Ok(0) => return Ok(Checksum::Sha1(sha1.finalize().into())),
            Ok(n) => sha1.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(oci::OciError::Io { doing: "reading a file of a layer", source }),
        }
    }
}

fn compare_files(listed: &Listed, present: &BTreeMap<TreePath, Checksum>, findings: &mut Vec<Finding>) {
    for (path, (owner, expected)) in listed {
        let (owner, path) = (owner.clone(), path.clone());
        match present.get(&path) {
            None => findings.push(Finding::Missing { owner, path }),
            Some(actual) if expected.is_stated() && actual != expected => {
                findings.push(Finding::Changed { owner, path, expected: *expected, actual: *actual });
            }
            Some(_) => {}
        }
    }
    findings.extend(present.keys().filter(|path| !listed.contains_key(*path)).cloned().map(Finding::Unaccounted));
}
