//! How much each repository takes.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::Digest;
use crate::store::layout::{Shard, held};
use crate::store::{Place, Store, StoreError};

/// What a store takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Blobs and manifests, each once.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that no repository holds; the next sweeps take them.
    pub unheld: u64,
    /// By repository.
    pub repositories: BTreeMap<String, Held>,
}

/// What a repository takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Manifests.
    pub manifests: usize,
    /// Blobs.
    pub blobs: usize,
    /// The bytes of both, whoever else holds them.
    pub bytes: u64,
    /// The bytes that this repository alone holds.
    pub alone: u64,
}

/// Counts what a store takes.
pub async fn usage(store: &Store) -> Result<Usage, StoreError> {
    let mut usage = Usage::default();
    for shard in Shard::all() {
        let mut sizes: HashMap<Digest, u64> = HashMap::new();
        for entry in store.list(&Place::blobs(shard), "").await? {
            if let Ok(digest) = Digest::from_hex(shard.algorithm, &entry.leaf) {
                sizes.insert(digest, entry.meta.size);
            }
        }
        let mut holders: HashMap<Digest, Vec<(String, bool)>> = HashMap::new();
        for (place, is_manifest) in [(Place::manifests(shard), true), (Place::links(shard), false)] {
            for leaf in store.leaves(&place, None, usize::MAX).await? {
                if let Some((digest, name)) = held(shard.algorithm, &leaf) {
                    holders.entry(digest).or_default().push((name.as_str().to_owned(), is_manifest));
                }
            }
        }
        for (digest, size) in sizes {
            usage.blobs += 1;
            usage.bytes += size;
            let Some(names) = holders.remove(&digest) else {
                usage.unheld += size;
                continue;
            };
            let alone = names.len() == 1;
            for (name, is_manifest) in names {
                let held = usage.repositories.entry(name).or_default();
                if is_manifest {
                    held.manifests += 1;
                } else {
                    held.blobs += 1;
                }
                held.bytes += size;
                held.alone += if alone { size } else { 0 };
            }
        }
    }
    Ok(usage)
}
