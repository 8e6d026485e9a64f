//! Names of repositories and tags, checked when they are born (distribution-spec, "Pulling manifests").

use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError};

/// The longest name of a repository. A link's file name is a sha512 in hex, `@` and the name: 255 bytes in all,
/// which is what file systems take.
pub const MAX_NAME: usize = 126;

/// The longest tag (distribution-spec).
pub const MAX_TAG: usize = 128;

/// The name of a repository: `library/nginx`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// A tag: `1.28`, `latest`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// What someone called it.
    Tag(Tag),
    /// What it is.
    Digest(Digest),
}

/// What was wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too long.
    #[error("the repository's name has {0} characters; {MAX_NAME} are the most")]
    Long(usize),
    /// Not of the form that the specification gives.
    #[error(
        "this is no name of a repository: parts divided by `/`, each of small letters and digits, \
         with `.`, `_`, `__` or `-` between them"
    )]
    Form,
}

/// A text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no tag: at most {MAX_TAG} letters, digits, `_`, `.` and `-`, the first neither `.` nor `-`")]
pub struct TagError;

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_NAME {
            return Err(NameError::Long(text.len()));
        }
        if text.split('/').all(is_component) { Ok(Self(text.to_owned())) } else { Err(NameError::Form) }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return false;
    }
    bytes.split(plain).all(|divider| matches!(divider, b"" | b"." | b"_" | b"__") || divider.iter().all(|byte| *byte == b'-'))
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest whose signature, attestation or SBOM this tag holds, in the form that cosign wrote before
    /// referrers: `sha256-….sig`; or, without an ending, the referrers of clients without the API.
    #[must_use]
    pub fn subject(&self) -> Option<Digest> {
        let (algorithm, rest) = self.0.split_once('-')?;
        let hex = rest.split_once('.').map_or(rest, |(hex, _)| hex);
        Digest::from_hex(algorithm.parse().ok()?, hex).ok()
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let first = text.bytes().next().is_some_and(word);
        let rest = text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
        if first && rest && text.len() <= MAX_TAG { Ok(Self(text.to_owned())) } else { Err(TagError) }
    }
}

impl Reference {
    /// Parses a tag, or a digest where there is a colon.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

/// A text is neither tag nor digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has a colon and is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// It has none and is no tag.
    #[error(transparent)]
    Tag(#[from] TagError),
}

macro_rules! shown_as_text {
    ($($kind:ty)*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

shown_as_text!(Name Tag);

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_names_of_the_specification() {
        for text in ["a", "library/nginx", "a.b/c_d/e__f/g-h/i---j", "0/1"] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_names_that_could_be_paths_or_tricks() {
        let long = "a".repeat(MAX_NAME + 1);
        for text in
            ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "_tags", "A", "a..b", "a___b", "a.-b", "-a", "a_", "a b", "a\0", "ä", &long]
        {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_tag() {
        for text in ["latest", "1.28-r0_x", "_x", "sha256-aa.sig"] {
            assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
        }
        let long = "a".repeat(MAX_TAG + 1);
        for text in ["", ".", "..", "-a", "a/b", "a b", "a+b", &long] {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_tag_of_the_old_scheme_names_its_subject() {
        let digest = Digest::of(crate::Algorithm::Sha256, b"x");
        for ending in ["", ".sig", ".att", ".sbom"] {
            let tag: Tag = format!("sha256-{}{ending}", digest.hex()).parse().unwrap();
            assert_eq!(tag.subject(), Some(digest), "{tag}");
        }
        assert_eq!("sha256-abc.sig".parse::<Tag>().unwrap().subject(), None);
        assert_eq!("v1-2".parse::<Tag>().unwrap().subject(), None);
    }
}
