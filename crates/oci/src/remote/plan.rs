//! What an image consists of, before it is carried: its index, manifests, blobs, and what refers to them in either form.

use std::collections::{BTreeMap, BTreeSet};

use base::Digest;
use serde::Serialize;

use super::{Document, Fetched, Origin, RemoteError};
use crate::Descriptor;

/// How deep manifests may lie below the image: an index of indexes, a signature of an SBOM, and some to spare.
const MAX_DEPTH: usize = 8;
/// The most manifests: an image for twenty platforms, each with some hundred documents.
const MAX_MANIFESTS: usize = 10_000;
/// The most bytes of manifests, which are held in memory.
const MAX_BYTES: u64 = 256 << 20;

/// The ends of the tags by which cosign before version 3 keeps what it says of an image.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// Whether what refers to an image goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    /// Signatures, SBOMs and the like, in both forms.
    With,
    /// The image alone.
    Without,
}

/// An image with all that it consists of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The image.
    pub root: Fetched,
    /// Everything that refers to it or to a part of it.
    pub referrers: Vec<Referrer>,
    /// Manifests, each after those that it names.
    pub(super) steps: Vec<Step>,
    /// Blobs, each once.
    pub(super) blobs: BTreeMap<Digest, Descriptor>,
}

/// Something that refers to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Referrer {
    /// To which manifest.
    pub subject: Digest,
    /// Its manifest.
    pub digest: Digest,
    /// What it is.
    pub artifact_type: Option<String>,
    /// The tag by which it is found, where that is cosign's older form.
    pub tag: Option<String>,
}

/// One manifest to write.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) fetched: Fetched,
    pub(super) tag: Option<String>,
    pub(super) subject: Option<Digest>,
}

impl Plan {
    /// Reads all manifests of the image `root`; no blob is opened.
    pub fn new(origin: &dyn Origin, root: Fetched, referrers: Referrers) -> Result<Self, RemoteError> {
        let mut walk =
            Walk { origin, referrers, seen: BTreeSet::new(), bytes: 0, steps: Vec::new(), blobs: BTreeMap::new(), found: Vec::new() };
        walk.visit(&root, None, 0, true)?;
        Ok(Self { root, referrers: walk.found, steps: walk.steps, blobs: walk.blobs })
    }

    /// Returns the descriptor of one of its manifests.
    #[must_use]
    pub fn descriptor(&self, digest: &Digest) -> Option<&Descriptor> {
        self.steps.iter().map(|step| &step.fetched.descriptor).find(|one| one.digest == *digest)
    }

    /// Returns how many manifests there are.
    #[must_use]
    pub fn manifests(&self) -> usize {
        self.steps.len()
    }

    /// Returns the bytes of all blobs.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blobs.values().map(|blob| blob.size).sum()
    }
}

struct Walk<'a> {
    origin: &'a dyn Origin,
    referrers: Referrers,
    seen: BTreeSet<Digest>,
    bytes: u64,
    steps: Vec<Step>,
    blobs: BTreeMap<Digest, Descriptor>,
    found: Vec<Referrer>,
}

impl Walk<'_> {
    fn visit(&mut self, one: &Fetched, tag: Option<&str>, depth: usize, of_image: bool) -> Result<(), RemoteError> {
        let digest = one.descriptor.digest;
        if !self.seen.insert(digest) {
            return Ok(());
        }
        let many = |of, most| RemoteError::Many { what: digest.to_string(), of, most };
        if depth > MAX_DEPTH {
            return Err(many("manifests within manifests", MAX_DEPTH));
        }
        self.bytes += one.bytes.len() as u64;
        if self.seen.len() > MAX_MANIFESTS || self.bytes > MAX_BYTES {
            return Err(many("manifests", MAX_MANIFESTS));
        }
        let document = Document::parse(&one.bytes, &digest)?;
        for child in document.manifests.iter().flatten() {
            if self.seen.contains(&child.digest) {
                continue;
            }
            let fetched = self.origin.manifest(&child.digest)?;
            self.visit(&fetched, None, depth + 1, of_image)?;
        }
        for blob in document.blobs().filter(|blob| !is_foreign(&blob.media_type)) {
            let known = self.blobs.entry(blob.digest).or_insert_with(|| blob.clone());
            if known.size != blob.size {
                let why = format!("it says that {} has {} bytes, and another manifest says {}", blob.digest, blob.size, known.size);
                return Err(RemoteError::Ambiguous { digest, why });
            }
        }
        let subject = document.subject.as_ref().map(|subject| subject.digest);
        self.steps.push(Step { fetched: one.clone(), tag: tag.map(str::to_owned), subject });
        if self.referrers == Referrers::With {
            self.refer(&digest, depth, of_image)?;
        }
        Ok(())
    }

    /// Follows what refers to a manifest. What refers to that is followed too: an SBOM can be signed.
    fn refer(&mut self, subject: &Digest, depth: usize, of_image: bool) -> Result<(), RemoteError> {
        for one in self.origin.referrers(subject)? {
            let fetched = self.origin.manifest(&one.digest)?;
            let artifact_type = fetched.descriptor.artifact_type.clone();
            self.found.push(Referrer { subject: *subject, digest: one.digest, artifact_type, tag: None });
            self.visit(&fetched, None, depth + 1, false)?;
        }
        for end in COSIGN.iter().filter(|_| of_image) {
            let tag = format!("sha256-{}.{end}", subject.hex());
            if let Some(fetched) = self.origin.tagged(&tag)? {
                let (digest, artifact_type) = (fetched.descriptor.digest, Some(format!("cosign .{end}")));
                self.found.push(Referrer { subject: *subject, digest, artifact_type, tag: Some(tag.clone()) });
                self.visit(&fetched, Some(&tag), depth + 1, false)?;
            }
        }
        Ok(())
    }
}

/// Layers that may not be handed on, which registries do not hold (image-spec, "non-distributable layers").
fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}
