//! Adds to a log.

use base::Digest;
use serde::{Deserialize, Serialize};

use super::folder::CHECKPOINT;
use super::note::{Checkpoint, LogKey};
use super::tile::{self, Kind, Tiles, WIDTH};
use super::tree::{self, Frontier, Hash};
use super::{LogError, Storage};
use crate::bundle::{InclusionProof, KindVersion, LogEntry, LogId, Note};
use crate::intoto::Bytes;
use crate::log::entry;
use crate::signing::{Signer, SigningError};

/// Entries that one append takes: what makes a batch of some megabytes.
pub const MAX_BATCH: usize = 4096;

/// How often an append begins anew when another was faster.
const TRIES: usize = 200;

/// A log that can be added to.
pub struct Log<'a> {
    storage: &'a dyn Storage,
    signer: &'a dyn Signer,
    key: LogKey,
}

/// What decides what the log is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    size: u64,
    /// Roots of the full subtrees, largest first.
    roots: Vec<Bytes>,
    /// Where the last batch begins, and its digest.
    batch: Option<Batch>,
    /// What the log signed for this size.
    checkpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    start: u64,
    digest: Digest,
}

impl Batch {
    fn name(&self) -> String {
        format!("pending/{}-{}", self.start, self.digest.hex())
    }
}

/// Entries that are in the log, with the proofs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The place of the first.
    pub first: u64,
    /// The log with them.
    pub checkpoint: Checkpoint,
    /// The same, signed.
    pub note: String,
    /// The log's id.
    pub log: Hash,
    /// For each entry, the hashes beside the way to the root.
    pub proofs: Vec<Vec<Hash>>,
}

impl Appended {
    /// Returns what a bundle says of the entry at `at` among those that were appended.
    #[must_use]
    pub fn entry(&self, at: usize, body: &[u8]) -> Option<LogEntry> {
        let index = (self.first + at as u64).to_string();
        let proof = InclusionProof {
            log_index: index.clone(),
            root_hash: Bytes(self.checkpoint.root.to_vec()),
            tree_size: self.checkpoint.size.to_string(),
            hashes: self.proofs.get(at)?.iter().map(|hash| Bytes(hash.to_vec())).collect(),
            checkpoint: Note { envelope: self.note.clone() },
        };
        Some(LogEntry {
            log_index: index,
            log_id: LogId { key_id: Bytes(self.log.to_vec()) },
            kind_version: KindVersion { kind: entry::KIND.into(), version: entry::VERSION.into() },
            integrated_time: None,
            inclusion_promise: None,
            inclusion_proof: Some(proof),
            canonicalized_body: Bytes(body.to_vec()),
        })
    }
}

impl<'a> Log<'a> {
    /// Begins a log without entries.
    pub fn create(storage: &'a dyn Storage, signer: &'a dyn Signer, origin: &str) -> Result<Self, LogError> {
        if let Some(head) = storage.head()? {
            return Err(LogError::Exists { size: Head::parse(&head)?.0.size });
        }
        let checkpoint = Checkpoint::empty(origin).sign(signer).map_err(unsigned(origin))?;
        let head = Head { size: 0, roots: Vec::new(), batch: None, checkpoint };
        if !storage.move_head(None, &head.bytes())? {
            return Err(LogError::Exists { size: 0 });
        }
        storage.publish(head.checkpoint.as_bytes())?;
        Self::open(storage, signer, origin)
    }

    /// Opens a log. Its head must be signed by this key under this name.
    pub fn open(storage: &'a dyn Storage, signer: &'a dyn Signer, origin: &str) -> Result<Self, LogError> {
        let log = Self { storage, signer, key: LogKey::new(origin, signer.public().clone()) };
        log.read_head()?;
        Ok(log)
    }

    /// Returns the log's public key.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// Returns what the log is now, and finishes what a kill left undone.
    pub fn checkpoint(&self) -> Result<Checkpoint, LogError> {
        let (head, bytes) = self.read_head()?;
        self.heal(&head, &bytes)?;
        self.key.open(&head.checkpoint)
    }

    /// Adds entries, in order, all or none. When it returns they are durable, and everyone can see them.
    pub fn append(&self, entries: &[Vec<u8>]) -> Result<Appended, LogError> {
        if entries.len() > MAX_BATCH || entries.is_empty() {
            return Err(LogError::Batch { count: entries.len() });
        }
        let batch = tile::join(entries.iter().map(Vec::as_slice))?;
        let digest = Digest::of(&batch);
        for _ in 0..TRIES {
            let (head, bytes) = self.read_head()?;
            self.heal(&head, &bytes)?;
            let next = self.next(&head, entries, digest)?;
            let name = next.batch.as_ref().map(Batch::name).unwrap_or_default();
            self.storage.put(&name, &batch)?;
            let next_bytes = next.bytes();
            if self.storage.move_head(Some(&bytes), &next_bytes)? {
                if let Some(done) = &head.batch {
                    self.storage.remove(&done.name())?;
                }
                self.heal(&next, &next_bytes)?;
                return self.prove(&head, next, entries.len());
            }
            // Another won this place. If it did so with the same entries, the batch is its own.
            let (winner, _) = self.read_head()?;
            if winner.batch != next.batch {
                self.storage.remove(&name)?;
            }
        }
        Err(LogError::Busy { tries: TRIES })
    }

    fn read_head(&self) -> Result<(Head, Vec<u8>), LogError> {
        let (head, bytes) = Head::parse(&self.storage.head()?.ok_or(LogError::Missing)?)?;
        let checkpoint = self.key.open(&head.checkpoint)?;
        if checkpoint.size != head.size || checkpoint.root != head.frontier()?.root() {
            return Err(LogError::Head { reason: "its tree is not the one of its checkpoint".into() });
        }
        Ok((head, bytes))
    }

    fn next(&self, head: &Head, entries: &[Vec<u8>], digest: Digest) -> Result<Head, LogError> {
        let mut tree = head.frontier()?;
        entries.iter().for_each(|entry| tree.push(tree::leaf(entry)));
        let checkpoint = Checkpoint { origin: self.key.origin().to_owned(), size: tree.size(), root: tree.root() };
        let checkpoint = checkpoint.sign(self.signer).map_err(unsigned(self.key.origin()))?;
        let roots = tree.roots().iter().map(|root| Bytes(root.to_vec())).collect();
        Ok(Head { size: tree.size(), roots, batch: Some(Batch { start: head.size, digest }), checkpoint })
    }

    fn prove(&self, before: &Head, head: Head, count: usize) -> Result<Appended, LogError> {
        let mut tiles = Tiles::new(self.storage, head.size);
        let proofs = (0..count as u64).map(|at| tree::inclusion(&mut tiles, before.size + at, head.size)).collect::<Result<_, _>>()?;
        let checkpoint = self.key.open(&head.checkpoint)?;
        Ok(Appended { first: before.size, checkpoint, note: head.checkpoint, log: *self.key.id(), proofs })
    }

    /// Writes the tiles of the last batch and the public checkpoint, if that was not done. Others may move the head meanwhile: the
    /// public copy never stays behind it.
    fn heal(&self, head: &Head, bytes: &[u8]) -> Result<(), LogError> {
        let (mut head, mut bytes) = (head.clone(), bytes.to_vec());
        while self.storage.get(CHECKPOINT)?.as_deref() != Some(head.checkpoint.as_bytes()) {
            let written = self.write_tiles(&head)?;
            let (now, now_bytes) = self.read_head()?;
            if now_bytes != bytes {
                (head, bytes) = (now, now_bytes);
                continue;
            }
            if let Some(batch) = head.batch.as_ref().filter(|_| !written) {
                return Err(LogError::Lost { name: batch.name() });
            }
            self.storage.publish(head.checkpoint.as_bytes())?;
            (head, bytes) = self.read_head()?;
        }
        Ok(())
    }

    /// Writes the tiles of the last batch; returns whether the batch is still there. Who moves the head on removes it.
    fn write_tiles(&self, head: &Head) -> Result<bool, LogError> {
        let Some(batch) = &head.batch else { return Ok(true) };
        let name = batch.name();
        let Some(entries) = self.storage.get(&name)? else { return Ok(false) };
        let entries = tile::split(&name, &entries)?;
        self.write_entries(batch.start, &entries)?;
        self.write_hashes(batch.start, entries.iter().map(|entry| tree::leaf(entry)).collect())?;
        Ok(true)
    }

    fn write_entries(&self, start: u64, entries: &[&[u8]]) -> Result<(), LogError> {
        let end = start + entries.len() as u64;
        let mut bytes = self.begun(Kind::Entries, start)?;
        let mut rest = entries;
        for index in start / WIDTH..=(end - 1) / WIDTH {
            let free = WIDTH - (start.max(index * WIDTH) % WIDTH);
            let (now, later) = rest.split_at(rest.len().min(free as usize));
            bytes.extend_from_slice(&tile::join(now.iter().copied())?);
            self.storage.put(&tile::name(Kind::Entries, index, tile::width(index, end)), &std::mem::take(&mut bytes))?;
            rest = later;
        }
        Ok(())
    }

    /// Writes the hashes from `start` on, and those of every height that they complete.
    fn write_hashes(&self, mut start: u64, mut new: Vec<Hash>) -> Result<(), LogError> {
        for height in 0.. {
            if new.is_empty() {
                break;
            }
            let end = start + new.len() as u64;
            let first = start / WIDTH;
            let kind = Kind::Hashes(height);
            let begun = start % WIDTH;
            let mut row = tile::hashes("a tile that was begun", &self.begun(kind, start)?, begun)?;
            row.append(&mut new);
            for (at, hashes) in row.chunks(WIDTH as usize).enumerate() {
                let index = first + at as u64;
                self.storage.put(&tile::name(kind, index, tile::width(index, end)), hashes.as_flattened())?;
            }
            new = row.chunks_exact(WIDTH as usize).map(tile::fold).collect();
            start = first;
        }
        Ok(())
    }

    /// Returns what the tile that `start` falls into holds before it.
    fn begun(&self, kind: Kind, start: u64) -> Result<Vec<u8>, LogError> {
        if start.is_multiple_of(WIDTH) { Ok(Vec::new()) } else { tile::read(self.storage, &tile::name(kind, start / WIDTH, start % WIDTH)) }
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<(Self, Vec<u8>), LogError> {
        let head = serde_json::from_slice(bytes).map_err(|error| LogError::Head { reason: error.to_string() })?;
        Ok((head, bytes.to_vec()))
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
    }

    fn frontier(&self) -> Result<Frontier, LogError> {
        let roots: Option<Vec<Hash>> = self.roots.iter().map(|root| root.0.as_slice().try_into().ok()).collect();
        let tree = roots.and_then(|roots| Frontier::new(self.size, roots));
        tree.ok_or_else(|| LogError::Head { reason: "it has not as many hashes as its size asks for".into() })
    }
}

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("key", &self.key).finish_non_exhaustive()
    }
}

fn unsigned(origin: &str) -> impl FnOnce(SigningError) -> LogError {
    let origin = origin.to_owned();
    move |_| LogError::Unsigned { origin }
}
