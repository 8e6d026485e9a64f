//! Claims beside an image in its registry: Sigstore bundles as referrers, and the older tags that podman, skopeo and cosign 2 read.

use std::collections::BTreeMap;

use attest::bundle::{self, Bundle};
use attest::{dsse, simple};
use base::Digest;
use oci::remote::{Pointer, Remote, RemoteError};
use oci::{Descriptor, Manifest, media};

/// The config of a manifest that is no image (image-spec, "guidelines for artifact usage").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What the layer of a bundle says of the claim in it, as cosign does.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// Puts a bundle beside the manifest of `subject`. The same bundle gives the same manifest: there is no time in it.
pub(crate) fn attach(remote: &Remote<'_>, subject: &Descriptor, bundle: &Bundle, predicate_type: &str) -> Result<Digest, RemoteError> {
    let text = bundle.to_json().into_bytes();
    let layer = Descriptor::of(bundle::MEDIA_TYPE, &text);
    let config = Descriptor::of(EMPTY, b"{}");
    put(remote, &config, b"{}")?;
    put(remote, &layer, &text)?;
    let annotations = [(CONTENT, "dsse-envelope"), (PREDICATE_TYPE, predicate_type)];
    let annotations = annotations.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut manifest = Manifest::new(config, vec![layer], annotations);
    manifest.artifact_type = Some(bundle::MEDIA_TYPE.to_owned());
    manifest.subject = Some(Descriptor::new(&subject.media_type, subject.digest, subject.size));
    let bytes = manifest.to_bytes();
    let descriptor = Descriptor::of(media::MANIFEST, &bytes);
    remote.put_referrer(&subject.digest, &descriptor, &bytes)?;
    Ok(descriptor.digest)
}

/// Returns the bundles beside a manifest, each with the digest of the manifest that holds it.
pub(crate) fn bundles(remote: &Remote<'_>, subject: &Digest) -> Result<Vec<(Digest, Vec<u8>)>, RemoteError> {
    let mut found = Vec::new();
    for referrer in remote.referrers(subject, Some(bundle::MEDIA_TYPE))? {
        let fetched = remote.manifest(&Pointer::Digest(referrer.digest))?;
        // What is no manifest with one bundle is someone else's.
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&fetched.bytes) else { continue };
        if let [layer] = manifest.layers.as_slice()
            && layer.media_type == bundle::MEDIA_TYPE
            && layer.size <= bundle::MAX_SIZE as u64
        {
            found.push((referrer.digest, read(remote, layer)?));
        }
    }
    found.sort();
    Ok(found)
}

/// Which of the older tags a claim goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Older<'a> {
    /// `.sig`: a signature over a payload.
    Signature(&'a simple::Payload, &'a str),
    /// `.att`: an envelope, and the type of its predicate.
    Attestation(&'a dsse::Envelope, &'a str),
}

/// Adds a claim to one of the older tags, where it is not there yet. Two who do so at once can lose one of the two: bundles can not.
pub(crate) fn attach_older(remote: &Remote<'_>, subject: &Digest, older: Older<'_>) -> Result<(), RemoteError> {
    let (ending, kind, bytes, annotations) = match older {
        Older::Signature(payload, signature) => {
            ("sig", simple::MEDIA_TYPE, payload.to_json().into_bytes(), vec![(simple::SIGNATURE_ANNOTATION, signature)])
        }
        Older::Attestation(envelope, predicate_type) => {
            let text = serde_json::to_vec(envelope).unwrap_or_default();
            ("att", dsse::ENVELOPE_TYPE, text, vec![("predicateType", predicate_type), (simple::SIGNATURE_ANNOTATION, "")])
        }
    };
    let tag = format!("sha256-{}.{ending}", subject.hex());
    let mut layer = Descriptor::of(kind, &bytes);
    layer.annotations = annotations.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut layers = match remote.manifest(&Pointer::Tag(tag.clone())) {
        Ok(fetched) => serde_json::from_slice::<Manifest>(&fetched.bytes).map(|there| there.layers).unwrap_or_default(),
        Err(RemoteError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    if layers.contains(&layer) {
        return Ok(());
    }
    put(remote, &layer, &bytes)?;
    layers.push(layer);
    let config = config(&layers);
    let config_descriptor = Descriptor::of(media::CONFIG, &config);
    put(remote, &config_descriptor, &config)?;
    let manifest = Manifest::new(config_descriptor, layers, BTreeMap::new()).to_bytes();
    remote.put_manifest(&Descriptor::of(media::MANIFEST, &manifest), &manifest, Some(&tag))?;
    Ok(())
}

/// A config as the older tags have it: of no machine and no time, with the layers by their digests.
fn config(layers: &[Descriptor]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
    let created = "0001-01-01T00:00:00Z";
    let history: Vec<_> = layers.iter().map(|_| serde_json::json!({ "created": created })).collect();
    let rootfs = serde_json::json!({ "type": "layers", "diff_ids": diff_ids });
    let config =
        serde_json::json!({ "architecture": "", "config": {}, "created": created, "history": history, "os": "", "rootfs": rootfs });
    config.to_string().into_bytes()
}

fn put(remote: &Remote<'_>, blob: &Descriptor, bytes: &[u8]) -> Result<(), RemoteError> {
    if remote.has_blob(blob)? {
        return Ok(());
    }
    remote.put_blob(blob, &|| Ok(Box::new(bytes) as Box<dyn std::io::Read>))
}

fn read(remote: &Remote<'_>, blob: &Descriptor) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut remote.blob(blob), &mut bytes)
        .map_err(|source| RemoteError::Io { doing: "reading a claim", source })?;
    Ok(bytes)
}
