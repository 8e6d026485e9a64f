//! Private keys in a file.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};

use super::{Algorithm, Signer, SigningError, VerifyingKey, decrypt, is_encrypted};
use crate::key::{self, PrivateKey};

/// How often a random number is drawn before it is taken for broken: one in 2^32 is no key of P-256.
const DRAWS: usize = 8;

/// A private key. Its text never shows in debug output.
pub struct SigningKey {
    secret: Secret,
    public: VerifyingKey,
}

enum Secret {
    Ecdsa(p256::SecretKey),
    Ed25519(Ed25519KeyPair),
    Rsa(PrivateKey),
}

impl SigningKey {
    /// Makes a new key; an RSA key of [`key::DEFAULT_BITS`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        match algorithm {
            Algorithm::EcdsaP256 => {
                for _ in 0..DRAWS {
                    let mut bytes = [0; 32];
                    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SigningError::Library { doing: "draw a random number" })?;
                    if let Ok(secret) = p256::SecretKey::from_slice(&bytes) {
                        return Ok(Self::ecdsa(secret));
                    }
                }
                Err(SigningError::Library { doing: "draw a key" })
            }
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Self::ed25519).map_err(|_| SigningError::Library { doing: "make a key" }),
            Algorithm::Rsa => Self::rsa(PrivateKey::generate(key::DEFAULT_BITS)?),
        }
    }

    /// Reads PKCS#8 (`PRIVATE KEY`), SEC 1 (`EC PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or what cosign encrypts, with its password.
    pub fn from_pem(text: &str, password: Option<&[u8]>) -> Result<Self, SigningError> {
        if is_encrypted(text) {
            return Self::from_pkcs8(&decrypt(text, password.ok_or(SigningError::PasswordNeeded)?)?);
        }
        let labels = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];
        let (label, der) = key::pem::decode(text, &labels, "PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY")?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "EC PRIVATE KEY" => p256::SecretKey::from_sec1_der(&der).map(Self::ecdsa).map_err(|error| unknown(&error)),
            _ => Self::rsa(PrivateKey::from_pem(text)?),
        }
    }

    /// Reads PKCS#8 in DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningError> {
        if let Ok(secret) = p256::SecretKey::from_pkcs8_der(der) {
            return Ok(Self::ecdsa(secret));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Self::ed25519(pair));
        }
        PrivateKey::from_pem(&key::pem::encode("PRIVATE KEY", der)).map_err(|error| unknown(&error)).and_then(Self::rsa)
    }

    fn ecdsa(secret: p256::SecretKey) -> Self {
        let public = VerifyingKey::ecdsa(secret.public_key().to_encoded_point(false).as_bytes());
        Self { secret: Secret::Ecdsa(secret), public }
    }

    fn ed25519(pair: Ed25519KeyPair) -> Self {
        let public = VerifyingKey::ed25519(pair.public_key().as_ref());
        Self { secret: Secret::Ed25519(pair), public }
    }

    fn rsa(secret: PrivateKey) -> Result<Self, SigningError> {
        let public = VerifyingKey::from_der(secret.public()?.to_der())?;
        Ok(Self { secret: Secret::Rsa(secret), public })
    }

    /// Writes PKCS#8 in DER: what [`super::encrypt`] takes.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, SigningError> {
        let failed = || SigningError::Library { doing: "encode the private key" };
        match &self.secret {
            Secret::Ecdsa(secret) => secret.to_pkcs8_der().map(|der| der.as_bytes().to_vec()).map_err(|_| failed()),
            Secret::Ed25519(pair) => {
                let seed = pair.seed().map_err(|_| failed())?;
                let seed = seed.as_be_bytes().map_err(|_| failed())?;
                // PKCS#8 of version 1 (RFC 8410 §7), as every reader takes it.
                const HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
                Ok([&HEAD[..], seed.as_ref()].concat())
            }
            Secret::Rsa(secret) => Ok(key::pem::decode(&secret.to_pem()?, &["PRIVATE KEY"], "PRIVATE KEY")?.1),
        }
    }

    /// Writes PKCS#8 in PEM, for everyone who can read the file.
    pub fn to_pem(&self) -> Result<String, SigningError> {
        Ok(key::pem::encode("PRIVATE KEY", &self.to_pkcs8()?))
    }
}

impl Signer for SigningKey {
    fn public(&self) -> &VerifyingKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        match &self.secret {
            Secret::Ecdsa(secret) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(secret).sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Secret::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Secret::Rsa(secret) => Ok(secret.sign_sha256(message)?),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

fn unknown(error: &dyn fmt::Display) -> SigningError {
    SigningError::Unknown { kind: "private", reason: error.to_string() }
}
