//! The one door to the `sigstore-*` crates: certificates, their transparency, timestamps, and the logs of Rekor v1.
//!
//! Those crates move monthly before their version 1; nothing else here names them. They read the clock for one thing: whether the key of a
//! log counts now.

use base::Digest;
use jiff::Timestamp;
use sigstore_trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_types::{Artifact, Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier};

use crate::signing::VerifyingKey;
use crate::verify::Check;

/// Why Sigstore's library refuses a bundle.
#[derive(Debug, thiserror::Error)]
pub enum SigstoreError {
    /// The bundle can not be read.
    #[error("the bundle can not be read: {reason}")]
    Bundle {
        /// What is wrong with it.
        reason: String,
    },
    /// The trust root can not be used.
    #[error("the trust root can not be used: {reason}")]
    Root {
        /// What is wrong with it.
        reason: String,
    },
    /// It is someone else's.
    #[error("it is signed by someone else")]
    Identity(#[source] Box<sigstore_verify::Error>),
    /// The signature.
    #[error("the signature does not hold")]
    Signature(#[source] Box<sigstore_verify::Error>),
    /// It is about something else.
    #[error("it is about something else")]
    Artifact(#[source] Box<sigstore_verify::Error>),
    /// The certificate.
    #[error("the certificate does not hold")]
    Certificate(#[source] Box<sigstore_verify::Error>),
    /// The log.
    #[error("the log's evidence does not hold")]
    Log(#[source] Box<sigstore_verify::Error>),
    /// The time.
    #[error("the timestamp does not hold")]
    Time(#[source] Box<sigstore_verify::Error>),
    /// Something else in it.
    #[error("the bundle does not hold")]
    Other(#[source] Box<sigstore_verify::Error>),
}

impl From<sigstore_verify::Error> for SigstoreError {
    fn from(error: sigstore_verify::Error) -> Self {
        use sigstore_verify::Error as Theirs;
        let kind = match &error {
            Theirs::IdentityMismatch { .. } | Theirs::IssuerMismatch { .. } => Self::Identity,
            Theirs::SignatureInvalid(_) => Self::Signature,
            Theirs::ArtifactMismatch(_) => Self::Artifact,
            Theirs::Certificate(_) => Self::Certificate,
            Theirs::TransparencyLog(_) => Self::Log,
            Theirs::Timestamp(_) => Self::Time,
            _ => Self::Other,
        };
        kind(Box::new(error))
    }
}

/// Who must have signed.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// A key.
    Key(&'a VerifyingKey),
    /// The subject of a certificate, as its provider says.
    Identity {
        /// An address or a URI.
        subject: &'a str,
        /// The provider's URI.
        issuer: &'a str,
    },
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Times that others than the signer vouch for.
    pub times: Vec<Timestamp>,
    /// What was checked beside certificate and signature.
    pub checks: Vec<Check>,
}

/// Returns the trust root of Sigstore's public instance, as it was when the crates were published. It is never fetched.
#[must_use]
pub fn public_root() -> &'static str {
    SIGSTORE_PRODUCTION_TRUSTED_ROOT
}

/// Verifies a bundle about the artifact of a digest.
pub fn verify(subject: &Digest, bundle: &[u8], who: &Who<'_>, root: &str) -> Result<Evidence, SigstoreError> {
    verify_artifact(Sha256Hash::new(*subject.as_bytes()).into(), bundle, who, root)
}

/// Verifies a bundle about an artifact that is at hand: a key that signs whole messages, as Ed25519 does, needs it.
pub fn verify_bytes(artifact: &[u8], bundle: &[u8], who: &Who<'_>, root: &str) -> Result<Evidence, SigstoreError> {
    verify_artifact(artifact.into(), bundle, who, root)
}

fn verify_artifact(artifact: Artifact<'_>, bundle: &[u8], who: &Who<'_>, root: &str) -> Result<Evidence, SigstoreError> {
    let unread = |reason: &dyn std::fmt::Display| SigstoreError::Bundle { reason: reason.to_string() };
    let text = std::str::from_utf8(bundle).map_err(|error| unread(&error))?;
    let bundle = Bundle::from_json(text).map_err(|error| unread(&error))?;
    let root = TrustedRoot::from_json(root).map_err(|error| SigstoreError::Root { reason: error.to_string() })?;
    let verifier = Verifier::new(&root).map_err(|error| SigstoreError::Root { reason: error.to_string() })?;
    let result = match who {
        Who::Key(key) => {
            let key = DerPublicKey::new(key.to_der().to_vec());
            verifier.verify(artifact, &bundle, &PublicKeyVerificationPolicy::new(key))?
        }
        Who::Identity { subject, issuer } => verifier.verify(artifact, &bundle, &VerificationPolicy::new(*subject, *issuer))?,
    };
    Ok(evidence(&result))
}

fn evidence(result: &VerificationResult) -> Evidence {
    let times: Vec<Timestamp> =
        result.verified_timestamps().iter().filter_map(|time| Timestamp::from_second(time.as_second()).ok()).collect();
    let mut checks: Vec<_> = times.iter().map(|time| Check::new("time", format!("others saw the signature at {time}"))).collect();
    if result.sct_verified() {
        checks.push(Check::new("certificate", "a trusted log of certificates promised to show it"));
    }
    if result.tlog_verified() {
        checks.push(Check::new("log", "a trusted log holds this signature"));
    }
    Evidence { times, checks }
}
