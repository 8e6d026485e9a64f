//! Blobs that are written: mounted from another repository, in one piece, or in chunks that go on where they broke off
//! (distribution-spec, "pushing blobs").

use std::io::{self, Read as _};
use std::time::Duration;

use ureq::Body;
use ureq::http::{Method, Response, header};
use url::Url;

use super::http::{Ask, Open, Payload};
use super::token::Scope;
use super::{Remote, RemoteError, Repository};
use crate::Descriptor;

/// From so many chunks on a blob is written in chunks: what was sent when a connection breaks is worth keeping then.
const CHUNKED_FROM: u64 = 8;
/// The largest chunk that a registry may ask for as its least (`OCI-Chunk-Min-Length`).
const MAX_CHUNK: u64 = 128 << 20;

impl Remote<'_> {
    /// Writes a blob, whose bytes `open` gives anew for every attempt. The registry checks them against the digest.
    pub fn put_blob(&self, blob: &Descriptor, open: Open<'_>) -> Result<(), RemoteError> {
        self.write(blob, "blobs/uploads/", &self.push(), open)
    }

    /// Has the registry take a blob from another of its repositories, or writes it where the registry does not.
    pub fn mount_blob(&self, blob: &Descriptor, from: &Repository, open: Open<'_>) -> Result<(), RemoteError> {
        let below = format!("blobs/uploads/?mount={}&from={}", blob.digest, from.path());
        let mut scope = self.push();
        scope.parts.extend(Scope::new(from.path(), "pull", "").parts);
        self.write(blob, &below, &scope, open)
    }

    /// An upload that was lost is begun anew: of its address nothing is known then.
    fn write(&self, blob: &Descriptor, below: &str, scope: &Scope, open: Open<'_>) -> Result<(), RemoteError> {
        for number in 1.. {
            let begun = self.begin(below, scope)?;
            if begun.status().as_u16() == 201 {
                return Ok(());
            }
            match self.fill(blob, &begun, open) {
                Err(error) if error.is_transient() && number < self.client().web().attempts() => {
                    self.client().web().pause(number, Duration::ZERO);
                }
                other => return other,
            }
        }
        unreachable!("the loop ends with the last attempt")
    }

    fn begin(&self, below: &str, scope: &Scope) -> Result<Response<Body>, RemoteError> {
        let response = self.call(&Ask::new(Method::POST, self.url(below)).payload(Payload::Bytes(&[])), scope)?;
        match response.status().as_u16() {
            201 if below.contains("mount=") => Ok(response),
            202 => Ok(response),
            _ => Err(self.refused(&Method::POST, "blobs/uploads/", response)),
        }
    }

    fn fill(&self, blob: &Descriptor, begun: &Response<Body>, open: Open<'_>) -> Result<(), RemoteError> {
        let at = self.location(&self.url("blobs/uploads/"), begun)?;
        let chunk = self.client().chunk();
        if blob.size < chunk.saturating_mul(CHUNKED_FROM) {
            return self.finish(blob, at, Payload::Stream(blob.size, open));
        }
        let least = begun.headers().get("oci-chunk-min-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        let at = self.chunks(blob, at, chunk.max(least).min(MAX_CHUNK), open)?;
        self.finish(blob, at, Payload::Bytes(&[]))
    }

    /// Ends an upload: with all of the blob, or with nothing more.
    fn finish(&self, blob: &Descriptor, mut at: Url, payload: Payload<'_>) -> Result<(), RemoteError> {
        at.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let ask = Ask::new(Method::PUT, at).header(header::CONTENT_TYPE, OCTETS).payload(payload);
        let response = self.call_once(&ask, &self.push())?;
        match response.status().as_u16() {
            201 | 204 => Ok(()),
            _ => Err(self.refused(&Method::PUT, &format!("blobs/{}", blob.digest), response)),
        }
    }

    /// Sends a blob in chunks. One that is lost is sent again from where the registry says that it is.
    fn chunks(&self, blob: &Descriptor, mut at: Url, size: u64, open: Open<'_>) -> Result<Url, RemoteError> {
        let reading = |source| RemoteError::Io { doing: "reading a blob to send it", source };
        let mut reader = open()?;
        let (mut sent, mut setbacks) = (0, 0);
        let mut chunk = Vec::new();
        while sent < blob.size {
            chunk.clear();
            (&mut reader).take(size).read_to_end(&mut chunk).map_err(reading)?;
            if chunk.is_empty() {
                return Err(RemoteError::Truncated { what: format!("the blob {}", blob.digest), got: sent, total: blob.size });
            }
            let end = sent + chunk.len() as u64;
            match self.chunk(&at, sent, &chunk) {
                Ok(next) => (at, sent) = (next, end),
                Err(error) if error.is_transient() && setbacks + 1 < self.client().web().attempts() => {
                    setbacks += 1;
                    self.client().web().pause(setbacks, Duration::ZERO);
                    (at, sent) = self.progress(&at)?;
                    reader = open()?;
                    io::copy(&mut (&mut reader).take(sent), &mut io::sink()).map_err(reading)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(at)
    }

    /// Sends one chunk, once: whether it arrived has to be asked where the answer is lost.
    fn chunk(&self, at: &Url, from: u64, bytes: &[u8]) -> Result<Url, RemoteError> {
        let range = format!("{from}-{}", from + bytes.len() as u64 - 1);
        let ask = Ask::new(Method::PATCH, at.clone())
            .header(header::CONTENT_TYPE, OCTETS)
            .header(header::CONTENT_RANGE, range)
            .payload(Payload::Bytes(bytes));
        let response = self.call_once(&ask, &self.push())?;
        match response.status().as_u16() {
            202 => self.location(at, &response),
            _ => Err(self.refused(&Method::PATCH, "blobs/uploads/", response)),
        }
    }

    /// Asks where an upload is.
    fn progress(&self, at: &Url) -> Result<(Url, u64), RemoteError> {
        let response = self.call(&Ask::new(Method::GET, at.clone()), &self.push())?;
        if response.status().as_u16() != 204 {
            return Err(self.refused(&Method::GET, "blobs/uploads/", response));
        }
        let range = response.headers().get(header::RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let last: Option<u64> = range.rsplit('-').next().and_then(|text| text.parse().ok());
        let next = if response.headers().contains_key(header::LOCATION) { self.location(at, &response)? } else { at.clone() };
        // Of an upload without a byte, registries say `0-0`, as of one with a byte: it is sent again.
        Ok((next, last.map_or(0, |last| if last == 0 { 0 } else { last + 1 })))
    }
}

/// The media type of bytes of which nothing is said.
const OCTETS: &str = "application/octet-stream";
