//! A repository on disk: `DIR/<arch>/<name>-<version>.apk`, and the signed index beside them.
//!
//! Every file is written beside its place and renamed, the index last: a reader sees the old index or the new one, and
//! each with all of its packages.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use attest::key::{Named, PrivateKey};
use base::{Digest, Version};
use fs_err as fs;

use crate::{Index, IndexError, Package, PackageError, Record};

/// The architecture of packages that fit every machine.
pub const ANY_ARCH: &str = "noarch";

/// Why a repository can not be written.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A package can not be read or signed.
    #[error("a package for the repository")]
    Package(#[source] PackageError),
    /// The index can not be made.
    #[error("the index of {}", dir.display())]
    Index {
        /// The repository's folder for the architecture.
        dir: PathBuf,
        /// What is wrong.
        #[source]
        source: IndexError,
    },
    /// A package is for another architecture.
    #[error("{package} is for {found}, and the repository for {arch}")]
    Arch {
        /// The package.
        package: String,
        /// Its architecture.
        found: String,
        /// The repository's.
        arch: String,
    },
    /// Other content is published under the same name and version.
    #[error("{package} is in {} already, with other content ({published}); raise its epoch to publish {offered}", dir.display())]
    Published {
        /// The package.
        package: String,
        /// The repository's folder for the architecture.
        dir: PathBuf,
        /// The content that is there.
        published: Digest,
        /// The content that should take its place.
        offered: Digest,
    },
    /// Two packages of one name and version were given.
    #[error("{package} is given twice")]
    Twice {
        /// The package.
        package: String,
    },
    /// The operating system refused; its message names the path.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
}

fn doing(doing: &'static str) -> impl Fn(io::Error) -> RepositoryError {
    move |source| RepositoryError::Io { doing, source }
}

/// Signs `packages`, puts them into `dir/arch`, and writes the index of exactly these.
///
/// A package that is there already with the same content is left as it is. Files of packages that are no longer in the
/// index stay: a reader may still hold the old index. Returns the index that was written.
pub fn write(dir: &Path, arch: &str, description: &str, packages: &[Package], key: &Named<PrivateKey>) -> Result<Index, RepositoryError> {
    let dir = dir.join(arch);
    fs::create_dir_all(&dir).map_err(doing("making a repository"))?;
    let mut index = Index { description: description.to_owned(), ..Index::default() };
    for package in packages {
        let found = &package.info().arch;
        if found != arch && found != ANY_ARCH {
            let (package, found) = (package.info().identity(), found.clone());
            return Err(RepositoryError::Arch { package, found, arch: arch.to_owned() });
        }
        index.records.push(publish(&dir, package, key)?);
    }
    sort(&mut index.records)?;
    write_index(&dir, &index, key)?;
    Ok(index)
}

/// Reads every `*.apk` in `dir` and writes the index of these, signed.
///
/// Packages are indexed as they are, signed by whomever or not at all: the index states their checksums.
pub fn index_folder(dir: &Path, description: &str, key: &Named<PrivateKey>) -> Result<Index, RepositoryError> {
    let mut index = Index { description: description.to_owned(), ..Index::default() };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(doing("reading a repository"))? {
        let path = entry.map_err(doing("reading a repository"))?.path();
        if path.extension().is_some_and(|extension| extension == "apk") {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        index.records.push(Package::open(&path).map_err(RepositoryError::Package)?.record().clone());
    }
    sort(&mut index.records)?;
    write_index(dir, &index, key)?;
    Ok(index)
}

/// Writes a signed index into `dir`, in place of the one that is there.
pub fn write_index(dir: &Path, index: &Index, key: &Named<PrivateKey>) -> Result<(), RepositoryError> {
    let bytes = index.to_archive(Some(key)).map_err(|source| RepositoryError::Index { dir: dir.to_owned(), source })?;
    replace(&dir.join("APKINDEX.tar.gz"), |file| file.write_all(&bytes).map_err(doing("writing an index")))
}

/// Puts one package into `dir` and returns its record.
fn publish(dir: &Path, package: &Package, key: &Named<PrivateKey>) -> Result<Record, RepositoryError> {
    let place = dir.join(format!("{}.apk", package.info().identity()));
    if place.exists() {
        let there = Package::open(&place).map_err(RepositoryError::Package)?;
        let (published, offered) = (there.content(), package.content());
        if published != offered {
            let package = package.info().identity();
            return Err(RepositoryError::Published { package, dir: dir.to_owned(), published, offered });
        }
        if there.signatures().iter().any(|signature| signature.key == key.name()) {
            return Ok(there.record().clone());
        }
    }
    let mut written = None;
    replace(&place, |file| {
        written = Some(package.write_signed(key, file).map_err(RepositoryError::Package)?);
        Ok(())
    })?;
    let (file, size) = written.unzip();
    Ok(Record { file, size: size.unwrap_or_default(), ..package.record().clone() })
}

/// Sorts by name, then version, and refuses two packages of one name and version.
fn sort(records: &mut [Record]) -> Result<(), RepositoryError> {
    let key = |record: &Record| -> (String, Version) { (record.info.name.to_string(), record.info.version.clone()) };
    records.sort_by_cached_key(key);
    match records.windows(2).find(|pair| pair[0].info.identity() == pair[1].info.identity()) {
        Some(pair) => Err(RepositoryError::Twice { package: pair[0].info.identity() }),
        None => Ok(()),
    }
}

/// Writes a file beside `path`, flushes it to disk and renames it into place.
fn replace(path: &Path, fill: impl FnOnce(&mut fs::File) -> Result<(), RepositoryError>) -> Result<(), RepositoryError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A leading dot: neither an indexer nor a reader takes it for a package. One writer at a time uses a repository.
    let beside = path.with_file_name(format!(".{name}.new"));
    let result = (|| {
        let mut file = fs::File::create(&beside).map_err(doing("writing into a repository"))?;
        fill(&mut file)?;
        file.sync_all().map_err(doing("writing into a repository"))?;
        fs::rename(&beside, path).map_err(doing("writing into a repository"))
    })();
    if result.is_err() {
        let _ = fs::remove_file(&beside);
    }
    result
}

#[cfg(test)]
mod tests {
    use attest::key::PrivateKey;
    use base::Store;
    use base::tree::{Entry, Kind, TreePath};

    use super::*;
    use crate::package::{Expected, Scripts, store_package};
    use crate::{Info, Keyring, Policy};

    struct Fixture {
        dir: tempfile::TempDir,
        store: Store,
        key: Named<PrivateKey>,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Fixture { dir, store, key: Named::new("repo.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap() }
    }

    impl Fixture {
        fn package(&self, name: &str, version: &str, arch: &str, content: &'static str) -> Package {
            let info = Info::new(name.parse().unwrap(), version.parse().unwrap(), arch);
            let file = Kind::File { size: content.len() as u64, digest: None };
            let entries = [Entry::new(TreePath::parse(name).unwrap(), file, 0o644, 0)];
            store_package(&self.store, &info, &Scripts::new(), &entries, &mut |_| Ok(Box::new(content.as_bytes())), 0).unwrap()
        }

        fn root(&self) -> PathBuf {
            self.dir.path().join("repository")
        }

        fn write(&self, packages: &[Package]) -> Result<Index, RepositoryError> {
            write(&self.root(), "x86_64", "test", packages, &self.key)
        }
    }

    #[test]
    fn a_reader_finds_and_verifies_what_was_written() {
        let fixture = fixture();
        let packages = [
            fixture.package("b", "1-r0", "x86_64", "b"),
            fixture.package("a", "1.10-r0", "noarch", "a"),
            fixture.package("a", "1.9-r0", "x86_64", "old"),
        ];
        let index = fixture.write(&packages).unwrap();
        let keys = Keyring::new([fixture.key.public().unwrap()]);
        let path = fixture.root().join("x86_64/APKINDEX.tar.gz");
        let (read, _) = Index::load(&path, &keys, &Policy::default()).unwrap();
        assert_eq!(read, index);
        let names: Vec<_> = read.records.iter().map(|record| record.info.identity()).collect();
        assert_eq!(names, ["a-1.9-r0", "a-1.10-r0", "b-1-r0"]);
        for record in &read.records {
            let package = Package::open(&fixture.root().join(format!("x86_64/{}.apk", record.info.identity()))).unwrap();
            Expected::from(record).check(&package).unwrap();
            package.verify(&keys, &Policy::default()).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        fixture.write(&packages).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "writing again changes nothing");
        assert_eq!(index_folder(&fixture.root().join("x86_64"), "test", &fixture.key).unwrap(), index);
    }

    #[test]
    fn refuses_other_content_under_a_published_version() {
        let fixture = fixture();
        fixture.write(&[fixture.package("a", "1-r0", "x86_64", "one")]).unwrap();
        let error = fixture.write(&[fixture.package("a", "1-r0", "x86_64", "two")]).unwrap_err();
        assert!(matches!(error, RepositoryError::Published { .. }), "{error}");
        fixture.write(&[fixture.package("a", "1-r1", "x86_64", "two")]).unwrap();
    }

    #[test]
    fn refuses_what_does_not_belong_together() {
        let fixture = fixture();
        let error = fixture.write(&[fixture.package("a", "1-r0", "aarch64", "one")]).unwrap_err();
        assert!(matches!(error, RepositoryError::Arch { .. }), "{error}");
        let one = fixture.package("a", "1-r0", "x86_64", "one");
        let error = fixture.write(&[one.clone(), one]).unwrap_err();
        assert!(matches!(error, RepositoryError::Twice { .. }), "{error}");
    }

    #[test]
    fn leaves_nothing_half_written() {
        let fixture = fixture();
        let package = fixture.package("a", "1-r0", "x86_64", "one");
        fs::remove_file(package.path()).unwrap();
        assert!(fixture.write(&[package]).is_err());
        assert_eq!(fs::read_dir(fixture.root().join("x86_64")).unwrap().count(), 0);
    }
}
