//! Uploads into a folder: a file that grows, and is renamed to its place when its digest is right.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::doing;
use super::folder::{Folder, present};
use super::layout::{Key, Place};
use super::upload::{BATCH, Body, Progress, Then, UploadError, batch};
use super::{StoreError, blocking};
use crate::Digest;

impl Folder {
    fn upload_path(&self, leaf: &str) -> PathBuf {
        self.path(Place::uploads().key(leaf).as_str())
    }

    pub(super) async fn begin_upload(&self, leaf: &str) -> Result<(), StoreError> {
        // Not flushed: an upload outlives the process, and need not outlive the power.
        let (folder, path) = (self.clone(), self.upload_path(leaf));
        blocking(move || {
            let create = || fs::OpenOptions::new().create_new(true).write(true).open(&path).map(drop);
            folder.with_parents(&path, create).map_err(doing("beginning an upload"))
        })
        .await
    }

    pub(super) async fn received(&self, leaf: &str) -> Result<u64, UploadError> {
        let path = self.upload_path(leaf);
        blocking(move || {
            let metadata = present(fs::symlink_metadata(&path)).map_err(doing("looking for an upload"))?;
            metadata.map(|metadata| metadata.len()).ok_or(UploadError::Unknown)
        })
        .await
    }

    pub(super) async fn append(
        &self,
        leaf: &str,
        start: Option<u64>,
        body: &mut Body,
        most: u64,
        progress: &mut Option<Progress>,
    ) -> Result<u64, UploadError> {
        let path = self.upload_path(leaf);
        let mut writing = blocking(move || Writing::open(path)).await?;
        let received = writing.length;
        if let Some(start) = start.filter(|start| *start != received) {
            return Err(UploadError::Order { start, received });
        }
        writing.progress = progress.take().filter(|progress| progress.length == received);
        loop {
            let taken = batch(body).await;
            if writing.length + taken.bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>() > most {
                return Err(UploadError::Large(most));
            }
            if !taken.bytes.is_empty() {
                writing = blocking(move || writing.write(&taken.bytes)).await?;
            }
            match taken.then {
                Then::More => {}
                Then::End => break,
                Then::Broken(error) => return Err(UploadError::Body(error)),
            }
        }
        *progress = writing.progress;
        Ok(writing.length)
    }

    pub(super) async fn finish_upload(
        &self,
        leaf: &str,
        digest: &Digest,
        progress: Option<Progress>,
        key: &Key,
    ) -> Result<(), UploadError> {
        let (folder, path, expected, key) = (self.clone(), self.upload_path(leaf), *digest, key.clone());
        blocking(move || {
            let writing = Writing::open(path)?;
            let progress = match progress.filter(|progress| progress.length == writing.length) {
                Some(progress) => progress,
                None => writing.hash(&expected)?,
            };
            if let Err(mismatch) = expected.check(progress.hasher.finish()) {
                fs::remove_file(&writing.path).map_err(doing("removing an upload"))?;
                return Err(mismatch.into());
            }
            writing.file.sync_all().map_err(doing("flushing an upload"))?;
            Ok(folder.place(&writing.path, &key)?)
        })
        .await
    }

    pub(super) async fn cancel_upload(&self, leaf: &str) -> Result<(), UploadError> {
        let path = self.upload_path(leaf);
        blocking(move || match present(fs::remove_file(&path)).map_err(doing("removing an upload"))? {
            Some(()) => Ok(()),
            None => Err(UploadError::Unknown),
        })
        .await
    }
}

/// An upload that this request alone writes to: its file is locked while it is open.
struct Writing {
    file: fs::File,
    path: PathBuf,
    length: u64,
    progress: Option<Progress>,
}

impl Writing {
    fn open(path: PathBuf) -> Result<Self, UploadError> {
        let open = fs::OpenOptions::new().append(true).read(true).open(&path);
        let Some(file) = present(open).map_err(doing("opening an upload"))? else { return Err(UploadError::Unknown) };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN) => return Err(UploadError::Busy),
            Err(error) => return Err(doing("locking an upload")(error.into()).into()),
        }
        // Who held the lock before may have renamed the file to its place, where nobody writes any more.
        let here = present(fs::symlink_metadata(&path)).map_err(doing("looking for an upload"))?;
        let metadata = file.metadata().map_err(doing("looking at an upload"))?;
        if here.is_none_or(|here| (here.dev(), here.ino()) != (metadata.dev(), metadata.ino())) {
            return Err(UploadError::Unknown);
        }
        Ok(Self { file, path, length: metadata.len(), progress: None })
    }

    fn write(mut self, bytes: &[Bytes]) -> Result<Self, UploadError> {
        for bytes in bytes {
            self.file.write_all(bytes).map_err(doing("writing an upload"))?;
            if let Some(progress) = &mut self.progress {
                progress.update(bytes);
            }
            self.length += bytes.len() as u64;
        }
        Ok(self)
    }

    /// Hashes what was received, where no running hash covers it.
    fn hash(&self, expected: &Digest) -> Result<Progress, UploadError> {
        let mut file = fs::File::open(&self.path).map_err(doing("reading an upload"))?;
        let mut progress = Progress::new(expected.algorithm());
        let mut buffer = vec![0; BATCH];
        loop {
            match file.read(&mut buffer).map_err(doing("reading an upload"))? {
                0 => return Ok(progress),
                read => progress.update(&buffer[..read]),
            }
        }
    }
}
