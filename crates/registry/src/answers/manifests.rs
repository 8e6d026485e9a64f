//! Manifests: reading, pushing, tagging, deleting. Their bytes are kept as they came.

use std::collections::BTreeSet;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::body::Body;
use crate::cache::Ready;
use crate::error::Refusal;
use crate::holdings::Kind;
use crate::manifest::{MAX_REFERENCES, Manifest};
use crate::registry::{Answer, Asked, Registry, empty, header};
use crate::store::{self, Key, StoreError, blocking};
use crate::{Digest, Name, Reference, RouteError, Tag};

/// How many tags one push may set.
const MAX_TAGS: usize = 64;

/// How many look-ups of one manifest's references run at once.
const LOOKUPS: usize = 16;

impl Registry {
    /// `GET` and `HEAD` of a manifest (distribution-spec, "Pulling manifests").
    pub(crate) async fn manifest(&self, asked: &Asked<'_>, name: &Name, reference: &Reference) -> Answer {
        let unknown = || Refusal::ManifestUnknown { name: name.clone(), reference: reference.clone() };
        let digest = self.resolved(name, reference).await?;
        let is_head = *asked.method == Method::HEAD;
        let held = if is_head {
            self.store.holds_on(Kind::Manifest, name, &digest, SystemTime::now()).await?
        } else {
            self.store.holds(Kind::Manifest, name, &digest).await?
        };
        if !held {
            return Err(unknown());
        }
        let ready = self.ready_manifest(&digest).await?.ok_or_else(unknown)?;
        let unchanged = asked.headers.get(IF_NONE_MATCH).is_some_and(|known| *known == ready.etag);
        let length = HeaderValue::from(ready.bytes.len());
        let mut response = match (unchanged, is_head) {
            (true, _) => empty(StatusCode::NOT_MODIFIED),
            (false, true) => empty(StatusCode::OK),
            (false, false) => Response::new(Body::full(ready.bytes)),
        };
        let headers = response.headers_mut();
        if !unchanged {
            headers.insert(CONTENT_LENGTH, length);
            headers.insert(CONTENT_TYPE, ready.media_type);
        }
        headers.insert("docker-content-digest", ready.digest);
        headers.insert(ETAG, ready.etag);
        Ok(response)
    }

    /// The digest that a reference means.
    async fn resolved(&self, name: &Name, reference: &Reference) -> Result<Digest, Refusal> {
        let unknown = || Refusal::ManifestUnknown { name: name.clone(), reference: reference.clone() };
        match reference {
            Reference::Digest(digest) => Ok(*digest),
            Reference::Tag(tag) => self.store.tagged(name, tag).await?.ok_or_else(unknown),
        }
    }

    /// A manifest from memory, or from the store.
    async fn ready_manifest(&self, digest: &Digest) -> Result<Option<Ready>, Refusal> {
        if let Some(ready) = self.manifests.get(digest) {
            return Ok(Some(ready));
        }
        let Some(bytes) = self.store.get(&Key::blob(digest)).await? else { return Ok(None) };
        let manifest = Manifest::parse(bytes, None).map_err(|_| StoreError::damaged(&Key::blob(digest)))?;
        let text = digest.to_string();
        let ready = Ready {
            bytes: manifest.bytes,
            media_type: header(&manifest.media_type),
            etag: header(format!("\"{text}\"")),
            digest: header(text),
        };
        self.manifests.put(*digest, ready.clone());
        Ok(Some(ready))
    }

    /// `PUT` of a manifest (distribution-spec, "Pushing manifests").
    pub(crate) async fn put_manifest(&self, asked: &Asked<'_>, name: &Name, reference: &Reference, body: store::Body) -> Answer {
        let tags = tags(asked, reference)?;
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => asked.query.digest("digest")?,
        };
        let algorithm = expected.map_or_else(|| asked.query.algorithm(), |digest| Ok(digest.algorithm()))?;
        let _room = self.uploading(asked)?;
        let bytes = collected(body, asked.settings.limits.manifest).await?;
        let content_type = asked.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let read = move || {
            let digest = Digest::of(algorithm, &bytes);
            if let Some(expected) = expected {
                expected.check(digest).map_err(Refusal::Mismatch)?;
            }
            Ok::<_, Refusal>((digest, Manifest::parse(bytes, content_type.as_deref())?))
        };
        let (digest, manifest) = blocking(read).await?;
        self.check_references(name, &manifest).await?;
        self.check_depth(&manifest, asked.settings.limits.depth).await?;
        self.keep(name, &digest, &manifest).await?;
        for tag in &tags {
            if !self.store.set_tag(name, tag, &digest).await? {
                return Err(Refusal::Sweeping);
            }
        }
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(LOCATION, header(format!("/v2/{name}/manifests/{digest}")));
        headers.insert("docker-content-digest", header(digest.to_string()));
        if let Some(subject) = manifest.subject {
            headers.insert("oci-subject", header(subject.to_string()));
        }
        for tag in &tags {
            headers.append("oci-tag", header(tag.as_str()));
        }
        Ok(response)
    }

    /// Refuses a manifest that names what the repository does not hold; a subject may come later.
    async fn check_references(&self, name: &Name, manifest: &Manifest) -> Result<(), Refusal> {
        let now = SystemTime::now();
        let blobs = manifest.blobs.iter().map(|digest| (Kind::Blob, *digest));
        let all: Vec<_> = blobs.chain(manifest.manifests.iter().map(|digest| (Kind::Manifest, *digest))).collect();
        let held = stream::iter(all)
            .map(|(kind, digest)| async move { Ok((digest, self.store.holds_on(kind, name, &digest, now).await?)) })
            .buffered(LOOKUPS);
        let missing = held.try_filter_map(async |(digest, held)| Ok::<_, StoreError>((!held).then_some(digest)));
        let missing: Vec<Digest> = missing.try_collect().await?;
        if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing { name: name.clone(), missing }) }
    }

    /// Refuses an index that lies too deep over others. Each level is looked at as a whole, and all of them are bounded.
    async fn check_depth(&self, manifest: &Manifest, most: usize) -> Result<(), Refusal> {
        let mut level = manifest.manifests.clone();
        let (mut depth, mut seen) = (2, 0);
        while !level.is_empty() {
            let mut next = BTreeSet::new();
            seen += level.len();
            let mut within = stream::iter(level).map(|digest| async move { self.ready_manifest(&digest).await }).buffered(LOOKUPS);
            while let Some(child) = within.try_next().await? {
                if let Some(child) = child.filter(|child| Manifest::is_index(child.media_type.as_bytes())) {
                    next.extend(Manifest::parse(child.bytes, None)?.manifests);
                }
            }
            drop(within);
            level = next.into_iter().collect();
            depth += 1;
            if !level.is_empty() && (depth > most || seen + level.len() > MAX_REFERENCES) {
                return Err(crate::ManifestError::Deep(most).into());
            }
        }
        Ok(())
    }

    /// Writes a manifest: bytes, link, and its place among the referrers of its subject.
    async fn keep(&self, name: &Name, digest: &Digest, manifest: &Manifest) -> Result<(), Refusal> {
        self.store.put(&Key::blob(digest), manifest.bytes.clone()).await?;
        if !self.store.hold(Kind::Manifest, name, digest).await? {
            return Err(Refusal::Sweeping);
        }
        let repository = Key::repository(name);
        if self.store.stat(&repository).await?.is_none() {
            self.store.put(&repository, Bytes::new()).await?;
        }
        if let Some(subject) = &manifest.subject {
            let text = serde_json::to_vec(&manifest.referrer(*digest)).map_err(crate::ManifestError::from)?;
            let key = Key::referrer(name, subject, digest);
            self.store.put(&key, text.into()).await?;
            // Who deletes the manifest at this moment looks for the referrer after the link: one of us sees the other.
            if !self.store.holds(Kind::Manifest, name, digest).await? {
                self.store.delete(&key).await?;
                return Err(Refusal::Sweeping);
            }
        }
        Ok(())
    }

    /// `DELETE` of a manifest by digest, or of a tag (distribution-spec, "Content Management").
    pub(crate) async fn delete_manifest(&self, name: &Name, reference: &Reference) -> Answer {
        let unknown = || Refusal::ManifestUnknown { name: name.clone(), reference: reference.clone() };
        let there = match reference {
            Reference::Tag(tag) => self.store.delete(&Key::tag(name, tag)).await?,
            Reference::Digest(digest) => {
                if !self.store.holds(Kind::Manifest, name, digest).await? {
                    return Err(unknown());
                }
                let bytes = self.store.get(&Key::blob(digest)).await?;
                let subject = bytes.and_then(|bytes| Manifest::parse(bytes, None).ok()).and_then(|manifest| manifest.subject);
                self.store.delete_manifest(name, digest, subject.as_ref()).await?
            }
        };
        if there { Ok(empty(StatusCode::ACCEPTED)) } else { Err(unknown()) }
    }
}

/// The tags that a push sets: the one of the path, and those of the query.
fn tags(asked: &Asked<'_>, reference: &Reference) -> Result<Vec<Tag>, Refusal> {
    let mut tags = Vec::new();
    if let Reference::Tag(tag) = reference {
        tags.push(tag.clone());
    }
    for text in asked.query.all("tag").take(MAX_TAGS + 1) {
        let tag: Tag = text.parse().map_err(|error| RouteError::Reference(crate::ReferenceError::Tag(error)))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MAX_TAGS {
        return Err(Refusal::Parameter { what: "tag", why: format!("{MAX_TAGS} are the most at once") });
    }
    Ok(tags)
}

/// The whole of a small body.
async fn collected(mut body: store::Body, most: u64) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::body(&*error))?;
        if let Ok(data) = frame.into_data() {
            if (bytes.len() + data.len()) as u64 > most {
                return Err(Refusal::Large { what: "a manifest", most });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}
