//! Where the blobs of an image lie, and which blobs an image is.

use std::collections::BTreeSet;
use std::io::Read;

use base::{Digest, Store};
use serde::de::DeserializeOwned;

use crate::error::doing;
use crate::{Config, Descriptor, Index, Manifest, OciError, media};

/// The longest manifest, index or configuration that is read: registries agree on 4 MiB (distribution-spec, "pushing manifests").
pub(crate) const MAX_JSON: u64 = 4 << 20;

/// How deep indexes may lie within indexes: a layout's own, an image's, and one to spare.
pub(crate) const MAX_DEPTH: usize = 3;

/// A place that holds blobs.
pub trait Blobs {
    /// Opens a blob. Its bytes are not hashed by this.
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, OciError>;

    /// Reads a small blob whole, and refuses it when its bytes are others than its name says.
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        self.open(digest)?.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(doing("reading a blob"))?;
        if bytes.len() as u64 > MAX_JSON {
            return Err(OciError::Large { what: digest.to_string(), bytes: bytes.len() as u64, most: MAX_JSON });
        }
        let actual = Digest::of(&bytes);
        if actual == *digest { Ok(bytes) } else { Err(OciError::Changed { expected: *digest, actual }) }
    }
}

impl Blobs for Store {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, OciError> {
        Ok(Box::new(self.open_blob(digest)?))
    }
}

/// Reads the JSON that a descriptor names.
fn json<T: DeserializeOwned>(blobs: &dyn Blobs, what: &str, descriptor: &Descriptor) -> Result<T, OciError> {
    let bytes = blobs.read(&descriptor.digest)?;
    serde_json::from_slice(&bytes).map_err(|source| OciError::Json { what: format!("the {what} {}", descriptor.digest), source })
}

impl Manifest {
    /// Reads the manifest that `descriptor` names.
    pub fn read(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Self, OciError> {
        json(blobs, "manifest", descriptor)
    }
}

impl Index {
    /// Reads the index that `descriptor` names.
    pub fn read(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Self, OciError> {
        json(blobs, "index", descriptor)
    }
}

impl Config {
    /// Reads the configuration that `descriptor` names.
    pub fn read(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Self, OciError> {
        json(blobs, "configuration", descriptor)
    }
}

/// Returns every blob that the image `root` consists of, each once: what a descriptor names comes before it.
pub fn closure(blobs: &dyn Blobs, root: &Descriptor) -> Result<Vec<Descriptor>, OciError> {
    let mut found = Vec::new();
    walk(blobs, root, 0, &mut BTreeSet::new(), &mut found)?;
    Ok(found)
}

fn walk(
    blobs: &dyn Blobs,
    one: &Descriptor,
    depth: usize,
    seen: &mut BTreeSet<Digest>,
    found: &mut Vec<Descriptor>,
) -> Result<(), OciError> {
    if !seen.insert(one.digest) {
        return Ok(());
    }
    if media::is_index(&one.media_type) {
        if depth >= MAX_DEPTH {
            return Err(OciError::Depth(one.digest));
        }
        for manifest in Index::read(blobs, one)?.manifests {
            walk(blobs, &manifest, depth + 1, seen, found)?;
        }
    } else if media::is_manifest(&one.media_type) {
        let manifest = Manifest::read(blobs, one)?;
        for part in manifest.layers.iter().chain([&manifest.config]) {
            walk(blobs, part, depth, seen, found)?;
        }
    }
    found.push(one.clone());
    Ok(())
}
