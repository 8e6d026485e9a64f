//! Where a repository tells its keys, and what it tells. What is fetched from where is the caller's business, and so is
//! whether keys found so are trusted: they come from whoever answers for the repository's address.
//!
//! Two ways are known. A repository of Alpine's shape (`…/alpine/v3.22/main`) has its keys in a list of releases that lies
//! elsewhere. Others answer at `<repository>/apk-configuration` with the address of a JSON web key set (RFC 7517), where
//! the key `kid` signs as `<kid>.rsa.pub`.

use std::collections::BTreeMap;

use attest::key::{KeyError, Named, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The most bytes that are parsed of an answer. Alpine's list of releases has 0.3 MB.
pub const MAX_ANSWER: usize = 8 << 20;

/// Why an answer gives no keys.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It is longer than is sane.
    #[error("the {what} has {bytes} bytes; {MAX_ANSWER} are the most")]
    Size {
        /// Which answer.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// It is not the JSON that is expected.
    #[error("the {what}")]
    Json {
        /// Which answer.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The list of releases does not have the branch.
    #[error("the list of releases has no branch `{branch}`; it has {}", known.join(", "))]
    Branch {
        /// The branch.
        branch: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The branch has no key for the architecture that still counts.
    #[error("the branch `{branch}` has no key for {arch} that still counts")]
    NoKey {
        /// The branch.
        branch: String,
        /// The architecture.
        arch: String,
    },
    /// The address of the keys is not on https.
    #[error("the keys are said to lie at `{uri}`, which is not on https")]
    Address {
        /// The address.
        uri: String,
    },
    /// A key is not sound.
    #[error("the key `{kid}`")]
    Key {
        /// Its name in the set.
        kid: String,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// A number of a key is not base64url.
    #[error("the key `{kid}` holds what is not base64url")]
    Base64 {
        /// Its name in the set.
        kid: String,
        /// Where it breaks.
        #[source]
        source: base64::DecodeError,
    },
}

fn parse<'j, T: Deserialize<'j>>(what: &'static str, json: &'j [u8]) -> Result<T, DiscoveryError> {
    if json.len() > MAX_ANSWER {
        return Err(DiscoveryError::Size { what, bytes: json.len() });
    }
    serde_json::from_slice(json).map_err(|source| DiscoveryError::Json { what, source })
}

/// Returns the branch (`v3.22`, `edge`) if `repository` is of Alpine's shape.
#[must_use]
pub fn alpine_branch(repository: &str) -> Option<&str> {
    let parts: Vec<_> = repository.trim_end_matches('/').rsplit('/').take(3).collect();
    let [_section, branch, "alpine"] = parts[..] else { return None };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let version = branch.strip_prefix('v').and_then(|version| version.split_once('.'));
    (branch == "edge" || version.is_some_and(|(major, minor)| is_number(major) && is_number(minor))).then_some(branch)
}

/// Returns where a repository answers that is not of Alpine's shape.
#[must_use]
pub fn configuration_address(repository: &str) -> String {
    format!("{}/apk-configuration", repository.trim_end_matches('/'))
}

#[derive(Deserialize)]
struct Releases {
    release_branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    rel_branch: String,
    #[serde(default)]
    keys: BTreeMap<String, Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    url: String,
    deprecated_since: Option<String>,
}

/// Reads Alpine's list of releases: the addresses of the keys of a branch that count on `today` (`2026-11-24`).
pub fn alpine_keys(json: &[u8], branch: &str, arch: &str, today: &str) -> Result<Vec<String>, DiscoveryError> {
    let releases: Releases = parse("list of releases", json)?;
    let Some(found) = releases.release_branches.iter().find(|one| one.rel_branch == branch) else {
        let known = releases.release_branches.into_iter().map(|one| one.rel_branch).collect();
        return Err(DiscoveryError::Branch { branch: branch.to_owned(), known });
    };
    // Dates of this form are in order as texts.
    let counts = |key: &&Listed| key.deprecated_since.as_deref().is_none_or(|since| since.is_empty() || since > today);
    // The addresses were published with a space in place of `@`.
    let address = |key: &Listed| key.url.replace("%20", "@");
    let keys: Vec<_> = found.keys.get(arch).into_iter().flatten().filter(counts).map(address).collect();
    if keys.is_empty() { Err(DiscoveryError::NoKey { branch: branch.to_owned(), arch: arch.to_owned() }) } else { Ok(keys) }
}

#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
}

/// Reads `apk-configuration`: where the key set lies.
pub fn key_set_address(json: &[u8]) -> Result<String, DiscoveryError> {
    let Configuration { jwks_uri: uri } = parse("apk-configuration", json)?;
    if uri.starts_with("https://") { Ok(uri) } else { Err(DiscoveryError::Address { uri }) }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<WebKey>,
}

#[derive(Deserialize)]
struct WebKey {
    #[serde(default)]
    kid: String,
    kty: String,
    n: Option<String>,
    e: Option<String>,
}

/// Reads a JSON web key set. Keys that are not RSA sign no packages and are passed over.
pub fn key_set(json: &[u8]) -> Result<Vec<Named<PublicKey>>, DiscoveryError> {
    let set: KeySet = parse("key set", json)?;
    let rsa = set.keys.into_iter().filter(|key| key.kty == "RSA");
    rsa.map(|WebKey { kid, n, e, .. }| {
        let decode = |text: Option<String>| {
            let text = text.unwrap_or_default();
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|source| DiscoveryError::Base64 { kid: kid.clone(), source })
        };
        let (modulus, exponent) = (decode(n)?, decode(e)?);
        let key = PublicKey::from_components(&modulus, &exponent);
        key.and_then(|key| Named::new(format!("{kid}.rsa.pub"), key)).map_err(|source| DiscoveryError::Key { kid, source })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use attest::key::PrivateKey;

    use super::*;

    const RELEASES: &[u8] = br#"{"release_branches": [{"rel_branch": "v3.22", "keys": {"x86_64": [
        {"url": "https://example.org/keys/devel%20lists-1.rsa.pub"},
        {"url": "https://example.org/keys/old.rsa.pub", "deprecated_since": "2020-01-01"},
        {"url": "https://example.org/keys/soon.rsa.pub", "deprecated_since": "2030-01-01"}]}},
        {"rel_branch": "edge"}]}"#;

    #[test]
    fn knows_a_repository_of_alpines_shape() {
        let cases = [
            ("https://example.org/alpine/v3.22/main", Some("v3.22")),
            ("https://example.org/alpine/edge/testing/", Some("edge")),
            ("https://example.org/os", None),
            ("https://example.org/alpine/3.22/main", None),
            ("https://example.org/alpine/v3/main", None),
            ("/srv/packages", None),
        ];
        for (repository, branch) in cases {
            assert_eq!(alpine_branch(repository), branch, "{repository}");
        }
        assert_eq!(configuration_address("https://example.org/os/"), "https://example.org/os/apk-configuration");
    }

    #[test]
    fn finds_the_keys_that_still_count() {
        let keys = alpine_keys(RELEASES, "v3.22", "x86_64", "2026-11-24").unwrap();
        assert_eq!(keys, ["https://example.org/keys/devel@lists-1.rsa.pub", "https://example.org/keys/soon.rsa.pub"]);
        let refused = |branch, arch| alpine_keys(RELEASES, branch, arch, "2026-11-24").unwrap_err().to_string();
        assert_eq!(refused("v3.1", "x86_64"), "the list of releases has no branch `v3.1`; it has v3.22, edge");
        assert_eq!(refused("edge", "x86_64"), "the branch `edge` has no key for x86_64 that still counts");
    }

    /// Takes modulus and exponent out of a key: the DER of a 2048-bit RSA key is of fixed shape.
    fn web_key(key: &PublicKey) -> (String, String) {
        let der = key.to_der();
        let modulus = &der[der.len() - 256 - 5..der.len() - 5];
        (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(&der[der.len() - 3..]))
    }

    #[test]
    fn reads_a_key_set() {
        let key = PrivateKey::generate(2048).unwrap();
        let (n, e) = web_key(&key.public().unwrap());
        let json = format!(
            r#"{{"keys": [{{"kid": "repo-1", "kty": "RSA", "use": "sig", "n": "{n}", "e": "{e}"}}, {{"kid": "x", "kty": "EC", "crv": "P-256"}}]}}"#
        );
        let keys = key_set(json.as_bytes()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!((keys[0].name(), keys[0].key()), ("repo-1.rsa.pub", &key.public().unwrap()));
        for (from, to, words) in [
            ("repo-1", "../x", "the key `../x`"),
            ("repo-1", "", "the key ``"),
            (n.as_str(), "!", "the key `repo-1` holds what is not base64url"),
            (n.as_str(), "AQAB", "the key `repo-1`"),
            ("\"keys\"", "\"kees\"", "the key set"),
        ] {
            let error = key_set(json.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert_eq!(error, words);
        }
    }

    #[test]
    fn keys_come_by_https_only() {
        assert_eq!(key_set_address(br#"{"jwks_uri": "https://example.org/jwks"}"#).unwrap(), "https://example.org/jwks");
        assert!(matches!(key_set_address(br#"{"jwks_uri": "http://example.org/jwks"}"#), Err(DiscoveryError::Address { .. })));
        assert!(matches!(key_set_address(&vec![b' '; MAX_ANSWER + 1]), Err(DiscoveryError::Size { .. })));
        assert!(matches!(key_set_address(b"<html>"), Err(DiscoveryError::Json { .. })));
    }
}
