//! A suite of an archive, reached through a fetcher: release file, then indexes, each checked by the hash above it.

use std::collections::BTreeMap;
use std::io::BufReader;

use base::{Arch, Reporter, StoreError};

use super::IndexError;
use super::index::{self, Package, SourcePackage};
use super::release::{Release, ReleaseError, unwrap_cleartext};
use crate::archive::decompress;
use crate::expected::Expected;
use crate::fetch::{FetchError, Fetcher, LocationError, Place, Request};
use crate::signature::{self, Authority, Signature, SignatureError, Unchecked};

/// The longest release file, in bytes. Debian's own have some 150 KiB.
const MAX_RELEASE: u64 = 8 << 20;

/// A suite whose release file was read.
///
/// The signature is checked by gpgv if an [`Authority`] was given, and [`Archive::signature`] says so; every index is
/// checked by the hash in the release file, every file of the pool by the hash in its index. How old the release file
/// is, is not judged: stable suites have no `Valid-Until`.
#[derive(Debug)]
pub struct Archive<'a> {
    fetcher: &'a Fetcher<'a>,
    suite: String,
    /// The release file.
    pub release: Release,
    /// What is known of its signature.
    pub signature: Signature,
}

/// Why a suite can not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no mirror, or the suite's name is none.
    #[error("the suite {suite}")]
    Location {
        /// The suite.
        suite: String,
        /// What is wrong.
        #[source]
        source: LocationError,
    },
    /// The release file can not be had.
    #[error("the release file of {suite} could not be had")]
    NoRelease {
        /// The suite.
        suite: String,
        /// What failed.
        #[source]
        source: Box<FetchError>,
    },
    /// The release file can not be read.
    #[error("the suite {suite}")]
    Release {
        /// The suite.
        suite: String,
        /// What is wrong.
        #[source]
        source: ReleaseError,
    },
    /// The signature was refused.
    #[error("the suite {suite}")]
    Signature {
        /// The suite.
        suite: String,
        /// Why.
        #[source]
        source: Box<SignatureError>,
    },
    /// The release file lists no such index.
    #[error("the suite {suite} has no {index}")]
    NoIndex {
        /// The suite.
        suite: String,
        /// The index.
        index: String,
    },
    /// An index can not be had.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// An index is not in the store any more.
    #[error("while reading {index}")]
    Store {
        /// The index.
        index: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// An index can not be read.
    #[error("while reading {index}")]
    Index {
        /// The index.
        index: String,
        /// What is wrong.
        #[source]
        source: IndexError,
    },
}

impl<'a> Archive<'a> {
    /// Reads a suite's release file. Without an authority its signature is not checked, for the reason given.
    pub fn open(fetcher: &'a Fetcher<'a>, suite: &str, authority: Result<&Authority, Unchecked>) -> Result<Self, ArchiveError> {
        let suite = suite.to_owned();
        let uri = format!("debian:dists/{suite}/InRelease");
        let place = Place::parse(&uri, fetcher.settings().debian.as_ref())
            .map_err(|source| ArchiveError::Location { suite: suite.clone(), source })?;
        let message = fetcher
            .fetch_unpinned(&place, MAX_RELEASE)
            .map_err(|source| ArchiveError::NoRelease { suite: suite.clone(), source: Box::new(source) })?;
        let wrong = |source| ArchiveError::Release { suite: suite.clone(), source };
        let utf8 = |bytes| String::from_utf8(bytes).map_err(|_| wrong(ReleaseError::Encoding));
        let (text, signature) = match authority {
            Ok(authority) => {
                let (text, signature) = signature::check_cleartext(&message, "the release file", authority, fetcher.store())
                    .map_err(|source| ArchiveError::Signature { suite: suite.clone(), source: Box::new(source) })?;
                (utf8(text)?, signature)
            }
            Err(why) => (unwrap_cleartext(&utf8(message)?).map_err(wrong)?, Signature::Unchecked(why)),
        };
        let release = Release::parse(&text, &suite).map_err(wrong)?;
        Ok(Self { fetcher, suite, release, signature })
    }

    /// Reads `Packages`: every binary package of an architecture by name.
    pub fn packages(&self, component: &str, arch: Arch, reporter: &dyn Reporter) -> Result<BTreeMap<String, Package>, ArchiveError> {
        let path = format!("{component}/binary-{}/Packages.xz", debian_arch(arch));
        self.index(&path, reporter, index::packages)
    }

    /// Reads `Sources`: every source package by name, its versions in order.
    pub fn sources(&self, component: &str, reporter: &dyn Reporter) -> Result<BTreeMap<String, Vec<SourcePackage>>, ArchiveError> {
        self.index(&format!("{component}/source/Sources.xz"), reporter, index::sources)
    }

    fn index<T>(
        &self,
        path: &str,
        reporter: &dyn Reporter,
        parse: impl FnOnce(BufReader<Box<dyn std::io::Read>>) -> Result<T, IndexError>,
    ) -> Result<T, ArchiveError> {
        let missing = || ArchiveError::NoIndex { suite: self.suite.clone(), index: path.to_owned() };
        let listed = self.release.files.get(path).ok_or_else(missing)?;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let by_hash = format!("debian:dists/{}/{folder}/by-hash/SHA256/{}", self.suite, listed.digest.hex());
        let by_name = format!("debian:dists/{}/{path}", self.suite);
        let request = Request {
            name: format!("{} {path}", self.suite),
            uris: if self.release.by_hash { vec![by_hash, by_name] } else { vec![by_name] },
            expected: Expected::Sha256(listed.digest),
            size: Some(listed.size),
            relock: None,
        };
        let fetched = self.fetcher.fetch(&request, reporter).map_err(|error| ArchiveError::Fetch(Box::new(error)))?;
        let store = |source| ArchiveError::Store { index: path.to_owned(), source };
        let blob = self.fetcher.store().open_blob(&fetched.digest).map_err(store)?;
        let (_, plain) = decompress(blob).map_err(|source| store(StoreError::Io { doing: "unpacking an index", source }))?;
        parse(BufReader::with_capacity(256 << 10, plain)).map_err(|source| ArchiveError::Index { index: path.to_owned(), source })
    }
}

/// An architecture as Debian calls it.
#[must_use]
pub(crate) fn debian_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "i386",
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
        Arch::Armhf => "armel",
        Arch::Armv7 => "armhf",
        Arch::Loongarch64 => "loong64",
        Arch::Ppc64le => "ppc64el",
        Arch::Riscv64 => "riscv64",
        Arch::S390x => "s390x",
    }
}
