//! The digest of a layer's uncompressed bytes, from the first part on that is another than last time.
//!
//! sha256 does not compose: one changed byte in front changes all that follows. But what stays in front need not be hashed
//! again. The state of the hash at the end of every part is kept, with the parts that led to it; a layer that begins with
//! the same parts goes on from there. What changes least stands in front ([`super::group`]).

use std::io::{self, BufReader, Write as _};

use base::{Digest, HashState, Hashing, Store, StoreError};
use serde::{Deserialize, Serialize};
use spec::image::Compression;

use super::codec::unpack;
use super::part::Kept;
use super::stitch::{BUFFER, Made, Stop, copy, open};
use crate::ImageError;

/// The kind of record that holds the states of a layer's hash.
const STATES: &str = "layer-states";

/// Layers of fewer bytes are hashed sooner than their states are written to the disk.
const WORTH_KEEPING: u64 = 8 << 20;

/// Where the hash stood behind a part.
#[derive(Debug, Serialize, Deserialize)]
struct Border {
    /// The digest of the part's uncompressed bytes.
    part: Digest,
    state: HashState,
}

/// Returns the digest of the layer's uncompressed bytes and how many these are.
pub(super) fn hash(store: &Store, front: &Made, parts: &[Kept], end: &Made, compression: Compression) -> Result<(Digest, u64), Stop> {
    let key =
        Digest::of(serde_json::to_vec(&(Digest::of(&front.raw), parts.first().map(|part| part.raw.digest))).expect("digests are JSON"));
    // States that can not be read are as good as none: all is hashed.
    let mut borders: Vec<Border> = store.record(STATES, &key).ok().flatten().unwrap_or_default();
    borders.truncate(borders.iter().zip(parts).take_while(|(border, part)| border.part == part.raw.digest).count());
    let mut hashing = match borders.last().and_then(|border| Hashing::resume(io::sink(), &border.state)) {
        Some(hashing) => hashing,
        None => {
            borders.clear();
            let mut hashing = Hashing::new(io::sink());
            hashing.write_all(&front.raw).map_err(ImageError::Layer)?;
            hashing
        }
    };
    let same = borders.len();
    for (place, part) in parts.iter().enumerate().skip(same) {
        match store.open_blob(&part.raw.digest) {
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => {
                let packed = BufReader::with_capacity(BUFFER, open(store, &part.packed, place)?);
                let unpacked = unpack(compression, packed).map_err(|_| Stop::Damaged(place))?;
                copy(unpacked, &part.raw, &mut hashing, place)?;
            }
            file => copy(file?, &part.raw, &mut hashing, place)?,
        }
        borders.push(Border { part: part.raw.digest, state: hashing.state() });
    }
    if same < parts.len() && hashing.bytes() >= WORTH_KEEPING {
        store.put_record(STATES, &key, &borders)?;
    }
    hashing.write_all(&end.raw).map_err(ImageError::Layer)?;
    let (_, digest, bytes) = hashing.finish();
    Ok((digest, bytes))
}
