//! What a path asks for. Names of repositories contain slashes, so paths are read from their end.

use std::borrow::Cow;

use crate::{Digest, DigestError, Name, NameError, Reference, name::ReferenceError};

/// What a path asks for (distribution-spec, "Endpoints").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`: whether a registry is here.
    Ping,
    /// `/v2/_catalog`: the repositories, as Docker's registry lists them.
    Catalog,
    /// `/v2/<name>/blobs/<digest>`
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`: where uploads begin.
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`: one upload.
    Upload(Name, UploadId),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Name, Reference),
    /// `/v2/<name>/tags/list`
    Tags(Name),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Name, Digest),
    /// `/livez`: the process runs.
    Live,
    /// `/readyz`: the store answers, and the process is not about to end.
    Ready,
    /// `/metrics`: numbers for Prometheus.
    Metrics,
}

/// The name of an upload: 32 hex digits of randomness, so nobody finds another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(String);

/// A path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is nothing of that form.
    #[error("there is nothing at this path")]
    Nothing,
    /// The repository's name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The reference is neither tag nor digest.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The upload's name is none that was given out here.
    #[error("this names no upload")]
    Upload,
}

impl UploadId {
    /// Makes the name out of randomness.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a name that was given out here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let form = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        form.then(|| Self(text.to_owned()))
    }
}

impl Route {
    /// Parses the path of a request.
    pub fn parse(path: &str) -> Result<Self, RouteError> {
        match path {
            "/v2/" | "/v2" => return Ok(Self::Ping),
            "/v2/_catalog" => return Ok(Self::Catalog),
            "/livez" => return Ok(Self::Live),
            "/readyz" => return Ok(Self::Ready),
            "/metrics" => return Ok(Self::Metrics),
            _ => {}
        }
        let path = unescaped(path)?;
        let rest = path.strip_prefix("/v2/").ok_or(RouteError::Nothing)?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads")) {
            return Ok(Self::Uploads(name.parse()?));
        }
        let (rest, last) = rest.rsplit_once('/').ok_or(RouteError::Nothing)?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(name.parse()?, UploadId::parse(last).ok_or(RouteError::Upload)?));
        }
        let (name, kind) = rest.rsplit_once('/').ok_or(RouteError::Nothing)?;
        match (kind, last) {
            ("blobs", digest) => Ok(Self::Blob(name.parse()?, digest.parse()?)),
            ("manifests", reference) => Ok(Self::Manifest(name.parse()?, Reference::parse(reference)?)),
            ("tags", "list") => Ok(Self::Tags(name.parse()?)),
            ("referrers", digest) => Ok(Self::Referrers(name.parse()?, digest.parse()?)),
            _ => Err(RouteError::Nothing),
        }
    }

    /// The repository that it is about.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Manifest(name, _)
            | Self::Tags(name)
            | Self::Referrers(name, _) => Some(name),
            Self::Ping | Self::Catalog | Self::Live | Self::Ready | Self::Metrics => None,
        }
    }

    /// What requests of this kind are counted under.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Catalog => "catalog",
            Self::Blob(..) => "blob",
            Self::Uploads(_) | Self::Upload(..) => "upload",
            Self::Manifest(..) => "manifest",
            Self::Tags(_) => "tags",
            Self::Referrers(..) => "referrers",
            Self::Live | Self::Ready | Self::Metrics => "health",
        }
    }
}

/// Some clients escape the colon of a digest. An escaped slash is refused: it would change what is a part.
fn unescaped(path: &str) -> Result<Cow<'_, str>, RouteError> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) if high * 16 + low != u32::from(b'/') => bytes.push((high * 16 + low) as u8),
            _ => return Err(RouteError::Nothing),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| RouteError::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Tag};

    #[test]
    fn every_endpoint_of_the_specification_is_read() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let name = |text: &str| text.parse::<Name>().unwrap();
        let tag = |text: &str| Reference::Tag(text.parse::<Tag>().unwrap());
        let id = "0123456789abcdef0123456789abcdef";
        let table = [
            ("/v2/".to_owned(), Route::Ping),
            ("/v2".to_owned(), Route::Ping),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            (format!("/v2/a/b/blobs/{digest}"), Route::Blob(name("a/b"), digest)),
            (format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3A")), Route::Blob(name("a"), digest)),
            ("/v2/a/b/blobs/uploads/".to_owned(), Route::Uploads(name("a/b"))),
            ("/v2/a/blobs/uploads".to_owned(), Route::Uploads(name("a"))),
            (format!("/v2/a/blobs/uploads/{id}"), Route::Upload(name("a"), UploadId(id.into()))),
            ("/v2/a/b/c/manifests/latest".to_owned(), Route::Manifest(name("a/b/c"), tag("latest"))),
            (format!("/v2/a/manifests/{digest}"), Route::Manifest(name("a"), Reference::Digest(digest))),
            ("/v2/a/tags/list".to_owned(), Route::Tags(name("a"))),
            (format!("/v2/a/referrers/{digest}"), Route::Referrers(name("a"), digest)),
            ("/v2/tags/tags/list".to_owned(), Route::Tags(name("tags"))),
            ("/v2/a/blobs/uploads/manifests/x".to_owned(), Route::Manifest(name("a/blobs/uploads"), tag("x"))),
            ("/livez".to_owned(), Route::Live),
        ];
        for (path, route) in table {
            assert_eq!(Route::parse(&path), Ok(route), "{path}");
        }
    }

    #[test]
    fn refuses_what_leads_nowhere_or_elsewhere() {
        let table = [
            "/",
            "/v1/a/tags/list",
            "/v2/a",
            "/v2/a/tags",
            "/v2/tags/list",
            "/v2/a/tags/list/",
            "/v2/a/blobs/sha256:baddigeststring",
            "/v2/a/manifests/sha256:baddigeststring",
            "/v2/a/manifests/.hidden",
            "/v2/../a/tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a%2f..%2fb/tags/list",
            "/v2/a%2/tags/list",
            "/v2/a%00/tags/list",
            "/v2/%ff/tags/list",
            "/v2/A/tags/list",
            "/v2/_tags/tags/list",
            "/v2/a/blobs/uploads/../../b",
            "/v2/a/blobs/uploads/0123",
            "/v2//tags/list",
        ];
        for path in table {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }
}
