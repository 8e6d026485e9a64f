//! Names in registries: `host/path`, with a tag, a digest, or both; short names mean what docker means by them.

use std::fmt;
use std::str::FromStr;

use base::Digest;
use serde::{Serialize, Serializer};

/// The registry that is meant where none is named.
const DOCKER: &str = "docker.io";
/// The longest name with its host: more is refused by docker's clients and by registries (distribution's `NameTotalLengthMax`).
const MAX_NAME: usize = 255;
/// The longest tag (distribution-spec, "pulling manifests").
const MAX_TAG: usize = 128;

/// A place in a registry: `registry.example.org:5000/team/app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    host: String,
    path: String,
}

/// An image in a registry: a repository, and a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Where it is.
    pub repository: Repository,
    /// What it is called there.
    pub tag: Option<String>,
    /// What it must be.
    pub digest: Option<Digest>,
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pointer {
    /// By a name that can move.
    Tag(String),
    /// By what it is.
    Digest(Digest),
}

/// The text names no image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name in a registry: {why}")]
pub struct ReferenceError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: Wrong,
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Nothing where a name should be.
    #[error("the name is empty")]
    Empty,
    /// Not a host and port.
    #[error("`{0}` is no host")]
    Host(String),
    /// Not a path of small letters and digits.
    #[error("`{0}` holds something other than small letters, digits and single separators between them")]
    Path(String),
    /// Not a tag.
    #[error("`{0}` is no tag: at most {MAX_TAG} letters, digits and `_.-`, the first a letter, digit or `_`")]
    Tag(String),
    /// Not a sha256.
    #[error("`{0}` is no sha256 digest")]
    Digest(String),
    /// Too long.
    #[error("the name is longer than {MAX_NAME} characters")]
    Long,
    /// 64 hex digits, which engines take for an image's id.
    #[error("64 hex digits name an image in an engine, not in a registry")]
    Identifier,
    /// A tag or digest where a repository alone is meant.
    #[error("a repository is meant here, without tag and digest")]
    Pointed,
}

impl Repository {
    /// Returns the host, with its port if that is not the usual one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the path: `library/nginx`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Names another repository of the same registry.
    pub fn sibling(&self, path: &str) -> Result<Self, ReferenceError> {
        format!("{}/{path}", self.host).parse()
    }
}

impl Reference {
    /// Whether `text` can only be meant as a name in a registry: it says `docker://`, or begins with a host.
    ///
    /// `nginx` and `team/app` may be paths or names of definitions; `localhost/app` and `example.org/app` are not.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        let Some((first, rest)) = text.split_once('/') else { return false };
        text.starts_with(SCHEME) || (is_host_like(first) && !first.starts_with('.') && !rest.is_empty())
    }

    /// Returns what the manifest is asked for by: the digest before the tag, `latest` where neither is said.
    #[must_use]
    pub fn pointer(&self) -> Pointer {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Pointer::Digest(*digest),
            (None, Some(tag)) => Pointer::Tag(tag.clone()),
            (None, None) => Pointer::Tag("latest".to_owned()),
        }
    }

    /// Returns the tag under which an image that is pushed here is found: `None` where a digest alone is named.
    #[must_use]
    pub fn push_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }
}

/// How skopeo and podman say that a registry is meant.
const SCHEME: &str = "docker://";

/// Whether the first part of a name is a host, by docker's rule; but for one of capital letters alone, which docker takes for a host
/// too and a person has mistyped.
fn is_host_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|why| ReferenceError { text: text.to_owned(), why })
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let whole: Reference = text.parse()?;
        if whole.tag.is_some() || whole.digest.is_some() {
            return Err(ReferenceError { text: text.to_owned(), why: Wrong::Pointed });
        }
        Ok(whole.repository)
    }
}

impl FromStr for Pointer {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        if text.contains(':') { digest(text).map(Self::Digest) } else { tag(text).map(Self::Tag) }
    }
}

fn parse(text: &str) -> Result<Reference, Wrong> {
    let text = text.strip_prefix(SCHEME).unwrap_or(text);
    let (text, digest) = match text.split_once('@') {
        Some((name, text)) => (name, Some(digest(text)?)),
        None => (text, None),
    };
    // A colon before the last slash belongs to the host.
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, text)) if !text.contains('/') => (name, Some(tag(text)?)),
        _ => (text, None),
    };
    if name.is_empty() {
        return Err(Wrong::Empty);
    }
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host_like(first) => (host(first)?, rest.to_owned()),
        _ if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) => return Err(Wrong::Identifier),
        _ => (DOCKER.to_owned(), name.to_owned()),
    };
    let host = if host == "index.docker.io" { DOCKER.to_owned() } else { host };
    let path = if host == DOCKER && !path.contains('/') { format!("library/{path}") } else { path };
    if !is_path(&path) {
        return Err(Wrong::Path(path));
    }
    if host.len() + 1 + path.len() > MAX_NAME {
        return Err(Wrong::Long);
    }
    Ok(Reference { repository: Repository { host, path }, tag, digest })
}

fn digest(text: &str) -> Result<Digest, Wrong> {
    text.parse().map_err(|_| Wrong::Digest(text.to_owned()))
}

fn tag(text: &str) -> Result<String, Wrong> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let right = text.bytes().next().is_some_and(word) && text.bytes().all(|b| word(b) || b == b'.' || b == b'-') && text.len() <= MAX_TAG;
    if right { Ok(text.to_owned()) } else { Err(Wrong::Tag(text.to_owned())) }
}

/// Host names, IPv4 and bracketed IPv6 addresses, with a port or without.
fn host(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::Host(text.to_owned());
    let (name, rest) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (None, rest)
        }
        None => {
            let at = text.find(':').unwrap_or(text.len());
            (Some(&text[..at]), &text[at..])
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let named = name.is_none_or(|name| name.split('.').all(label));
    let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if named && port { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

/// Parts of small letters and digits, with `.`, `_`, `__` or any number of `-` between them (distribution-spec, "pulling manifests").
fn is_path(path: &str) -> bool {
    path.split('/').all(|part| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let mut separators = part.split(word);
        let inner = separators.all(|one| matches!(one, "." | "_" | "__") || one.bytes().all(|b| b == b'-'));
        inner && part.starts_with(word) && part.ends_with(word)
    })
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_mean_what_docker_means_by_them() {
        let cases = [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("team/app", "docker.io/team/app"),
            ("docker://nginx", "docker.io/library/nginx"),
            ("index.docker.io/nginx", "docker.io/library/nginx"),
            ("docker.io/nginx", "docker.io/library/nginx"),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("127.0.0.1:5000/a/b/c:x_Y.z-1", "127.0.0.1:5000/a/b/c:x_Y.z-1"),
            ("[::1]:5000/app", "[::1]:5000/app"),
            ("EXAMPLE.org/app", "example.org/app"),
            ("example.org/a__b/c--d/e.f", "example.org/a__b/c--d/e.f"),
            ("app:5000/x", "app:5000/x"),
        ];
        for (text, meant) in cases {
            let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(reference.to_string(), meant, "{text}");
            assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference, "{text}");
        }
        let both: Reference = format!("example.org/app:1@{D}").parse().unwrap();
        assert_eq!(both.to_string(), format!("example.org/app:1@{D}"));
        assert_eq!(both.pointer().to_string(), D);
        assert_eq!(both.push_tag(), Some("1"));
        assert_eq!("nginx".parse::<Reference>().unwrap().pointer(), Pointer::Tag("latest".into()));
    }

    #[test]
    fn refuses_what_is_no_name() {
        let long = "a/".repeat(130);
        let cases = [
            "",
            ":x",
            "nginx:",
            "nginx:-x",
            "nginx@",
            "nginx@sha256:00",
            "nginx@sha512:00",
            "NGINX",
            "Team/app",
            "a//b",
            "/a",
            "a/",
            "a/../b",
            "a/./b",
            ".a/b",
            "a-/b",
            "a/-b",
            "a___b",
            "a..b",
            "example.org:0/a",
            "example.org:70000/a",
            "exa_mple.org/a",
            "-a.org/b",
            "[::1/a",
            "[zz]/a",
            "a b",
            "a/b%2f",
            "example.org/é",
            "docker://",
            "example.org/",
            "a:1:2",
            "user@example.org/a",
            "a?b",
            "a#b",
            "a/b\n",
            D.strip_prefix("sha256:").unwrap(),
            &long,
        ];
        for text in cases {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was taken");
        }
        assert!("a".repeat(129).parse::<Pointer>().is_err());
        assert!("nginx:1".parse::<Repository>().is_err());
    }

    #[test]
    fn only_a_host_or_a_scheme_makes_a_path_a_reference() {
        for (text, meant) in [
            ("nginx", false),
            ("team/app", false),
            ("./out", false),
            ("../out", false),
            ("/out", false),
            (".hidden/x", false),
            ("docker://nginx", true),
            ("localhost/app", true),
            ("127.0.0.1:5000/app", true),
            ("example.org/app:1", true),
        ] {
            assert_eq!(Reference::is_meant(text), meant, "{text}");
        }
    }
}
