//! One Debian package as one of ours.
//!
//! The tree is moved below `/usr`, documentation is left out and no script is kept ([`super::tree`]); `provides` and
//! `depends` come from the same analysis as ours, and from what the lock says. The result depends on the package file,
//! the lock's entry and the links alone; the store remembers it under a key of these and [`FORMAT`].

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use apk::{Info, Record, Scripts};
use base::tarball::ReadError;
use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Dependency, Digest, PackageName, Store};
use serde::{Deserialize, Serialize};
use source::debian::{Control, Deb};

use super::spool::{Span, Spool, Writer};
use super::tree::{Destination, Tree, destination};
use super::version::apk_version;
use super::{Locked, SeedError};
use crate::analyse::{self, Analysis, Libraries, Options, Subject};

/// A tree read once: its entries, where each file lies in the spool, and the spool.
type Spooled = (Vec<Entry>, BTreeMap<TreePath, Span>, Spool);

/// The format of a converted seed. Raised when equal input gives another package: a golden digest guards it.
///
/// 2: a hard link carries the checksum of its file.
pub const FORMAT: u32 = 2;

/// The most that one seed may unpack to, in bytes. The largest that a compiler needs has some 200 MB.
const MAX_UNPACKED: u64 = 4 << 30;

/// The kind of record that holds [`Converted`].
const RECORD: &str = "seed";

/// What is converted, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion<'a> {
    pub(super) locked: &'a Locked,
    pub(super) links: Option<&'a BTreeMap<TreePath, String>>,
    pub(super) arch: Arch,
}

/// A seed that was converted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Converted {
    /// The package, whose content is in the store.
    pub(super) record: Record,
    /// Its paths that are not directories.
    pub(super) paths: Vec<TreePath>,
}

/// All that a converted seed depends on.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    arch: Arch,
    sha256: &'a Digest,
    name: &'a str,
    version: &'a str,
    depends: &'a [String],
    links: Option<&'a BTreeMap<TreePath, String>>,
}

impl Conversion<'_> {
    /// Returns what the store remembers of this conversion.
    pub(super) fn remembered(&self, store: &Store) -> Result<Option<Converted>, SeedError> {
        let found: Option<Converted> = store.record(RECORD, &self.key()).map_err(|source| self.store_error(source))?;
        Ok(found.filter(|one| one.record.content.is_some_and(|content| store.blob(&content).is_some())))
    }

    /// Converts the package file, which is in the store.
    pub(super) fn convert(&self, store: &Store) -> Result<Converted, SeedError> {
        let name = self.locked.path.rsplit('/').next().unwrap_or(&self.locked.name);
        let blob = store.open_blob(&self.locked.sha256).map_err(|source| self.store_error(source))?;
        let mut deb = Deb::open(blob, name).map_err(|error| SeedError::Deb(Box::new(error)))?;
        self.check(&deb.control)?;
        let (entries, contents, spool) = self.unpack(&mut deb, store)?;
        let epoch = entries.iter().map(|entry| entry.mtime).max().unwrap_or(0);
        let content = |entry: &Entry| {
            let span = contents.get(&entry.path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            Ok::<_, io::Error>(spool.open(span))
        };
        let info = self.info(&deb.control, &entries, epoch, &content)?;
        let package =
            apk::package::store_package(store, &info, &Scripts::new(), &entries, &mut |entry| Ok(Box::new(content(entry)?)), epoch)
                .map_err(|source| SeedError::Package { package: self.package(), source })?;
        let paths = entries.into_iter().filter(|entry| !entry.is_directory()).map(|entry| entry.path).collect();
        let converted = Converted { record: package.record().clone(), paths };
        store.put_record(RECORD, &self.key(), &converted).map_err(|source| self.store_error(source))?;
        Ok(converted)
    }

    fn check(&self, control: &Control) -> Result<(), SeedError> {
        let locked = self.locked;
        let same =
            control.package == locked.name && control.version.as_str() == locked.version.as_str() && control.architecture == locked.arch;
        if same {
            return Ok(());
        }
        let found = format!("{} {} {}", control.package, control.version, control.architecture);
        Err(SeedError::Other { package: format!("{} {}", self.package(), locked.arch), found })
    }

    /// Reads the tree once: files go to the spool, the table to memory.
    fn unpack(&self, deb: &mut Deb, store: &Store) -> Result<Spooled, SeedError> {
        let spool_error = |source| SeedError::Spool { package: self.package(), source };
        let mut writer = Writer::create(&store.tmp_path("seed")).map_err(spool_error)?;
        let mut tree = Tree::new();
        let mut left = MAX_UNPACKED;
        let too_much = || SeedError::TooMuch { package: self.package(), limit: MAX_UNPACKED };
        let read = deb.read(|item, content| {
            let mut entry = item.entry;
            let Destination::At(at) = destination(&entry) else { return Ok(()) };
            let mut span = None;
            if let Kind::File { size, digest } = &mut entry.kind {
                left = left.checked_sub(*size).ok_or_else(|| Halt::Seed(too_much()))?;
                let (written, hash) = writer.append(&mut content.take(*size)).map_err(|error| Halt::Seed(spool_error(error)))?;
                *digest = Some(hash);
                span = Some(written);
            }
            tree.add(entry, at, span).map_err(|clash| Halt::Seed(SeedError::Merged { package: self.package(), path: clash.0 }))
        });
        match read {
            Ok(()) => {}
            Err(Halt::Read(source)) => return Err(SeedError::Tree { package: self.package(), source }),
            Err(Halt::Seed(error)) => return Err(error),
        }
        let newest = tree.newest();
        for (path, target) in self.links.into_iter().flatten() {
            tree.link(path, target, newest).map_err(|clash| SeedError::Link { package: self.package(), path: clash.0 })?;
        }
        let (entries, contents) = tree.finish();
        Ok((entries, contents, writer.finish().map_err(spool_error)?))
    }

    fn info(
        &self,
        control: &Control,
        entries: &[Entry],
        epoch: i64,
        content: &dyn Fn(&Entry) -> io::Result<super::spool::Content>,
    ) -> Result<Info, SeedError> {
        let package_name = |text: &str| -> Result<PackageName, SeedError> {
            text.parse().map_err(|source| SeedError::Name { package: self.package(), source })
        };
        let version = apk_version(&self.locked.version);
        let Analysis { provides, depends, .. } = self.analyse(&version, entries, content)?;
        let mut info = Info::new(package_name(&self.locked.name)?, version, self.arch.apk());
        info.description = control.synopsis.clone();
        info.url = control.homepage.clone().unwrap_or_default();
        info.license = "NOASSERTION".into();
        info.origin = Some(package_name(control.source.as_deref().unwrap_or(&control.package))?);
        info.commit = Some(format!("debian:{}={}", self.locked.name, self.locked.version));
        info.maintainer = control.maintainer.clone();
        info.build_time = Some(epoch);
        info.provides = provides;
        info.provides.push(Dependency::any(format!("{}{}", super::repository::MARK, self.locked.name)));
        // A script's interpreter may be of a language that no build needs; what Debian says it needs, it has.
        info.depends = depends.into_iter().filter(|need| need.name.starts_with("so:")).collect();
        info.depends.extend(self.locked.depends.iter().map(Dependency::any));
        Ok(info)
    }

    fn analyse(
        &self,
        version: &base::Version,
        entries: &[Entry],
        content: &dyn Fn(&Entry) -> io::Result<super::spool::Content>,
    ) -> Result<Analysis, SeedError> {
        let options = Options { library_directories: vec![format!("usr/lib/{}", self.multiarch())], ..Options::default() };
        let subject = Subject { version, arch: self.arch, entries, options: &options, siblings: &Libraries::default() };
        analyse::analyse(&subject, &mut |entry| Ok(Box::new(content(entry)?)))
            .map_err(|source| SeedError::Analyse { package: self.package(), source })
    }

    /// Debian's name for the directory of an architecture's libraries.
    fn multiarch(&self) -> &'static str {
        match self.arch {
            Arch::X86 => "i386-linux-gnu",
            Arch::X86_64 => "x86_64-linux-gnu",
            Arch::Aarch64 => "aarch64-linux-gnu",
            Arch::Armhf => "arm-linux-gnueabi",
            Arch::Armv7 => "arm-linux-gnueabihf",
            Arch::Loongarch64 => "loongarch64-linux-gnu",
            Arch::Ppc64le => "powerpc64le-linux-gnu",
            Arch::Riscv64 => "riscv64-linux-gnu",
            Arch::S390x => "s390x-linux-gnu",
        }
    }

    fn key(&self) -> Digest {
        let locked = self.locked;
        let key = Key {
            format: FORMAT,
            arch: self.arch,
            sha256: &locked.sha256,
            name: &locked.name,
            version: locked.version.as_str(),
            depends: &locked.depends,
            links: self.links,
        };
        let json = serde_json::to_vec(&key).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"));
        Digest::of(json)
    }

    pub(super) fn package(&self) -> String {
        format!("{} {}", self.locked.name, self.locked.version)
    }

    fn store_error(&self, source: base::StoreError) -> SeedError {
        SeedError::Store { package: self.package(), source }
    }
}

/// What ends the reading of a tree.
enum Halt {
    Read(ReadError),
    Seed(SeedError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
