//! Examines one claim: who signed what, and what vouches for it.

use base::Digest;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Against, Check, Refusal, logged};
use crate::bundle::{Bundle, LogEntry};
use crate::dsse::Envelope;
use crate::intoto::{MEDIA_TYPE, STATEMENT, Statement};
use crate::log::Checkpoint;
use crate::policy::Tier;
use crate::signing::RingKey;
use crate::sigstore::{self, Who};

/// The type of statements before version 1, which cosign still writes for attestations.
const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// Entries of logs that are looked at: a claim is in one log, and in some few when logs are replaced.
const MOST_ENTRIES: usize = 16;

/// A claim that counts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Where it was found.
    pub found: String,
    /// The type of its predicate.
    pub predicate_type: String,
    /// What it says.
    #[serde(skip)]
    pub predicate: Value,
    /// Who signed: the name of the key, or the subject of the certificate.
    pub signer: String,
    /// What vouches for it.
    pub tier: Tier,
    /// Every check that was made, and held.
    pub checks: Vec<Check>,
    /// Times that others than the signer vouch for.
    pub times: Vec<Timestamp>,
    /// The logs that it is in, as they were.
    #[serde(skip)]
    pub logs: Vec<Checkpoint>,
}

impl Accepted {
    /// Returns when the claim was made: as others vouch for it, else as a provenance says of itself.
    pub(super) fn made(&self) -> Option<Timestamp> {
        let said = || self.predicate.pointer("/runDetails/metadata/finishedOn")?.as_str()?.parse().ok();
        self.times.iter().min().copied().or_else(said)
    }
}

pub(super) fn examine(subject: &Digest, text: &[u8], against: &Against<'_>) -> Result<Accepted, Refusal> {
    let bundle = Bundle::parse(text)?;
    let material = &bundle.verification_material;
    let envelope = bundle.dsse_envelope.as_ref().ok_or(Refusal::Signer)?;
    match (&material.public_key, &material.certificate, &material.x509_certificate_chain) {
        (Some(hint), None, None) => keyed(subject, text, &bundle, envelope, &hint.hint, against),
        (None, Some(_), None) => certified(subject, text, envelope, against),
        _ => Err(Refusal::Signer),
    }
}

fn keyed(
    subject: &Digest,
    text: &[u8],
    bundle: &Bundle,
    envelope: &Envelope,
    hint: &str,
    against: &Against<'_>,
) -> Result<Accepted, Refusal> {
    let mut checks = Vec::new();
    let key = signed_by(envelope, hint, against)?;
    checks.push(Check::new("signature", format!("{} over payload and type, by the key `{}`", key.key.algorithm(), key.name)));
    if !key.period.contains(against.now) {
        return Err(Refusal::KeyPeriod { name: key.name.clone(), time: against.now });
    }
    checks.push(Check::new("key", format!("`{}` is trusted, and counts at {}", key.name, against.now)));
    let statement = read(subject, envelope, &mut checks)?;
    let material = &bundle.verification_material;
    let logs = in_logs(&material.tlog_entries, envelope, key, against, &mut checks)?;
    let mut tier = if logs.is_empty() { Tier::T0 } else { Tier::T1 };
    let mut times = Vec::new();
    if material.timestamp_verification_data.as_ref().is_some_and(|data| !data.rfc3161_timestamps.is_empty()) {
        times = sigstore::verify(subject, text, &Who::Key(&key.key), against.root.to_json())?.times;
        checks.extend(times.iter().map(|time| Check::new("time", format!("a trusted timestamp authority saw the signature at {time}"))));
        if tier == Tier::T1 && !times.is_empty() {
            tier = Tier::T2;
        }
    }
    Ok(Accepted {
        found: String::new(),
        predicate_type: statement.predicate_type,
        predicate: statement.predicate,
        signer: key.name.clone(),
        tier,
        checks,
        times,
        logs,
    })
}

/// Returns the trusted key that signed. A hint narrows the choice; the signature decides.
fn signed_by<'a>(envelope: &Envelope, hint: &str, against: &Against<'a>) -> Result<&'a RingKey, Refusal> {
    let mut last = None;
    for key in against.policy.keys.hinted(hint) {
        if envelope.signatures.iter().all(|signature| envelope.verify(signature, &key.key).is_ok()) {
            return Ok(key);
        }
        last = Some(key.name.clone());
    }
    Err(match last {
        Some(name) => Refusal::Signature { name },
        None => Refusal::UnknownKey { hint: hint.chars().take(64).collect() },
    })
}

/// Reads the statement that was signed, and checks that it is about `subject`.
fn read(subject: &Digest, envelope: &Envelope, checks: &mut Vec<Check>) -> Result<Statement<Value>, Refusal> {
    if envelope.payload_type != MEDIA_TYPE {
        return Err(Refusal::PayloadType { found: envelope.payload_type.clone() });
    }
    let unread = |reason: String| Refusal::Statement { reason };
    let statement: Statement<Value> = serde_json::from_slice(&envelope.payload.0).map_err(|error| unread(error.to_string()))?;
    if statement.kind != STATEMENT && statement.kind != STATEMENT_V0_1 {
        return Err(unread(format!("it is `{}`", statement.kind)));
    }
    if !statement.subject.iter().any(|resource| resource.digest().as_ref() == Some(subject)) {
        let named: Vec<_> = statement.subject.iter().filter_map(|resource| Some(resource.digest()?.to_string())).collect();
        return Err(Refusal::Subject { found: if named.is_empty() { "nothing".to_owned() } else { named.join(", ") } });
    }
    checks.push(Check::new("subject", format!("the statement is about {subject}")));
    Ok(statement)
}

/// Every entry must hold.
fn in_logs(
    entries: &[LogEntry],
    envelope: &Envelope,
    key: &RingKey,
    against: &Against<'_>,
    checks: &mut Vec<Check>,
) -> Result<Vec<Checkpoint>, Refusal> {
    if entries.len() > MOST_ENTRIES {
        return Err(Refusal::Entries { count: entries.len(), most: MOST_ENTRIES });
    }
    entries.iter().map(|entry| logged::examine(entry, envelope, &key.key, against, checks)).collect()
}

/// A claim of someone with a certificate goes through Sigstore's own library.
fn certified(subject: &Digest, text: &[u8], envelope: &Envelope, against: &Against<'_>) -> Result<Accepted, Refusal> {
    let mut checks = Vec::new();
    let mut last = None;
    for identity in &against.policy.identities {
        let who = Who::Identity { subject: &identity.subject, issuer: &identity.issuer };
        match sigstore::verify(subject, text, &who, against.root.to_json()) {
            Ok(evidence) => {
                checks.push(Check::new(
                    "certificate",
                    format!("of `{}`, by `{}`, by a trusted authority, valid when it signed", identity.subject, identity.issuer),
                ));
                checks.push(Check::new("signature", "over payload and type, by the key of the certificate"));
                checks.extend(evidence.checks);
                let statement = read(subject, envelope, &mut checks)?;
                return Ok(Accepted {
                    found: String::new(),
                    predicate_type: statement.predicate_type,
                    predicate: statement.predicate,
                    signer: identity.subject.clone(),
                    tier: Tier::T3,
                    checks,
                    times: evidence.times,
                    logs: Vec::new(),
                });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Refusal::UnknownKey { hint: "a certificate; the policy names no identity".to_owned() }, Refusal::Sigstore))
}
