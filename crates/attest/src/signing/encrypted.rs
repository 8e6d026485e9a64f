//! Private keys under a password, in cosign's file: PEM around JSON around scrypt (RFC 7914) and NaCl's secretbox.

use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};

use super::SigningError;
use crate::intoto::Bytes;
use crate::key::pem;

/// The kind of PEM block that cosign writes today, and the one that it wrote before version 2.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// What cosign sets: 64 MiB of memory, a fifth of a second.
const COST: Params = Params { n: 65536, r: 8, p: 1 };

/// The most memory that a file may make us use, 128·N·r bytes: a file of another's making must not take the machine down.
const MAX_MEMORY: u64 = 1 << 30;

/// Numbers that must be drawn anew for every file. They are an argument so that a test can fix them.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Makes the same password another key.
    pub salt: [u8; 32],
    /// Must never be used twice under one key.
    pub nonce: [u8; 24],
}

impl Seed {
    /// Draws both from the system.
    pub fn draw() -> Result<Self, SigningError> {
        let mut seed = Self { salt: [0; 32], nonce: [0; 24] };
        let drawn = aws_lc_rs::rand::fill(&mut seed.salt).and_then(|()| aws_lc_rs::rand::fill(&mut seed.nonce));
        drawn.map(|()| seed).map_err(|_| SigningError::Library { doing: "draw a random number" })
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: Bytes,
}

/// Whether the text holds an encrypted private key.
#[must_use]
pub fn is_encrypted(text: &str) -> bool {
    LABELS.iter().any(|label| text.contains(&format!("-----BEGIN {label}-----")))
}

/// Writes PKCS#8 under a password, as cosign does.
pub fn encrypt(pkcs8: &[u8], password: &[u8], seed: &Seed) -> Result<String, SigningError> {
    let key = derive(password, &seed.salt, &COST)?;
    let sealed = XSalsa20Poly1305::new(&key)
        .encrypt(Nonce::from_slice(&seed.nonce), pkcs8)
        .map_err(|_| SigningError::Library { doing: "encrypt the private key" })?;
    let file = File {
        kdf: Kdf { name: "scrypt".into(), params: COST, salt: Bytes(seed.salt.to_vec()) },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: Bytes(seed.nonce.to_vec()) },
        ciphertext: Bytes(sealed),
    };
    let json = serde_json::to_vec(&file).map_err(|_| SigningError::Library { doing: "write the key's file" })?;
    Ok(pem::encode(LABELS[0], &json))
}

/// Opens what [`encrypt`] and cosign write, and returns PKCS#8.
pub fn decrypt(text: &str, password: &[u8]) -> Result<Vec<u8>, SigningError> {
    let broken = |reason: &str| SigningError::Encrypted { reason: reason.to_owned() };
    let (_, json) = pem::decode(text, &LABELS, LABELS[0])?;
    let file: File = serde_json::from_slice(&json).map_err(|error| broken(&error.to_string()))?;
    if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
        return Err(broken(&format!("it uses {} and {}, not scrypt and nacl/secretbox", file.kdf.name, file.cipher.name)));
    }
    let nonce: [u8; 24] = file.cipher.nonce.0.as_slice().try_into().map_err(|_| broken("its nonce has not 24 bytes"))?;
    let key = derive(password, &file.kdf.salt.0, &file.kdf.params)?;
    XSalsa20Poly1305::new(&key).decrypt(Nonce::from_slice(&nonce), file.ciphertext.0.as_slice()).map_err(|_| SigningError::Password)
}

fn derive(password: &[u8], salt: &[u8], cost: &Params) -> Result<Key, SigningError> {
    let memory = cost.n.checked_mul(128).and_then(|bytes| bytes.checked_mul(u64::from(cost.r)));
    if !cost.n.is_power_of_two() || memory.is_none_or(|bytes| bytes > MAX_MEMORY) || !(1..=4).contains(&cost.p) {
        return Err(SigningError::Encrypted { reason: format!("scrypt with N={} r={} p={} is out of bounds", cost.n, cost.r, cost.p) });
    }
    // N is a power of two of at most 2^30.
    let log_n = u8::try_from(cost.n.trailing_zeros()).unwrap_or(u8::MAX);
    let refused = |reason: &dyn std::fmt::Display| SigningError::Encrypted { reason: reason.to_string() };
    let params = scrypt::Params::new(log_n, cost.r, cost.p, 32).map_err(|error| refused(&error))?;
    let mut key = Key::default();
    scrypt::scrypt(password, salt, &params, &mut key).map_err(|error| refused(&error))?;
    Ok(key)
}
