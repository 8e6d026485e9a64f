//! How it is known that a source is what upstream released: what provenance may say of it, and no more.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fetch::Request;

/// How a source's origin is known. The hash is pinned in every case; this is about whose bytes they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "known-by")]
pub enum Identity {
    /// Nobody but the distributor says so: the definition names only that distributor's archive.
    Distributor {
        /// Who distributes it.
        name: String,
    },
    /// The definition names an address outside any distributor's archive. Whether it is upstream's is the definition's claim.
    Address {
        /// The first such address.
        uri: String,
    },
    /// Somebody published the same hash for it.
    PublishedHash {
        /// Who.
        by: String,
        /// Where that can be read.
        reference: String,
    },
    /// A detached signature over the bytes was checked and is good.
    Signature {
        /// The fingerprint of the key.
        key: String,
        /// Whose key it is.
        by: String,
    },
}

impl Identity {
    /// Returns what can be said from the definition alone.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let elsewhere = request.uris.iter().find(|uri| uri.starts_with("https:") || uri.starts_with("http:"));
        match elsewhere {
            Some(uri) => Self::Address { uri: uri.clone() },
            None if request.uris.iter().any(|uri| uri.starts_with("debian:")) => Self::Distributor { name: "Debian".into() },
            None => Self::Distributor { name: "this definition".into() },
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distributor { name } => write!(f, "as distributed by {name}"),
            Self::Address { uri } => write!(f, "as the definition says, from {uri}"),
            Self::PublishedHash { by, reference } => write!(f, "the hash that {by} published ({reference})"),
            Self::Signature { key, by } => write!(f, "signed by {by} ({key})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_no_more_than_the_definition_shows() {
        let identity = |uris: &[&str]| {
            let uris = uris.iter().map(|&uri| uri.to_owned()).collect();
            let expected = base::Digest::of(b"").into();
            Identity::of(&Request { name: "x".into(), uris, expected, size: None, relock: None }).to_string()
        };
        assert_eq!(identity(&["debian:pool/x"]), "as distributed by Debian");
        assert_eq!(identity(&["debian:pool/x", "https://up.example/x"]), "as the definition says, from https://up.example/x");
        assert_eq!(identity(&["file:///x"]), "as distributed by this definition");
    }
}
