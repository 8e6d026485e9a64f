//! Carries an image: blobs side by side, then manifests, each after what it names, and the image's own tag last.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::{Digest, Finish, Reporter, Store, Task, TaskKind};
use serde::Serialize;

use super::http::from_io;
use super::{Fetched, Origin, Plan, Pointer, Remote, RemoteError};
use crate::Descriptor;

/// A place that images are written to.
pub trait Target: Sync {
    /// Whether a blob is there.
    fn has(&self, blob: &Descriptor) -> Result<bool, RemoteError>;
    /// Takes a blob; `advanced` hears of bytes that went by.
    fn put(&self, blob: &Descriptor, from: &dyn Origin, advanced: &dyn Fn(u64)) -> Result<How, RemoteError>;
    /// Takes a manifest, whose parts are there.
    fn put_manifest(&self, one: &Fetched, tag: Option<&str>, subject: Option<&Digest>) -> Result<(), RemoteError>;
    /// How many blobs may travel at once.
    fn parallel(&self) -> usize;
}

/// How a blob came to be where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// What was carried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Manifests and indexes that were written.
    pub manifests: usize,
    /// Blobs whose bytes were sent.
    pub sent: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the registry took from another of its repositories.
    pub mounted: usize,
    /// Blobs that were there already.
    pub there: usize,
}

/// Carries what `plan` says from `from` to `to`, and calls it `tag` there.
pub fn transfer(
    plan: &Plan,
    from: &dyn Origin,
    to: &dyn Target,
    tag: Option<&str>,
    reporter: &dyn Reporter,
) -> Result<Carried, RemoteError> {
    let mut carried = blobs(plan, from, to, reporter)?;
    // The image itself is written last under its tag, when whatever refers to it is there.
    let root = plan.root.descriptor.digest;
    for step in plan.steps.iter().filter(|step| tag.is_none() || step.fetched.descriptor.digest != root) {
        to.put_manifest(&step.fetched, step.tag.as_deref(), step.subject.as_ref())?;
        carried.manifests += 1;
    }
    if tag.is_some() {
        let subject = plan.steps.iter().find(|step| step.fetched.descriptor.digest == root).and_then(|step| step.subject);
        to.put_manifest(&plan.root, tag, subject.as_ref())?;
        carried.manifests += 1;
    }
    Ok(carried)
}

/// Carries the blobs; the first error ends it.
fn blobs(plan: &Plan, from: &dyn Origin, to: &dyn Target, reporter: &dyn Reporter) -> Result<Carried, RemoteError> {
    // The largest first: none of them is then left for the end.
    let mut blobs: Vec<&Descriptor> = plan.blobs.values().collect();
    blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    let next = AtomicUsize::new(0);
    let carried = Mutex::new(Ok(Carried::default()));
    let work = || {
        while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let how = one(blob, from, to, reporter);
            let mut carried = carried.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let Ok(sum) = carried.as_mut() else { return };
            match how {
                Ok(None) => sum.there += 1,
                Ok(Some(How::Mounted)) => sum.mounted += 1,
                Ok(Some(How::Sent)) => (sum.sent, sum.bytes) = (sum.sent + 1, sum.bytes + blob.size),
                Err(error) => {
                    *carried = Err(error);
                    next.store(blobs.len(), Ordering::Relaxed);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..to.parallel().min(blobs.len()) {
            scope.spawn(work);
        }
    });
    carried.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one(blob: &Descriptor, from: &dyn Origin, to: &dyn Target, reporter: &dyn Reporter) -> Result<Option<How>, RemoteError> {
    if to.has(blob)? {
        return Ok(None);
    }
    let task = Task::new(TaskKind::Transfer, short(&blob.digest));
    reporter.started(&task);
    let how = to.put(blob, from, &|done| reporter.advanced(&task, done, Some(blob.size)));
    reporter.finished(&task, if how.is_ok() { Finish::Done } else { Finish::Failed });
    how.map(Some)
}

/// A digest as progress names it: enough to tell one blob from another.
fn short(digest: &Digest) -> String {
    digest.hex()[..12].to_owned()
}

impl Target for Remote<'_> {
    fn has(&self, blob: &Descriptor) -> Result<bool, RemoteError> {
        self.has_blob(blob)
    }

    fn put(&self, blob: &Descriptor, from: &dyn Origin, advanced: &dyn Fn(u64)) -> Result<How, RemoteError> {
        let sent = std::cell::Cell::new(false);
        let open = || -> Result<Box<dyn Read + '_>, RemoteError> {
            sent.set(true);
            Ok(Box::new(Counted { inner: from.open(blob)?, count: 0, advanced }))
        };
        let own = self.repository();
        match from.repository().filter(|other| other.host() == own.host() && *other != own) {
            Some(other) => self.mount_blob(blob, other, &open)?,
            None => self.put_blob(blob, &open)?,
        }
        Ok(if sent.get() { How::Sent } else { How::Mounted })
    }

    fn put_manifest(&self, one: &Fetched, tag: Option<&str>, subject: Option<&Digest>) -> Result<(), RemoteError> {
        let pointer = tag.map_or(Pointer::Digest(one.descriptor.digest), |tag| Pointer::Tag(tag.to_owned()));
        let there = self.head_manifest(&pointer)? == Some(one.descriptor.digest);
        let kept = there || Remote::put_manifest(self, &one.descriptor, &one.bytes, tag)?;
        match subject {
            Some(subject) if there || !kept => self.add_referrer(subject, &one.descriptor, &one.bytes),
            _ => Ok(()),
        }
    }

    fn parallel(&self) -> usize {
        self.client().parallel()
    }
}

/// The store of this machine.
#[derive(Debug)]
pub struct Keep<'a> {
    /// The store.
    pub store: &'a Store,
    /// How many blobs may travel at once.
    pub parallel: usize,
}

impl Target for Keep<'_> {
    fn has(&self, blob: &Descriptor) -> Result<bool, RemoteError> {
        Ok(self.store.blob(&blob.digest).is_some())
    }

    fn put(&self, blob: &Descriptor, from: &dyn Origin, advanced: &dyn Fn(u64)) -> Result<How, RemoteError> {
        let mut reader = Counted { inner: from.open(blob)?, count: 0, advanced };
        let mut writer = self.store.blob_writer()?;
        if let Err(error) = io::copy(&mut reader, &mut writer) {
            return Err(from_io(error).unwrap_or_else(|source| RemoteError::Io { doing: "keeping a blob", source }));
        }
        writer.finish_expecting(&blob.digest, "a blob")?;
        Ok(How::Sent)
    }

    fn put_manifest(&self, one: &Fetched, _tag: Option<&str>, _subject: Option<&Digest>) -> Result<(), RemoteError> {
        self.store.put(&one.bytes).map(drop).map_err(RemoteError::from)
    }

    fn parallel(&self) -> usize {
        self.parallel
    }
}

/// Counts what is read.
struct Counted<'a> {
    inner: Box<dyn Read + 'a>,
    count: u64,
    advanced: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count += n as u64;
        (self.advanced)(self.count);
        Ok(n)
    }
}
