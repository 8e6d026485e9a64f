//! Manifests and indexes: read and checked, written, deleted (distribution-spec, "pulling manifests", "pushing manifests").

use base::Digest;
use ureq::http::{HeaderMap, Method, header};

use super::http::{Ask, Payload, read_all};
use super::{Document, Pointer, Remote, RemoteError};
use crate::blobs::MAX_JSON;
use crate::{Descriptor, media};

/// What a registry may answer with; OCI's forms before docker's.
const ACCEPT: [&str; 4] = [media::INDEX, media::MANIFEST, media::DOCKER_LIST, media::DOCKER_MANIFEST];

/// A manifest or an index, with the bytes that its digest is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes, as they were.
    pub bytes: Vec<u8>,
}

impl Remote<'_> {
    /// Reads a manifest or an index. Its bytes are those of its digest, whether that was asked for or named by the registry.
    pub fn manifest(&self, pointer: &Pointer) -> Result<Fetched, RemoteError> {
        let below = format!("manifests/{pointer}");
        let ask = Ask::new(Method::GET, self.url(&below)).header(header::ACCEPT, ACCEPT.join(", "));
        let mut number = 1;
        let (headers, bytes) = loop {
            let response = self.call(&ask, &self.pull())?;
            if response.status().as_u16() != 200 {
                return Err(self.refused(&Method::GET, &below, response));
            }
            let headers = response.headers().clone();
            match read_all(response, &ask.url, MAX_JSON) {
                Err(error) if error.is_transient() && number < self.client().web().attempts() => {
                    self.client().web().pause(number, std::time::Duration::ZERO);
                    number += 1;
                }
                other => break (headers, other?),
            }
        };
        let actual = Digest::of(&bytes);
        let expected = match pointer {
            Pointer::Digest(digest) => Some(*digest),
            Pointer::Tag(_) => named_digest(&headers),
        };
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            return Err(RemoteError::Changed { what: format!("the manifest {pointer} of {}", self.repository()), expected, actual });
        }
        let document = Document::parse(&bytes, &actual)?;
        let media_type = document.media_type(content_type(&headers).as_deref(), &actual)?;
        let mut descriptor = Descriptor::new(&media_type, actual, bytes.len() as u64);
        descriptor.artifact_type = document.artifact_type();
        Ok(Fetched { descriptor, bytes })
    }

    /// Asks what a tag or digest names, if it is there. What the registry says is not checked by this.
    pub fn head_manifest(&self, pointer: &Pointer) -> Result<Option<Digest>, RemoteError> {
        let below = format!("manifests/{pointer}");
        let ask = Ask::new(Method::HEAD, self.url(&below)).header(header::ACCEPT, ACCEPT.join(", "));
        let response = self.call(&ask, &self.pull())?;
        match (response.status().as_u16(), pointer) {
            (200, Pointer::Digest(digest)) => Ok(Some(*digest)),
            // Registries of before 1.1 need not say the digest.
            (200, Pointer::Tag(_)) => match named_digest(response.headers()) {
                Some(digest) => Ok(Some(digest)),
                None => self.manifest(pointer).map(|fetched| Some(fetched.descriptor.digest)),
            },
            (404, _) => Ok(None),
            _ => Err(self.refused(&Method::HEAD, &below, response)),
        }
    }

    /// Writes a manifest or an index under its digest or `tag`. What it names must be there already.
    ///
    /// Returns whether the registry itself keeps the manifest with its subject; where it does not, whoever has a subject adds it to
    /// the list that [`Remote::add_referrer`] keeps.
    pub fn put_manifest(&self, descriptor: &Descriptor, bytes: &[u8], tag: Option<&str>) -> Result<bool, RemoteError> {
        let below = format!("manifests/{}", tag.map_or_else(|| descriptor.digest.to_string(), str::to_owned));
        let ask = Ask::new(Method::PUT, self.url(&below))
            .header(header::CONTENT_TYPE, descriptor.media_type.clone())
            .payload(Payload::Bytes(bytes));
        let response = self.call(&ask, &self.push())?;
        if response.status().as_u16() != 201 {
            return Err(self.refused(&Method::PUT, &below, response));
        }
        if let Some(actual) = named_digest(response.headers()).filter(|actual| *actual != descriptor.digest) {
            let what = format!("the registry kept another manifest as {below}");
            return Err(RemoteError::Changed { what, expected: descriptor.digest, actual });
        }
        Ok(response.headers().contains_key("oci-subject"))
    }

    /// Deletes a manifest by its digest, or a tag. `false` if it was not there.
    pub fn delete_manifest(&self, pointer: &Pointer) -> Result<bool, RemoteError> {
        self.remove(&format!("manifests/{pointer}"))
    }

    pub(super) fn remove(&self, below: &str) -> Result<bool, RemoteError> {
        let response = self.call(&Ask::new(Method::DELETE, self.url(below)), &self.delete())?;
        match response.status().as_u16() {
            200 | 202 | 204 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&Method::DELETE, below, response)),
        }
    }
}

/// The digest that a registry says, if it is a sha256.
fn named_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// The media type without its parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_owned())
}
