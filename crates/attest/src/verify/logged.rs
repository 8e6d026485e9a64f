//! Examines one entry of a log: that it is of this signature, and in the log.

use base::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Against, Check, Refusal};
use crate::bundle::LogEntry;
use crate::dsse::Envelope;
use crate::intoto::Bytes;
use crate::log::entry::{Entry, KIND, VERSION};
use crate::log::{Checkpoint, Hash, inclusion_root};
use crate::signing::VerifyingKey;

pub(super) fn examine(
    entry: &LogEntry,
    envelope: &Envelope,
    key: &VerifyingKey,
    against: &Against<'_>,
    checks: &mut Vec<Check>,
) -> Result<Checkpoint, Refusal> {
    if (entry.kind_version.kind.as_str(), entry.kind_version.version.as_str()) != (KIND, VERSION) {
        return Err(Refusal::EntryKind { kind: entry.kind_version.kind.clone(), version: entry.kind_version.version.clone() });
    }
    is_of(entry, envelope, key)?;
    let id = &entry.log_id.key_id.0;
    let log = against.root.log(id).ok_or_else(|| Refusal::UnknownLog { id: STANDARD.encode(id) })?;
    if !log.period.contains(against.now) {
        return Err(Refusal::LogPeriod { log: log.key.origin().to_owned(), time: against.now });
    }
    let proof = entry.inclusion_proof.as_ref().ok_or(Refusal::NoProof)?;
    let index = number("place in a log", &entry.log_index)?;
    let proof_index = number("place in a log", &proof.log_index)?;
    if index != proof_index {
        return Err(Refusal::ProofIndex { entry: index, proof: proof_index });
    }
    let checkpoint = log.key.open(&proof.checkpoint.envelope).map_err(Refusal::Checkpoint)?;
    let size = number("size of a log", &proof.tree_size)?;
    if size != checkpoint.size {
        return Err(Refusal::ProofSize { proof: size, checkpoint: checkpoint.size });
    }
    if proof.root_hash.0 != checkpoint.root {
        return Err(Refusal::ProofRoot);
    }
    let path = proof
        .hashes
        .iter()
        .map(|Bytes(hash)| Hash::try_from(hash.as_slice()).map_err(|_| Refusal::ProofHash))
        .collect::<Result<Vec<_>, _>>()?;
    if inclusion_root(&entry.canonicalized_body.0, index, size, &path) != Some(checkpoint.root) {
        return Err(Refusal::Inclusion { index, size });
    }
    if against.seen.iter().any(|seen| seen.origin == checkpoint.origin && seen.size == size && seen.root != checkpoint.root) {
        return Err(Refusal::Forked { log: checkpoint.origin, size });
    }
    let name = log.key.origin();
    checks.push(Check::new("log", format!("the entry {index} of `{name}` is of this payload, this signature and this key")));
    checks.push(Check::new("log", format!("{} hashes lead from it to the root of the log of {size} entries", path.len())));
    checks.push(Check::new("log", format!("that root is signed by the key of `{name}`")));
    Ok(checkpoint)
}

/// Whether the entry is of this signature, and has nothing that nobody signed.
fn is_of(entry: &LogEntry, envelope: &Envelope, key: &VerifyingKey) -> Result<(), Refusal> {
    let body = Entry::parse(&entry.canonicalized_body.0).map_err(|reason| Refusal::EntryBody { reason })?;
    if body.digest != Digest::of(envelope.pae()) {
        return Err(Refusal::EntryDigest);
    }
    if envelope.signatures.iter().any(|signature| signature.sig.0 != body.signature) {
        return Err(Refusal::EntrySignature);
    }
    if body.key != *key {
        return Err(Refusal::EntryKey);
    }
    let says_nothing = |value: &Value| value == "0" || value.as_i64() == Some(0) || value.is_null();
    if entry.integrated_time.as_ref().is_some_and(|time| !says_nothing(time)) {
        return Err(Refusal::EntryExtra { field: "integratedTime" });
    }
    if entry.inclusion_promise.as_ref().is_some_and(|promise| !promise.is_null()) {
        return Err(Refusal::EntryExtra { field: "inclusionPromise" });
    }
    Ok(())
}

/// Reads a number as protobuf's JSON has it: decimal, no sign, no zero before it.
fn number(what: &'static str, text: &str) -> Result<u64, Refusal> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| plain).ok_or_else(|| Refusal::Number { what, text: text.chars().take(32).collect() })
}
