//! Proofs about a log's tree, as who does not have the log checks them (RFC 9162 §2.1.3.2, §2.1.4.2).

use super::tree::{Hash, leaf, node};

/// Returns the root that `path` leads to from `entry` at `index` in a log of `size` entries; nothing where the path has not
/// as many hashes as that way has.
#[must_use]
pub fn inclusion_root(entry: &[u8], index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf(entry));
    for hash in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(hash, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether `path` shows that the log of `size` entries and `root` begins with the log of `old_size` entries and `old_root`.
#[must_use]
pub fn consistency_holds(old_size: u64, old_root: &Hash, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if old_size > size {
        return false;
    }
    if old_size == size {
        return path.is_empty() && old_root == root;
    }
    if old_size == 0 {
        return path.is_empty();
    }
    // A full tree's root is left out of the path: it is what the verifier knows.
    let known = old_size.is_power_of_two().then_some(old_root);
    let mut hashes = known.into_iter().chain(path);
    let Some(&first) = hashes.next() else { return false };
    let (mut at, mut last) = (old_size - 1, size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut left, mut right) = (first, first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            left = node(hash, &left);
            right = node(hash, &right);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            right = node(&right, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && left == *old_root && right == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogError;
    use crate::log::tree::{Frontier, Subtrees, consistency, inclusion};

    struct Entries(Vec<Hash>);

    impl Subtrees for Entries {
        fn subtree(&mut self, level: u32, index: u64) -> Result<Hash, LogError> {
            let start = (index << level) as usize;
            let mut tree = Frontier::default();
            self.0[start..start + (1 << level)].iter().for_each(|&entry| tree.push(entry));
            Ok(tree.root())
        }
    }

    fn log(size: u64) -> (Entries, Vec<Hash>) {
        let (mut tree, mut roots) = (Frontier::default(), vec![Frontier::default().root()]);
        let entries: Vec<Hash> = (0..size).map(|at| leaf(at.to_string().as_bytes())).collect();
        for &entry in &entries {
            tree.push(entry);
            roots.push(tree.root());
        }
        (Entries(entries), roots)
    }

    #[test]
    fn every_entry_of_every_size_is_proved_and_no_other() {
        let (mut entries, roots) = log(40);
        for size in 1..=40 {
            for index in 0..size {
                let path = inclusion(&mut entries, index, size).unwrap();
                let prove = |text: &str, index, size, path: &[Hash]| inclusion_root(text.as_bytes(), index, size, path);
                let root = Some(roots[size as usize]);
                let text = index.to_string();
                assert_eq!(prove(&text, index, size, &path), root, "{index} of {size}");
                assert_ne!(prove("x", index, size, &path), root);
                for other in (0..size).filter(|&other| other != index) {
                    assert_ne!(prove(&text, other, size, &path), root, "{index} is not at {other}");
                }
                assert_eq!(prove(&text, index, size, &[&path[..], &[[0; 32]]].concat()), None, "a hash too many");
                if !path.is_empty() {
                    assert_eq!(prove(&text, index, size, &path[1..]), None, "a hash too few");
                }
            }
        }
    }

    #[test]
    fn every_size_extends_every_smaller_one_and_no_other_log() {
        let (mut entries, roots) = log(40);
        for size in 0..=40u64 {
            for old in 0..=size {
                let path = consistency(&mut entries, old, size).unwrap();
                let (before, after) = (roots[old as usize], roots[size as usize]);
                assert!(consistency_holds(old, &before, size, &after, &path), "{old} to {size}");
                if old > 0 {
                    assert!(!consistency_holds(old, &[7; 32], size, &after, &path), "another log of {old}");
                }
                if old > 0 && old < size {
                    assert!(!consistency_holds(old, &before, size, &[7; 32], &path), "another log of {size}");
                    assert!(!consistency_holds(old, &before, size, &after, &path[..path.len() - 1]), "a hash too few");
                    assert!(!consistency_holds(old, &before, size, &after, &[&path[..], &[[0; 32]]].concat()), "a hash too many");
                }
            }
            assert!(consistency(&mut entries, size + 1, size).is_err());
        }
    }
}
