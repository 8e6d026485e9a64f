//! A mirror: every pinned source as a file under its hash, from which builds work without any network.
//!
//! ```text
//! sha256/<64 hex>    a source's bytes
//! sha512/<128 hex>   the same for what is pinned by sha512; a hard link where the file system has them
//! ```

use std::io;
use std::path::{Path, PathBuf};

use base::{Digest, Reporter, Store, StoreError};
use fs_err as fs;
use serde::Serialize;

use crate::expected::Expected;
use crate::fetch::{FetchError, Fetcher, Request};

/// What a mirror holds after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Mirrored {
    /// Files that are new.
    pub added: u64,
    /// Files that were there.
    pub kept: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Why a mirror could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A source can not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The store failed.
    #[error("while copying {name} to the mirror")]
    Store {
        /// Which source.
        name: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The mirror's folder can not be written. The message of the source names the path.
    #[error("while writing the mirror {}", folder.display())]
    Write {
        /// The mirror.
        folder: PathBuf,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
}

/// Fetches everything in `requests` and copies it to `folder`, which is made if it is not there.
///
/// A file that a kill left half-written has another name, so what lies under a hash was whole when it was written.
pub fn mirror(fetcher: &Fetcher<'_>, requests: &[Request], folder: &Path, reporter: &dyn Reporter) -> Result<Mirrored, MirrorError> {
    let mut done = Mirrored::default();
    for request in requests {
        let fetched = fetcher.fetch(request, reporter)?;
        let by_sha256 = folder.join(Expected::Sha256(fetched.digest).mirror_path());
        let added = copy(fetcher.store(), &fetched.digest, &by_sha256, folder, &request.name)?;
        if let Expected::Sha512(_) = request.expected {
            let place = folder.join(request.expected.mirror_path());
            let linked = place.is_file() || link(&by_sha256, &place);
            if !linked {
                copy(fetcher.store(), &fetched.digest, &place, folder, &request.name)?;
            }
        }
        done.bytes += fetched.size;
        if added { done.added += 1 } else { done.kept += 1 }
    }
    Ok(done)
}

fn link(from: &Path, to: &Path) -> bool {
    to.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) && fs::hard_link(from, to).is_ok()
}

fn copy(store: &Store, digest: &Digest, place: &Path, folder: &Path, name: &str) -> Result<bool, MirrorError> {
    if place.is_file() {
        return Ok(false);
    }
    let failed = |source| MirrorError::Write { folder: folder.to_owned(), source };
    let mut blob = store.open_blob(digest).map_err(|source| MirrorError::Store { name: name.to_owned(), source })?;
    let unfinished = place.with_extension(format!("{}.unfinished", std::process::id()));
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = fs::File::create(&unfinished).map_err(failed)?;
    io::copy(&mut blob, &mut file).and_then(|_| file.sync_all()).map_err(failed)?;
    fs::rename(&unfinished, place).map_err(failed)?;
    Ok(true)
}
