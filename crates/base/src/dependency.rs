//! What one package says of another: a name, a constraint, a pin, or a conflict.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Version, VersionError};

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `~`: the required version is a prefix.
    Fuzzy,
    /// `<~`
    LessFuzzy,
    /// `>~`
    GreaterFuzzy,
    /// `><`: the exact package with this checksum; the version holds `Q1…`.
    Checksum,
}

/// A bound on the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Any version.
    Any,
    /// A comparison with a version.
    Compare(Operator, Version),
    /// Exactly the package whose checksum is this text (`Q1` and base64 of a SHA-1).
    Checksum(String),
}

/// One dependency as apk writes it: `[!]name[@tag][operator version]`.
///
/// The name is a package or anything that packages provide: `so:libc.so.6`, `cmd:sh`, `/bin/sh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dependency {
    /// What is asked for.
    pub name: String,
    /// In which version.
    pub constraint: Constraint,
    /// From which tagged repository (`@testing`), besides the untagged.
    pub pin: Option<String>,
    /// Whether it must be absent (`!name`).
    pub conflict: bool,
}

/// The text is no dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// There is no name.
    #[error("`{0}` names nothing")]
    NoName(String),
    /// The name holds white space or control characters.
    #[error("`{0}` holds a space or a control character")]
    Character(String),
    /// The repository tag is none.
    #[error("`{0}` names a repository tag that is not letters, digits, `_`, `.` and `-`")]
    Pin(String),
    /// The operator is unknown.
    #[error("`{operator}` in `{text}` is no operator; there are = < <= > >= ~ <~ >~ ><")]
    Operator {
        /// The whole dependency.
        text: String,
        /// What stands where an operator should.
        operator: String,
    },
    /// The version is not one.
    #[error("in `{text}`")]
    Version {
        /// The whole dependency.
        text: String,
        /// What is wrong with it.
        #[source]
        source: VersionError,
    },
}

impl Operator {
    /// Every operator as apk prints it.
    const ALL: [(&'static str, Self); 9] = [
        ("=", Self::Equal),
        ("<", Self::Less),
        ("<=", Self::LessEqual),
        (">", Self::Greater),
        (">=", Self::GreaterEqual),
        ("~", Self::Fuzzy),
        ("<~", Self::LessFuzzy),
        (">~", Self::GreaterFuzzy),
        ("><", Self::Checksum),
    ];

    /// Returns the operator as apk prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(text, _)| text)
    }

    /// Reads an operator as apk does: what counts is which of `< = > ~` occur, so `=<`, `~=` and `==` are operators too.
    fn parse(text: &str) -> Option<Self> {
        let has = |c| text.contains(c);
        Some(match (has('<'), has('>'), has('~'), has('=')) {
            (false, false, false, true) => Self::Equal,
            (false, false, true, _) => Self::Fuzzy,
            (true, false, false, false) => Self::Less,
            (true, false, false, true) => Self::LessEqual,
            (true, false, true, _) => Self::LessFuzzy,
            (false, true, false, false) => Self::Greater,
            (false, true, false, true) => Self::GreaterEqual,
            (false, true, true, _) => Self::GreaterFuzzy,
            (true, true, false, false) => Self::Checksum,
            _ => return None,
        })
    }

    fn accepts(self, version: &Version, required: &Version) -> bool {
        let order = || version.cmp(required);
        let fuzzy = || version.compare_fuzzy(required);
        match self {
            Self::Equal => order().is_eq(),
            Self::Less => order().is_lt(),
            Self::LessEqual => order().is_le(),
            Self::Greater => order().is_gt(),
            Self::GreaterEqual => order().is_ge(),
            Self::Fuzzy => fuzzy().is_eq(),
            Self::LessFuzzy => fuzzy() != Ordering::Greater,
            Self::GreaterFuzzy => fuzzy() != Ordering::Less,
            Self::Checksum => false,
        }
    }
}

impl Constraint {
    /// Whether `version` satisfies it. A checksum is never satisfied by a version.
    #[must_use]
    pub fn accepts(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Compare(operator, required) => operator.accepts(version, required),
            Self::Checksum(_) => false,
        }
    }
}

impl Dependency {
    /// Asks for `name` in any version.
    pub fn any(name: impl Into<String>) -> Self {
        Self { name: name.into(), constraint: Constraint::Any, pin: None, conflict: false }
    }

    /// Asks for, or provides, `name` in exactly `version`.
    pub fn exactly(name: impl Into<String>, version: Version) -> Self {
        Self { constraint: Constraint::Compare(Operator::Equal, version), ..Self::any(name) }
    }

    /// Returns the version of a provides entry (`name=version`), if it has one.
    #[must_use]
    pub fn provided_version(&self) -> Option<&Version> {
        match &self.constraint {
            Constraint::Compare(Operator::Equal, version) => Some(version),
            _ => None,
        }
    }

    /// Accepts a version that breaks the grammar, as apk does in what packages provide. Only for what others published.
    pub fn tolerate(text: &str) -> Result<Self, DependencyError> {
        Self::read(text, Version::tolerate)
    }

    fn read(text: &str, version: impl Fn(&str) -> Result<Version, VersionError>) -> Result<Self, DependencyError> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(DependencyError::Character(text.to_owned()));
        }
        let (conflict, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let is_operator = |c: char| "=<>~".contains(c);
        let (named, bound) = rest.find(is_operator).map_or((rest, ""), |at| rest.split_at(at));
        let (name, mut pin) = named.split_once('@').map_or((named, None), |(name, pin)| (name, Some(pin)));
        if name.is_empty() {
            return Err(DependencyError::NoName(text.to_owned()));
        }
        let number = bound.trim_start_matches(is_operator);
        let operator = &bound[..bound.len() - number.len()];
        let (number, late_pin) = number.split_once('@').map_or((number, None), |(number, pin)| (number, Some(pin)));
        pin = pin.or(late_pin);
        if pin.is_some_and(|pin| pin.is_empty() || !pin.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))) {
            return Err(DependencyError::Pin(text.to_owned()));
        }
        let constraint = constraint(text, operator, number, version)?;
        Ok(Self { name: name.to_owned(), constraint, pin: pin.map(str::to_owned), conflict })
    }

    /// Parses a list separated by white space, as indexes and installed databases write it.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, DependencyError> {
        text.split_whitespace().map(str::parse).collect()
    }
}

impl FromStr for Dependency {
    type Err = DependencyError;

    fn from_str(text: &str) -> Result<Self, DependencyError> {
        Self::read(text, |version| version.parse())
    }
}

fn constraint(
    text: &str,
    operator: &str,
    version: &str,
    read: impl Fn(&str) -> Result<Version, VersionError>,
) -> Result<Constraint, DependencyError> {
    if operator.is_empty() {
        return Ok(Constraint::Any);
    }
    let Some(operator) = Operator::parse(operator) else {
        return Err(DependencyError::Operator { text: text.to_owned(), operator: operator.to_owned() });
    };
    if operator == Operator::Checksum {
        return Ok(Constraint::Checksum(version.to_owned()));
    }
    let version = read(version).map_err(|source| DependencyError::Version { text: text.to_owned(), source })?;
    Ok(Constraint::Compare(operator, version))
}

impl TryFrom<String> for Dependency {
    type Error = DependencyError;

    fn try_from(text: String) -> Result<Self, DependencyError> {
        text.parse()
    }
}

impl From<Dependency> for String {
    fn from(dependency: Dependency) -> Self {
        dependency.to_string()
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        if let Some(pin) = &self.pin {
            write!(f, "@{pin}")?;
        }
        match &self.constraint {
            Constraint::Any => Ok(()),
            Constraint::Compare(operator, version) => write!(f, "{}{version}", operator.as_str()),
            Constraint::Checksum(checksum) => write!(f, "><{checksum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        for text in
            ["musl", "so:libc.so.6", "!busybox", "a=1.2-r0", "a<2", "a>=1_rc1", "a~1.2", "/bin/sh", "a@testing", "a@edge>1", "a><Q1abc="]
        {
            assert_eq!(text.parse::<Dependency>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "!", "=1", "a b", "a=", "a=x", "a<=>1", "a\u{7}", "a@", "a@b@c", "a=1@b=2"] {
            assert!(text.parse::<Dependency>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_operators_as_apk_does() {
        for (text, printed) in [("a==1", "a=1"), ("a=<1", "a<=1"), ("a=~1", "a~1"), ("a~=1", "a~1"), ("a<>Q1x", "a><Q1x"), ("a~<1", "a<~1")]
        {
            assert_eq!(text.parse::<Dependency>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn tolerates_a_version_of_others() {
        assert!("cmd:x=6.8.0p2-r4".parse::<Dependency>().is_err());
        assert_eq!(Dependency::tolerate("cmd:x=6.8.0p2-r4").unwrap().to_string(), "cmd:x=6.8.0p2-r4");
        assert!(Dependency::tolerate("a b").is_err());
    }

    #[test]
    fn a_constraint_accepts_what_apk_accepts() {
        let cases = [
            ("a=1.2", "1.2", true),
            ("a=1.2", "1.2-r0", false),
            ("a~1.2", "1.2.9-r3", true),
            ("a~1.2", "1.20", false),
            ("a<2", "2_rc1", true),
            ("a>2", "2-r1", true),
            ("a>=2", "1.9", false),
            ("a", "0", true),
        ];
        for (dependency, version, accepted) in cases {
            let dependency: Dependency = dependency.parse().unwrap();
            assert_eq!(dependency.constraint.accepts(&version.parse().unwrap()), accepted, "{dependency} {version}");
        }
    }
}
