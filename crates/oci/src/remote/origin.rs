//! Where an image is read from when it is carried elsewhere: a registry, or a layout or archive that lies here.

use std::collections::BTreeMap;
use std::io::Read;

use base::Digest;

use super::{Document, Fetched, Pointer, Remote, RemoteError, Repository};
use crate::{Blobs, Descriptor, Index, Source, media};

/// A place that images are read from.
pub trait Origin: Sync {
    /// Reads a manifest or an index; its bytes are those of its digest.
    fn manifest(&self, digest: &Digest) -> Result<Fetched, RemoteError>;
    /// Reads what a tag names, if it is there.
    fn tagged(&self, tag: &str) -> Result<Option<Fetched>, RemoteError>;
    /// Returns what refers to `subject`.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RemoteError>;
    /// Opens a blob, as often as need be.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, RemoteError>;
    /// Returns the repository, where it is in a registry: another of the same can mount its blobs.
    fn repository(&self) -> Option<&Repository>;
}

impl Origin for Remote<'_> {
    fn manifest(&self, digest: &Digest) -> Result<Fetched, RemoteError> {
        Remote::manifest(self, &Pointer::Digest(*digest))
    }

    fn tagged(&self, tag: &str) -> Result<Option<Fetched>, RemoteError> {
        let pointer = Pointer::Tag(tag.to_owned());
        match self.head_manifest(&pointer)? {
            Some(_) => Remote::manifest(self, &pointer).map(Some),
            None => Ok(None),
        }
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RemoteError> {
        Remote::referrers(self, subject, None)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, RemoteError> {
        Ok(Box::new(self.blob(blob)))
    }

    fn repository(&self) -> Option<&Repository> {
        Some(Remote::repository(self))
    }
}

/// Images that lie here.
pub struct Local<'a> {
    blobs: &'a (dyn Blobs + Sync),
    tags: BTreeMap<String, Descriptor>,
    referrers: BTreeMap<Digest, Vec<Descriptor>>,
}

impl std::fmt::Debug for Local<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("tags", &self.tags).finish_non_exhaustive()
    }
}

impl<'a> Local<'a> {
    /// Opens a layout or an archive.
    pub fn of(source: &'a Source) -> Result<Self, RemoteError> {
        Self::new(source, source.index())
    }

    /// Reads images from `blobs`, of which `index` is the list.
    pub fn new(blobs: &'a (dyn Blobs + Sync), index: &Index) -> Result<Self, RemoteError> {
        let mut local = Self { blobs, tags: BTreeMap::new(), referrers: BTreeMap::new() };
        for one in &index.manifests {
            if let Some(name) = one.annotations.get(media::REF_NAME) {
                // Archives hold whole names, layouts tags alone.
                let tag = name.rsplit(':').next().unwrap_or(name);
                local.tags.insert(tag.to_owned(), one.clone());
            }
            let document = Document::parse(&blobs.read(&one.digest)?, &one.digest)?;
            if let Some(subject) = document.subject.as_ref() {
                let mut one = Descriptor::new(&one.media_type, one.digest, one.size);
                one.artifact_type = document.artifact_type();
                local.referrers.entry(subject.digest).or_default().push(one);
            }
        }
        Ok(local)
    }
}

impl Origin for Local<'_> {
    fn manifest(&self, digest: &Digest) -> Result<Fetched, RemoteError> {
        let bytes = self.blobs.read(digest)?;
        let document = Document::parse(&bytes, digest)?;
        let mut descriptor = Descriptor::new(&document.media_type(None, digest)?, *digest, bytes.len() as u64);
        descriptor.artifact_type = document.artifact_type();
        Ok(Fetched { descriptor, bytes })
    }

    fn tagged(&self, tag: &str) -> Result<Option<Fetched>, RemoteError> {
        self.tags.get(tag).map(|one| self.manifest(&one.digest)).transpose()
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RemoteError> {
        Ok(self.referrers.get(subject).cloned().unwrap_or_default())
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, RemoteError> {
        Ok(self.blobs.open(&blob.digest)?)
    }

    fn repository(&self) -> Option<&Repository> {
        None
    }
}
