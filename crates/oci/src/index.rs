//! An index: the manifests of one image for several platforms (image-spec, image-index.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, media};

/// One image for any number of platforms; also the first file of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Manifests, or further indexes.
    pub manifests: Vec<Descriptor>,
    /// Anything else, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// Makes an index; the manifests are put in order of their platforms.
    #[must_use]
    pub fn new(mut manifests: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        manifests.sort_by(|a, b| (&a.platform, a.digest).cmp(&(&b.platform, b.digest)));
        Self { schema_version: 2, media_type: Some(media::INDEX.into()), manifests, annotations }
    }

    /// Returns the bytes that its digest is of.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps of strings are always JSON")
    }
}
