//! What repositories hold, and how a push keeps it while garbage is swept.
//!
//! A push relies on what it was told: a blob that `HEAD` found, that was mounted, or that ended a minute ago may be
//! named by a manifest only later. So whoever is told that something is there *renews* its link, and the sweep takes
//! no link that is younger than its grace period. Between a look at the age and the deletion lies a moment, here and in
//! other processes, and no store has a condition to close it. Two announcements close it:
//!
//! ```text
//! push                               sweep
//! 1 renew the link                   1 announce what is condemned
//! 2 look for an announcement         2 look at the ages again; what is young is let go
//! 3 look whether all is still there  3 delete the link, then the bytes; withdraw the announcement
//! ```
//!
//! Each writes before it looks. So either the push sees the announcement, and says that the content is not there (it
//! is sent again, which is always right), or the sweep sees that the link is young. A push that comes after the
//! sweep sees in its third step what is left.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::store::layout::Shard;
use crate::store::{Key, Place, Store, StoreError};
use crate::{Digest, Name, Tag};

/// How long a push waits for the announcement to be withdrawn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What kind of thing a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Manifest,
}

impl Kind {
    pub(crate) fn link(self, digest: &Digest, name: &Name) -> Key {
        match self {
            Self::Blob => Key::link(digest, name),
            Self::Manifest => Key::manifest(digest, name),
        }
    }
}

impl Store {
    /// Whether a repository holds this; for readers, who do not rely on it later.
    pub(crate) async fn holds(&self, kind: Kind, name: &Name, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.stat(&kind.link(digest, name)).await?.is_some())
    }

    /// Whether a repository holds this and will go on to hold it for the time of a push.
    pub(crate) async fn holds_on(&self, kind: Kind, name: &Name, digest: &Digest, now: SystemTime) -> Result<bool, StoreError> {
        let link = kind.link(digest, name);
        let Some(meta) = self.stat(&link).await? else { return Ok(false) };
        if now.duration_since(meta.modified).is_ok_and(|age| age < self.fresh) {
            return Ok(true);
        }
        self.touch(&link).await?;
        self.is_safe(&link, digest).await
    }

    /// Makes a repository hold what is in the store. Says whether it does: bytes that are being swept have to be sent again.
    pub(crate) async fn hold(&self, kind: Kind, name: &Name, digest: &Digest) -> Result<bool, StoreError> {
        let link = kind.link(digest, name);
        self.put(&link, Bytes::new()).await?;
        self.settled(&link, digest).await?;
        if self.is_safe(&link, digest).await? {
            return Ok(true);
        }
        // A link to nothing must not stay.
        if self.stat(&Key::blob(digest)).await?.is_none() {
            self.delete(&link).await?;
        }
        Ok(false)
    }

    /// Waits while these bytes, or this link, are being swept. Bytes that are written after that are rarely taken with
    /// the old ones.
    pub(crate) async fn settled(&self, link: &Key, digest: &Digest) -> Result<(), StoreError> {
        let started = tokio::time::Instant::now();
        while self.is_condemned(link, digest).await? && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The second and third step of a push.
    async fn is_safe(&self, link: &Key, digest: &Digest) -> Result<bool, StoreError> {
        if self.is_condemned(link, digest).await? || self.stat(link).await?.is_none() {
            return Ok(false);
        }
        Ok(self.stat(&Key::blob(digest)).await?.is_some())
    }

    async fn is_condemned(&self, link: &Key, digest: &Digest) -> Result<bool, StoreError> {
        let Some(lines) = self.get(&Key::condemned(Shard::of(digest))).await? else { return Ok(false) };
        let blob = Key::blob(digest);
        Ok(lines.split(|byte| *byte == b'\n').any(|line| line == link.as_str().as_bytes() || line == blob.as_str().as_bytes()))
    }

    /// Reads a tag.
    pub(crate) async fn tagged(&self, name: &Name, tag: &Tag) -> Result<Option<Digest>, StoreError> {
        let key = Key::tag(name, tag);
        let Some(bytes) = self.get(&key).await? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| StoreError::damaged(&key))?;
        text.trim_end().parse().map(Some).map_err(|_| StoreError::damaged(&key))
    }

    /// Sets a tag on a manifest that the repository holds.
    ///
    /// Afterwards it looks whether the manifest was deleted meanwhile; who deletes looks for tags afterwards. So one of
    /// them sees the other, and no tag stays that leads nowhere.
    pub(crate) async fn set_tag(&self, name: &Name, tag: &Tag, digest: &Digest) -> Result<bool, StoreError> {
        let key = Key::tag(name, tag);
        let text = Bytes::from(digest.to_string());
        self.put(&key, text.clone()).await?;
        let started = tokio::time::Instant::now();
        while self.is_tag_condemned(name, tag).await? && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.put(&key, text.clone()).await?;
        }
        if self.holds(Kind::Manifest, name, digest).await? {
            return Ok(true);
        }
        self.delete(&key).await?;
        Ok(false)
    }

    async fn is_tag_condemned(&self, name: &Name, tag: &Tag) -> Result<bool, StoreError> {
        let Some(lines) = self.get(&Key::condemned_tags(name)).await? else { return Ok(false) };
        Ok(lines.split(|byte| *byte == b'\n').any(|line| line == tag.as_str().as_bytes()))
    }

    /// Deletes a manifest from a repository: its tags, its place among the referrers of its subject, itself.
    pub(crate) async fn delete_manifest(&self, name: &Name, digest: &Digest, subject: Option<&Digest>) -> Result<bool, StoreError> {
        self.untag(name, digest).await?;
        let there = self.unlink_manifest(name, digest, subject).await?;
        // Who pushed it again at the same time may have set these before the link went.
        self.untag(name, digest).await?;
        Ok(there)
    }

    /// Deletes a manifest that no tag names.
    pub(crate) async fn unlink_manifest(&self, name: &Name, digest: &Digest, subject: Option<&Digest>) -> Result<bool, StoreError> {
        let referrer = subject.map(|subject| Key::referrer(name, subject, digest));
        if let Some(referrer) = &referrer {
            self.delete(referrer).await?;
        }
        let there = self.delete(&Kind::Manifest.link(digest, name)).await?;
        if let Some(referrer) = &referrer {
            self.delete(referrer).await?;
        }
        Ok(there)
    }

    /// Deletes the tags of a repository that name `digest`.
    async fn untag(&self, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        for leaf in self.leaves(&Place::tags(name), None, usize::MAX).await? {
            let Ok(tag) = leaf.parse::<Tag>() else { continue };
            if self.tagged(name, &tag).await?.as_ref() == Some(digest) {
                self.delete(&Key::tag(name, &tag)).await?;
            }
        }
        Ok(())
    }
}
