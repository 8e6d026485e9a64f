//! Uploads: what came of a blob so far, kept in the store so that a restart or another process can go on with it.
//!
//! Only the state of the hash is kept in memory; where it is missing or does not fit, what was received is hashed
//! again when the upload ends. So memory is an economy, never a condition.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use super::layout::{Key, Place, upload};
use super::{Backend, Entry, Meta, Store, StoreError};
use crate::digest::Hasher;
use crate::route::UploadId;
use crate::{Algorithm, Digest, Mismatch, Name};

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// How much is taken from the network before it is written and hashed: large enough that handing it to another
/// thread costs nothing beside the hashing, small enough for many uploads at once.
pub(super) const BATCH: usize = 512 << 10;

/// How many states of hashes are remembered; each takes about 200 bytes.
const MAX_REMEMBERED: usize = 10_000;

/// Why an upload did not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("there is no such upload")]
    Unknown,
    #[error("another request is writing to this upload")]
    Busy,
    #[error("the chunk begins at byte {start}, and {received} bytes were received")]
    Order { start: u64, received: u64 },
    #[error("a blob may have {0} bytes at most")]
    Large(u64),
    #[error("the body broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Mismatch(#[from] Box<Mismatch>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Hash states of the uploads that this process works on.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    hashes: Mutex<HashMap<UploadId, Progress>>,
}

/// A hash over the first `length` bytes of an upload.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(super) hasher: Hasher,
    pub(super) length: u64,
}

impl Progress {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { hasher: Hasher::new(algorithm), length: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }
}

impl Uploads {
    fn take(&self, id: &UploadId) -> Option<Progress> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn keep(&self, id: &UploadId, progress: Progress) {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() < MAX_REMEMBERED {
            hashes.insert(id.clone(), progress);
        }
    }
}

impl Store {
    /// Begins an upload. `algorithm` is what its digest will probably be of.
    pub(crate) async fn begin_upload(&self, id: &UploadId, name: &Name, algorithm: Algorithm) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Folder(folder) => folder.begin_upload(&upload(id, name)).await?,
            Backend::Bucket(bucket) => bucket.begin_upload(&upload(id, name)).await?,
        }
        self.uploads.keep(id, Progress::new(algorithm));
        Ok(())
    }

    /// Says how many bytes of an upload were received.
    pub(crate) async fn received(&self, id: &UploadId, name: &Name) -> Result<u64, UploadError> {
        match &self.backend {
            Backend::Folder(folder) => folder.received(&upload(id, name)).await,
            Backend::Bucket(bucket) => bucket.received(&upload(id, name)).await,
        }
    }

    /// Appends a body to an upload; `start` is where the client thinks it is. Returns how many bytes there are then.
    /// What came before a body broke off is kept.
    pub(crate) async fn append(
        &self,
        id: &UploadId,
        name: &Name,
        start: Option<u64>,
        body: &mut Body,
        most: u64,
    ) -> Result<u64, UploadError> {
        let mut progress = self.uploads.take(id);
        let result = match &self.backend {
            Backend::Folder(folder) => folder.append(&upload(id, name), start, body, most, &mut progress).await,
            Backend::Bucket(bucket) => bucket.append(&upload(id, name), start, body, most, &mut progress).await,
        };
        if let Some(progress) = progress
            && !matches!(result, Err(UploadError::Unknown))
        {
            self.uploads.keep(id, progress);
        }
        result
    }

    /// Ends an upload: what was received is checked against `digest` and becomes the blob.
    pub(crate) async fn finish_upload(&self, id: &UploadId, name: &Name, digest: &Digest) -> Result<(), UploadError> {
        let progress = self.uploads.take(id).filter(|progress| progress.hasher.algorithm() == digest.algorithm());
        match &self.backend {
            Backend::Folder(folder) => folder.finish_upload(&upload(id, name), digest, progress, &Key::blob(digest)).await,
            Backend::Bucket(bucket) => bucket.finish_upload(&upload(id, name), digest, progress).await,
        }
    }

    /// Ends an upload without a blob.
    pub(crate) async fn cancel_upload(&self, id: &UploadId, name: &Name) -> Result<(), UploadError> {
        self.uploads.take(id);
        match &self.backend {
            Backend::Folder(folder) => folder.cancel_upload(&upload(id, name)).await,
            Backend::Bucket(bucket) => bucket.cancel_upload(&upload(id, name)).await,
        }
    }

    /// Lists the uploads that began and did not end: how much they hold, and when something came last.
    pub(crate) async fn list_uploads(&self) -> Result<Vec<Entry>, StoreError> {
        let Backend::Bucket(bucket) = &self.backend else { return self.list(&Place::uploads(), "").await };
        let mut uploads = Vec::new();
        for leaf in bucket.places(&Place::uploads()).await? {
            let pieces = bucket.list(&Place::upload(&leaf), "").await?;
            let size = pieces.iter().map(|piece| piece.meta.size).sum();
            if let Some(modified) = pieces.iter().map(|piece| piece.meta.modified).max() {
                uploads.push(Entry { leaf, meta: Meta { size, modified } });
            }
        }
        Ok(uploads)
    }

    /// Gives up an upload that a listing named.
    pub(crate) async fn forget_upload(&self, leaf: &str) -> Result<(), StoreError> {
        let Backend::Bucket(bucket) = &self.backend else { return self.delete(&Place::uploads().key(leaf)).await.map(drop) };
        for piece in bucket.list(&Place::upload(leaf), "").await?.iter().rev() {
            bucket.delete(&Place::upload(leaf).key(&piece.leaf)).await?;
        }
        Ok(())
    }
}

/// What was taken from a body at once.
pub(super) struct Batch {
    pub(super) bytes: Vec<Bytes>,
    pub(super) then: Then,
}

/// What comes after a batch.
pub(super) enum Then {
    More,
    End,
    /// The body broke off; what came before is good.
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// Takes the next bytes of a body, about [`BATCH`] of them where there are as many.
pub(super) async fn batch(body: &mut Body) -> Batch {
    let mut bytes = Vec::new();
    let mut length = 0;
    while length < BATCH {
        match body.frame().await {
            None => return Batch { bytes, then: Then::End },
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    length += data.len();
                    bytes.push(data);
                }
            }
            Some(Err(error)) => return Batch { bytes, then: Then::Broken(error) },
        }
    }
    Batch { bytes, then: Then::More }
}
