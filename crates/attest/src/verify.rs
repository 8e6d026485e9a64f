//! Says what is known of an image or a package from the claims beside it: pure, offline, synchronous.
//!
//! Nothing is fetched and no clock is read: the same inputs give the same report. A claim counts only if each of its parts holds; one
//! part that does not hold refuses the whole claim, also where less evidence would have been enough.

mod claim;
mod logged;
mod refusal;
mod report;

use base::Digest;
use jiff::Timestamp;
use serde_json::Value;

pub use claim::Accepted;
pub use refusal::Refusal;
pub use report::{Check, Refused, Report, Unmet};

use crate::log::Checkpoint;
use crate::policy::{Policy, Requirement, SIGNATURE, Signature};
use crate::slsa;
use crate::trust::TrustRoot;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A bundle, and where it was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Where it was found, for who reads the report.
    pub name: &'a str,
    /// The bundle.
    pub bundle: &'a [u8],
}

/// What to hold the claims against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// What is asked.
    pub policy: &'a Policy,
    /// What is trusted from the start.
    pub root: &'a TrustRoot,
    /// Checkpoints that were kept from before.
    pub seen: &'a [Checkpoint],
    /// The time at which keys and ages are looked at.
    pub now: Timestamp,
}

/// Verifies the claims about `subject` and holds them against the policy.
#[must_use]
pub fn verify(subject: &Digest, found: &[Found<'_>], against: &Against<'_>) -> Report {
    let mut report = Report::new(*subject);
    for one in found {
        match claim::examine(subject, one.bundle, against) {
            Ok(claim) => report.accepted.push(Accepted { found: one.name.to_owned(), ..claim }),
            Err(reason) => report.refused.push(Refused { found: one.name.to_owned(), reason }),
        }
    }
    hold(against, &mut report);
    report.say_what_was_not_checked(against);
    report
}

/// Holds what was accepted against the policy.
fn hold(against: &Against<'_>, report: &mut Report) {
    let policy = against.policy;
    let best = report.of_type(SIGNATURE).map(|claim| claim.tier).max();
    report.tier = best;
    match best {
        _ if policy.signature == Signature::Optional => {}
        None => report.unmet.push(Unmet::NoSignature { others: report.accepted.len() }),
        Some(tier) if tier < policy.tier => report.unmet.push(Unmet::SignatureTier { tier, wanted: policy.tier }),
        Some(_) => {}
    }
    for wanted in &policy.predicates {
        if let Some(unmet) = lacks(wanted, against, report) {
            report.unmet.push(unmet);
        }
    }
}

/// Returns why no claim meets a requirement: the reason of the claim that comes nearest.
fn lacks(wanted: &Requirement, against: &Against<'_>, report: &Report) -> Option<Unmet> {
    let mut nearest = Unmet::NoClaim { predicate: wanted.predicate.clone() };
    for claim in report.of_type(&wanted.predicate) {
        match against_requirement(claim, wanted, against) {
            None => return None,
            Some(unmet) => nearest = unmet,
        }
    }
    Some(nearest)
}

fn against_requirement(claim: &Accepted, wanted: &Requirement, against: &Against<'_>) -> Option<Unmet> {
    let predicate = || wanted.predicate.clone();
    let tier = wanted.tier.unwrap_or(against.policy.tier);
    if claim.tier < tier {
        return Some(Unmet::ClaimTier { predicate: predicate(), tier: claim.tier, wanted: tier });
    }
    if !wanted.signers.is_empty() && !wanted.signers.contains(&claim.signer) {
        return Some(Unmet::Signer { predicate: predicate(), signer: claim.signer.clone() });
    }
    if !wanted.builders.is_empty() {
        let builder = claim.predicate.pointer("/runDetails/builder/id").and_then(Value::as_str).unwrap_or_default();
        if wanted.predicate != slsa::PROVENANCE || !wanted.builders.iter().any(|known| known == builder) {
            return Some(Unmet::Builder { predicate: predicate(), builder: builder.to_owned() });
        }
    }
    let most = i64::from(wanted.max_age_days?);
    let Some(made) = claim.made() else { return Some(Unmet::NoTime { predicate: predicate() }) };
    let age = against.now.as_second().saturating_sub(made.as_second());
    // A claim of the future is not fresh: its time is wrong.
    if age < 0 || age > most * DAY { Some(Unmet::Age { predicate: predicate(), made, most: wanted.max_age_days? }) } else { None }
}
