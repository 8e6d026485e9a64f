//! What a verification found: one line per check that was made, and what was not checked.

use std::fmt;

use base::Digest;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Accepted, Against, Refusal};
use crate::policy::{Tier, predicate_name};

/// One check that was made, and held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Of what: `signature`, `key`, `subject`, `log`, `certificate`, `time`.
    pub of: &'static str,
    /// What holds.
    pub says: String,
}

/// A claim that does not count.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Where it was found.
    pub found: String,
    /// Why it does not count.
    #[serde(serialize_with = "as_text")]
    pub reason: Refusal,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was asked about.
    pub subject: Digest,
    /// What its signature reached, if it has one.
    pub tier: Option<Tier>,
    /// The claims that count.
    pub accepted: Vec<Accepted>,
    /// The claims that do not.
    pub refused: Vec<Refused>,
    /// What the policy asks for and is not there.
    #[serde(serialize_with = "as_texts")]
    pub unmet: Vec<Unmet>,
    /// What nobody should believe was checked.
    pub not_checked: Vec<String>,
}

/// What a policy asks for and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// There is no signature.
    #[error("{}", no_signature(*.others))]
    NoSignature {
        /// How many claims count that are none.
        others: usize,
    },
    /// The signature is not as good as is asked.
    #[error("the signature reaches {tier:?}, {wanted:?} is asked")]
    SignatureTier {
        /// What it reaches.
        tier: Tier,
        /// What is asked.
        wanted: Tier,
    },
    /// There is no claim of a type.
    #[error("there is no `{}` that counts", predicate_name(.predicate))]
    NoClaim {
        /// The type.
        predicate: String,
    },
    /// A claim is not as good as is asked.
    #[error("`{}` reaches {tier:?}, {wanted:?} is asked", predicate_name(.predicate))]
    ClaimTier {
        /// The type.
        predicate: String,
        /// What it reaches.
        tier: Tier,
        /// What is asked.
        wanted: Tier,
    },
    /// Another key signed a claim.
    #[error("`{}` is signed by `{signer}`, whose word does not count for it", predicate_name(.predicate))]
    Signer {
        /// The type.
        predicate: String,
        /// Who signed.
        signer: String,
    },
    /// Another builder made it.
    #[error("`{}` names the builder `{builder}`, which does not count", predicate_name(.predicate))]
    Builder {
        /// The type.
        predicate: String,
        /// The builder.
        builder: String,
    },
    /// A claim says no time.
    #[error("`{}` must be fresh, and says no time", predicate_name(.predicate))]
    NoTime {
        /// The type.
        predicate: String,
    },
    /// A claim is too old, or of the future.
    #[error("`{}` is of {made}, and must be at most {most} days old", predicate_name(.predicate))]
    Age {
        /// The type.
        predicate: String,
        /// Its time.
        made: Timestamp,
        /// How old it may be.
        most: u32,
    },
}

fn no_signature(others: usize) -> String {
    match others {
        0 => "there is no signature that counts".to_owned(),
        1 => "there is no signature that counts; the other claim is none".to_owned(),
        _ => format!("there is no signature that counts; the {others} other claims are none"),
    }
}

impl Report {
    pub(super) fn new(subject: Digest) -> Self {
        Self { subject, tier: None, accepted: Vec::new(), refused: Vec::new(), unmet: Vec::new(), not_checked: Vec::new() }
    }

    /// Whether the policy is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Returns the claims of a type that count.
    pub fn of_type(&self, predicate: &str) -> impl Iterator<Item = &Accepted> {
        self.accepted.iter().filter(move |claim| claim.predicate_type == predicate)
    }

    pub(super) fn say_what_was_not_checked(&mut self, against: &Against<'_>) {
        if self.accepted.is_empty() {
            return;
        }
        let mut say = |text: &str| self.not_checked.push(text.to_owned());
        let tiers = || self.accepted.iter().map(|claim| claim.tier);
        if tiers().any(|tier| tier == Tier::T0) {
            say("a log: who holds the key can sign in secret, and nobody would see it");
        }
        if self.accepted.iter().any(|claim| claim.times.is_empty()) {
            say("the time: nobody but the signer says when it was signed");
        }
        let logs: Vec<_> = self.accepted.iter().flat_map(|claim| &claim.logs).collect();
        if logs.iter().any(|log| !against.seen.iter().any(|seen| seen.origin == log.origin && seen.size == log.size)) {
            say("that the log shows everyone the same: `undistro log audit` replays it, and compares it with what was seen before");
        }
        say("that the content is what the claims say: `undistro rebuild` and `undistro sbom --check` do that");
    }
}

impl Check {
    pub(crate) fn new(of: &'static str, says: impl Into<String>) -> Self {
        Self { of, says: says.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.says)
    }
}

/// An error with its causes on one line.
fn as_text<S: Serializer>(error: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.chain())
}

fn as_texts<S: Serializer>(unmet: &[Unmet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(unmet.iter().map(ToString::to_string))
}

impl Refusal {
    /// Returns the reason with its causes, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
