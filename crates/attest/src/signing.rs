//! Keys that sign claims: ECDSA P-256 (the default), Ed25519, RSA.
//!
//! Every signature here is a function of key and message: ECDSA draws its nonce by RFC 6979, Ed25519 (RFC 8032) and RSA PKCS#1 v1.5 draw
//! none. So a claim that is made again is the same claim, and a broken source of randomness can not give a key away.

mod encrypted;
mod private;
mod ring;

use std::fmt;

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use encrypted::{Seed, decrypt, encrypt, is_encrypted};
pub use private::SigningKey;
pub use ring::{Period, Ring, RingKey};

use crate::key::{self, BadSignature, KeyError};

/// SubjectPublicKeyInfo of a P-256 key, up to the point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
    0x07, 0x03, 0x42, 0x00,
];

/// SubjectPublicKeyInfo of an Ed25519 key, up to its 32 bytes (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key that signs claims can not be had, or did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The PEM block, or an RSA key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of another kind than those three.
    #[error("the {kind} key is none of ECDSA P-256, Ed25519 and RSA: {reason}")]
    Unknown {
        /// `private` or `public`.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A password is needed.
    #[error("the private key is encrypted, and no password was given")]
    PasswordNeeded,
    /// The password is not the one.
    #[error("the password does not open the private key, or the file was changed")]
    Password,
    /// What is inside the encrypted file is not what cosign writes.
    #[error("the encrypted private key can not be read: {reason}")]
    Encrypted {
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no randomness, or the library refused.
    #[error("the cryptographic library could not {doing}")]
    Library {
        /// What it should do.
        doing: &'static str,
    },
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA over P-256 and SHA-256, nonce by RFC 6979, signature in DER.
    EcdsaP256,
    /// Ed25519 over the message itself.
    Ed25519,
    /// RSA PKCS#1 v1.5 over SHA-256, as apk signs.
    Rsa,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// What signs. A key in a file is one; a key that never leaves its device can be another.
pub trait Signer {
    /// Returns the public half.
    fn public(&self) -> &VerifyingKey;
    /// Signs `message`: the same bytes for the same message.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;
}

/// A public key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    /// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    spki: Vec<u8>,
}

impl VerifyingKey {
    /// Reads SubjectPublicKeyInfo in PEM (`PUBLIC KEY`), or PKCS#1 of an RSA key.
    pub fn from_pem(text: &str) -> Result<Self, SigningError> {
        let (label, der) = key::pem::decode(text, &["PUBLIC KEY", "RSA PUBLIC KEY"], "PUBLIC KEY")?;
        if label == "PUBLIC KEY" { Self::from_der(&der) } else { Self::rsa(&der) }
    }

    /// Reads SubjectPublicKeyInfo in DER. Points must be uncompressed and on the curve.
    pub fn from_der(spki: &[u8]) -> Result<Self, SigningError> {
        if let Some(point) = spki.strip_prefix(&P256_PREFIX) {
            p256::PublicKey::from_sec1_bytes(point)
                .map_err(|_| SigningError::Unknown { kind: "public", reason: "its point is not on the curve P-256".into() })?;
            return Ok(Self { algorithm: Algorithm::EcdsaP256, spki: spki.to_vec() });
        }
        match spki.strip_prefix(&ED25519_PREFIX) {
            Some(point) if point.len() == 32 => Ok(Self { algorithm: Algorithm::Ed25519, spki: spki.to_vec() }),
            Some(point) => Err(SigningError::Unknown { kind: "public", reason: format!("an Ed25519 key of {} bytes", point.len()) }),
            None => Self::rsa(spki),
        }
    }

    fn rsa(der: &[u8]) -> Result<Self, SigningError> {
        match key::PublicKey::from_der(der) {
            Ok(key) => Ok(Self { algorithm: Algorithm::Rsa, spki: key.to_der().to_vec() }),
            Err(error) => Err(SigningError::Unknown { kind: "public", reason: error.to_string() }),
        }
    }

    /// Makes a key of an uncompressed point of P-256.
    fn ecdsa(point: &[u8]) -> Self {
        Self { algorithm: Algorithm::EcdsaP256, spki: [&P256_PREFIX[..], point].concat() }
    }

    /// Makes a key of the 32 bytes of an Ed25519 key.
    fn ed25519(bytes: &[u8]) -> Self {
        Self { algorithm: Algorithm::Ed25519, spki: [&ED25519_PREFIX[..], bytes].concat() }
    }

    /// Writes SubjectPublicKeyInfo in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        key::pem::encode("PUBLIC KEY", &self.spki)
    }

    /// Returns SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns how the key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key's own bytes: of an Ed25519 key its 32, of a P-256 key its point, of an RSA key all of it.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        match self.algorithm {
            Algorithm::EcdsaP256 => &self.spki[P256_PREFIX.len()..],
            Algorithm::Ed25519 => &self.spki[ED25519_PREFIX.len()..],
            Algorithm::Rsa => &self.spki,
        }
    }

    /// Returns the sha256 of SubjectPublicKeyInfo, which names the key.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// Returns the digest in base64: how a Sigstore bundle hints at the key.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(self.digest().as_bytes())
    }

    /// Returns the name that Sigstore has for keys of this kind and size (`PublicKeyDetails` of its protobuf specification).
    #[must_use]
    pub fn details(&self) -> &'static str {
        match self.algorithm {
            Algorithm::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
            Algorithm::Ed25519 => "PKIX_ED25519",
            Algorithm::Rsa if self.spki.len() < 350 => "PKIX_RSA_PKCS1V15_2048_SHA256",
            Algorithm::Rsa if self.spki.len() < 500 => "PKIX_RSA_PKCS1V15_3072_SHA256",
            Algorithm::Rsa => "PKIX_RSA_PKCS1V15_4096_SHA256",
        }
    }

    /// Verifies a signature over `message`.
    pub fn verify(&self, message: &[u8], bytes: &[u8]) -> Result<(), BadSignature> {
        let algorithm: &'static dyn signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::EcdsaP256 => &signature::ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &signature::ED25519,
            Algorithm::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, self.raw()).verify(message, bytes).map_err(|_| BadSignature)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.digest())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

#[cfg(test)]
mod tests;
