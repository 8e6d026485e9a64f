//! The tags of a repository, page by page (distribution-spec, "listing tags").

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Method, Response, header};
use url::Url;

use super::http::{Ask, read_all};
use super::{Remote, RemoteError};

/// How many tags are asked for at once.
const PAGE: usize = 1000;
/// The longest page: a thousand of the longest tags have 128 KiB, and some registries send all there are.
pub(super) const MAX_PAGE: u64 = 32 << 20;
/// The most tags: a repository that gets one with every commit has some hundred thousand.
const MAX_TAGS: usize = 1_000_000;

impl Remote<'_> {
    /// Returns every tag, in order.
    pub fn tags(&self) -> Result<Vec<String>, RemoteError> {
        #[derive(Deserialize)]
        struct Page {
            // docker-registry writes null where there is none.
            tags: Option<Vec<String>>,
        }
        let mut url = self.url(&format!("tags/list?n={PAGE}"));
        let mut tags: Vec<String> = Vec::new();
        loop {
            let response = self.call(&Ask::new(Method::GET, url.clone()), &self.pull())?;
            if response.status().as_u16() != 200 {
                return Err(self.refused(&Method::GET, "tags/list", response));
            }
            let next = next_page(&url, &response)?;
            let bytes = read_all(response, &url, MAX_PAGE)?;
            let what = || format!("the tags of {}", self.repository());
            let page: Page = serde_json::from_slice(&bytes).map_err(|source| RemoteError::Json { what: what(), source })?;
            let page = page.tags.unwrap_or_default();
            let empty = page.is_empty();
            tags.extend(page);
            if tags.len() > MAX_TAGS {
                return Err(RemoteError::Many { what: self.repository().to_string(), of: "tags", most: MAX_TAGS });
            }
            match next {
                Some(next) if !empty => url = next,
                _ => break,
            }
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }
}

/// Where the next page is, from `Link: <…>; rel="next"` (RFC 8288). It must be of the same registry.
pub(super) fn next_page(from: &Url, response: &Response<Body>) -> Result<Option<Url>, RemoteError> {
    let Some(link) = response.headers().get(header::LINK).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let next = link.split(',').find(|one| one.contains("rel=\"next\"") || one.contains("rel=next"));
    let Some(target) = next.and_then(|one| Some(one.split_once('<')?.1.split_once('>')?.0)) else { return Ok(None) };
    match from.join(target) {
        Ok(url) if url.origin() == from.origin() && url != *from => Ok(Some(url)),
        _ => Err(RemoteError::Protocol { url: super::error::shown(from), why: "its next page is not one of this registry" }),
    }
}
