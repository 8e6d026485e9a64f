//! What lies in a store, and how much room it takes.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::OFlags;
use serde::Serialize;

use super::{Store, StoreError, doing};
use crate::Digest;

/// How many there are of one sort of thing, and how much room they take on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Room {
    /// How many.
    pub count: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// How much room a store takes, by sort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Blobs that were fetched and may not be there to fetch again.
    pub sources: Room,
    /// Blobs that were made here: packages, layers, logs, tables.
    pub made: Room,
    /// Extracted packages and what builds left.
    pub trees: Room,
    /// Records, by kind.
    pub records: BTreeMap<String, Room>,
    /// What failed builds left for a person to look at.
    pub work: Room,
    /// What is in flight.
    pub tmp: Room,
    /// All of it.
    pub total: Room,
}

impl Room {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// Measures the store.
pub fn usage(store: &Store) -> Result<Usage, StoreError> {
    let root = store.root();
    let mut usage = Usage::default();
    for digest in blobs(root)? {
        let sort = if store.is_source(&digest) { &mut usage.sources } else { &mut usage.made };
        sort.add(size(&store.blob_path(&digest)));
    }
    for tree in trees(root)? {
        usage.trees.add(size(&store.tree_path(&tree)));
    }
    for (kind, path) in record_files(root)? {
        usage.records.entry(kind).or_default().add(size(&path));
    }
    for (sort, part) in [(&mut usage.work, "work"), (&mut usage.tmp, "tmp")] {
        for path in list(&root.join(part))? {
            sort.add(size(&path));
        }
    }
    let parts = [usage.sources, usage.made, usage.trees, usage.work, usage.tmp];
    for room in parts.iter().chain(usage.records.values()) {
        usage.total.count += room.count;
        usage.total.bytes += room.bytes;
    }
    Ok(usage)
}

/// Returns the digest of every blob, sorted.
pub(super) fn blobs(root: &Path) -> Result<Vec<Digest>, StoreError> {
    let mut found = Vec::new();
    for part in list(&root.join("blobs/sha256"))? {
        found.extend(list(&part)?.iter().filter_map(|path| digest_name(path)));
    }
    Ok(found)
}

/// Returns the key of every tree, sorted.
pub(super) fn trees(root: &Path) -> Result<Vec<Digest>, StoreError> {
    Ok(list(&root.join("trees"))?.iter().filter_map(|path| digest_name(path)).collect())
}

/// Returns kind and file of every record, sorted.
pub(super) fn record_files(root: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for folder in list(&root.join("records"))? {
        let kind = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.extend(list(&folder)?.into_iter().map(|path| (kind.clone(), path)));
    }
    Ok(found)
}

/// Returns the key of a record's file.
pub(super) fn record_key(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?.strip_suffix(".json")?).ok()
}

fn digest_name(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?).ok()
}

/// Returns what a folder holds, sorted.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        other => other.map_err(doing("reading the store"))?,
    };
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(doing("reading the store"))?;
    paths.sort();
    Ok(paths)
}

/// Opens a file without noting it as used: what is only looked after is not wanted for that.
pub(super) fn open_quietly(path: &Path) -> io::Result<fs::File> {
    use fs::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.read(true);
    let quiet = options.clone().custom_flags(OFlags::NOATIME.bits().cast_signed()).open(path);
    // Refused for files of another user, which a store has only if it was tampered with.
    quiet.or_else(|_| options.open(path))
}

/// Reads a file whole without noting it as used.
pub(super) fn read_quietly(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_quietly(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file that could be a manifest; `None` if it is too long for one.
pub(super) fn read_small(path: &Path) -> Option<Vec<u8>> {
    /// Registries agree on 4 MiB (distribution-spec, "pushing manifests").
    const MAX_MANIFEST: u64 = 4 << 20;
    let mut bytes = Vec::new();
    open_quietly(path).ok()?.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_MANIFEST).then_some(bytes)
}

/// Returns the bytes on the disk of a file, or of a folder with all it holds. What can not be seen counts as nothing.
pub(super) fn size(path: &Path) -> u64 {
    /// The unit of `st_blocks`, whatever the disk's own (stat(2)).
    const BLOCK: u64 = 512;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let own = metadata.blocks() * BLOCK;
    if !metadata.is_dir() {
        return own / metadata.nlink().max(1);
    }
    let below = list(path).unwrap_or_default();
    own + below.iter().map(|path| size(path)).sum::<u64>()
}
