//! What is asked of an image before it is believed: who signed, how it can be seen, which claims, how old.
//!
//! ```yaml
//! tier: T1                    # what the signature must reach; T1 where nothing is said
//! signature: required         # or `optional`
//! keys:
//!   - name: release
//!     file: undistro.pub      # beside the policy; or `pem:` with the key itself
//!     from: 2026-01-01T00:00:00Z
//!     until: 2027-06-30T23:59:59Z
//! identities:                 # certificates: who, as the named provider says
//!   - subject: https://github.com/me/repo/.github/workflows/release.yml@refs/heads/main
//!     issuer: https://token.actions.githubusercontent.com
//! predicates:                 # claims, by the name of their type or by one of ours for it
//!   - type: slsaprovenance1
//!     builders: [urn:undistro:builder:local:1]
//!     max-age-days: 30
//!   - type: spdxjson
//!     signers: [release]
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::signing::{Period, Ring, RingKey, SigningError, VerifyingKey};
use crate::{slsa, vsa};

/// The type of the predicate with which cosign signs an image, and so do we.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The type of an SPDX document as predicate.
pub const SPDX: &str = "https://spdx.dev/Document";

/// The type of a CycloneDX document as predicate.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";

/// The type of an image's lock as predicate.
pub const LOCK: &str = "urn:undistro:predicate:lock:1";

/// Short names of predicate types: cosign's, and ours for what it has none.
const NAMES: &[(&str, &str)] = &[
    ("slsaprovenance1", slsa::PROVENANCE),
    ("spdxjson", SPDX),
    ("cyclonedx", CYCLONEDX),
    ("vsa", vsa::SUMMARY),
    ("lock", LOCK),
    ("openvex", "https://openvex.dev/ns"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// How much is known of a claim. Each tier has what those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// A key signed it.
    T0,
    /// And a transparency log holds the signature.
    T1,
    /// And a timestamp authority says when.
    T2,
    /// And a certificate authority says who, in place of a key.
    T3,
}

/// Why a policy can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not of the shape that a policy has.
    #[error("the policy is not of the shape that it should have")]
    Shape(#[source] serde_json::Error),
    /// A key has neither a file nor a text, or both.
    #[error("the key `{name}` of the policy needs one of `file` and `pem`")]
    Source {
        /// Its name.
        name: String,
    },
    /// A key can not be read.
    #[error("the key `{name}` of the policy")]
    Key {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: SigningError,
    },
    /// A key's file can not be read.
    #[error("the file of the key `{name}` of the policy")]
    File {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Two keys have one name.
    #[error("two keys of the policy are called `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A claim may be signed by a key that there is not.
    #[error("`{predicate}` may be signed by `{name}`, which is no key of the policy")]
    Signer {
        /// The claim.
        predicate: String,
        /// The key.
        name: String,
    },
    /// It names nobody whose signature counts.
    #[error("the policy names no key and no identity, so nothing could meet it")]
    Nobody,
    /// It asks for nothing.
    #[error("the policy asks neither for a signature nor for a claim, so everything would meet it")]
    Nothing,
}

/// A policy as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What the signature must reach.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// Whether there must be one.
    #[serde(default)]
    pub signature: Signature,
    /// Keys that count.
    #[serde(default)]
    pub keys: Vec<WrittenKey>,
    /// Identities that count.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// Claims that must be there.
    #[serde(default)]
    pub predicates: Vec<Requirement>,
}

/// Whether there must be a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// There must.
    #[default]
    Required,
    /// Claims are enough.
    Optional,
}

/// A key as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// What it is called.
    pub name: String,
    /// The file of its public half.
    #[serde(default)]
    pub file: Option<String>,
    /// Its public half.
    #[serde(default)]
    pub pem: Option<String>,
    /// From when it counts.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when it counts.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Who a certificate is of, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// An address or a URI.
    pub subject: String,
    /// The provider's URI.
    pub issuer: String,
}

/// A claim that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Requirement {
    /// The type of its predicate. There is no default: a claim of another type is another claim.
    #[serde(rename = "type")]
    pub predicate: String,
    /// What it must reach; the policy's tier where nothing is said.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// Of provenance: the builders that count.
    #[serde(default)]
    pub builders: Vec<String>,
    /// The keys that may sign it; all where nothing is said.
    #[serde(default)]
    pub signers: Vec<String>,
    /// How old it may be.
    #[serde(default)]
    pub max_age_days: Option<u32>,
}

/// A policy that can be held against an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) tier: Tier,
    pub(crate) signature: Signature,
    pub(crate) keys: Ring,
    pub(crate) identities: Vec<Identity>,
    pub(crate) predicates: Vec<Requirement>,
}

impl Written {
    /// Reads a policy from the values of its YAML.
    pub fn parse(value: serde_json::Value) -> Result<Self, PolicyError> {
        serde_json::from_value(value).map_err(PolicyError::Shape)
    }

    /// Reads the files of its keys by `read`, and checks that it asks for something that somebody could meet.
    pub fn resolve(self, read: &mut dyn FnMut(&str) -> std::io::Result<String>) -> Result<Policy, PolicyError> {
        let mut keys: Vec<RingKey> = Vec::new();
        for WrittenKey { name, file, pem, from, until } in self.keys {
            let text = match (file, pem) {
                (Some(file), None) => read(&file).map_err(|source| PolicyError::File { name: name.clone(), source })?,
                (None, Some(pem)) => pem,
                _ => return Err(PolicyError::Source { name }),
            };
            if keys.iter().any(|key| key.name == name) {
                return Err(PolicyError::Twice { name });
            }
            let key = VerifyingKey::from_pem(&text).map_err(|source| PolicyError::Key { name: name.clone(), source })?;
            keys.push(RingKey { name, key, period: Period { from, until } });
        }
        if keys.is_empty() && self.identities.is_empty() {
            return Err(PolicyError::Nobody);
        }
        if self.signature == Signature::Optional && self.predicates.is_empty() {
            return Err(PolicyError::Nothing);
        }
        let mut predicates = self.predicates;
        for wanted in &mut predicates {
            if let Some(name) = wanted.signers.iter().find(|name| keys.iter().all(|key| key.name != **name)) {
                return Err(PolicyError::Signer { predicate: wanted.predicate.clone(), name: name.clone() });
            }
            wanted.predicate = predicate_type(&wanted.predicate).to_owned();
        }
        let tier = self.tier.unwrap_or(Tier::T1);
        Ok(Policy { tier, signature: self.signature, keys: Ring::new(keys), identities: self.identities, predicates })
    }
}

impl Policy {
    /// Asks for a signature by one of `keys` that reaches `tier`, and for nothing else.
    #[must_use]
    pub fn signed_by(keys: Ring, tier: Tier) -> Self {
        Self { tier, signature: Signature::Required, keys, identities: Vec::new(), predicates: Vec::new() }
    }

    /// Asks for a claim of a type too.
    #[must_use]
    pub fn with(mut self, predicate: &str) -> Self {
        let predicate = predicate_type(predicate).to_owned();
        self.predicates.push(Requirement { predicate, tier: None, builders: Vec::new(), signers: Vec::new(), max_age_days: None });
        self
    }

    /// Leaves the signature out: claims are enough.
    #[must_use]
    pub fn without_signature(mut self) -> Self {
        self.signature = Signature::Optional;
        self
    }
}

/// Returns the type of predicate that a short name stands for, or the name itself.
#[must_use]
pub fn predicate_type(name: &str) -> &str {
    NAMES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long)
}

/// Returns what people call a type of predicate.
#[must_use]
pub fn predicate_name(long: &str) -> &str {
    NAMES.iter().find(|(_, known)| *known == long).map_or(long, |(short, _)| short)
}
