//! Tiles: 256 hashes of one height in one file that never changes (C2SP tlog-tiles).

use std::collections::BTreeMap;

use super::tree::{Hash, Subtrees, node};
use super::{LogError, Storage};

/// Hashes or entries of a full tile.
pub(super) const WIDTH: u64 = 256;

/// The longest entry: its length stands before it in two bytes.
pub(super) const MAX_ENTRY: usize = u16::MAX as usize;

/// What a file of tiles holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Roots of subtrees of `256^height` entries.
    Hashes(u32),
    /// Entries.
    Entries,
}

/// Returns the name of the tile `index` that holds `width` things: groups of three digits, all but the last behind an `x`.
pub(super) fn name(kind: Kind, index: u64, width: u64) -> String {
    let mut digits = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        digits = format!("x{:03}/{digits}", rest % 1000);
        rest /= 1000;
    }
    let kind = match kind {
        Kind::Hashes(height) => height.to_string(),
        Kind::Entries => "entries".to_owned(),
    };
    if width == WIDTH { format!("tile/{kind}/{digits}") } else { format!("tile/{kind}/{digits}.p/{width}") }
}

/// Returns how many things tile `index` holds where there are `count` in all.
pub(super) fn width(index: u64, count: u64) -> u64 {
    count.saturating_sub(index * WIDTH).min(WIDTH)
}

/// Reads a tile that must be there.
pub(super) fn read(storage: &dyn Storage, name: &str) -> Result<Vec<u8>, LogError> {
    storage.get(name)?.ok_or_else(|| LogError::Lost { name: name.to_owned() })
}

/// Splits a tile into its hashes.
pub(super) fn hashes(name: &str, bytes: &[u8], width: u64) -> Result<Vec<Hash>, LogError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() as u64 != width {
        return Err(LogError::Damaged { name: name.to_owned(), reason: "it has another length" });
    }
    Ok(hashes.to_vec())
}

/// Writes entries, each behind its length.
pub(super) fn join<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| LogError::Entry { size: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Splits what [`join`] wrote.
pub(super) fn split<'a>(name: &str, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, LogError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, after)) = after.split_at_checked(length) else { break };
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(LogError::Damaged { name: name.to_owned(), reason: "it ends within an entry" }) }
}

/// Returns the root over hashes that are a power of two.
pub(super) fn fold(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(super::tree::empty)
}

/// The tiles of a log of one size. Each is read once.
pub(super) struct Tiles<'a> {
    storage: &'a dyn Storage,
    size: u64,
    read: BTreeMap<(u32, u64), Vec<Hash>>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(storage: &'a dyn Storage, size: u64) -> Self {
        Self { storage, size, read: BTreeMap::new() }
    }

    fn tile(&mut self, height: u32, index: u64) -> Result<&[Hash], LogError> {
        if !self.read.contains_key(&(height, index)) {
            let width = width(index, self.size >> (8 * height));
            let name = name(Kind::Hashes(height), index, width);
            let tile = hashes(&name, &read(self.storage, &name)?, width)?;
            self.read.insert((height, index), tile);
        }
        Ok(&self.read[&(height, index)])
    }
}

impl Subtrees for Tiles<'_> {
    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, LogError> {
        let (height, within) = (level / 8, level % 8);
        let first = index << within;
        let tile = self.tile(height, first / WIDTH)?;
        let start = (first % WIDTH) as usize;
        tile.get(start..start + (1 << within)).map(fold).ok_or(LogError::Index { index: index << level, size: self.size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(name(Kind::Hashes(0), 0, 256), "tile/0/000");
        assert_eq!(name(Kind::Hashes(1), 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(name(Kind::Entries, 1000, 5), "tile/entries/x001/000.p/5");
    }

    #[test]
    fn entries_come_back_and_a_torn_file_does_not() {
        let bytes = join([&b"a"[..], b"", b"bc"]).unwrap();
        assert_eq!(split("x", &bytes).unwrap(), [&b"a"[..], b"", b"bc"]);
        assert!(split("x", &bytes[..bytes.len() - 1]).is_err());
        assert!(matches!(join([&vec![0; MAX_ENTRY + 1][..]]), Err(LogError::Entry { .. })));
    }
}
