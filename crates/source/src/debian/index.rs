//! The indexes of a suite: `Packages` of one architecture, and `Sources`.

use std::collections::BTreeMap;
use std::io::BufRead;

use base::Digest;

use super::{ControlError, Paragraph, Paragraphs, Version, VersionError};

/// A binary package as `Packages` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// For which machines: `amd64`, `all`.
    pub architecture: String,
    /// Where it lies below the archive's root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Digest,
    /// `Pre-Depends` and `Depends`, as written and joined.
    pub depends: String,
    /// `Provides`, as written.
    pub provides: String,
}

/// A source package as `Sources` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its files.
    pub files: Vec<SourceFile>,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it lies below the archive's root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Digest,
}

/// Why an index can not be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is not a control file.
    #[error("the index")]
    Control(#[from] ControlError),
    /// A paragraph says too little, or nonsense.
    #[error("the field `{field}` of {package} in the index is missing or wrong")]
    Field {
        /// Which package.
        package: String,
        /// Which field.
        field: &'static str,
    },
    /// A version is none.
    #[error("the version of {package} in the index")]
    Version {
        /// Which package.
        package: String,
        /// What is wrong.
        #[source]
        source: VersionError,
    },
}

fn field<'a>(paragraph: &'a Paragraph, package: &str, field: &'static str) -> Result<&'a str, IndexError> {
    paragraph.get(field).ok_or_else(|| IndexError::Field { package: package.to_owned(), field })
}

fn version(paragraph: &Paragraph, package: &str) -> Result<Version, IndexError> {
    let text = field(paragraph, package, "Version")?;
    text.parse().map_err(|source| IndexError::Version { package: package.to_owned(), source })
}

/// Whether a path of an index stays below the archive's root.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads `Packages`: every package by name, the latest version of each.
pub fn packages(reader: impl BufRead) -> Result<BTreeMap<String, Package>, IndexError> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for paragraph in Paragraphs::new(reader) {
        let package = package(&paragraph?)?;
        if packages.get(&package.name).is_none_or(|other| other.version < package.version) {
            packages.insert(package.name.clone(), package);
        }
    }
    Ok(packages)
}

fn package(paragraph: &Paragraph) -> Result<Package, IndexError> {
    let name = field(paragraph, "a package", "Package")?.to_owned();
    let wrong = |field| IndexError::Field { package: name.clone(), field };
    let depends = [paragraph.get("Pre-Depends"), paragraph.get("Depends")];
    Ok(Package {
        version: version(paragraph, &name)?,
        architecture: field(paragraph, &name, "Architecture")?.to_owned(),
        path: paragraph.get("Filename").filter(|path| is_inside(path)).ok_or_else(|| wrong("Filename"))?.to_owned(),
        size: paragraph.get("Size").and_then(|size| size.parse().ok()).ok_or_else(|| wrong("Size"))?,
        sha256: paragraph.get("SHA256").and_then(|hex| Digest::from_hex(hex).ok()).ok_or_else(|| wrong("SHA256"))?,
        depends: depends.into_iter().flatten().collect::<Vec<_>>().join(", "),
        provides: paragraph.get("Provides").unwrap_or("").to_owned(),
        name,
    })
}

/// Reads `Sources`: every source package by name, all versions, the latest last.
pub fn sources(reader: impl BufRead) -> Result<BTreeMap<String, Vec<SourcePackage>>, IndexError> {
    let mut sources: BTreeMap<String, Vec<SourcePackage>> = BTreeMap::new();
    for paragraph in Paragraphs::new(reader) {
        let package = source_package(&paragraph?)?;
        sources.entry(package.name.clone()).or_default().push(package);
    }
    sources.values_mut().for_each(|versions| versions.sort_by(|a, b| a.version.cmp(&b.version)));
    Ok(sources)
}

fn source_package(paragraph: &Paragraph) -> Result<SourcePackage, IndexError> {
    let name = field(paragraph, "a source package", "Package")?.to_owned();
    let wrong = |field| IndexError::Field { package: name.clone(), field };
    let directory = paragraph.get("Directory").filter(|path| is_inside(path)).ok_or_else(|| wrong("Directory"))?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (digest, size, file) = (words.next()?, words.next()?, words.next()?);
        let path = format!("{directory}/{file}");
        is_inside(&path).then_some(())?;
        Some(SourceFile { path, size: size.parse().ok()?, sha256: Digest::from_hex(digest).ok()? })
    };
    let lines = field(paragraph, &name, "Checksums-Sha256")?.lines().filter(|line| !line.trim().is_empty());
    let files = lines.map(|text| line(text).ok_or_else(|| wrong("Checksums-Sha256"))).collect::<Result<_, _>>()?;
    Ok(SourcePackage { version: version(paragraph, &name)?, files, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(version: &str) -> String {
        let hash = Digest::of(b"x").hex();
        format!(
            "Package: x\nVersion: {version}\nArchitecture: amd64\nDepends: a\nPre-Depends: b\nFilename: pool/x.deb\nSize: 3\nSHA256: {hash}\n\n"
        )
    }

    #[test]
    fn keeps_the_latest_of_a_package() {
        let text = [paragraph("1"), paragraph("3"), paragraph("2")].concat();
        let found = packages(text.as_bytes()).unwrap();
        assert_eq!((found["x"].version.as_str(), found["x"].depends.as_str()), ("3", "b, a"));
    }

    #[test]
    fn refuses_paths_outside_the_archive_and_broken_fields() {
        for (from, to) in
            [("pool/x.deb", "../x.deb"), ("pool/x.deb", "/x.deb"), ("Size: 3", "Size: x"), ("SHA256: ", "SHA256: 0"), ("Size", "Siz")]
        {
            let text = paragraph("1").replace(from, to);
            assert!(matches!(packages(text.as_bytes()), Err(IndexError::Field { .. })), "{to}");
        }
        assert!(matches!(packages(paragraph("?").as_bytes()), Err(IndexError::Version { .. })));
    }

    #[test]
    fn reads_the_files_of_a_source() {
        let hash = Digest::of(b"x").hex();
        let text =
            format!("Package: x\nVersion: 1\nDirectory: pool/main/x\nChecksums-Sha256:\n {hash} 5 x_1.orig.tar.gz\n {hash} 7 x_1.dsc\n");
        let found = sources(text.as_bytes()).unwrap();
        assert_eq!(found["x"][0].files[0].path, "pool/main/x/x_1.orig.tar.gz");
        assert!(sources(text.replace("x_1.dsc", "../../../x").as_bytes()).is_err());
    }
}
