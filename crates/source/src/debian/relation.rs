//! What one Debian package says of others: `a (>= 1) | b, c:any` (Debian Policy 7.1).

use std::fmt;

use super::{Version, VersionError};

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterEqual,
    /// `>>`
    Later,
}

/// One package that would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// Its name, without `:any` or `:native`.
    pub name: String,
    /// In which versions.
    pub version: Option<(Relation, Version)>,
}

/// Packages of which one is enough, the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause(pub Vec<Alternative>);

/// The text is no list of relations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// No package's name.
    #[error("`{0}` is no package of Debian's")]
    Name(String),
    /// The bound on the version is not understood.
    #[error("`{0}` is no relation, such as `libc6 (>= 2.38)`")]
    Bound(String),
    /// The version is none.
    #[error("in `{text}`")]
    Version {
        /// The alternative.
        text: String,
        /// What is wrong.
        #[source]
        source: VersionError,
    },
}

impl Relation {
    const ALL: [(&'static str, Self); 7] = [
        ("<<", Self::Earlier),
        ("<=", Self::EarlierEqual),
        (">=", Self::LaterEqual),
        (">>", Self::Later),
        ("=", Self::Equal),
        // Obsolete, and still `<=` and `>=` (Policy 7.1).
        ("<", Self::EarlierEqual),
        (">", Self::LaterEqual),
    ];

    fn accepts(self, version: &Version, bound: &Version) -> bool {
        match self {
            Self::Earlier => version < bound,
            Self::EarlierEqual => version <= bound,
            Self::Equal => version == bound,
            Self::LaterEqual => version >= bound,
            Self::Later => version > bound,
        }
    }
}

impl Alternative {
    /// Whether a package of that version would do.
    #[must_use]
    pub fn accepts(&self, version: &Version) -> bool {
        self.version.as_ref().is_none_or(|(relation, bound)| relation.accepts(version, bound))
    }

    fn parse(text: &str) -> Result<Self, RelationError> {
        let (name, bound) = match text.split_once('(') {
            Some((name, bound)) => {
                (name, Some(bound.trim_end().strip_suffix(')').ok_or_else(|| RelationError::Bound(text.into()))?.trim()))
            }
            None => (text, None),
        };
        let name = name.trim().split_once(':').map_or(name.trim(), |(name, _)| name);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.bytes().all(plain) {
            return Err(RelationError::Name(text.chars().take(100).collect()));
        }
        Ok(Self { name: name.to_owned(), version: bound.map(|bound| Self::parse_bound(text, bound)).transpose()? })
    }

    fn parse_bound(text: &str, bound: &str) -> Result<(Relation, Version), RelationError> {
        let found = Relation::ALL.into_iter().find_map(|(operator, relation)| Some((relation, bound.strip_prefix(operator)?)));
        let (relation, version) = found.ok_or_else(|| RelationError::Bound(text.to_owned()))?;
        let version = version.trim().parse().map_err(|source| RelationError::Version { text: text.to_owned(), source })?;
        Ok((relation, version))
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some((relation, version)) = &self.version else { return Ok(()) };
        let operator = Relation::ALL.iter().find(|(_, known)| known == relation).map_or("", |(text, _)| text);
        write!(f, " ({operator} {version})")
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, one)| write!(f, "{}{one}", if at > 0 { " | " } else { "" }))
    }
}

impl Clause {
    /// Parses a whole field, such as `Depends`.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, RelationError> {
        let clauses = text.split(',').map(str::trim).filter(|clause| !clause.is_empty());
        clauses.map(|clause| clause.split('|').map(|one| Alternative::parse(one.trim())).collect::<Result<_, _>>().map(Self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_field_of_depends() {
        let clauses = Clause::parse_list("libc6 (>= 2.38), mawk | awk,\n perl:any (<< 5.42~), x (= 1:2-3)").unwrap();
        let names: Vec<Vec<_>> = clauses.iter().map(|clause| clause.0.iter().map(|one| one.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["libc6"], vec!["mawk", "awk"], vec!["perl"], vec!["x"]]);
        let accepts = |clause: usize, version: &str| clauses[clause].0[0].accepts(&version.parse().unwrap());
        assert!(accepts(0, "2.41") && !accepts(0, "2.36") && accepts(1, "1") && accepts(2, "5.40") && !accepts(2, "5.42"));
        assert!(accepts(3, "1:2-3") && !accepts(3, "2-3"));
        let printed: Vec<_> = clauses.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["libc6 (>= 2.38)", "mawk | awk", "perl (<< 5.42~)", "x (= 1:2-3)"]);
        assert!(Clause::parse_list("").unwrap().is_empty());
    }

    #[test]
    fn refuses_what_is_no_relation() {
        for text in ["a b", "a (1)", "a (>= 1", "a (>= )", "|", "a | ", "$x", "a (~ 1)"] {
            assert!(Clause::parse_list(text).is_err(), "{text}");
        }
    }
}
