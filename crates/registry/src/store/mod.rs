//! The store: immutable objects named by digest, and pointers that the last writer sets.
//!
//! Two kinds of place keep it, a folder and a bucket; both are asked for the same few things, so that every rule of
//! the registry is written once. What a rule may rely on is what the weaker of both gives: an object is written
//! whole or not at all, what was written is seen by every later read, and nothing else. No write is conditional.

pub(crate) mod bucket;
mod bucket_upload;
mod error;
mod folder;
mod folder_upload;
pub(crate) mod layout;
mod upload;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use bucket::Bucket;
pub use bucket::Conditions;
pub use error::StoreError;
pub(crate) use error::doing;
use folder::Folder;
pub(crate) use layout::{Key, Place};
use upload::Uploads;
pub(crate) use upload::{Body, UploadError};

/// Pointers, descriptors and manifests are small; what is larger is damaged.
pub(crate) const MAX_POINTER: u64 = 16 << 20;

/// The place that keeps everything.
#[derive(Debug)]
pub struct Store {
    pub(crate) backend: Backend,
    uploads: Uploads,
    /// What the bucket's server does with conditions; a folder needs none.
    pub(crate) conditions: Option<Conditions>,
    /// The operator says that no other process writes to this store.
    pub(crate) single_writer: bool,
    redirect: bool,
    /// A link younger than this is not renewed again; a fraction of the sweep's grace period.
    pub(crate) fresh: Duration,
}

#[derive(Debug)]
pub(crate) enum Backend {
    Folder(Folder),
    Bucket(Bucket),
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What AWS's own tools read from the environment: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and so on.
    pub bucket: BTreeMap<String, String>,
    /// No other process writes to this store, so one that can not keep a lease may be swept.
    pub single_writer: bool,
    /// Blobs of a bucket are given by an address at its server, and not through this process.
    pub redirect: bool,
    /// The grace period that this store is swept with.
    pub grace: Duration,
}

impl Default for Opening {
    fn default() -> Self {
        Self { bucket: BTreeMap::new(), single_writer: false, redirect: false, grace: crate::sweep::Sweep::default().grace }
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Its length in bytes.
    pub(crate) size: u64,
    /// When it was written or touched last, by the store's clock.
    pub(crate) modified: SystemTime,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The last part of its key.
    pub(crate) leaf: String,
    /// What else is known.
    pub(crate) meta: Meta,
}

/// The bytes of an object, or some of them.
pub(crate) enum Content {
    /// A file, from an offset on, so many bytes.
    File { file: std::fs::File, offset: u64, length: u64 },
    /// Bytes as they arrive, so many.
    Stream(BoxStream<'static, Result<Bytes, StoreError>>, u64),
}

/// How many deletions of a bucket run at once.
const DELETES: usize = 16;

impl Store {
    /// Opens or makes a store at an address: the path of a folder, or `s3://bucket/prefix`.
    pub async fn open(address: &str, opening: &Opening) -> Result<Self, StoreError> {
        // The freshest link that is not renewed must outlive a push by far.
        let fresh = (opening.grace / 8).min(Duration::from_secs(10 * 60));
        let mut store = if address.contains("://") {
            let bucket = Bucket::open(address, &opening.bucket)?;
            let mut name = [0; 8];
            aws_lc_rs::rand::fill(&mut name).map_err(|_| StoreError::Stopped)?;
            let conditions = bucket.probe(&name.map(|byte| format!("{byte:02x}")).concat()).await?;
            tracing::info!(?conditions, "what the bucket's server does with conditions on writes");
            Self::new(Backend::Bucket(bucket), Some(conditions), fresh)
        } else {
            let root = Path::new(address).to_owned();
            Self::new(Backend::Folder(blocking(move || Folder::open(&root)).await?), None, fresh)
        };
        store.single_writer = opening.single_writer;
        store.redirect = opening.redirect;
        store.check_format().await?;
        Ok(store)
    }

    fn new(backend: Backend, conditions: Option<Conditions>, fresh: Duration) -> Self {
        Self { backend, uploads: Uploads::default(), conditions, single_writer: false, redirect: false, fresh }
    }

    /// Opens or makes a store in a folder.
    pub async fn folder(root: &Path) -> Result<Self, StoreError> {
        let address = root.to_str().ok_or_else(|| StoreError::Address(root.display().to_string()))?;
        Self::open(address, &Opening::default()).await
    }

    async fn check_format(&self) -> Result<(), StoreError> {
        let key = Key::format();
        let Some(bytes) = self.get(&key).await? else {
            let text = format!("{{\"format\":{}}}\n", layout::FORMAT);
            return self.put(&key, Bytes::from(text)).await;
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| StoreError::damaged(&key))?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).ok_or_else(|| StoreError::damaged(&key))?;
        if found == u64::from(layout::FORMAT) {
            return Ok(());
        }
        Err(StoreError::Format { found: u32::try_from(found).unwrap_or(u32::MAX), known: layout::FORMAT })
    }

    /// Reads a small object whole.
    ///
    /// On a folder this is done right here, not on another thread: a pointer is one block that the kernel has at
    /// hand, and handing it over would cost more than reading it.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.get(key),
            Backend::Bucket(bucket) => bucket.get(key).await,
        }
    }

    /// Says what is known of an object, if it is there.
    pub(crate) async fn stat(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.stat(key),
            Backend::Bucket(bucket) => bucket.stat(key).await,
        }
    }

    /// Writes a small object whole; the last writer wins. When this returns, it is durable.
    pub(crate) async fn put(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.clone());
                blocking(move || folder.put(&key, &bytes)).await
            }
            Backend::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// Makes an empty object be as if it had been written now. On a bucket it may come into being by that.
    pub(crate) async fn touch(&self, key: &Key) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.clone());
                blocking(move || folder.renew(&key).map(drop)).await
            }
            Backend::Bucket(bucket) => bucket.put(key, Bytes::new()).await,
        }
    }

    /// Deletes an object; says whether it was there.
    pub(crate) async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.clone());
                blocking(move || folder.delete(&key)).await
            }
            Backend::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// Deletes objects, in any order.
    pub(crate) async fn delete_all(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.delete_all(&keys)).await
            }
            Backend::Bucket(bucket) => {
                let deletes = futures::stream::iter(keys).map(|key| async move { bucket.delete(&key).await.map(drop) });
                deletes.buffer_unordered(DELETES).try_collect().await
            }
        }
    }

    /// Lists the objects of a place whose leaves begin with `prefix`, in order.
    pub(crate) async fn list(&self, place: &Place, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, place, prefix) = (folder.clone(), place.clone(), prefix.to_owned());
                blocking(move || folder.list(&place, &prefix)).await
            }
            Backend::Bucket(bucket) => bucket.list(place, prefix).await,
        }
    }

    /// Lists the leaves of the objects of a place that come after `after`, in order, and at most so many.
    pub(crate) async fn leaves(&self, place: &Place, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, place, after) = (folder.clone(), place.clone(), after.map(str::to_owned));
                blocking(move || folder.leaves(&place, after.as_deref(), most)).await
            }
            Backend::Bucket(bucket) => bucket.leaves(place, after, most).await,
        }
    }

    /// Lists the places within a place, in order.
    pub(crate) async fn places(&self, place: &Place) -> Result<Vec<String>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, place) = (folder.clone(), place.clone());
                blocking(move || folder.places(&place)).await
            }
            Backend::Bucket(bucket) => bucket.places(place).await,
        }
    }

    /// Where the bucket's own server gives an object, if clients are to be sent there.
    pub(crate) async fn elsewhere(&self, key: &Key) -> Result<Option<url::Url>, StoreError> {
        match &self.backend {
            Backend::Bucket(bucket) if self.redirect => bucket.signed(key).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Opens an object to read `length` bytes from `offset` on, which the caller knows to be there.
    pub(crate) async fn read(&self, key: &Key, offset: u64, length: u64) -> Result<Option<Content>, StoreError> {
        match &self.backend {
            Backend::Folder(folder) => Ok(folder.open_file(key)?.map(|file| Content::File { file, offset, length })),
            Backend::Bucket(bucket) => bucket.read(key, offset, length).await,
        }
    }
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static, E: Send + 'static + From<StoreError>>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
}
