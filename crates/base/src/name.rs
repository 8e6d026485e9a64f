//! The name of a package.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A package name: a letter, digit or underscore, then letters, digits and `+ _ . -`.
///
/// melange's `^[a-zA-Z\d][a-zA-Z\d+_.-]*$`, and a leading `_` or `.` where apk itself makes such names (`.virtual`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

/// The text is no package name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a package name: it begins with a letter or digit and goes on with letters, digits and `+`, `_`, `.`, `-`")]
pub struct NameError(pub String);

impl PackageName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for PackageName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"+_.-".contains(&b);
        let good = text.bytes().next().is_some_and(first) && text.bytes().all(rest) && text != "." && text != "..";
        if good { Ok(Self(text)) } else { Err(NameError(text)) }
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.0
    }
}

impl AsRef<str> for PackageName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for PackageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_names_of_the_field() {
        for name in ["nginx", "gtk+3.0", "libstdc++", "py3.12-foo_bar", ".virtual", "7zip"] {
            assert!(name.parse::<PackageName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_paths_and_spaces() {
        for name in ["", ".", "..", "a/b", "-a", "a b", "a\n", "ä"] {
            assert!(name.parse::<PackageName>().is_err(), "{name:?}");
        }
    }
}
