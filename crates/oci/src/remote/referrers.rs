//! What refers to an image: signatures, SBOMs, provenance (distribution-spec, "listing referrers").
//!
//! A registry without the referrers API answers 404; there a tag `sha256-…` holds an index of them, which clients keep themselves.
//! Two clients that write it at once can lose one of the two, which is why the API exists.

use std::collections::BTreeSet;

use base::Digest;
use ureq::http::{Method, header};

use super::http::{Ask, read_all};
use super::tags::next_page;
use super::{Document, Pointer, Remote, RemoteError};
use crate::blobs::MAX_JSON;
use crate::{Descriptor, Index, media};

/// The most referrers of one image: a build a day for years, with three documents each, has some thousand.
const MAX_REFERRERS: usize = 20_000;

impl Remote<'_> {
    /// Returns what refers to `subject`: of one artifact type, or all.
    pub fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, RemoteError> {
        let mut found = match self.listed(subject, artifact_type)? {
            Some(found) => found,
            None => self.tagged(subject)?,
        };
        found.retain(|one| artifact_type.is_none_or(|wanted| one.artifact_type.as_deref() == Some(wanted)));
        let mut seen = BTreeSet::new();
        found.retain(|one| seen.insert(one.digest));
        Ok(found)
    }

    /// By the API; `None` where the registry does not have it.
    fn listed(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Option<Vec<Descriptor>>, RemoteError> {
        let below = format!("referrers/{subject}");
        let mut url = self.url(&below);
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        let mut found = Vec::new();
        loop {
            let response = self.call(&Ask::new(Method::GET, url.clone()).header(header::ACCEPT, media::INDEX), &self.pull())?;
            match response.status().as_u16() {
                200 => {}
                404 | 405 => return Ok(None),
                // Some registries of before 1.1 take the path for one of theirs.
                400 if found.is_empty() => return Ok(None),
                _ => return Err(self.refused(&Method::GET, &below, response)),
            }
            let next = next_page(&url, &response)?;
            let bytes = read_all(response, &url, MAX_JSON)?;
            let what = || format!("the referrers of {subject}");
            let index: Index = serde_json::from_slice(&bytes).map_err(|source| RemoteError::Json { what: what(), source })?;
            found.extend(index.manifests);
            if found.len() > MAX_REFERRERS {
                return Err(RemoteError::Many { what: subject.to_string(), of: "referrers", most: MAX_REFERRERS });
            }
            match next {
                Some(next) => url = next,
                None => return Ok(Some(found)),
            }
        }
    }

    /// By the tag that clients keep where there is no API. What is in the list is looked at, since some clients write another
    /// artifact type into it than the manifest has.
    fn tagged(&self, subject: &Digest) -> Result<Vec<Descriptor>, RemoteError> {
        let mut found = Vec::new();
        for mut one in self.fallback(subject)?.map(|index| index.manifests).unwrap_or_default() {
            let fetched = match self.manifest(&Pointer::Digest(one.digest)) {
                Err(RemoteError::Missing { .. }) => continue,
                other => other?,
            };
            let document = Document::parse(&fetched.bytes, &one.digest)?;
            if document.subject.as_ref().is_some_and(|it| it.digest == *subject) {
                one.artifact_type = document.artifact_type();
                one.annotations = document.annotations.unwrap_or_default();
                found.push(one);
            }
        }
        Ok(found)
    }

    fn fallback(&self, subject: &Digest) -> Result<Option<Index>, RemoteError> {
        let fetched = match self.manifest(&Pointer::Tag(fallback_tag(subject))) {
            Ok(fetched) => fetched,
            Err(RemoteError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !media::is_index(&fetched.descriptor.media_type) {
            return Ok(None);
        }
        let what = || format!("the list of referrers of {subject}");
        let index: Index = serde_json::from_slice(&fetched.bytes).map_err(|source| RemoteError::Json { what: what(), source })?;
        if index.manifests.len() > MAX_REFERRERS {
            return Err(RemoteError::Many { what: subject.to_string(), of: "referrers", most: MAX_REFERRERS });
        }
        Ok(Some(index))
    }

    /// Writes a manifest that has a subject, and adds it to the list of the subject's referrers where the registry keeps none.
    pub fn put_referrer(&self, subject: &Digest, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), RemoteError> {
        if self.put_manifest(descriptor, bytes, None)? {
            return Ok(());
        }
        self.add_referrer(subject, descriptor, bytes)
    }

    /// Adds a manifest to the list of the referrers of `subject`, for registries that keep none themselves.
    pub fn add_referrer(&self, subject: &Digest, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), RemoteError> {
        // Older registries know the API and do not say so when a manifest is written.
        if self.listed(subject, None)?.is_some() {
            return Ok(());
        }
        let document = Document::parse(bytes, &descriptor.digest)?;
        let mut index = self.fallback(subject)?.unwrap_or_else(|| Index::new(vec![], [].into()));
        if index.manifests.iter().any(|one| one.digest == descriptor.digest) {
            return Ok(());
        }
        let mut one = Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size);
        one.artifact_type = document.artifact_type();
        one.annotations = document.annotations.unwrap_or_default();
        index.manifests.push(one);
        let bytes = index.to_bytes();
        self.put_manifest(&Descriptor::of(media::INDEX, &bytes), &bytes, Some(&fallback_tag(subject))).map(drop)
    }
}

/// The tag under which clients keep the list of an image's referrers (distribution-spec, "referrers tag schema").
#[must_use]
pub fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}
