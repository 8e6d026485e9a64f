//! cosign's older signature of an image: "simple signing", which podman, skopeo and cosign 2 look for under the tag `sha256-….sig`
//! (<https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>).
//!
//! It is in no log, so it reaches no more than T0.

use base::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::signing::{Signer, SigningError};

/// The media type of a payload, as a layer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of a layer that holds the signature over its bytes, in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    critical: Critical,
    optional: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

impl Payload {
    /// Says that the manifest of a digest is the image of a repository.
    #[must_use]
    pub fn new(repository: &str, manifest: Digest) -> Self {
        let identity = Identity { docker_reference: repository.to_owned() };
        let image = Image { docker_manifest_digest: manifest };
        Self { critical: Critical { identity, image, kind: "cosign container image signature".into() }, optional: None }
    }

    /// Signs it, and returns the signature as the annotation of the layer holds it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, SigningError> {
        signer.sign(self.to_json().as_bytes()).map(|signature| STANDARD.encode(signature))
    }

    /// Writes what is signed: the same bytes for the same image.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_cosign_signs() {
        let text = Payload::new("r.example/app", Digest::of("x")).to_json();
        insta::assert_snapshot!(text, @r#"{"critical":{"identity":{"docker-reference":"r.example/app"},"image":{"docker-manifest-digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},"type":"cosign container image signature"},"optional":null}"#);
    }
}
