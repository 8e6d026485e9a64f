//! Identifiers of the elements of a document.

use std::fmt;

use base::Digest;
use serde::{Deserialize, Serialize};

/// The identifier of an element: `SPDXRef-` and letters, digits, `.` and `-` (clause 7.2).
///
/// What is read from a foreign document is taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Makes the identifier of the element `name` of some `kind` ("Package", "Source").
    ///
    /// Where a character of the name is not allowed, a short digest of the name is added, so that `a+b` and `a_b`
    /// stay two.
    #[must_use]
    pub fn new(kind: &str, name: &str) -> Self {
        let clean = clean(name);
        if clean == name { Self(format!("SPDXRef-{kind}-{clean}")) } else { Self(format!("SPDXRef-{kind}-{clean}-{}", short(name))) }
    }

    /// Returns the identifier of the document itself.
    #[must_use]
    pub fn document() -> Self {
        Self("SPDXRef-DOCUMENT".into())
    }

    /// Returns the same identifier made another one for `owner`.
    pub(super) fn of(&self, owner: &str) -> Self {
        Self(format!("{}-{}", self.0, short(owner)))
    }

    /// Whether a relationship may name it without the document holding it: another document's element, `NONE`, `NOASSERTION`.
    pub(super) fn is_outside(&self) -> bool {
        self.0.starts_with("DocumentRef-") || matches!(self.0.as_str(), "NONE" | "NOASSERTION")
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Replaces what identifiers can not hold by `-`.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' }).collect()
}

/// Eight hex digits that stand for a text.
pub(super) fn short(text: &str) -> String {
    Digest::of(text).hex()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_have_identifiers_that_differ() {
        assert_eq!(Id::new("Package", "zlib-1.3.1-r0").as_str(), "SPDXRef-Package-zlib-1.3.1-r0");
        let ids = ["a+b", "a_b", "a-b"].map(|name| Id::new("Package", name));
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        assert!(ids.iter().all(|id| clean(id.as_str()) == id.as_str()));
    }
}
