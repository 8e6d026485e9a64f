//! A bundle: all sources of what is shipped, under names that a person can read, as licences ask for.
//!
//! ```text
//! <package>/<file>   a source as it was fetched
//! sources.json       every source with its package, where it is said to be, its hash, and how its origin is known
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base::tarball::Writer;
use base::tree::{Entry, Kind, PathError, TreePath};
use base::{Digest, Reporter, StoreError};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::fetch::{FetchError, Fetcher, Request};
use crate::identity::Identity;

/// A source that goes into a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// The package that is built from it.
    pub package: String,
    /// The source.
    pub request: Request,
    /// How its origin is known.
    pub identity: Identity,
}

/// A line of `sources.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where it lies in the bundle.
    pub path: TreePath,
    /// Packages that are built from it, sorted.
    pub packages: Vec<String>,
    /// Where it is said to be.
    pub uris: Vec<String>,
    /// Its hash.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How its origin is known.
    pub identity: Identity,
}

/// A bundle whose sources are all in the store.
#[derive(Debug)]
pub struct Bundle<'a> {
    fetcher: &'a Fetcher<'a>,
    /// Every source once, in order of path.
    pub sources: Vec<Listed>,
}

/// Why a bundle can not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A source can not be had.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// A package's or source's name is no file name.
    #[error("the source {name} of {package} can not be named in a bundle")]
    Name {
        /// The package.
        package: String,
        /// The source.
        name: String,
        /// What is wrong.
        #[source]
        source: PathError,
    },
    /// The store failed.
    #[error("while writing {path} to the bundle")]
    Store {
        /// Which source.
        path: TreePath,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The bundle can not be written.
    #[error("while writing {what} of the bundle")]
    Write {
        /// What was being written.
        what: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// The list of sources in a bundle.
const LIST: &str = "sources.json";

impl<'a> Bundle<'a> {
    /// Fetches every source. A source of several packages lies with the first of them in order of name.
    pub fn collect(fetcher: &'a Fetcher<'a>, mut wanted: Vec<Bundled>, reporter: &dyn Reporter) -> Result<Self, BundleError> {
        let order = |one: &Bundled| (one.package.clone(), one.request.name.clone(), one.request.expected);
        wanted.sort_by_key(order);
        let mut by_digest: BTreeMap<Digest, Listed> = BTreeMap::new();
        let mut taken: BTreeMap<TreePath, Digest> = BTreeMap::new();
        for Bundled { package, request, identity } in wanted {
            let fetched = fetcher.fetch(&request, reporter).map_err(|error| BundleError::Fetch(Box::new(error)))?;
            if let Some(known) = by_digest.get_mut(&fetched.digest) {
                known.packages.push(package);
                known.packages.dedup();
                continue;
            }
            let named = |text: &str| {
                let wrong = |source| BundleError::Name { package: package.clone(), name: request.name.clone(), source };
                TreePath::parse(text).map_err(wrong)
            };
            let mut path = named(&format!("{package}/{}", request.name.replace('/', "_")))?;
            // Two sources of one package with one name: the second carries its hash.
            if taken.contains_key(&path) {
                path = named(&format!("{package}/{}-{}", fetched.digest.hex(), request.name.replace('/', "_")))?;
            }
            taken.insert(path.clone(), fetched.digest);
            let listed = Listed { path, packages: vec![package], uris: request.uris, sha256: fetched.digest, size: fetched.size, identity };
            by_digest.insert(fetched.digest, listed);
        }
        let mut sources: Vec<_> = by_digest.into_values().collect();
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { fetcher, sources })
    }

    /// Writes the bundle into `folder`, which is made if it is not there.
    pub fn write_folder(&self, folder: &Path) -> Result<(), BundleError> {
        for source in &self.sources {
            let place: PathBuf = folder.join(&source.path);
            let failed = |error| BundleError::Write { what: source.path.to_string(), source: error };
            fs::create_dir_all(place.parent().unwrap_or(folder)).map_err(failed)?;
            let mut file = fs::File::create(&place).map_err(failed)?;
            io::copy(&mut self.open(source)?, &mut file).map_err(failed)?;
        }
        let failed = |source| BundleError::Write { what: LIST.into(), source };
        fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(LIST), self.list())).map_err(failed)
    }

    /// Writes the bundle as a tar archive whose entries have the time `epoch`: equal sources, equal bytes.
    pub fn write_tar(&self, out: &mut dyn Write, epoch: i64) -> Result<(), BundleError> {
        let mut tar = Writer::new(out);
        let mut append = |path: &TreePath, size: u64, content: &mut dyn io::Read| {
            let entry = Entry::new(path.clone(), Kind::File { size, digest: None }, 0o644, epoch);
            let appended = tar.append(&entry, &BTreeMap::new(), content);
            appended.map_err(|source| BundleError::Write { what: path.to_string(), source })
        };
        for source in &self.sources {
            append(&source.path, source.size, &mut self.open(source)?)?;
        }
        let list = self.list();
        let path = TreePath::parse(LIST).unwrap_or_else(|error| unreachable!("a plain name: {error}"));
        append(&path, list.len() as u64, &mut list.as_slice())?;
        tar.finish().map_err(|source| BundleError::Write { what: "the end".into(), source })?;
        Ok(())
    }

    fn open(&self, source: &Listed) -> Result<fs::File, BundleError> {
        let store = self.fetcher.store();
        store.open_blob(&source.sha256).map_err(|error| BundleError::Store { path: source.path.clone(), source: error })
    }

    fn list(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(&self.sources).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"));
        text.push(b'\n');
        text
    }
}
