//! What a registry has to know of a manifest. Its bytes are kept as they came; this is only read from them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// The largest manifest. The specification asks for 4 MiB at least; every client can hold that in memory.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The most descriptors that a manifest may hold: each costs a look-up, and 10,000 layers are no image.
pub const MAX_REFERENCES: usize = 10_000;

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of the right form.
    #[error("this is no manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// The header and the manifest disagree.
    #[error("the manifest says its media type is `{inside}`, and the header says `{header}`")]
    MediaType {
        /// In the manifest.
        inside: String,
        /// In `Content-Type`.
        header: String,
    },
    /// A kind of document that is not kept.
    #[error("`{0}` is no media type of a manifest that is kept here")]
    Kind(String),
    /// Neither manifest nor index, or both.
    #[error("a manifest has `config` and `layers`, an index has `manifests`; this has {0}")]
    Form(&'static str),
    /// The version of the schema.
    #[error("the schemaVersion is {0}, not 2")]
    Schema(u32),
    /// Too many descriptors.
    #[error("the manifest refers to {0} things; {MAX_REFERENCES} are the most")]
    References(usize),
    /// Indexes in indexes without an end.
    #[error("indexes lie in each other more than {0} deep, or name more than {MAX_REFERENCES} manifests together")]
    Deep(usize),
}

/// A manifest as it came, with what is read from it.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// The bytes, verbatim.
    pub(crate) bytes: Bytes,
    /// What they are.
    pub(crate) media_type: String,
    /// Blobs that it can not be without.
    pub(crate) blobs: Vec<Digest>,
    /// Manifests that it can not be without.
    pub(crate) manifests: Vec<Digest>,
    /// What it is about.
    pub(crate) subject: Option<Digest>,
    /// What the referrers' list of its subject says of it.
    pub(crate) artifact_type: Option<String>,
    /// The same.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// An entry of the list of referrers (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Referrer {
    /// What it is.
    pub(crate) media_type: String,
    /// Its length.
    pub(crate) size: u64,
    /// Its digest.
    pub(crate) digest: Digest,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    /// The annotations of the manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Layers with these media types lie elsewhere, by licence; a registry need not hold them.
const ELSEWHERE: [&str; 2] = ["application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign."];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Part>,
    layers: Option<Vec<Part>>,
    blobs: Option<Vec<Part>>,
    manifests: Option<Vec<Part>>,
    subject: Option<Part>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: Option<String>,
    digest: Digest,
}

impl Manifest {
    /// Reads `bytes`, which were sent as `content_type`.
    pub(crate) fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self, ManifestError> {
        let document: Document = serde_json::from_slice(&bytes)?;
        let header = content_type.map(|text| text.split(';').next().unwrap_or_default().trim()).filter(|text| !text.is_empty());
        let media_type = match (document.media_type, header) {
            (Some(inside), Some(header)) if inside != header => {
                return Err(ManifestError::MediaType { inside, header: header.to_owned() });
            }
            (Some(inside), _) => inside,
            (None, Some(header)) if is_manifest(header) => header.to_owned(),
            // An OCI manifest may leave its type out; what it is shows in its fields.
            (None, _) if document.manifests.is_some() => INDEX.to_owned(),
            (None, _) => MANIFEST.to_owned(),
        };
        if !is_manifest(&media_type) {
            return Err(ManifestError::Kind(media_type));
        }
        if media_type != ARTIFACT && document.schema_version != Some(2) {
            return Err(ManifestError::Schema(document.schema_version.unwrap_or(0)));
        }
        let is_index = matches!(media_type.as_str(), INDEX | DOCKER_LIST);
        match (is_index, document.config.is_some() || document.layers.is_some(), document.manifests.is_some()) {
            // One digest must not mean an image to one reader and an index to another (CVE-2021-41190).
            (_, true, true) => return Err(ManifestError::Form("all of them")),
            (true, _, false) => return Err(ManifestError::Form("no `manifests`")),
            (false, false, _) if media_type != ARTIFACT => return Err(ManifestError::Form("no `config` and `layers`")),
            _ => {}
        }
        let parts = || document.config.iter().chain(document.layers.iter().flatten()).chain(document.blobs.iter().flatten());
        let elsewhere = |part: &Part| {
            part.media_type.as_deref().is_some_and(|media_type| ELSEWHERE.iter().any(|prefix| media_type.starts_with(prefix)))
        };
        let mut blobs: Vec<Digest> = parts().filter(|part| !elsewhere(part)).map(|part| part.digest).collect();
        let mut manifests: Vec<Digest> = document.manifests.iter().flatten().map(|part| part.digest).collect();
        if blobs.len() + manifests.len() > MAX_REFERENCES {
            return Err(ManifestError::References(blobs.len() + manifests.len()));
        }
        blobs.sort_unstable();
        blobs.dedup();
        manifests.sort_unstable();
        manifests.dedup();
        // Without a type of its own, an artifact goes by its config's (distribution-spec, "Listing Referrers").
        let artifact_type = document.artifact_type.filter(|text| !text.is_empty()).or(document.config.and_then(|config| config.media_type));
        let annotations = document.annotations.unwrap_or_default();
        let subject = document.subject.map(|part| part.digest);
        Ok(Self { bytes, media_type, blobs, manifests, subject, artifact_type, annotations })
    }

    /// Whether a media type is that of an index.
    pub(crate) fn is_index(media_type: &[u8]) -> bool {
        [INDEX, DOCKER_LIST].iter().any(|index| index.as_bytes() == media_type)
    }

    /// What the list of referrers says of it.
    #[must_use]
    pub(crate) fn referrer(&self, digest: Digest) -> Referrer {
        Referrer {
            media_type: self.media_type.clone(),
            size: self.bytes.len() as u64,
            digest,
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, INDEX | MANIFEST | ARTIFACT | DOCKER_LIST | DOCKER_MANIFEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    fn parse(text: &str, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(Bytes::copy_from_slice(text.as_bytes()), content_type)
    }

    #[test]
    fn reads_what_it_refers_to() {
        let (config, layer, foreign, subject) = (digest("c"), digest("l"), digest("f"), digest("s"));
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"a/b","digest":"{config}"}},
            "layers":[{{"digest":"{layer}"}},{{"digest":"{layer}"}},
            {{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","digest":"{foreign}"}}],
            "subject":{{"digest":"{subject}"}},"annotations":{{"k":"v"}},"unknown":[]}}"#
        );
        let manifest = parse(&text, Some(&format!("{MANIFEST}; charset=utf-8"))).unwrap();
        let mut blobs = vec![config, layer];
        blobs.sort_unstable();
        assert_eq!((manifest.blobs, manifest.subject, manifest.artifact_type.as_deref()), (blobs, Some(subject), Some("a/b")));
        assert_eq!(manifest.bytes, text.as_bytes());
    }

    #[test]
    fn the_type_is_known_without_being_said() {
        assert_eq!(parse(r#"{"schemaVersion":2,"manifests":[]}"#, None).unwrap().media_type, INDEX);
        let docker = parse(r#"{"schemaVersion":2,"manifests":[]}"#, Some(DOCKER_LIST)).unwrap();
        assert_eq!(docker.media_type, DOCKER_LIST);
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        let config = digest("c");
        let both = format!(r#"{{"schemaVersion":2,"config":{{"digest":"{config}"}},"layers":[],"manifests":[]}}"#);
        let one = format!(r#"{{"schemaVersion":1,"mediaType":"{MANIFEST}","config":{{"digest":"{config}"}},"layers":[]}}"#);
        let many: Vec<_> = (0..=MAX_REFERENCES).map(|_| format!(r#"{{"digest":"{config}"}}"#)).collect();
        let many = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, many.join(","));
        let table: [(&str, Option<&str>); 9] = [
            ("", None),
            ("[]", None),
            ("{}", None),
            (r#"{"schemaVersion":2,"manifests":[]}"#, Some(MANIFEST)),
            (r#"{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}"#, Some("text/plain")),
            (r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#, Some(MANIFEST)),
            (&both, None),
            (&one, None),
            (&many, None),
        ];
        for (text, content_type) in table {
            assert!(parse(text, content_type).is_err(), "{text:.80}");
        }
    }

    #[test]
    fn nesting_without_end_does_not_exhaust_the_stack() {
        let nested =
            |field: &str| format!(r#"{{"schemaVersion":2,"manifests":[],"{field}":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(parse(&nested("unknown"), None).is_ok());
        assert!(parse(&nested("annotations"), None).is_err());
    }
}
