//! Why a claim is refused: each part has a reason of its own.

use jiff::Timestamp;

use crate::bundle::BundleError;
use crate::log::LogError;
use crate::sigstore::SigstoreError;

/// Why a claim is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bundle can not be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It names neither a key nor a certificate, or both.
    #[error("the bundle does not say by which one key or certificate it is signed")]
    Signer,
    /// No trusted key has that hint.
    #[error("it is signed by a key that is not trusted (hint `{hint}`)")]
    UnknownKey {
        /// The hint.
        hint: String,
    },
    /// The key's period is over, or has not begun.
    #[error("the key `{name}` does not count at {time}")]
    KeyPeriod {
        /// The key.
        name: String,
        /// When it was looked at.
        time: Timestamp,
    },
    /// The signature is not by the key over these bytes.
    #[error("the signature is not by the key `{name}` over this payload and type")]
    Signature {
        /// The key.
        name: String,
    },
    /// What is signed is no statement.
    #[error("what is signed is `{found}`, no in-toto statement")]
    PayloadType {
        /// What it is.
        found: String,
    },
    /// The statement can not be read.
    #[error("the statement can not be read: {reason}")]
    Statement {
        /// What is wrong with it.
        reason: String,
    },
    /// The statement is about something else.
    #[error("the statement is about {found}, not about this")]
    Subject {
        /// What it is about.
        found: String,
    },
    /// More entries of logs than anyone has.
    #[error("the bundle has {count} entries of logs, more than {most}")]
    Entries {
        /// How many.
        count: usize,
        /// How many are looked at.
        most: usize,
    },
    /// The entry is of a kind that is not read.
    #[error("the log's entry is `{kind}` {version}, not `hashedrekord` 0.0.2")]
    EntryKind {
        /// Its kind.
        kind: String,
        /// Its version.
        version: String,
    },
    /// The entry can not be read.
    #[error("the log's entry can not be read: {reason}")]
    EntryBody {
        /// What is wrong with it.
        reason: String,
    },
    /// The entry is of something else that was signed.
    #[error("the log's entry is over another payload")]
    EntryDigest,
    /// The entry is of another signature.
    #[error("the log's entry has another signature")]
    EntrySignature,
    /// The entry is of another key.
    #[error("the log's entry has another key")]
    EntryKey,
    /// The entry carries a time or a promise that nothing of this kind of log signs.
    #[error("the log's entry has `{field}`, which nothing in this kind of log vouches for")]
    EntryExtra {
        /// What it has.
        field: &'static str,
    },
    /// The log is not trusted.
    #[error("the log of id `{id}` is not trusted")]
    UnknownLog {
        /// Its id.
        id: String,
    },
    /// The log's period is over, or has not begun.
    #[error("the log `{log}` does not count at {time}")]
    LogPeriod {
        /// The log.
        log: String,
        /// When it was looked at.
        time: Timestamp,
    },
    /// There is no proof that the entry is in the log.
    #[error("the log's entry comes without proof that it is in the log")]
    NoProof,
    /// A number is none.
    #[error("`{text}` is no {what}")]
    Number {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
    },
    /// Entry and proof name two places.
    #[error("the log's entry is at {entry}, its proof is for {proof}")]
    ProofIndex {
        /// The place that the entry names.
        entry: u64,
        /// The place that the proof names.
        proof: u64,
    },
    /// The checkpoint is not one of the log.
    #[error("the log's checkpoint")]
    Checkpoint(#[source] LogError),
    /// Proof and checkpoint are of two sizes.
    #[error("the proof is for a log of {proof} entries, the checkpoint of {checkpoint}")]
    ProofSize {
        /// The size that the proof names.
        proof: u64,
        /// The size that was signed.
        checkpoint: u64,
    },
    /// Proof and checkpoint have two roots.
    #[error("the proof is for another root than the checkpoint's")]
    ProofRoot,
    /// A hash is none.
    #[error("a hash of the proof has not 32 bytes")]
    ProofHash,
    /// The proof does not lead to the root.
    #[error("the proof does not lead from the entry at {index} to the root of the log of {size} entries")]
    Inclusion {
        /// The entry's place.
        index: u64,
        /// The log's size.
        size: u64,
    },
    /// Two logs have one name and key: one history of a size was seen before, and this is another.
    #[error("the log `{log}` of {size} entries is not the one that was seen before: it was forked")]
    Forked {
        /// The log.
        log: String,
        /// Its size.
        size: u64,
    },
    /// A certificate, a timestamp, or what else Sigstore's own library looks at.
    #[error(transparent)]
    Sigstore(#[from] SigstoreError),
}
