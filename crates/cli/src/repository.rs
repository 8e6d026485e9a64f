//! Packages of signed repositories on disk, in place of packages that are built here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use apk::package::Expected;
use apk::signature::{self, Unsigned};
use apk::{Index, Package, Record};
use base::{Arch, Digest, Store};
use image::Lock;

use crate::command::KeyArgs;
use crate::failure::{Failure, Message, with_usual_hints};

/// Options of verbs that take packages from repositories.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RepositoryArgs {
    /// Take the packages from this repository, a folder as `undistro index` writes it, and build nothing. May be given more
    /// than once.
    #[arg(long = "repository", value_name = "DIR")]
    repositories: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
}

/// The indexes of repositories, each with its folder.
pub(crate) struct Repositories {
    found: Vec<(PathBuf, Index)>,
}

impl RepositoryArgs {
    /// Whether packages are built here.
    pub(crate) fn is_empty(&self) -> bool {
        self.repositories.is_empty()
    }

    /// Reads the indexes; each must be signed by one of the keys.
    pub(crate) fn load(&self, arch: Arch) -> Result<Repositories, Failure> {
        let keys = self.keys.keyring()?;
        let policy = signature::Policy { sha1: self.keys.sha1(), unsigned: Unsigned::Refuse };
        let load = |dir: &PathBuf| {
            let folder = dir.join(arch.apk());
            let file = folder.join("APKINDEX.tar.gz");
            let (index, _) = Index::load(&file, &keys, &policy).map_err(|error| {
                let mut message = Message::of(&error);
                message.chain.insert(0, format!("{} can not be used", file.display()));
                if matches!(error, apk::IndexError::Signature(_)) { Failure::No(message) } else { Failure::Input(message) }
            })?;
            Ok((folder, index))
        };
        Ok(Repositories { found: self.repositories.iter().map(load).collect::<Result<_, _>>()? })
    }
}

impl Repositories {
    /// Returns what they offer, one list each.
    pub(crate) fn records(&self) -> Vec<&[Record]> {
        self.found.iter().map(|(_, index)| index.records.as_slice()).collect()
    }

    /// Brings the packages of a lock into the store. Each must be what its index says.
    pub(crate) fn bring(&self, lock: &Lock, store: &Store) -> Result<(), Failure> {
        let told = |error: apk::PackageError| Failure::No(with_usual_hints(Message::of(&error), &error));
        let offered: BTreeMap<Digest, (&PathBuf, &Record)> = self
            .found
            .iter()
            .flat_map(|(folder, index)| index.records.iter().filter_map(move |record| Some((record.content?, (folder, record)))))
            .collect();
        for locked in lock.packages.iter().filter(|locked| store.blob(&locked.content).is_none()) {
            let Some((folder, record)) = offered.get(&locked.content) else { continue };
            let package = Package::open(&folder.join(format!("{}.apk", record.info.identity()))).map_err(told)?;
            Expected::from(*record).check(&package).map_err(told)?;
            package.keep(store).map_err(told)?;
        }
        Ok(())
    }
}
