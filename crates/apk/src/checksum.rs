//! Checksums as apk writes them: `Q1` and the base64 of a SHA-1.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Reads base64 as apk does: bits behind the last byte mean nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The checksum by which an index names a package (of its control member), or an installed database a file.
///
/// apk v2 knows SHA-1 only, which is why an index of ours carries sha256 digests beside it. `Q2` (sha256) is written by
/// apk v3 into installed databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Checksum {
    /// None is stated. It matches nothing.
    #[default]
    Unstated,
    /// `Q1…`
    Sha1([u8; 20]),
    /// `Q2…`
    Sha256([u8; 32]),
}

/// The text is no checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no checksum: `Q1` and the base64 of a SHA-1, or `Q2` and that of a sha256")]
pub struct ChecksumError(pub String);

impl Checksum {
    /// Returns the SHA-1 of `bytes`.
    #[must_use]
    pub fn sha1(bytes: impl AsRef<[u8]>) -> Self {
        Self::Sha1(Sha1::digest(bytes).into())
    }

    /// Whether `bytes` are those that it names.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Unstated => false,
            Self::Sha1(sum) => Sha1::digest(bytes).as_slice() == sum,
            Self::Sha256(sum) => Sha256::digest(bytes).as_slice() == sum,
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        *self != Self::Unstated
    }

    /// Parses lower-case hex as the PAX record `APK-TOOLS.checksum.SHA1` holds it.
    pub fn from_hex(text: &str) -> Result<Self, ChecksumError> {
        let error = || ChecksumError(text.chars().take(100).collect());
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(error);
        if !matches!(text.len(), 40 | 64) {
            return Err(error());
        }
        let mut bytes = Vec::with_capacity(32);
        for pair in text.as_bytes().chunks_exact(2) {
            bytes.push((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
        }
        Self::from_bytes(&bytes).ok_or_else(error)
    }

    /// Returns lower-case hex, or nothing where none is stated.
    #[must_use]
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.as_bytes().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Unstated => &[],
            Self::Sha1(sum) => sum,
            Self::Sha256(sum) => sum,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            20 => bytes.try_into().ok().map(Self::Sha1),
            32 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let error = || ChecksumError(text.chars().take(100).collect());
        let (kind, rest) = text.split_at_checked(2).ok_or_else(error)?;
        let sum = match kind {
            "Q1" | "Q2" => Self::from_bytes(&LENIENT.decode(rest).map_err(|_| error())?),
            "X1" | "X2" => Some(Self::from_hex(rest)?),
            _ => None,
        };
        match sum {
            Some(sum @ Self::Sha1(_)) if kind.ends_with('1') => Ok(sum),
            Some(sum @ Self::Sha256(_)) if kind.ends_with('2') => Ok(sum),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, ChecksumError> {
        if text.is_empty() { Ok(Self::Unstated) } else { text.parse() }
    }
}

impl From<Checksum> for String {
    fn from(sum: Checksum) -> Self {
        sum.to_string()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Unstated => return Ok(()),
            Self::Sha1(_) => "Q1",
            Self::Sha256(_) => "Q2",
        };
        write!(f, "{kind}{}", STANDARD.encode(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        let text = "Q1tduNGDYV/KwvztK0sMium7UfSj0=";
        let sum: Checksum = text.parse().unwrap();
        assert_eq!(sum.to_string(), text);
        assert_eq!(Checksum::from_hex(&sum.hex()), Ok(sum));
        assert_eq!(format!("X1{}", sum.hex()).parse(), Ok(sum));
        let long = Checksum::Sha256([7; 32]);
        assert_eq!(long.to_string().parse(), Ok(long));
    }

    #[test]
    fn bits_behind_the_last_byte_mean_nothing() {
        let sum = |last: char| format!("Q1tduNGDYV/KwvztK0sMium7UfSj{last}=").parse::<Checksum>();
        assert_eq!(sum('1'), sum('0'));
        assert_ne!(sum('4'), sum('0'));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "Q", "Q1", "Q1====", "Q1dGVzdA==", "Q3tduNGDYV/KwvztK0sMium7UfSj0=", "Q2tduNGDYV/KwvztK0sMium7UfSj0=", "é1"] {
            assert!(text.parse::<Checksum>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unstated_checksum_matches_nothing() {
        assert!(!Checksum::Unstated.matches(b""));
        assert!(Checksum::sha1(b"abc").matches(b"abc") && !Checksum::sha1(b"abc").matches(b"abd"));
    }
}
