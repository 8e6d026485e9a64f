//! The sweep: deletes what no tag, manifest or subject needs any more, while pushes and pulls go on.
//!
//! First everything is looked at once: which manifests repositories hold, what these name, which tags there are. From
//! that follows what is needed. Then shard by shard what is not needed and older than the grace period is
//! announced, looked at again, and deleted (see `holdings` for why a push loses nothing). Work and memory are
//! linear in the number of manifests, links and blobs. A run that is killed leaves whole shards done and the others
//! as they were; the next begins where it ended.

mod lease;
mod picture;
mod retention;
mod shard;
mod usage;
mod verify;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;

use crate::store::layout::Shard;
use crate::store::{Key, Place, Store, StoreError};
pub use lease::LeaseError;
use picture::Picture;
pub use retention::{Pattern, PatternError, Rule};
pub use usage::{Usage, usage};
pub use verify::{Damage, Verified, verify};

/// What is swept, and how.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What is younger than this stays, whatever it is. Longer than the longest push.
    pub grace: Duration,
    /// Uploads that nothing was added to for so long are given up.
    pub uploads: Duration,
    /// Which tags and manifests go by their age or number. None: only what nothing names goes.
    pub rules: Vec<Rule>,
    /// Only say what would go.
    pub dry_run: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { grace: Duration::from_secs(24 * 60 * 60), uploads: Duration::from_secs(7 * 24 * 60 * 60), rules: Vec::new(), dry_run: false }
    }
}

/// What a sweep saw and did; with a dry run, what it would have done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Repositories.
    pub repositories: usize,
    /// Manifests in them.
    pub manifests: usize,
    /// Tags on them.
    pub tags: usize,
    /// Blobs and manifests in the store, each once.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Tags that went, by repository.
    pub removed_tags: BTreeMap<String, Vec<String>>,
    /// Manifests that went, by repository.
    pub removed_manifests: BTreeMap<String, Vec<String>>,
    /// Links to blobs that went.
    pub removed_links: usize,
    /// Blobs that went.
    pub removed_blobs: usize,
    /// The bytes that came free.
    pub freed: u64,
    /// Uploads that were given up.
    pub removed_uploads: usize,
    /// What is not needed but too young to go.
    pub young: usize,
}

/// Why a sweep did not end.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Another process sweeps, or nobody may.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

impl Store {
    /// The store's own time: that of an object written now. The clocks of machines may differ and jump; ages are
    /// differences between times of one clock.
    pub(crate) async fn now(&self) -> Result<SystemTime, StoreError> {
        let key = Key::sweep("clock");
        self.put(&key, Bytes::from_static(b".")).await?;
        let meta = self.stat(&key).await?;
        meta.map(|meta| meta.modified).ok_or_else(|| StoreError::damaged(&key))
    }
}

/// Sweeps a store.
pub async fn sweep(store: &Store, plan: &Sweep) -> Result<Swept, SweepError> {
    let lease = lease::take(store, plan.dry_run).await?;
    let now = store.now().await?;
    let picture = Picture::look(store).await?;
    let mut swept = Swept { dry_run: plan.dry_run, ..Swept::default() };
    swept.repositories = picture.repositories();
    swept.manifests = picture.manifests();
    swept.tags = picture.tags();
    let mut gone = retention::decide(&picture, plan, now);
    let needed = picture.needed(&gone, now, plan.grace);
    retention::add_orphans(&mut gone, &picture, &needed, plan, now);
    retention::remove_tags(store, plan, &picture, &gone, &mut swept).await?;
    let first = next_shard(store).await?;
    let shards: Vec<Shard> = Shard::all().collect();
    for offset in 0..shards.len() {
        let number = (first + offset) % shards.len();
        shard::sweep(store, plan, shards[number], &needed, now, &mut swept).await?;
        lease.renew(store).await?;
        // A kill loses no more than the look at a few shards, so their number need not be written each time.
        if !plan.dry_run && number % 16 == 15 {
            store.put(&Key::sweep("next"), Bytes::from((number + 1).to_string())).await?;
        }
    }
    sweep_uploads(store, plan, now, &mut swept).await?;
    lease.release(store).await?;
    Ok(swept)
}

/// Where the last sweep ended.
async fn next_shard(store: &Store) -> Result<usize, StoreError> {
    let bytes = store.get(&Key::sweep("next")).await?;
    Ok(bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0))
}

async fn sweep_uploads(store: &Store, plan: &Sweep, now: SystemTime, swept: &mut Swept) -> Result<(), StoreError> {
    for upload in store.list_uploads().await? {
        if is_older(upload.meta.modified, now, plan.uploads) {
            swept.removed_uploads += 1;
            swept.freed += upload.meta.size;
            if !plan.dry_run {
                store.forget_upload(&upload.leaf).await?;
            }
        }
    }
    // What a killed process left of its writes; those that go on take seconds.
    for entry in store.list(&Place::aside(), "").await? {
        if is_older(entry.meta.modified, now, Duration::from_secs(60 * 60)) && !plan.dry_run {
            store.delete(&Place::aside().key(&entry.leaf)).await?;
        }
    }
    Ok(())
}

/// Whether something is older than `age`. What seems to come from the future is not.
fn is_older(modified: SystemTime, now: SystemTime, age: Duration) -> bool {
    now.duration_since(modified).is_ok_and(|old| old >= age)
}
