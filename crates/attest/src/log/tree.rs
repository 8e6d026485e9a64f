//! The Merkle tree over a log (RFC 6962 §2.1), by roots of its full subtrees.

use aws_lc_rs::digest::{Context, SHA256};

use super::LogError;

/// A sha256 in the tree.
pub type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Returns the hash of an entry.
#[must_use]
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

/// Returns the hash over two subtrees.
#[must_use]
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// Returns the root of a log without entries.
#[must_use]
pub(crate) fn empty() -> Hash {
    hash(&[])
}

/// Gives roots of full subtrees.
pub(crate) trait Subtrees {
    /// Returns the root over the entries from `index << level`, `1 << level` of them.
    fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, LogError>;
}

/// Returns the root over the entries from `start` to before `end`; `start` is a multiple of the power of two that reaches to `end`.
fn range(trees: &mut dyn Subtrees, start: u64, end: u64) -> Result<Hash, LogError> {
    let count = end - start;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return trees.subtree(level, start >> level);
    }
    let middle = start + half(count);
    let (left, right) = (range(trees, start, middle)?, range(trees, middle, end)?);
    Ok(node(&left, &right))
}

/// The largest power of two that is less than `count`, which is at least two.
fn half(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Returns the hashes beside the way from entry `index` to the root of a log of `size` entries, lowest first (RFC 6962 §2.1.1).
pub(crate) fn inclusion(trees: &mut dyn Subtrees, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
    if index >= size {
        return Err(LogError::Index { index, size });
    }
    let (mut start, mut end, mut path) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + half(end - start);
        if index < middle {
            path.push(range(trees, middle, end)?);
            end = middle;
        } else {
            path.push(range(trees, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Returns the hashes that show that a log of `size` entries begins with the log of `old` (RFC 6962 §2.1.2).
pub(crate) fn consistency(trees: &mut dyn Subtrees, old: u64, size: u64) -> Result<Vec<Hash>, LogError> {
    if old > size {
        return Err(LogError::Shrunk { size, known: old });
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut start, mut end, mut path, mut whole) = (0, size, Vec::new(), true);
    while end != old {
        let middle = start + half(end - start);
        if old <= middle {
            path.push(range(trees, middle, end)?);
            end = middle;
        } else {
            path.push(range(trees, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range(trees, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The roots of the full subtrees that a log is made of, largest first: all that is needed to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Takes up a tree. There is one root for every bit of its size.
    pub(crate) fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds an entry by its hash.
    pub(crate) fn push(&mut self, entry: Hash) {
        let mut hash = entry;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// Returns the root over all.
    pub(crate) fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(&last) = roots.next() else { return empty() };
        roots.fold(last, |right, left| node(left, &right))
    }
}
