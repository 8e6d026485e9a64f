//! Uploads into a bucket: pieces, each an object named by where it begins, that are joined when the digest is right.
//!
//! Pieces and not a multipart upload of the server's: a chunk may be smaller than a part may be, and another process
//! must be able to go on from what it finds. The price is that a large blob is read and written once more at its end.

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload as _, ObjectStoreExt as _, PutPayload};

use super::bucket::Bucket;
use super::layout::{Key, Place};
use super::upload::{Body, Progress, Then, UploadError, batch};
use super::{Entry, StoreError, blocking};
use crate::Digest;

/// The size of a piece, and of the parts that are joined: the smallest that every server takes as a part (5 MiB), so
/// that an upload holds little memory.
const PIECE: usize = 5 << 20;

/// The object that says that an upload began. Sorts after every piece.
const BEGUN: &str = "begun";

impl Bucket {
    fn upload(leaf: &str) -> Place {
        Place::upload(leaf)
    }

    pub(super) async fn begin_upload(&self, leaf: &str) -> Result<(), StoreError> {
        self.put(&Self::upload(leaf).key(BEGUN), Bytes::new()).await
    }

    /// The pieces of an upload in their order, and their length together.
    async fn pieces(&self, leaf: &str) -> Result<(Vec<Entry>, u64), UploadError> {
        let mut entries = self.list(&Self::upload(leaf), "").await?;
        if entries.pop().is_none_or(|last| last.leaf != BEGUN) {
            return Err(UploadError::Unknown);
        }
        // A piece that two requests wrote over each other may leave one behind that no longer follows.
        let mut length = 0;
        let mut pieces = Vec::new();
        for entry in entries {
            if entry.leaf.parse() == Ok(length) {
                length += entry.meta.size;
                pieces.push(entry);
            }
        }
        Ok((pieces, length))
    }

    pub(super) async fn received(&self, leaf: &str) -> Result<u64, UploadError> {
        Ok(self.pieces(leaf).await?.1)
    }

    pub(super) async fn append(
        &self,
        leaf: &str,
        start: Option<u64>,
        body: &mut Body,
        most: u64,
        progress: &mut Option<Progress>,
    ) -> Result<u64, UploadError> {
        let (_, mut received) = self.pieces(leaf).await?;
        if let Some(start) = start.filter(|start| *start != received) {
            return Err(UploadError::Order { start, received });
        }
        *progress = progress.take().filter(|progress| progress.length == received);
        let mut piece = BytesMut::new();
        loop {
            let taken = batch(body).await;
            taken.bytes.iter().for_each(|bytes| piece.extend_from_slice(bytes));
            if received + piece.len() as u64 > most {
                return Err(UploadError::Large(most));
            }
            let more = matches!(taken.then, Then::More);
            if piece.len() >= PIECE || (!more && !piece.is_empty()) {
                let bytes = piece.split().freeze();
                let length = bytes.len() as u64;
                self.put(&Self::upload(leaf).key(&format!("{received:020}")), bytes.clone()).await?;
                *progress = hashed(progress.take(), bytes).await?;
                received += length;
            }
            match taken.then {
                Then::More => {}
                Then::End => return Ok(received),
                Then::Broken(error) => return Err(UploadError::Body(error)),
            }
        }
    }

    pub(super) async fn finish_upload(&self, leaf: &str, digest: &Digest, progress: Option<Progress>) -> Result<(), UploadError> {
        let (pieces, length) = self.pieces(leaf).await?;
        let known = progress.filter(|progress| progress.length == length);
        let joined = self.join(leaf, &pieces, digest, known).await;
        if !matches!(joined, Err(UploadError::Store(_))) {
            self.forget(leaf, &pieces).await?;
        }
        joined
    }

    /// Writes the pieces as one blob, if they are what `expected` names.
    async fn join(&self, leaf: &str, pieces: &[Entry], expected: &Digest, known: Option<Progress>) -> Result<(), UploadError> {
        let check = |actual: Digest| expected.check(actual).map_err(UploadError::from);
        let mut progress = Some(Progress::new(expected.algorithm()));
        if let Some(known) = known {
            check(known.hasher.finish())?;
            progress = None;
        }
        let key = Key::blob(expected);
        let piece = |entry: &Entry| Self::upload(leaf).key(&entry.leaf);
        if let [] | [_] = pieces {
            let bytes = match pieces.first() {
                Some(entry) => self.whole(piece(entry).as_str()).await?,
                None => Bytes::new(),
            };
            if let Some(progress) = hashed(progress, bytes.clone()).await? {
                check(progress.hasher.finish())?;
            }
            return Ok(self.put(&key, bytes).await?);
        }
        let failed = Self::failed("writing", key.as_str());
        let mut upload = self.client.put_multipart(&self.path(key.as_str())).await.map_err(&failed)?;
        let result = async {
            let mut part = BytesMut::new();
            for entry in pieces {
                let bytes = self.whole(piece(entry).as_str()).await?;
                progress = hashed(progress.take(), bytes.clone()).await?;
                part.extend_from_slice(&bytes);
                if part.len() >= PIECE {
                    upload.put_part(PutPayload::from(part.split().freeze())).await.map_err(&failed)?;
                }
            }
            if !part.is_empty() {
                upload.put_part(PutPayload::from(part.freeze())).await.map_err(&failed)?;
            }
            progress.map_or(Ok(()), |progress| check(progress.hasher.finish()))
        }
        .await;
        match result {
            Ok(()) => Ok(upload.complete().await.map(drop).map_err(failed)?),
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    pub(super) async fn cancel_upload(&self, leaf: &str) -> Result<(), UploadError> {
        let (pieces, _) = self.pieces(leaf).await?;
        self.forget(leaf, &pieces).await.map_err(UploadError::from)
    }

    /// Deletes an upload, its beginning first: what is left without one is swept.
    async fn forget(&self, leaf: &str, pieces: &[Entry]) -> Result<(), StoreError> {
        self.delete(&Self::upload(leaf).key(BEGUN)).await?;
        for entry in pieces {
            self.delete(&Self::upload(leaf).key(&entry.leaf)).await?;
        }
        Ok(())
    }
}

/// Goes on with a hash, on a thread that may take its time.
async fn hashed(progress: Option<Progress>, bytes: Bytes) -> Result<Option<Progress>, StoreError> {
    let Some(mut progress) = progress else { return Ok(None) };
    blocking(move || {
        progress.update(&bytes);
        Ok(Some(progress))
    })
    .await
}
