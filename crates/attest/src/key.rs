//! RSA keys, as apk packages and indexes are signed with: PKCS#1 v1.5 over SHA-256.

mod named;
pub(crate) mod pem;

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, KeyPair as _, RsaParameters, UnparsedPublicKey};

pub use named::Named;

/// Bits of a key that is made where nobody asks for another size: what melange and abuild make.
pub const DEFAULT_BITS: usize = 4096;

/// Why a key can not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text holds no PEM block of the right kind.
    #[error("there is no PEM block `{wanted}`{found}", found = found.as_ref().map(|f| format!(", only `{f}`")).unwrap_or_default())]
    Pem {
        /// The kinds that would do.
        wanted: &'static str,
        /// The kind that is there.
        found: Option<String>,
    },
    /// What is between the PEM lines is not base64.
    #[error("the PEM block `{label}` is not base64")]
    Base64 {
        /// Its kind.
        label: String,
        /// Where it breaks.
        #[source]
        source: base64::DecodeError,
    },
    /// The key itself is not a sound RSA key of 2048 to 8192 bits.
    #[error("the {kind} key is no sound RSA key of 2048 to 8192 bits: {reason}")]
    Rejected {
        /// `private` or `public`.
        kind: &'static str,
        /// What the library says.
        reason: String,
    },
    /// A key of that size is not made.
    #[error("keys of {bits} bits are not made; 2048, 3072, 4096 and 8192 are")]
    Bits {
        /// The size that was asked for.
        bits: usize,
    },
    /// The system gave no randomness or memory.
    #[error("the cryptographic library could not {doing}")]
    Library {
        /// What it should do.
        doing: &'static str,
    },
    /// A name would not do as a file name inside a signature.
    #[error("`{name}` is no name for a key: one file name of letters, digits and `@ . _ + -`, at most 200")]
    Name {
        /// The name.
        name: String,
    },
    /// A key file can not be read or written.
    #[error("while {doing}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The error, with the path.
        #[source]
        source: std::io::Error,
    },
    /// A key file holds no key.
    #[error("the key {}", path.display())]
    Content {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
}

/// A private key. Its text never shows in debug output.
pub struct PrivateKey(KeyPair);

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    spki: Vec<u8>,
}

/// A signature is not by this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by this key over these bytes")]
pub struct BadSignature;

fn rejected(kind: &'static str) -> impl Fn(aws_lc_rs::error::KeyRejected) -> KeyError {
    move |error| KeyError::Rejected { kind, reason: error.to_string() }
}

impl PrivateKey {
    /// Makes a new key of 2048, 3072, 4096 or 8192 bits.
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            bits => return Err(KeyError::Bits { bits }),
        };
        KeyPair::generate(size).map(Self).map_err(|_| KeyError::Library { doing: "make a key" })
    }

    /// Reads PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`, what abuild and melange write).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::decode(text, &["PRIVATE KEY", "RSA PRIVATE KEY"], "PRIVATE KEY or RSA PRIVATE KEY")?;
        let pair = if label == "PRIVATE KEY" { KeyPair::from_pkcs8(&der) } else { KeyPair::from_der(&der) };
        pair.map(Self).map_err(rejected("private"))
    }

    /// Writes PKCS#8.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(|_| KeyError::Library { doing: "encode the private key" })?;
        Ok(pem::encode("PRIVATE KEY", der.as_ref()))
    }

    /// Returns the public half.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(|_| KeyError::Library { doing: "encode the public key" })?;
        Ok(PublicKey { spki: der.as_ref().to_vec() })
    }

    /// Signs the SHA-256 of `message` by PKCS#1 v1.5: the same bytes each time.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut bytes = vec![0; self.0.public_modulus_len()];
        // The library draws no randomness for this padding; the parameter is left from another one's interface.
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.0.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut bytes).map_err(|_| KeyError::Library { doing: "sign" })?;
        Ok(bytes)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("bits", &(self.0.public_modulus_len() * 8)).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo (`PUBLIC KEY`) or PKCS#1 (`RSA PUBLIC KEY`).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (_, der) = pem::decode(text, &["PUBLIC KEY", "RSA PUBLIC KEY"], "PUBLIC KEY")?;
        Self::from_der(&der)
    }

    /// Reads SubjectPublicKeyInfo or PKCS#1 in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let key = aws_lc_rs::rsa::PublicKey::from_der(der).map_err(rejected("public"))?;
        let bits = RsaParameters::public_modulus_len(key.as_ref()).map_err(|_| KeyError::Library { doing: "measure the public key" })?;
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::Rejected { kind: "public", reason: format!("it has {bits} bits") });
        }
        Self::encoded(key.as_der())
    }

    /// Makes a key of its modulus and exponent, big-endian, as a JSON web key holds them (RFC 7518 §6.3.1).
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let trim = |bytes: &[u8]| bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..].to_vec();
        let parts = PublicKeyComponents { n: trim(modulus), e: trim(exponent) };
        let key = Self::encoded(parts.as_der())?;
        Self::from_der(&key.spki)
    }

    fn encoded(der: Result<PublicKeyX509Der<'_>, aws_lc_rs::error::Unspecified>) -> Result<Self, KeyError> {
        let der = der.map_err(|_| KeyError::Library { doing: "encode the public key" })?;
        Ok(Self { spki: der.as_ref().to_vec() })
    }

    /// Writes SubjectPublicKeyInfo, as apk keeps keys in `/etc/apk/keys`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki)
    }

    /// Returns SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.spki
    }

    /// Verifies a signature over the SHA-256 of `message` (apk's `.SIGN.RSA256.`).
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
    }

    /// Verifies a signature over the SHA-512 of `message` (apk's `.SIGN.RSA512.`).
    pub fn verify_sha512(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(&signature::RSA_PKCS1_2048_8192_SHA512, message, signature)
    }

    /// Verifies a signature over the SHA-1 of `message` (apk's `.SIGN.RSA.`).
    ///
    /// What still holds: whoever has no key can not sign a text of another's making. What no longer does: whoever gets
    /// a text of their own signed can make two texts of one SHA-1, and the signature holds for both.
    pub fn verify_sha1_legacy(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, message, signature)
    }

    fn verify(&self, algorithm: &'static RsaParameters, message: &[u8], bytes: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(algorithm, &self.spki).verify(message, bytes).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", base::Digest::of(&self.spki))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_what_it_signs_and_nothing_else() {
        let key = PrivateKey::generate(2048).unwrap();
        let other = PrivateKey::generate(2048).unwrap().public().unwrap();
        let signature = key.sign_sha256(b"text").unwrap();
        assert_eq!(signature, key.sign_sha256(b"text").unwrap(), "the padding draws no randomness");
        let public = key.public().unwrap();
        assert_eq!(public.verify_sha256(b"text", &signature), Ok(()));
        assert_eq!(public.verify_sha256(b"texu", &signature), Err(BadSignature));
        assert_eq!(other.verify_sha256(b"text", &signature), Err(BadSignature));
        assert_eq!(public.verify_sha1_legacy(b"text", &signature), Err(BadSignature));
        assert_eq!(public.verify_sha512(b"text", &signature), Err(BadSignature));
        for at in [0, 100, 255] {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            assert_eq!(public.verify_sha256(b"text", &flipped), Err(BadSignature));
        }
        assert_eq!(public.verify_sha256(b"text", &signature[1..]), Err(BadSignature));
    }

    #[test]
    fn verifies_what_openssl_signed() {
        use base64::Engine as _;
        // `openssl genrsa 2048`, then `openssl dgst -sha1 -sign` and `-sha512 -sign` over `text`.
        let key = PublicKey::from_pem(include_str!("key/testdata/openssl.rsa.pub")).unwrap();
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap();
        let (sha1, sha512) = (decode(include_str!("key/testdata/text.sha1")), decode(include_str!("key/testdata/text.sha512")));
        assert_eq!(key.verify_sha1_legacy(b"text", &sha1), Ok(()));
        assert_eq!(key.verify_sha512(b"text", &sha512), Ok(()));
        assert_eq!(key.verify_sha1_legacy(b"texu", &sha1), Err(BadSignature));
        assert_eq!(key.verify_sha256(b"text", &sha1), Err(BadSignature));
        assert_eq!(key.verify_sha256(b"text", &sha512), Err(BadSignature));
    }

    #[test]
    fn reads_the_older_form_of_a_private_key() {
        let key = PrivateKey::generate(2048).unwrap();
        let (_, der) = pem::decode(&key.to_pem().unwrap(), &["PRIVATE KEY"], "").map(|(label, der)| (label.to_owned(), der)).unwrap();
        // PKCS#8 wraps PKCS#1: at 2048 bits, behind 26 bytes of algorithm and lengths.
        let older = pem::encode("RSA PRIVATE KEY", &der[26..]);
        assert_eq!(PrivateKey::from_pem(&older).unwrap().public().unwrap(), key.public().unwrap());
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = PrivateKey::generate(2048).unwrap();
        let read = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(read.public().unwrap(), key.public().unwrap());
        let public = key.public().unwrap();
        assert_eq!(PublicKey::from_pem(&public.to_pem()).unwrap(), public);
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn refuses_what_is_no_key() {
        assert!(matches!(PrivateKey::generate(1024), Err(KeyError::Bits { bits: 1024 })));
        assert!(matches!(PublicKey::from_pem("hello"), Err(KeyError::Pem { found: None, .. })));
        let public = PrivateKey::generate(2048).unwrap().public().unwrap().to_pem();
        assert!(matches!(PrivateKey::from_pem(&public), Err(KeyError::Pem { found: Some(_), .. })));
        assert!(matches!(PublicKey::from_der(b"\x30\x00"), Err(KeyError::Rejected { .. })));
        let small = PublicKey::from_components(&[0xff; 128], &[1, 0, 1]).unwrap_err();
        assert!(small.to_string().ends_with("it has 1024 bits"), "{small}");
        let broken = public.replace("MII", "M!I");
        assert!(matches!(PublicKey::from_pem(&broken), Err(KeyError::Base64 { .. })));
    }
}
