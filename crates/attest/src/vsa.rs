//! SLSA verification summaries: what a verifier found, for those who trust the verifier
//! (<https://slsa.dev/spec/v1.2/verification_summary>).

use serde::{Deserialize, Serialize};

use crate::intoto::Resource;

/// The type of the predicate.
pub const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

/// The version of SLSA whose levels are meant.
pub const SLSA_VERSION: &str = "1.2";

/// What a verifier found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Who verified.
    pub verifier: Verifier,
    /// When, in RFC 3339.
    pub time_verified: String,
    /// What was verified, as a user names it.
    pub resource_uri: String,
    /// The rules that it was held against.
    pub policy: Resource,
    /// The claims that were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<Resource>,
    /// Whether it passed.
    pub verification_result: Outcome,
    /// The levels that it reaches.
    pub verified_levels: Vec<String>,
    /// [`SLSA_VERSION`].
    pub slsa_version: String,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
}

/// Whether something passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// It did.
    Passed,
    /// It did not.
    Failed,
}
