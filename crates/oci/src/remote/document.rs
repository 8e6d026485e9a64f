//! What a manifest or an index names, whichever of the two it is.

use std::collections::BTreeMap;

use base::Digest;
use serde::Deserialize;

use super::RemoteError;
use crate::{Descriptor, media};

/// The members of manifests and indexes that say what they consist of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    /// The configuration of a manifest.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers of a manifest.
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
    /// The manifests of an index.
    #[serde(default)]
    pub manifests: Option<Vec<Descriptor>>,
    /// The manifest that this one refers to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Anything else, by key.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Reads a manifest or an index. One that could be read as both is refused: two readers would see two images in it
    /// (CVE-2021-41190).
    pub fn parse(bytes: &[u8], digest: &Digest) -> Result<Self, RemoteError> {
        let document: Self =
            serde_json::from_slice(bytes).map_err(|source| RemoteError::Json { what: format!("the manifest {digest}"), source })?;
        let ambiguous = |why: &str| RemoteError::Ambiguous { digest: *digest, why: why.to_owned() };
        if document.schema_version != 2 {
            return Err(ambiguous("its schemaVersion is not 2"));
        }
        match (&document.manifests, &document.config, &document.layers) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => Ok(document),
            (Some(_), ..) => Err(ambiguous("it has the members of a manifest and those of an index")),
            (None, ..) => Err(ambiguous("it has neither the members of a manifest nor those of an index")),
        }
    }

    /// Whether it is an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.manifests.is_some()
    }

    /// What it is for, where it is no image: of a manifest without `artifactType` that is the configuration's media type.
    #[must_use]
    pub fn artifact_type(&self) -> Option<String> {
        let own = self.artifact_type.clone().filter(|text| !text.is_empty());
        let of_config = || self.config.as_ref().map(|config| config.media_type.clone()).filter(|one| !is_config(one));
        own.or_else(of_config)
    }

    /// Its media type: what it says itself, or else what the registry said. They must agree, and fit what it holds.
    pub(super) fn media_type(&self, said: Option<&str>, digest: &Digest) -> Result<String, RemoteError> {
        let is_known = |one: &&str| media::is_index(one) || media::is_manifest(one);
        let own = self.media_type.as_deref().filter(|one| !one.is_empty());
        let said = said.filter(is_known);
        if let (Some(own), Some(said)) = (own, said)
            && own != said
        {
            return Err(RemoteError::Ambiguous { digest: *digest, why: format!("it says `{own}`, the registry says `{said}`") });
        }
        let usual = if self.is_index() { media::INDEX } else { media::MANIFEST };
        let media_type = own.or(said).unwrap_or(usual);
        let fits = if self.is_index() { media::is_index(media_type) } else { media::is_manifest(media_type) };
        if fits {
            Ok(media_type.to_owned())
        } else {
            Err(RemoteError::Ambiguous { digest: *digest, why: format!("it says that it is `{media_type}`") })
        }
    }

    /// Every blob that a manifest names.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().flatten())
    }
}

fn is_config(media_type: &str) -> bool {
    matches!(media_type, media::CONFIG | media::DOCKER_CONFIG)
}
