//! The hash that a source must have: sha256 as most pin it, or sha512.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use base::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A sha512, as melange's `expected-sha512` has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha512([u8; 64]);

/// The hash that a source must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Expected {
    /// The name under which the store keeps it, too.
    Sha256(Digest),
    /// The store remembers which sha256 has it.
    Sha512(Sha512),
}

/// The text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpectedError {
    /// No algorithm, or another.
    #[error("`{0}` begins with neither `sha256:` nor `sha512:`")]
    Algorithm(String),
    /// Not as many lower-case hex digits as the algorithm has.
    #[error("`{text}` is not {digits} lower-case hex digits")]
    Hex {
        /// What was given.
        text: String,
        /// How many digits the algorithm has.
        digits: usize,
    },
}

impl Sha512 {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(sha2::Sha512::digest(bytes).into())
    }

    /// Parses 128 lower-case hex digits.
    pub fn from_hex(text: &str) -> Result<Self, ExpectedError> {
        let error = || ExpectedError::Hex { text: text.to_owned(), digits: 128 };
        if text.len() != 128 || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }

    /// Returns the 128 hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(128), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512:{}", self.hex())
    }
}

impl Expected {
    /// Parses 64 hex digits.
    pub fn sha256(hex: &str) -> Result<Self, ExpectedError> {
        Digest::from_hex(hex).map(Self::Sha256).map_err(|_| ExpectedError::Hex { text: hex.to_owned(), digits: 64 })
    }

    /// Parses 128 hex digits.
    pub fn sha512(hex: &str) -> Result<Self, ExpectedError> {
        Sha512::from_hex(hex).map(Self::Sha512)
    }

    /// Returns the hex digits alone.
    #[must_use]
    pub fn hex(&self) -> String {
        match self {
            Self::Sha256(digest) => digest.hex(),
            Self::Sha512(digest) => digest.hex(),
        }
    }

    /// Returns where a mirror keeps it: `sha256/<hex>` or `sha512/<hex>`.
    #[must_use]
    pub fn mirror_path(&self) -> String {
        self.to_string().replacen(':', "/", 1)
    }
}

impl From<Digest> for Expected {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "{digest}"),
            Self::Sha512(digest) => write!(f, "{digest:?}"),
        }
    }
}

impl FromStr for Expected {
    type Err = ExpectedError;

    fn from_str(text: &str) -> Result<Self, ExpectedError> {
        match text.split_once(':') {
            Some(("sha256", hex)) => Self::sha256(hex),
            Some(("sha512", hex)) => Self::sha512(hex),
            _ => Err(ExpectedError::Algorithm(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Expected {
    type Error = ExpectedError;

    fn try_from(text: String) -> Result<Self, ExpectedError> {
        text.parse()
    }
}

impl From<Expected> for String {
    fn from(expected: Expected) -> Self {
        expected.to_string()
    }
}

/// A writer that hashes with sha512 what passes to `inner`.
pub(crate) struct Sha512Writer<W> {
    inner: W,
    hasher: sha2::Sha512,
}

impl<W: Write> Sha512Writer<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha512::new() }
    }

    pub(crate) fn finish(self) -> (W, Sha512) {
        (self.inner, Sha512(self.hasher.finalize().into()))
    }
}

impl<W: Write> Write for Sha512Writer<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        for expected in [Expected::Sha256(Digest::of(b"a")), Expected::Sha512(Sha512::of(b"a"))] {
            assert_eq!(expected.to_string().parse::<Expected>().unwrap(), expected);
        }
    }

    #[test]
    fn refuses_what_is_no_hash() {
        let cut = Sha512::of(b"a").hex()[1..].to_owned();
        for text in ["", "md5:0", "sha256:00", "sha512:00", &format!("sha512:{cut}G"), &Digest::of(b"a").hex()] {
            assert!(text.parse::<Expected>().is_err(), "{text}");
        }
    }
}
