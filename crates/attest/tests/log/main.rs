//! The log's promises: durable, never forked, healed after a kill, and what an audit finds.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod damage;
mod kill;

use attest::log::entry::Entry;
use attest::log::{
    Checkpoint, Folder, Log, LogError, LogKey, MAX_BATCH, Storage as _, audit, entry_at, extended, inclusion_root, published,
};
use attest::signing::{Signer as _, SigningKey};
use base::Digest;

pub(crate) const ORIGIN: &str = "log.example";

/// A key that is the same in every process of a test.
pub(crate) fn signer() -> SigningKey {
    // PKCS#8 of an Ed25519 key (RFC 8410) whose 32 bytes are all 7.
    let head = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    SigningKey::from_pkcs8(&[&head[..], &[7; 32]].concat()).unwrap()
}

pub(crate) fn body(text: &str) -> Vec<u8> {
    let signer = signer();
    Entry { digest: Digest::of(text), signature: text.as_bytes().to_vec(), key: signer.public().clone() }.to_body()
}

pub(crate) fn bodies(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|at| body(&at.to_string())).collect()
}

pub(crate) fn key() -> LogKey {
    LogKey::new(ORIGIN, signer().public().clone())
}

#[test]
fn whatever_the_batches_the_log_is_the_same_and_every_entry_proved() {
    let dir = tempfile::tempdir().unwrap();
    let signer = signer();
    let mut last = None;
    for (number, batches) in [vec![700], vec![1, 254, 1, 1, 255, 188], vec![300, 300, 100]].into_iter().enumerate() {
        let folder = Folder::new(dir.path().join(number.to_string()));
        let log = Log::create(&folder, &signer, ORIGIN).unwrap();
        let mut next = 0;
        for count in batches {
            let entries = bodies(next..next + count);
            let appended = log.append(&entries).unwrap();
            assert_eq!(appended.first, next);
            for (at, entry) in entries.iter().enumerate() {
                let proved = inclusion_root(entry, next + at as u64, appended.checkpoint.size, &appended.proofs[at]);
                assert_eq!(proved, Some(appended.checkpoint.root));
            }
            next += count;
        }
        let found = audit(&folder, &key(), None, &mut |_, _| ()).unwrap();
        assert_eq!((found.checkpoint.size, found.keys.values().sum::<u64>()), (700, 700));
        assert_eq!(entry_at(&folder, &found.checkpoint, 511).unwrap().0, body("511"));
        assert!(matches!(entry_at(&folder, &found.checkpoint, 700), Err(LogError::Index { .. })));
        assert_eq!(*last.get_or_insert(found.checkpoint.clone()), found.checkpoint);
    }
}

/// What another implementation says of the same log.
#[test]
fn the_tree_is_the_one_of_another_implementation() {
    struct Hashes(Vec<tlog_tiles::Hash>);
    impl tlog_tiles::HashReader for Hashes {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|&index| self.0[index as usize]).collect())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (folder, signer) = (Folder::new(dir.path()), signer());
    let log = Log::create(&folder, &signer, ORIGIN).unwrap();
    let mut theirs = Hashes(Vec::new());
    let mut size = 0;
    for count in [1u64, 2, 300, 61] {
        let before = published(&folder, &key()).unwrap();
        let entries = bodies(size..size + count);
        let ours = log.append(&entries).unwrap();
        for (at, entry) in entries.iter().enumerate() {
            let hashes = tlog_tiles::stored_hashes(size + at as u64, entry, &theirs).unwrap();
            theirs.0.extend(hashes);
        }
        size += count;
        let root = tlog_tiles::tree_hash(size, &theirs).unwrap();
        assert_eq!(root.0, ours.checkpoint.root);
        let last = count as usize - 1;
        let proof = tlog_tiles::prove_record(size, size - 1, &theirs).unwrap();
        assert_eq!(proof.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours.proofs[last]);
        assert_eq!(extended(&folder, &key(), &before).unwrap(), ours.checkpoint);
    }
}

#[test]
fn refuses_what_it_can_not_hold_and_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, signer) = (Folder::new(dir.path()), signer());
    assert!(matches!(Log::open(&folder, &signer, ORIGIN), Err(LogError::Missing)));
    let log = Log::create(&folder, &signer, ORIGIN).unwrap();
    assert!(matches!(Log::create(&folder, &signer, ORIGIN), Err(LogError::Exists { size: 0 })));
    assert!(matches!(log.append(&[]), Err(LogError::Batch { count: 0 })));
    assert!(matches!(log.append(&vec![Vec::new(); MAX_BATCH + 1]), Err(LogError::Batch { .. })));
    assert!(matches!(log.append(&[vec![0; 65536]]), Err(LogError::Entry { size: 65536 })));
    assert_eq!(log.checkpoint().unwrap(), Checkpoint::empty(ORIGIN), "nothing was added");
    let other = SigningKey::generate(attest::signing::Algorithm::Ed25519).unwrap();
    assert!(matches!(Log::open(&folder, &other, ORIGIN), Err(LogError::Unsigned { .. })));
    assert!(matches!(Log::open(&folder, &signer, "log.example.org"), Err(LogError::Origin { .. })));
}

#[test]
fn a_client_refuses_a_log_that_does_not_extend_what_it_saw() {
    let dir = tempfile::tempdir().unwrap();
    let signer = signer();
    let (one, two) = (Folder::new(dir.path().join("1")), Folder::new(dir.path().join("2")));
    let (first, fork) = (Log::create(&one, &signer, ORIGIN).unwrap(), Log::create(&two, &signer, ORIGIN).unwrap());
    first.append(&bodies(0..300)).unwrap();
    let seen = published(&one, &key()).unwrap();
    // The same key signs another history: each is whole in itself, and only who kept the first can tell.
    fork.append(&bodies(1..300)).unwrap();
    assert!(audit(&two, &key(), None, &mut |_, _| ()).is_ok());
    for check in [
        |folder: &Folder, seen: &Checkpoint| extended(folder, &key(), seen).map(|_| ()),
        |folder: &Folder, seen: &Checkpoint| audit(folder, &key(), Some(seen), &mut |_, _| ()).map(|_| ()),
    ] {
        assert!(matches!(check(&two, &seen), Err(LogError::Shrunk { size: 299, known: 300 })));
        assert!(check(&one, &seen).is_ok());
    }
    fork.append(&bodies(0..9)).unwrap();
    first.append(&bodies(300..305)).unwrap();
    assert!(matches!(extended(&two, &key(), &seen), Err(LogError::Forked { size: 308, known: 300 })));
    assert!(matches!(audit(&two, &key(), Some(&seen), &mut |_, _| ()), Err(LogError::Forked { size: 308, known: 300 })));
    assert_eq!(extended(&one, &key(), &seen).unwrap().size, 305);
    assert_eq!(audit(&one, &key(), Some(&seen), &mut |_, _| ()).unwrap().extends, Some(300));
    assert!(one.get("pending/300").unwrap().is_none());
}
