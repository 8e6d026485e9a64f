//! Debian's version numbers and their order (Debian Policy 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version: `[epoch:]upstream[-revision]`.
///
/// Compared as dpkg does; two texts that compare equal (`1.0` and `1.00`) are equal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no Debian version")]
pub struct VersionError(pub String);

impl Version {
    /// Returns the version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part between epoch and revision: upstream's own version, as Debian writes it.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (u64, &str, &str) {
        let (epoch, rest) = self.0.split_once(':').map_or((0, self.0.as_str()), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        let good = {
            let (epoch, rest) = text.split_once(':').unwrap_or(("0", &text));
            let plain = |c: char| c.is_ascii_alphanumeric() || ".+-~".contains(c);
            epoch.parse::<u32>().is_ok()
                && rest.chars().all(|c| plain(c) || c == ':')
                && rest.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        if good { Ok(Self(text)) } else { Err(VersionError(text.chars().take(100).collect())) }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((epoch, upstream, revision), (epoch2, upstream2, revision2)) = (self.parts(), other.parts());
        epoch.cmp(&epoch2).then_with(|| compare(upstream, upstream2)).then_with(|| compare(revision, revision2))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// The order of characters outside numbers: `~` before the end, the end before letters, letters before the rest.
fn rank(byte: Option<&u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_digit() => 1,
        Some(byte) if byte.is_ascii_alphabetic() => u16::from(*byte) + 1,
        Some(byte) => u16::from(*byte) + 256,
    }
}

/// Compares text and numbers in turns.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        while left.first().is_some_and(|b| !b.is_ascii_digit()) || right.first().is_some_and(|b| !b.is_ascii_digit()) {
            let order = rank(left.first()).cmp(&rank(right.first()));
            if order.is_ne() {
                return order;
            }
            (left, right) = (left.get(1..).unwrap_or(&[]), right.get(1..).unwrap_or(&[]));
        }
        let (number, rest) = take_number(left);
        let (number2, rest2) = take_number(right);
        let order = number.len().cmp(&number2.len()).then_with(|| number.cmp(number2));
        if order.is_ne() {
            return order;
        }
        (left, right) = (rest, rest2);
    }
    Ordering::Equal
}

/// The digits at the start, without leading zeros, and the rest.
fn take_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|b| **b == b'0').count();
    (&text[zeros..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_dpkg_does() {
        let ascending =
            ["0", "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+a", "1.0.1", "1.2", "1.10", "1:0.1"];
        for pair in ascending.windows(2) {
            let (a, b): (Version, Version) = (pair[0].parse().unwrap(), pair[1].parse().unwrap());
            assert!(a < b, "{a} < {b}");
        }
        for (a, b) in [("1.0", "1.00"), ("1.0", "0:1.0"), ("1.0-0", "1.0"), ("1.01", "1.1")] {
            assert_eq!(a.parse::<Version>().unwrap(), b.parse().unwrap());
        }
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "a:1", "1 2", "-1", ":1", "1/2", "1:", "ä"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
