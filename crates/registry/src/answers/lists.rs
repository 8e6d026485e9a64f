//! Lists: tags, repositories, referrers. All are in order, and come in pages.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::header::LINK;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::access::Action;
use crate::error::Refusal;
use crate::manifest::{MAX_MANIFEST, Referrer};
use crate::registry::{Answer, Asked, Registry, header, json};
use crate::store::{Key, Place, Store, StoreError};
use crate::{Digest, Name};

/// How many referrers are looked at for one page.
const REFERRERS: usize = 1000;

/// How deep repositories may lie in each other when they are listed.
const MAX_DEPTH: usize = 64;

impl Registry {
    /// `GET /v2/<name>/tags/list` (distribution-spec, "Listing Tags").
    pub(crate) async fn tags(&self, asked: &Asked<'_>, name: &Name) -> Answer {
        let n = asked.query.page(asked.settings.limits.page)?;
        let last = asked.query.first("last");
        let mut tags = self.store.leaves(&Place::tags(name), last.as_deref(), n.saturating_add(1)).await?;
        if tags.is_empty() && self.store.stat(&Key::repository(name)).await?.is_none() {
            return Err(Refusal::NameUnknown(name.clone()));
        }
        let next = page(&mut tags, n);
        let mut response = json(StatusCode::OK, "application/json", json!({ "name": name.as_str(), "tags": tags }).to_string());
        if let Some(last) = next {
            response.headers_mut().insert(LINK, link(&format!("/v2/{name}/tags/list"), &[("n", &n.to_string()), ("last", &last)]));
        }
        Ok(response)
    }

    /// `GET /v2/_catalog`: the repositories that the caller may pull from.
    pub(crate) async fn catalog(&self, asked: &Asked<'_>) -> Answer {
        let n = asked.query.page(asked.settings.limits.page)?;
        let last = asked.query.first("last").unwrap_or_default();
        let mut names = Vec::new();
        for name in self.store.repositories().await? {
            if name.as_str() > last.as_ref() && self.admit(asked, Action::Pull, Some(&name)).await.is_ok() {
                names.push(name.as_str().to_owned());
                if names.len() > n {
                    break;
                }
            }
        }
        let next = page(&mut names, n);
        let mut response = json(StatusCode::OK, "application/json", json!({ "repositories": names }).to_string());
        if let Some(last) = next {
            response.headers_mut().insert(LINK, link("/v2/_catalog", &[("n", &n.to_string()), ("last", &last)]));
        }
        Ok(response)
    }

    /// `GET /v2/<name>/referrers/<digest>` (distribution-spec, "Listing Referrers").
    pub(crate) async fn referrers(&self, asked: &Asked<'_>, name: &Name, subject: &Digest) -> Answer {
        let filter = asked.query.first("artifactType").filter(|text| !text.is_empty());
        let last = asked.query.first("last");
        let n = asked.query.page(REFERRERS)?.max(1);
        let mut leaves = self.store.leaves(&Place::referrers(name, subject), last.as_deref(), n + 1).await?;
        let mut next = page(&mut leaves, n);
        let mut found = stream::iter(leaves)
            .map(|leaf| async move {
                let bytes = self.store.get(&Place::referrers(name, subject).key(&leaf)).await?;
                Ok::<_, StoreError>((leaf, bytes))
            })
            .buffered(16);
        let mut referrers: Vec<Referrer> = Vec::new();
        let mut size = 0;
        let mut before = None;
        // A page is no larger than a manifest, since clients read both with one bound; one entry it has always.
        while let Some((leaf, bytes)) = found.try_next().await? {
            let Some(referrer) = bytes.and_then(|bytes| serde_json::from_slice::<Referrer>(&bytes).ok().zip(Some(bytes.len()))) else {
                continue;
            };
            let (referrer, length) = referrer;
            if filter.as_deref().is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted)) {
                size += length as u64 + 1;
                if size > MAX_MANIFEST - 1024 && !referrers.is_empty() {
                    next = before;
                    break;
                }
                referrers.push(referrer);
            }
            before = Some(leaf);
        }
        drop(found);
        let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": referrers });
        let mut response = json(StatusCode::OK, "application/vnd.oci.image.index.v1+json", index.to_string());
        let headers = response.headers_mut();
        let mut parameters = Vec::new();
        if let Some(filter) = &filter {
            headers.insert("oci-filters-applied", HeaderValue::from_static("artifactType"));
            parameters.push(("artifactType", filter.as_ref()));
        }
        if let Some(last) = &next {
            parameters.push(("last", last));
            headers.insert(LINK, link(&format!("/v2/{name}/referrers/{subject}"), &parameters));
        }
        Ok(response)
    }
}

impl Store {
    /// Every repository that was pushed to, in order.
    pub(crate) async fn repositories(&self) -> Result<BTreeSet<Name>, StoreError> {
        let mut found = BTreeSet::new();
        self.collect_repositories(String::new(), 0, &mut found).await?;
        Ok(found)
    }

    fn collect_repositories<'a>(
        &'a self,
        path: String,
        depth: usize,
        found: &'a mut BTreeSet<Name>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if let Ok(name) = path.parse::<Name>()
                && self.stat(&Key::repository(&name)).await?.is_some()
            {
                found.insert(name);
            }
            let place = if path.is_empty() { Place::repositories() } else { Place::repository(&path) };
            for child in self.places(&place).await? {
                if !child.starts_with('_') && depth < MAX_DEPTH {
                    let below = if path.is_empty() { child } else { format!("{path}/{child}") };
                    self.collect_repositories(below, depth + 1, found).await?;
                }
            }
            Ok(())
        })
    }
}

/// Cuts a list to a page; returns its last entry where more comes.
fn page(list: &mut Vec<String>, n: usize) -> Option<String> {
    let more = list.len() > n;
    list.truncate(n);
    if more { list.last().cloned() } else { None }
}

/// Where the next page is (RFC 8288).
fn link(path: &str, parameters: &[(&str, &str)]) -> HeaderValue {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    header(format!("<{path}?{query}>; rel=\"next\""))
}
