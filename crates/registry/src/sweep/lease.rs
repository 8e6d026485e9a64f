//! One sweep at a time.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use object_store::{GetOptions, ObjectStore as _, PutMode, PutPayload, UpdateVersion};

use crate::store::{Backend, Conditions, Key, Store, StoreError, bucket};

/// After so long without a sign, who held the lease counts as dead. A shard takes seconds.
const SILENCE: Duration = Duration::from_secs(10 * 60);

/// Why nobody may sweep.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another does.
    #[error("another process sweeps this store")]
    Held,
    /// The lease was lost: this process was silent for too long, and another began.
    #[error("this process was silent for too long; another may be sweeping")]
    Lost,
    /// The bucket can not keep a lease.
    #[error("this bucket's server ignores conditions on writes, so two processes could sweep at once")]
    NoConditions,
}

/// The right to sweep.
#[derive(Debug)]
pub(super) enum Lease {
    /// A locked file; the kernel releases it with the process.
    Folder { _file: fs_err::File },
    /// An object of the bucket in the version that we wrote.
    Bucket(std::sync::Mutex<UpdateVersion>),
    /// Nothing is changed, or the operator said that there is no other.
    Nobody,
}

/// Takes the lease.
pub(super) async fn take(store: &Store, dry_run: bool) -> Result<Lease, super::SweepError> {
    if dry_run {
        return Ok(Lease::Nobody);
    }
    let bucket = match &store.backend {
        Backend::Folder(folder) => {
            let file = folder.lock(&key()).map_err(super::SweepError::Store)?;
            return file.map(|file| Lease::Folder { _file: file }).ok_or_else(|| LeaseError::Held.into());
        }
        Backend::Bucket(bucket) => bucket,
    };
    match store.conditions {
        Some(Conditions::Kept) => {}
        _ if store.single_writer => return Ok(Lease::Nobody),
        _ => return Err(LeaseError::NoConditions.into()),
    }
    let now = store.now().await?;
    let path = bucket.path(key().as_str());
    let failed = bucket::Bucket::failed("taking", "the lease");
    match bucket.client.put_opts(&path, payload(), PutMode::Create.into()).await {
        Ok(put) => return Ok(Lease::Bucket(UpdateVersion { e_tag: put.e_tag, version: put.version }.into())),
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
        Err(error) => return Err(failed(error).into()),
    }
    let there = bucket.client.get_opts(&path, GetOptions { head: true, ..GetOptions::default() }).await.map_err(&failed)?;
    if now.duration_since(SystemTime::from(there.meta.last_modified)).unwrap_or_default() < SILENCE {
        return Err(LeaseError::Held.into());
    }
    let before = UpdateVersion { e_tag: there.meta.e_tag, version: there.meta.version };
    match bucket.client.put_opts(&path, payload(), PutMode::Update(before).into()).await {
        Ok(put) => Ok(Lease::Bucket(UpdateVersion { e_tag: put.e_tag, version: put.version }.into())),
        Err(object_store::Error::Precondition { .. }) => Err(LeaseError::Held.into()),
        Err(error) => Err(failed(error).into()),
    }
}

fn key() -> Key {
    Key::sweep("lease")
}

/// The lease's text differs each time, so that its version does.
fn payload() -> PutPayload {
    let mut random = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut random);
    PutPayload::from(Bytes::copy_from_slice(&random))
}

impl Lease {
    /// Says that we are alive, and hears whether the lease is still ours.
    pub(super) async fn renew(&self, store: &Store) -> Result<(), super::SweepError> {
        let (Self::Bucket(version), Backend::Bucket(bucket)) = (self, &store.backend) else { return Ok(()) };
        let before = version.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let put = bucket.client.put_opts(&bucket.path(key().as_str()), payload(), PutMode::Update(before).into()).await;
        match put {
            Ok(put) => {
                *version.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    UpdateVersion { e_tag: put.e_tag, version: put.version };
                Ok(())
            }
            Err(object_store::Error::Precondition { .. }) => Err(LeaseError::Lost.into()),
            Err(error) => Err(bucket::Bucket::failed("renewing", "the lease")(error).into()),
        }
    }

    /// Gives it back.
    pub(super) async fn release(self, store: &Store) -> Result<(), StoreError> {
        if let Self::Bucket(_) = self {
            store.delete(&key()).await?;
        }
        Ok(())
    }
}
