//! Blobs: reading them, whole and in part, and deleting them.

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RANGE};
use http::{HeaderValue, Method, Response, StatusCode};
use std::time::SystemTime;

use crate::body::Body;
use crate::error::Refusal;
use crate::holdings::Kind;
use crate::registry::{Answer, Asked, Registry, empty, header};
use crate::store::Key;
use crate::{Digest, Name};

/// What a digest names never changes, so whoever has it need not ask again.
const FOREVER: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

impl Registry {
    /// `GET` and `HEAD` of a blob (distribution-spec, "Pulling blobs").
    pub(crate) async fn blob(&self, asked: &Asked<'_>, name: &Name, digest: &Digest) -> Answer {
        let unknown = || Refusal::BlobUnknown { name: name.clone(), digest: *digest };
        let is_head = *asked.method == Method::HEAD;
        // Who asks by HEAD wants to know whether a push may leave the blob out.
        let held = if is_head {
            self.store.holds_on(Kind::Blob, name, digest, SystemTime::now()).await?
        } else {
            self.store.holds(Kind::Blob, name, digest).await?
        };
        let key = Key::blob(digest);
        let meta = if held { self.store.stat(&key).await? } else { None };
        let size = meta.ok_or_else(unknown)?.size;
        let text = digest.to_string();
        let etag = header(format!("\"{text}\""));
        if asked.headers.get(IF_NONE_MATCH).is_some_and(|known| *known == etag) {
            return Ok(headed(empty(StatusCode::NOT_MODIFIED), &text, etag));
        }
        if !is_head && let Some(place) = self.store.elsewhere(&key).await? {
            let mut response = headed(empty(StatusCode::TEMPORARY_REDIRECT), &text, etag);
            response.headers_mut().insert(LOCATION, header(place));
            // The address is good for some minutes only.
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(response);
        }
        let range = match asked.headers.get(RANGE).and_then(|value| value.to_str().ok()).map(|value| Range::parse(value, size)) {
            None | Some(Range::Whole) => None,
            Some(Range::Part(first, last)) => Some((first, last)),
            Some(Range::Nothing) => {
                let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
                response.headers_mut().insert(CONTENT_RANGE, header(format!("bytes */{size}")));
                return Ok(response);
            }
        };
        let (first, length) = range.map_or((0, size), |(first, last)| (first, last - first + 1));
        let body = if is_head || length == 0 {
            Body::Empty
        } else {
            let content = self.store.read(&key, first, length).await?.ok_or_else(unknown)?;
            Body::content(content, &self.spare)
        };
        let mut response = Response::new(body);
        if let Some((first, last)) = range {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.headers_mut().insert(CONTENT_RANGE, header(format!("bytes {first}-{last}/{size}")));
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        Ok(headed(response, &text, etag))
    }

    /// `DELETE` of a blob: this repository holds it no longer.
    pub(crate) async fn delete_blob(&self, name: &Name, digest: &Digest) -> Answer {
        if self.store.delete(&Kind::Blob.link(digest, name)).await? {
            Ok(empty(StatusCode::ACCEPTED))
        } else {
            Err(Refusal::BlobUnknown { name: name.clone(), digest: *digest })
        }
    }
}

fn headed(mut response: Response<Body>, digest: &str, etag: HeaderValue) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert("docker-content-digest", header(digest));
    headers.insert(ETAG, etag);
    headers.insert(CACHE_CONTROL, FOREVER);
    response
}

/// Which bytes were asked for (RFC 9110, section 14).
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// All: nothing was asked for that is understood here. Several ranges at once are answered so, which is allowed.
    Whole,
    /// From the first to the last.
    Part(u64, u64),
    /// Bytes that are not there.
    Nothing,
}

impl Range {
    fn parse(text: &str, size: u64) -> Self {
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-')) else { return Self::Whole };
        if last.contains(',') {
            return Self::Whole;
        }
        let (first, last) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
            (Ok(first), Err(_)) if last.trim().is_empty() => (first, size.saturating_sub(1)),
            (Err(_), Ok(length)) if first.trim().is_empty() && length > 0 => (size.saturating_sub(length), size.saturating_sub(1)),
            _ => return Self::Nothing,
        };
        if first < size && first <= last { Self::Part(first, last) } else { Self::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        for (text, range) in [
            ("bytes=500-1499", Range::Part(500, 1499)),
            ("bytes=500-", Range::Part(500, 1999)),
            ("bytes=-500", Range::Part(1500, 1999)),
            ("bytes=-5000", Range::Part(0, 1999)),
            ("bytes=1900-5000", Range::Part(1900, 1999)),
            ("bytes=0-0", Range::Part(0, 0)),
            ("bytes=500-0", Range::Nothing),
            ("bytes=2000-", Range::Nothing),
            ("bytes=-0", Range::Nothing),
            ("bytes=-", Range::Nothing),
            ("bytes=a-b", Range::Nothing),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
        ] {
            assert_eq!(Range::parse(text, 2000), range, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Range::Nothing);
    }
}
