//! Puts a layer together: a member with the directories, the parts as they are kept, a member with what was made here.
//!
//! Nothing that a package holds is compressed or unpacked for it. The bytes are read once as they are, for the digest of
//! the uncompressed layer ([`unpacked`]), and beside that once compressed, for the layer itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};

use base::tarball::Writer;
use base::tree::Entry;
use base::{Digest, Store, StoreError};
use fs_err as fs;
use oci::Descriptor;
use spec::image::Compression;

use super::codec::media_type;
use super::part::{self, Kept, Part, Piece};
use super::plan::Plan;
use super::segment::{Segment, Summing};
use super::{LAYERS, Layer, unpacked};
use crate::ImageError;
use crate::contents::Opened;

/// How much is read at once: parts are read from front to end, two files at a time.
pub(super) const BUFFER: usize = 256 << 10;

/// Returns the layer of a plan: the one written before, or a new one.
pub(crate) fn write(store: &Store, plan: &Plan, opened: &[Opened], compression: Compression) -> Result<Layer, ImageError> {
    let key = plan.key(compression);
    if let Some(layer) = store.record::<Layer>(LAYERS, &key)?
        && store.blob(&layer.descriptor.digest).is_some()
    {
        return Ok(layer);
    }
    let layer = join(store, plan, opened, compression)?;
    store.put_record(LAYERS, &key, &layer)?;
    Ok(layer)
}

/// Joins the parts; one that is not any more what was kept is made again, once.
fn join(store: &Store, plan: &Plan, opened: &[Opened], compression: Compression) -> Result<Layer, ImageError> {
    let keep = |part: &Part| part::keep(store, part, &opened[part.package], compression);
    let mut parts = plan.parts.iter().map(keep).collect::<Result<Vec<_>, _>>()?;
    let front = Made::write(compression, plan.directories.iter().map(|entry| (entry, &[][..])), false)?;
    let end = Made::write(compression, plan.made.iter().map(|made| (&made.entry, made.bytes.as_slice())), true)?;
    let mut mended = BTreeSet::new();
    loop {
        match stitch(store, &front, &parts, &end, compression) {
            Ok(layer) => return Ok(layer),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Damaged(place)) if mended.insert(place) => {
                let part = &plan.parts[place];
                parts[place] = part::make(store, part, &opened[part.package], compression)?;
            }
            Err(Stop::Damaged(place)) => return Err(ImageError::Damaged { blob: parts[place].packed.digest }),
        }
    }
}

/// A segment that is written for one layer, in memory: directories, or what was made here.
pub(super) struct Made {
    pub(super) raw: Vec<u8>,
    packed: Vec<u8>,
}

impl Made {
    fn write<'e>(compression: Compression, entries: impl Iterator<Item = (&'e Entry, &'e [u8])>, end: bool) -> Result<Self, ImageError> {
        let write = || {
            let mut tar = Writer::new(Segment::new(compression, Vec::new(), Vec::new())?);
            for (entry, mut bytes) in entries {
                tar.append(entry, &BTreeMap::new(), &mut bytes)?;
            }
            if end { tar.finish()?.finish() } else { tar.into_inner().finish() }
        };
        let (raw, packed) = write().map_err(ImageError::Layer)?;
        Ok(Self { raw, packed })
    }
}

/// Why a layer could not be put together.
pub(super) enum Stop {
    /// The part at this place is not what was kept.
    Damaged(usize),
    Failed(ImageError),
}

impl From<ImageError> for Stop {
    fn from(error: ImageError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

fn stitch(store: &Store, front: &Made, parts: &[Kept], end: &Made, compression: Compression) -> Result<Layer, Stop> {
    let (packed, raw) = rayon::join(|| packed(store, front, parts, end), || unpacked::hash(store, front, parts, end, compression));
    let ((digest, size), (diff_id, unpacked)) = (packed?, raw?);
    Ok(Layer { descriptor: Descriptor::new(media_type(compression), digest, size), diff_id, unpacked })
}

/// Writes the layer.
fn packed(store: &Store, front: &Made, parts: &[Kept], end: &Made) -> Result<(Digest, u64), Stop> {
    let mut blob = store.blob_writer()?;
    blob.write_all(&front.packed).map_err(ImageError::Layer)?;
    for (place, part) in parts.iter().enumerate() {
        copy(open(store, &part.packed, place)?, &part.packed, &mut blob, place)?;
    }
    blob.write_all(&end.packed).map_err(ImageError::Layer)?;
    Ok(blob.finish()?)
}

pub(super) fn open(store: &Store, piece: &Piece, place: usize) -> Result<fs::File, Stop> {
    store.open_blob(&piece.digest).map_err(|error| match error {
        StoreError::Missing { .. } | StoreError::Damaged { .. } => Stop::Damaged(place),
        other => other.into(),
    })
}

/// Copies a piece and compares it with what was kept.
pub(super) fn copy(piece: impl Read, expected: &Piece, out: &mut impl io::Write, place: usize) -> Result<(), Stop> {
    let mut reader = BufReader::with_capacity(BUFFER, Summing::new(piece));
    loop {
        // A disk that can not give a piece any more, or one that does not unpack: it is not what was kept.
        let bytes = reader.fill_buf().map_err(|_| Stop::Damaged(place))?;
        if bytes.is_empty() {
            break;
        }
        out.write_all(bytes).map_err(ImageError::Layer)?;
        let n = bytes.len();
        reader.consume(n);
    }
    let (_, crc, size) = reader.into_inner().finish();
    if (crc, size) == (expected.crc, expected.size) { Ok(()) } else { Err(Stop::Damaged(place)) }
}
