//! Sigstore bundle v0.3: a signed claim with all that is needed to verify it, in one JSON file
//! (<https://github.com/sigstore/protobuf-specs>, `sigstore_bundle.proto`).
//!
//! We write bundles with a key and one DSSE signature; we read those, and take certificates to `crate::sigstore`.

use base::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dsse::Envelope;
use crate::intoto::Bytes;
use crate::log::entry::Entry;
use crate::signing::VerifyingKey;

/// The media type of a bundle, and the artifact type of the manifest that holds one.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The longest bundle that is read. The largest claim is an SBOM of some megabytes, and base64 adds a third.
pub const MAX_SIZE: usize = 64 << 20;

/// Why a bundle can not be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is longer than [`MAX_SIZE`].
    #[error("the bundle has {size} bytes, more than {MAX_SIZE}")]
    Size {
        /// How long it is.
        size: usize,
    },
    /// It is not JSON of that shape.
    #[error("the bundle is not of the shape that its format has")]
    Shape(#[source] serde_json::Error),
    /// It is of another version.
    #[error("the bundle is `{found}`, not `{MEDIA_TYPE}`")]
    Version {
        /// What it says that it is.
        found: String,
    },
    /// It holds no signed statement, or two.
    #[error("the bundle holds {found}, not one DSSE envelope")]
    Content {
        /// What it holds.
        found: &'static str,
    },
    /// DSSE allows many signatures, a bundle one.
    #[error("the envelope has {count} signatures, not one")]
    Signatures {
        /// How many.
        count: usize,
    },
}

/// A signed claim with all that is needed to verify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// [`MEDIA_TYPE`].
    pub media_type: String,
    /// Who signed, and the evidence of it.
    pub verification_material: Material,
    /// The claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsse_envelope: Option<Envelope>,
    /// A signature over the artifact itself, in place of a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_signature: Option<Value>,
}

/// Who signed, and the evidence of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Material {
    /// A hint at the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Hint>,
    /// A short-lived certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Value>,
    /// A chain of certificates, as before v0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509_certificate_chain: Option<Value>,
    /// Where transparency logs took it in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tlog_entries: Vec<LogEntry>,
    /// What timestamp authorities said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_verification_data: Option<Timestamps>,
}

/// A hint at a key: base64 of the sha256 of its SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The hint.
    #[serde(default)]
    pub hint: String,
}

/// Timestamps of RFC 3161.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timestamps {
    /// Each, as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rfc3161_timestamps: Vec<Value>,
}

/// One entry of a transparency log, with the proof that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Its place in the log. A number in text, as protobuf's JSON has them.
    #[serde(default = "zero")]
    pub log_index: String,
    /// Which log.
    pub log_id: LogId,
    /// What sort of entry it is.
    pub kind_version: KindVersion,
    /// When Rekor v1 took it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrated_time: Option<Value>,
    /// Rekor v1's promise to take it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion_promise: Option<Value>,
    /// The proof that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion_proof: Option<InclusionProof>,
    /// The entry itself, byte for byte.
    pub canonicalized_body: Bytes,
}

/// Which log an entry is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogId {
    /// The name of the log's key.
    pub key_id: Bytes,
}

/// What sort of entry it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindVersion {
    /// `hashedrekord`.
    pub kind: String,
    /// `0.0.2`.
    pub version: String,
}

/// The proof that an entry is in a log of some size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InclusionProof {
    /// Its place in the log.
    #[serde(default = "zero")]
    pub log_index: String,
    /// The root of the log's tree.
    pub root_hash: Bytes,
    /// How many entries the log had.
    pub tree_size: String,
    /// The hashes beside the way from the entry to the root.
    #[serde(default)]
    pub hashes: Vec<Bytes>,
    /// What the log signed.
    pub checkpoint: Note,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The signed note.
    pub envelope: String,
}

fn zero() -> String {
    "0".to_owned()
}

impl Bundle {
    /// Bundles a claim that `key` signed with what the log says of it, if it is in one.
    #[must_use]
    pub fn new(envelope: Envelope, key: &VerifyingKey, entry: Option<LogEntry>) -> Self {
        let material =
            Material { public_key: Some(Hint { hint: key.hint() }), tlog_entries: entry.into_iter().collect(), ..Material::default() };
        Self { media_type: MEDIA_TYPE.into(), verification_material: material, dsse_envelope: Some(envelope), message_signature: None }
    }

    /// Reads a bundle with one signed statement. Nothing is verified yet.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        if text.len() > MAX_SIZE {
            return Err(BundleError::Size { size: text.len() });
        }
        let bundle: Self = serde_json::from_slice(text).map_err(BundleError::Shape)?;
        if bundle.media_type != MEDIA_TYPE {
            return Err(BundleError::Version { found: bundle.media_type });
        }
        match (&bundle.dsse_envelope, &bundle.message_signature) {
            (Some(envelope), None) if envelope.signatures.len() == 1 => Ok(bundle),
            (Some(envelope), None) => Err(BundleError::Signatures { count: envelope.signatures.len() }),
            (None, Some(_)) => Err(BundleError::Content { found: "a signature over the artifact itself" }),
            (None, None) => Err(BundleError::Content { found: "nothing that is signed" }),
            (Some(_), Some(_)) => Err(BundleError::Content { found: "an envelope and a signature" }),
        }
    }

    /// Writes the bundle: the same bytes for the same claim and evidence.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
    }

    /// Returns the log's entry that this claim has to have.
    #[must_use]
    pub fn expected_entry(envelope: &Envelope, key: &VerifyingKey) -> Entry {
        let signature = envelope.signatures.first().map(|signature| signature.sig.0.clone()).unwrap_or_default();
        Entry { digest: Digest::of(envelope.pae()), signature, key: key.clone() }
    }
}
