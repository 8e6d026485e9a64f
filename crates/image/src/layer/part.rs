//! Layer parts: what a package gives to a layer, made once and kept.
//!
//! A part is the segment of a tar that holds one package's files and links, without directories and without an end. It is
//! kept twice: compressed, to be put into layers as it is, and as it is, since the digest of a layer's uncompressed bytes
//! is needed too and reading is faster than unpacking. The second copy may go; then the first is unpacked in its place.
//!
//! Its name is the digest of what it is made of: every entry with the digest of its content. A package that the image
//! changes in nothing gives the same part to every image; one of which a file is replaced, moved or changed by `paths`
//! gives a part of its own, which is made from the package and kept like any other.

use std::collections::BTreeMap;
use std::io::{self, Read};

use apk::package::Limits;
use base::store::BlobWriter;
use base::tarball::Writer;
use base::tree::{Entry, TreePath};
use base::{Digest, Store};
use serde::{Deserialize, Serialize};
use spec::image::Compression;

use super::FORMAT;
use super::segment::{Segment, Summing};
use crate::ImageError;
use crate::contents::Opened;

/// The kind of record that tells where a part lies.
const PARTS: &str = "layer-part";

/// What one package gives to a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    /// Its package's place in the lock. Not part of the part's identity: the digests of the entries are.
    #[serde(skip)]
    pub(crate) package: usize,
    /// Files, in the order of the package.
    pub(crate) files: Vec<File>,
    /// What has no content of its own, in order of path: links and devices. Hard links point to files above.
    pub(crate) others: Vec<Entry>,
}

/// A file of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// Where its bytes lie in the package. Not part of the part's identity.
    #[serde(skip)]
    pub(crate) member: TreePath,
    /// What it becomes, with the digest of its content.
    pub(crate) entry: Entry,
}

/// A part that lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// As it is.
    pub(crate) raw: Piece,
    /// Compressed.
    pub(crate) packed: Piece,
}

/// Bytes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Their blob.
    pub(crate) digest: Digest,
    /// How many there are.
    pub(crate) size: u64,
    /// Their CRC-32. A layer's own sha256 is over all of its parts together and can not tell that one has rotted.
    pub(crate) crc: u32,
}

impl Part {
    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.others.is_empty()
    }

    /// Returns every entry, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.files.iter().map(|file| &file.entry).chain(&self.others)
    }

    /// Returns what its bytes depend on, as one digest.
    pub(crate) fn key(&self, compression: Compression) -> Digest {
        Digest::of(serde_json::to_vec(&(FORMAT, compression, self)).expect("paths, numbers and digests are always JSON"))
    }
}

/// Returns the part as the store has it, made before or now.
pub(crate) fn keep(store: &Store, part: &Part, opened: &Opened, compression: Compression) -> Result<Kept, ImageError> {
    match store.record::<Kept>(PARTS, &part.key(compression))? {
        Some(kept) if store.blob(&kept.packed.digest).is_some() => Ok(kept),
        _ => make(store, part, opened, compression),
    }
}

/// Makes a part from its package, whatever the store has.
pub(crate) fn make(store: &Store, part: &Part, opened: &Opened, compression: Compression) -> Result<Kept, ImageError> {
    let mut writer = PartWriter::new(store, compression)?;
    let files: BTreeMap<&TreePath, &Entry> = part.files.iter().map(|file| (&file.member, &file.entry)).collect();
    if !files.is_empty() {
        opened.package.read_data(&Limits::default(), |member, content| match files.get(&member.path) {
            Some(entry) => writer.append(entry, content),
            None => Ok(()),
        })?;
    }
    writer.finish(part)
}

/// Writes a part to the store.
pub(crate) struct PartWriter<'s> {
    store: &'s Store,
    compression: Compression,
    tar: Writer<Segment<Summing<BlobWriter<'s>>, Summing<BlobWriter<'s>>>>,
}

impl<'s> PartWriter<'s> {
    pub(crate) fn new(store: &'s Store, compression: Compression) -> Result<Self, ImageError> {
        let (raw, packed) = (Summing::new(store.blob_writer()?), Summing::new(store.blob_writer()?));
        let segment = Segment::new(compression, raw, packed).map_err(ImageError::Layer)?;
        Ok(Self { store, compression, tar: Writer::new(segment) })
    }

    /// Writes a file.
    pub(crate) fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), ImageError> {
        self.tar.append(entry, &BTreeMap::new(), content).map_err(ImageError::Layer)
    }

    /// Writes what has no content, and records the part. Its files must have been written, and nothing else.
    pub(crate) fn finish(mut self, part: &Part) -> Result<Kept, ImageError> {
        for entry in &part.others {
            self.append(entry, &mut io::empty())?;
        }
        let (raw, packed) = self.tar.into_inner().finish().map_err(ImageError::Layer)?;
        let kept = Kept { raw: piece(raw)?, packed: piece(packed)? };
        self.store.put_record(PARTS, &part.key(self.compression), &kept)?;
        Ok(kept)
    }
}

fn piece(written: Summing<BlobWriter<'_>>) -> Result<Piece, ImageError> {
    let (blob, crc, size) = written.finish();
    let (digest, _) = blob.finish()?;
    Ok(Piece { digest, size, crc })
}
