//! One shard of the sweep: announced, looked at again, deleted.

use std::collections::HashSet;
use std::time::SystemTime;

use bytes::Bytes;

use super::picture::Needed;
use super::{Sweep, Swept, is_older};
use crate::store::layout::{Shard, held};
use crate::store::{Entry, Key, Place, Store, StoreError};
use crate::{Digest, Name};

/// What lies in a shard.
struct Listing {
    manifests: Vec<(Digest, Name, SystemTime)>,
    links: Vec<(Digest, Name, SystemTime)>,
    blobs: Vec<(Digest, u64, SystemTime)>,
}

/// What of a shard is to go.
struct Condemned {
    manifests: Vec<(Digest, Name)>,
    links: Vec<(Digest, Name)>,
    blobs: Vec<(Digest, u64)>,
}

/// Sweeps a shard.
pub(super) async fn sweep(
    store: &Store,
    plan: &Sweep,
    shard: Shard,
    needed: &Needed,
    now: SystemTime,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let announcement = Key::condemned(shard);
    // Who swept before us was killed here.
    if !plan.dry_run {
        withdraw(store, &announcement).await?;
    }
    let listing = Listing::take(store, shard).await?;
    swept.blobs += listing.blobs.len();
    swept.bytes += listing.blobs.iter().map(|(_, size, _)| size).sum::<u64>();
    let mut condemned = listing.condemn(plan, needed, now, Some(&mut swept.young));
    if condemned.is_empty() {
        return Ok(());
    }
    if !plan.dry_run {
        store.put(&announcement, condemned.lines()).await?;
        // What a push renewed before it could see the announcement is young now.
        let again = Listing::take(store, shard).await?.condemn(plan, needed, now, None);
        condemned.keep_only(&again);
        condemned.delete(store, needed).await?;
        withdraw(store, &announcement).await?;
    }
    for (digest, name) in &condemned.manifests {
        swept.removed_manifests.entry(name.as_str().to_owned()).or_default().push(digest.to_string());
    }
    swept.removed_links += condemned.links.len();
    swept.removed_blobs += condemned.blobs.len();
    swept.freed += condemned.blobs.iter().map(|(_, size)| size).sum::<u64>();
    Ok(())
}

async fn withdraw(store: &Store, announcement: &Key) -> Result<(), StoreError> {
    if store.stat(announcement).await?.is_some() {
        store.delete(announcement).await?;
    }
    Ok(())
}

impl Listing {
    async fn take(store: &Store, shard: Shard) -> Result<Self, StoreError> {
        let read = |entries: Vec<Entry>| {
            let read = |entry: Entry| held(shard.algorithm, &entry.leaf).map(|(digest, name)| (digest, name, entry.meta.modified));
            entries.into_iter().filter_map(read).collect()
        };
        // Bytes before links: whoever comes with both meanwhile brings the bytes first, and we see the link.
        let blobs = store.list(&Place::blobs(shard), "").await?.into_iter();
        let blobs = blobs.filter_map(|entry| {
            let digest = Digest::from_hex(shard.algorithm, &entry.leaf).ok()?;
            Some((digest, entry.meta.size, entry.meta.modified))
        });
        Ok(Self {
            blobs: blobs.collect(),
            manifests: read(store.list(&Place::manifests(shard), "").await?),
            links: read(store.list(&Place::links(shard), "").await?),
        })
    }

    /// What is not needed and old enough; what is not needed and young is counted.
    fn condemn(&self, plan: &Sweep, needed: &Needed, now: SystemTime, mut young: Option<&mut usize>) -> Condemned {
        let mut old = |modified: SystemTime| {
            let old = is_older(modified, now, plan.grace);
            if let Some(young) = &mut young {
                **young += usize::from(!old);
            }
            old
        };
        let mut holders: HashSet<Digest> = HashSet::new();
        let mut condemned = Condemned { manifests: Vec::new(), links: Vec::new(), blobs: Vec::new() };
        for (digest, name, modified) in &self.manifests {
            if !needed.has_manifest(name, digest) && old(*modified) {
                condemned.manifests.push((*digest, name.clone()));
            } else {
                holders.insert(*digest);
            }
        }
        for (digest, name, modified) in &self.links {
            if !needed.has_blob(name, digest) && old(*modified) {
                condemned.links.push((*digest, name.clone()));
            } else {
                holders.insert(*digest);
            }
        }
        for (digest, size, modified) in &self.blobs {
            if !holders.contains(digest) && old(*modified) {
                condemned.blobs.push((*digest, *size));
            }
        }
        condemned
    }
}

impl Condemned {
    fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.links.is_empty() && self.blobs.is_empty()
    }

    fn lines(&self) -> Bytes {
        let manifests = self.manifests.iter().map(|(digest, name)| Key::manifest(digest, name));
        let links = self.links.iter().map(|(digest, name)| Key::link(digest, name));
        let blobs = self.blobs.iter().map(|(digest, _)| Key::blob(digest));
        let lines: Vec<String> = manifests.chain(links).chain(blobs).map(|key| key.as_str().to_owned()).collect();
        Bytes::from(lines.join("\n"))
    }

    /// Only what was announced may go, and only what is still to go.
    fn keep_only(&mut self, again: &Self) {
        self.manifests.retain(|one| again.manifests.contains(one));
        self.links.retain(|one| again.links.contains(one));
        self.blobs.retain(|one| again.blobs.contains(one));
    }

    /// Deletes links before what they link to.
    async fn delete(&self, store: &Store, needed: &Needed) -> Result<(), StoreError> {
        for (digest, name) in &self.manifests {
            store.unlink_manifest(name, digest, needed.subjects.get(digest)).await?;
        }
        store.delete_all(self.links.iter().map(|(digest, name)| Key::link(digest, name)).collect()).await?;
        store.delete_all(self.blobs.iter().map(|(digest, _)| Key::blob(digest)).collect()).await
    }
}
