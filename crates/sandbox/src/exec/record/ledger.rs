//! The table while it is written to.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

use crate::ownership::{FileId, Ownership, Record};

/// Descriptors that the launcher needs for itself, a good deal more than it ever has open.
const OWN_DESCRIPTORS: usize = 128;

/// The table, and what keeps its files apart.
pub(super) struct Ledger {
    ownership: Ownership,
    /// Recorded files whose identity is vague. While they are open, no other file gets their number. When there are more
    /// than the limit of open files allows, the time of birth alone tells them apart.
    pinned: Vec<OwnedFd>,
    most: usize,
}

impl Ledger {
    pub(super) fn new(ownership: Ownership) -> Self {
        Self { ownership, pinned: Vec::new(), most: raise_open_files().saturating_sub(OWN_DESCRIPTORS) }
    }

    /// Changes the record of a file.
    pub(super) fn change(&mut self, file: &OwnedFd, change: impl FnOnce(&mut Record) -> Result<(), Errno>) -> Result<(), Errno> {
        let id = FileId::of(file)?;
        let mut record = self.ownership.get(&id).cloned().unwrap_or_default();
        change(&mut record)?;
        self.insert(id, file, record)
    }

    /// Sets the record of a new file.
    pub(super) fn set(&mut self, file: &OwnedFd, record: Record) -> Result<(), Errno> {
        self.insert(FileId::of(file)?, file, record)
    }

    fn insert(&mut self, id: FileId, file: &OwnedFd, record: Record) -> Result<(), Errno> {
        if id.is_vague() && self.ownership.get(&id).is_none() && record != Record::default() && self.pinned.len() < self.most {
            self.pinned.push(rustix::io::fcntl_dupfd_cloexec(file, 0)?);
        }
        self.ownership.try_set(id, record)
    }

    /// The table, with the records for which `keep` holds.
    pub(super) fn finish(mut self, keep: impl Fn(&FileId) -> bool) -> Ownership {
        self.ownership.retain(keep);
        self.ownership
    }
}

/// Raises the limit of open files as far as it goes, and returns it. The command has set its own before it was listened to.
fn raise_open_files() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // A kernel that refuses leaves the limit as it was.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    rustix::process::getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}
