//! Package versions in apk's order.
//!
//! The grammar, from apk-tools' documentation (apk-package(5)):
//!
//! ```text
//! version := digits { "." digits } [ a-z ] { "_" suffix [digits] } [ "~" hex ] [ "-r" digits ]
//! suffix  := alpha | beta | pre | rc | cvs | svn | git | hg | p
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An apk version, ordered as apk orders it.
///
/// It is valid, unless it came through [`Version::tolerate`]: apk does not check the versions of packages in an index,
/// and Alpine has published some that break its grammar (`6.8.0p2-r4`). Those compare by what stands before the break.
///
/// Equality is of order, not of text: `1.01` and `1.010` differ, but `1` and `01` are equal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an apk version, such as 1.2.3, 1.2_rc1 or 1.2.3-r0")]
pub struct VersionError(pub String);

/// The kinds of token in the order in which they may follow; an earlier kind makes the greater version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    First(&'a str),
    Digits(&'a str),
    Letter(u8),
    Suffix(Suffix),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
    /// Here the grammar is broken.
    Broken,
}

/// Suffixes in order; those before `Cvs` come before the plain version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    Alpha,
    Beta,
    Pre,
    Rc,
    Cvs,
    Svn,
    Git,
    Hg,
    P,
}

impl Suffix {
    const ALL: [(&'static str, Self); 9] = [
        ("alpha", Self::Alpha),
        ("beta", Self::Beta),
        ("pre", Self::Pre),
        ("rc", Self::Rc),
        ("cvs", Self::Cvs),
        ("svn", Self::Svn),
        ("git", Self::Git),
        ("hg", Self::Hg),
        ("p", Self::P),
    ];

    fn is_prerelease(self) -> bool {
        self < Self::Cvs
    }
}

impl Token<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Digits(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Hash(_) => 5,
            Self::Revision(_) => 6,
            Self::End => 7,
            Self::Broken => 8,
        }
    }

    /// Compares two tokens of the same kind.
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            // A component after a dot that begins with 0 is read as a fraction, hence as text.
            (Self::Digits(a), Self::Digits(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Digits(a), Self::Digits(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => compare_numbers(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(&b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(&b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }

    fn is_prerelease(self) -> bool {
        matches!(self, Self::Suffix(suffix) if suffix.is_prerelease())
    }
}

/// Compares numbers of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Splits a version into tokens, up to its end or the break.
struct Tokens<'a> {
    rest: &'a str,
    last: Option<u8>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, last: None }
    }

    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    fn digits(&mut self) -> Option<&'a str> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        (count > 0).then(|| self.take(count))
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.read().unwrap_or(Token::Broken);
        self.last = Some(token.rank());
        token
    }

    fn read(&mut self) -> Option<Token<'a>> {
        let Some(last) = self.last else { return self.digits().map(Token::First) };
        let Some(first) = self.rest.bytes().next() else { return Some(Token::End) };
        match first {
            b'.' if last <= 1 => {
                self.take(1);
                self.digits().map(Token::Digits)
            }
            b'a'..=b'z' if last <= 1 => Some(Token::Letter(self.take(1).as_bytes()[0])),
            b'_' if last <= 4 => {
                self.take(1);
                let word = self.rest.bytes().take_while(u8::is_ascii_lowercase).count();
                let word = self.take(word);
                Suffix::ALL.iter().find(|(name, _)| *name == word).map(|(_, suffix)| Token::Suffix(*suffix))
            }
            b'0'..=b'9' if last == 3 => self.digits().map(Token::SuffixNumber),
            b'~' if last <= 4 => {
                self.take(1);
                let count = self.rest.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
                (count > 0).then(|| Token::Hash(self.take(count)))
            }
            b'-' if last <= 5 && self.rest.starts_with("-r") => {
                self.take(2);
                self.digits().map(Token::Revision)
            }
            _ => None,
        }
    }
}

impl Version {
    /// Returns the version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Accepts a version that breaks the grammar, as apk does of packages in an index. Only for what others published.
    pub fn tolerate(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
            return Err(VersionError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether it keeps to the grammar.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let mut tokens = Tokens::new(&self.0);
        loop {
            match tokens.next() {
                Token::End => return true,
                Token::Broken => return false,
                _ => {}
            }
        }
    }

    /// Compares in apk's order; with `fuzzy`, what goes on where `other` ends counts as equal.
    fn compare(&self, other: &Self, fuzzy: bool) -> Ordering {
        let (mut ours, mut theirs) = (Tokens::new(&self.0), Tokens::new(&other.0));
        loop {
            let (a, b) = (ours.next(), theirs.next());
            if a.rank() != b.rank() {
                return match (a, b) {
                    (_, Token::End) if fuzzy => Ordering::Equal,
                    (a, _) if a.is_prerelease() => Ordering::Less,
                    (_, b) if b.is_prerelease() => Ordering::Greater,
                    (a, b) => b.rank().cmp(&a.rank()),
                };
            }
            match a.compare(b) {
                Ordering::Equal if matches!(a, Token::End | Token::Broken) => return Ordering::Equal,
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
    }

    /// Compares as a `~` constraint does: `1.2.3` is equal to `1.2`.
    #[must_use]
    pub fn compare_fuzzy(&self, required: &Self) -> Ordering {
        self.compare(required, true)
    }

    /// Splits off the revision: `1.2.3-r4` gives `1.2.3` and 4. Without one, the revision is `None`.
    #[must_use]
    pub fn split_revision(&self) -> (&str, Option<&str>) {
        match self.0.rsplit_once("-r") {
            Some((version, revision)) => (version, Some(revision)),
            None => (&self.0, None),
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        let version = Self(text);
        if version.is_valid() { Ok(version) } else { Err(VersionError(version.0)) }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other, false)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn is_ordered_as_apk_orders() {
        let ascending = [
            "0.9",
            "1_alpha",
            "1_alpha1",
            "1_beta",
            "1_rc2",
            "1",
            "1_git20240101",
            "1_p1",
            "1-r0",
            "1-r1",
            "1a",
            "1.0",
            "1.0.1",
            "1.01",
            "1.02",
            "1.1",
            "1.9",
            "1.10",
            "2",
            "10",
        ];
        // `1_p1` goes on with a post-release suffix and so does `1-r0`: a suffix makes the greater version.
        let mut sorted: Vec<_> = ascending.iter().map(|text| version(text)).collect();
        sorted.sort();
        for pair in [("1_alpha", "1"), ("1", "1_p1"), ("1-r0", "1_p1"), ("1-r1", "1a"), ("1a", "1.0"), ("1.0.1", "1.01"), ("1.9", "1.10")] {
            assert!(version(pair.0) < version(pair.1), "{pair:?}");
        }
        assert!(sorted.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn refuses_what_breaks_the_grammar() {
        for text in ["", "a", "1.", "1..2", "1_", "1_foo", "1-r", "1-rx", "1ab", "1-r1.2", "v1", "1 ", "1~xyz", "1_p1a"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fuzzy_match_is_a_prefix_of_tokens() {
        assert_eq!(version("1.2.3-r0").compare_fuzzy(&version("1.2")), Ordering::Equal);
        assert_eq!(version("1.20").compare_fuzzy(&version("1.2")), Ordering::Greater);
        assert_eq!(version("1.2").compare_fuzzy(&version("1.2.3")), Ordering::Less);
    }

    #[test]
    fn versions_that_break_the_grammar_compare_up_to_the_break() {
        let tolerate = |text| Version::tolerate(text).unwrap();
        let cases = [
            ("3.6.9_post1", "3.6", Ordering::Greater),
            ("3.6.9_post1", "3.8", Ordering::Less),
            ("3.6_post1", "3.6", Ordering::Less),
            ("3.6_post1", "3.6_post2", Ordering::Equal),
            ("6.8.0p2-r4", "6.8.0p-r4", Ordering::Less),
            ("x", "y", Ordering::Equal),
        ];
        for (a, b, expected) in cases {
            assert_eq!(tolerate(a).cmp(&tolerate(b)), expected, "{a} {b}");
        }
        assert_eq!(tolerate("3.6.9_post1").compare_fuzzy(&version("3.6")), Ordering::Equal);
        for text in ["", "1 2", "1/2", "1\n"] {
            assert!(Version::tolerate(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn splits_off_the_revision() {
        assert_eq!(version("1.2-r3").split_revision(), ("1.2", Some("3")));
        assert_eq!(version("1.2").split_revision(), ("1.2", None));
    }
}
