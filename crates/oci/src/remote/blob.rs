//! Blobs that are read: streamed and hashed, gone on with where they broke off (distribution-spec, "pulling blobs").

use std::io::{self, Read, Write as _};
use std::time::Duration;

use base::Hashing;
use ureq::BodyReader;
use ureq::http::{Method, header};

use super::http::{Ask, from_io};
use super::{Remote, RemoteError};
use crate::Descriptor;

impl Remote<'_> {
    /// Asks whether a blob is there.
    pub fn has_blob(&self, blob: &Descriptor) -> Result<bool, RemoteError> {
        let below = format!("blobs/{}", blob.digest);
        let response = self.call(&Ask::new(Method::HEAD, self.url(&below)), &self.pull())?;
        match response.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&Method::HEAD, &below, response)),
        }
    }

    /// Opens a blob. Its last byte is followed by the end only if all are those of its digest, otherwise by an error; so is a byte
    /// more than it has. A connection that is lost is made again, and the blob gone on with.
    pub fn blob(&self, blob: &Descriptor) -> BlobReader<'_> {
        BlobReader { remote: self.clone(), blob: blob.clone(), hashed: Some(Hashing::new(io::sink())), at: 0, body: None, attempts: 0 }
    }

    /// Deletes a blob. `false` if it was not there.
    pub fn delete_blob(&self, blob: &Descriptor) -> Result<bool, RemoteError> {
        self.remove(&format!("blobs/{}", blob.digest))
    }
}

/// Reads a blob of a registry.
pub struct BlobReader<'a> {
    remote: Remote<'a>,
    blob: Descriptor,
    /// `None` once the end was reached and found right.
    hashed: Option<Hashing<io::Sink>>,
    at: u64,
    body: Option<BodyReader<'static>>,
    attempts: u32,
}

impl std::fmt::Debug for BlobReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobReader").field("blob", &self.blob.digest).field("at", &self.at).finish_non_exhaustive()
    }
}

impl BlobReader<'_> {
    fn what(&self) -> String {
        format!("the blob {} of {}", self.blob.digest, self.remote.repository())
    }

    /// Asks for the blob from where it was left.
    fn connect(&mut self) -> Result<BodyReader<'static>, RemoteError> {
        let below = format!("blobs/{}", self.blob.digest);
        let mut ask = Ask::new(Method::GET, self.remote.url(&below));
        if self.at > 0 {
            ask = ask.header(header::RANGE, format!("bytes={}-", self.at));
        }
        let response = self.remote.call(&ask, &self.remote.pull())?;
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(range_start);
        let skip = match response.status().as_u16() {
            200 => self.at,
            206 if self.at > 0 && range == Some(self.at) => 0,
            206 => return Err(RemoteError::Protocol { url: ask.url.to_string(), why: "it is another part than was asked for" }),
            _ => return Err(self.remote.refused(&Method::GET, &below, response)),
        };
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        // A registry that knows no ranges sends all of it; what was had already is not looked at again.
        let skipped = io::copy(&mut (&mut body).take(skip), &mut io::sink()).unwrap_or(0);
        if skipped < skip {
            return Err(RemoteError::Truncated { what: self.what(), got: skipped, total: self.blob.size });
        }
        Ok(body)
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        loop {
            if self.hashed.is_none() {
                return Ok(0);
            }
            let error = match self.attempt(buffer) {
                Ok(Some(n)) => return Ok(n),
                Ok(None) if self.at == self.blob.size => return self.end().map(|()| 0),
                Ok(None) => RemoteError::Truncated { what: self.what(), got: self.at, total: self.blob.size },
                Err(error) => error,
            };
            self.body = None;
            self.attempts += 1;
            if !error.is_transient() || self.attempts >= self.remote.client().web().attempts() {
                return Err(error);
            }
            self.remote.client().web().pause(self.attempts, Duration::ZERO);
        }
    }

    /// Reads what comes next; `None` is the end of what was sent.
    fn attempt(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, RemoteError> {
        if self.at == self.blob.size && self.blob.size == 0 {
            return Ok(None);
        }
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.connect()?,
        };
        let n = body.read(buffer).map_err(|error| self.lost(error))?;
        if n == 0 {
            return Ok(None);
        }
        self.at += n as u64;
        if self.at > self.blob.size {
            return Err(RemoteError::Large { what: self.what(), most: self.blob.size });
        }
        if let Some(hashed) = &mut self.hashed {
            hashed.write_all(&buffer[..n]).map_err(|source| RemoteError::Io { doing: "hashing a blob", source })?;
        }
        self.body = Some(body);
        Ok(Some(n))
    }

    fn lost(&self, error: io::Error) -> RemoteError {
        match from_io(error) {
            Ok(own) => own,
            Err(error) => {
                let url = super::error::shown(&self.remote.url(&format!("blobs/{}", self.blob.digest)));
                RemoteError::Http { method: "GET".into(), url, attempts: self.attempts + 1, source: Box::new(error.into()) }
            }
        }
    }

    fn end(&mut self) -> Result<(), RemoteError> {
        let Some(hashed) = self.hashed.take() else { return Ok(()) };
        let (_, actual, _) = hashed.finish();
        if actual == self.blob.digest {
            return Ok(());
        }
        Err(RemoteError::Changed { what: self.what(), expected: self.blob.digest, actual })
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(io::Error::other)
    }
}

/// The first byte's place, from `bytes 5-9/10` (RFC 9110, 14.4).
fn range_start(text: &str) -> Option<u64> {
    text.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
