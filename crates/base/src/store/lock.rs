//! File locks, released by the kernel when their process ends.

use std::path::Path;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{StoreError, doing};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
}

impl Lock {
    pub(super) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        Self::take(path, FlockOperation::LockExclusive).map(|lock| lock.expect("a blocking lock is always had"))
    }

    pub(super) fn shared(path: &Path) -> Result<Self, StoreError> {
        Self::take(path, FlockOperation::LockShared).map(|lock| lock.expect("a blocking lock is always had"))
    }

    /// Returns `None` when another holds it.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        Self::take(path, FlockOperation::NonBlockingLockExclusive)
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Option<Self>, StoreError> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(doing("taking a lock"))?;
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(doing("taking a lock")(error.into())),
            }
        }
    }
}
