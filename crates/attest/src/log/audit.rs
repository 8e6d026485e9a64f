//! Reads a whole log and says whether it is what it should be.

use std::collections::BTreeMap;

use base::Digest;

use super::entry::Entry;
use super::folder::CHECKPOINT;
use super::note::{Checkpoint, LogKey};
use super::tile::{self, Kind, Tiles, WIDTH};
use super::tree::{self, Frontier, Hash};
use super::{LogError, Storage, consistency_holds};

/// What an audit found. There is one only if everything is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// How many entries each key has, by the digest of the key.
    pub keys: BTreeMap<Digest, u64>,
    /// How many entries the checkpoint had that was kept from before, if the log extends it.
    pub extends: Option<u64>,
}

/// Replays a log from its entries: every tile, every height, the root, the signature; and that it begins with `known`, if there is one.
pub fn audit(
    storage: &dyn Storage,
    key: &LogKey,
    known: Option<&Checkpoint>,
    each: &mut dyn FnMut(u64, &Entry),
) -> Result<Audit, LogError> {
    let checkpoint = published(storage, key)?;
    if let Some(known) = known {
        not_shrunk(&checkpoint, known)?;
    }
    let size = checkpoint.size;
    let mut replay = Replay { storage, size, tree: Frontier::default(), rows: Vec::new() };
    let mut keys = BTreeMap::new();
    let matches =
        |replay: &Replay<'_>| known.filter(|known| known.size == replay.tree.size()).is_none_or(|known| known.root == replay.tree.root());
    let mut extends = matches(&replay);
    for index in 0..size.div_ceil(WIDTH) {
        let width = tile::width(index, size);
        let name = tile::name(Kind::Entries, index, width);
        let bytes = tile::read(storage, &name)?;
        let entries = tile::split(&name, &bytes)?;
        if entries.len() as u64 != width {
            return Err(LogError::Damaged { name, reason: "it has another number of entries" });
        }
        for body in entries {
            let at = replay.tree.size();
            let entry = Entry::parse(body).map_err(|reason| LogError::Body { index: at, reason })?;
            each(at, &entry);
            *keys.entry(entry.key.digest()).or_default() += 1;
            replay.push(0, tree::leaf(body))?;
            replay.tree.push(tree::leaf(body));
            extends &= matches(&replay);
        }
    }
    replay.finish()?;
    if replay.tree.root() != checkpoint.root {
        return Err(LogError::Root { size });
    }
    match known {
        Some(known) if !extends => Err(LogError::Forked { size, known: known.size }),
        known => Ok(Audit { checkpoint, keys, extends: known.map(|known| known.size) }),
    }
}

/// Returns the published checkpoint if it extends `known`, without reading the entries: by a proof that the tiles give.
pub fn extended(storage: &dyn Storage, key: &LogKey, known: &Checkpoint) -> Result<Checkpoint, LogError> {
    let checkpoint = published(storage, key)?;
    not_shrunk(&checkpoint, known)?;
    let (size, old) = (checkpoint.size, known.size);
    let path = tree::consistency(&mut Tiles::new(storage, size), old, size)?;
    if consistency_holds(old, &known.root, size, &checkpoint.root, &path) {
        Ok(checkpoint)
    } else {
        Err(LogError::Forked { size, known: old })
    }
}

/// Returns the entry at `index` and the hashes beside its way to the root.
pub fn entry_at(storage: &dyn Storage, checkpoint: &Checkpoint, index: u64) -> Result<(Vec<u8>, Vec<Hash>), LogError> {
    let size = checkpoint.size;
    if index >= size {
        return Err(LogError::Index { index, size });
    }
    let name = tile::name(Kind::Entries, index / WIDTH, tile::width(index / WIDTH, size));
    let bytes = tile::read(storage, &name)?;
    let body = tile::split(&name, &bytes)?.get((index % WIDTH) as usize).map(|body| body.to_vec());
    let body = body.ok_or(LogError::Damaged { name, reason: "it has another number of entries" })?;
    let path = tree::inclusion(&mut Tiles::new(storage, size), index, size)?;
    if super::inclusion_root(&body, index, size, &path) == Some(checkpoint.root) { Ok((body, path)) } else { Err(LogError::Root { size }) }
}

/// Returns the public checkpoint, if the log's key signed it.
pub fn published(storage: &dyn Storage, key: &LogKey) -> Result<Checkpoint, LogError> {
    let note = storage.get(CHECKPOINT)?.ok_or(LogError::Missing)?;
    key.open(&String::from_utf8(note).map_err(|_| LogError::Checkpoint { reason: "it is no text" })?)
}

fn not_shrunk(now: &Checkpoint, known: &Checkpoint) -> Result<(), LogError> {
    if now.origin != known.origin {
        return Err(LogError::Origin { expected: known.origin.clone(), found: now.origin.clone() });
    }
    if now.size < known.size { Err(LogError::Shrunk { size: now.size, known: known.size }) } else { Ok(()) }
}

/// The tiles, made again from the entries and compared with those that are there.
struct Replay<'a> {
    storage: &'a dyn Storage,
    size: u64,
    tree: Frontier,
    /// Of every height, how many tiles are done, and the hashes of the one that is not.
    rows: Vec<(u64, Vec<Hash>)>,
}

impl Replay<'_> {
    fn push(&mut self, height: usize, hash: Hash) -> Result<(), LogError> {
        if self.rows.len() == height {
            self.rows.push((0, Vec::new()));
        }
        let (index, row) = &mut self.rows[height];
        row.push(hash);
        if (row.len() as u64) < WIDTH {
            return Ok(());
        }
        let (index, row) = (std::mem::replace(index, *index + 1), std::mem::take(row));
        self.compare(height, index, &row)?;
        self.push(height + 1, tile::fold(&row))
    }

    fn finish(&self) -> Result<(), LogError> {
        let begun = self.rows.iter().enumerate().filter(|(_, (_, row))| !row.is_empty());
        begun.into_iter().try_for_each(|(height, (index, row))| self.compare(height, *index, row))
    }

    fn compare(&self, height: usize, index: u64, row: &[Hash]) -> Result<(), LogError> {
        let name = tile::name(Kind::Hashes(height as u32), index, tile::width(index, self.size >> (8 * height)));
        if tile::read(self.storage, &name)? == row.as_flattened() {
            Ok(())
        } else {
            Err(LogError::Damaged { name, reason: "its hashes are not those of its entries" })
        }
    }
}
