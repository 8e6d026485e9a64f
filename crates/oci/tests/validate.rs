//! A sound image has no finding; each single fault has its own.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod common;

use std::collections::BTreeMap;

use base::Digest;
use base::tree::Kind;
use common::{Memory, entry, file, gzip, image, path, tar, two_layers};
use oci::{Config, Descriptor, Finding, Index, Manifest, Platform, media, validate};

/// The one manifest of an image.
fn parts(blobs: &Memory, index: &Descriptor) -> (Descriptor, Manifest, Config) {
    let descriptor = Index::read(blobs, index).unwrap().manifests.remove(0);
    let manifest = Manifest::read(blobs, &descriptor).unwrap();
    let config = Config::read(blobs, &manifest.config).unwrap();
    (descriptor, manifest, config)
}

/// Puts a changed manifest in the place of the old one.
fn with_manifest(blobs: &mut Memory, manifest: &Manifest) -> Descriptor {
    blobs.put(media::MANIFEST, &manifest.to_bytes())
}

fn with_config(blobs: &mut Memory, index: &Descriptor, change: impl FnOnce(&mut Config)) -> Descriptor {
    let (_, mut manifest, mut config) = parts(blobs, index);
    change(&mut config);
    manifest.config = blobs.put(media::CONFIG, &config.to_bytes());
    with_manifest(blobs, &manifest)
}

fn with_layer(blobs: &mut Memory, index: &Descriptor, bytes: &[u8]) -> Descriptor {
    let (_, mut manifest, _) = parts(blobs, index);
    manifest.layers[0] = blobs.put(media::LAYER_GZIP, bytes);
    with_manifest(blobs, &manifest)
}

#[test]
fn finds_nothing_wrong_with_a_sound_image() {
    let (blobs, index) = two_layers();
    assert_eq!(validate(&blobs, &[index]).unwrap(), []);
}

#[test]
fn finds_a_missing_blob() {
    let (mut blobs, index) = two_layers();
    let (_, manifest, _) = parts(&blobs, &index);
    for digest in [manifest.layers[1].digest, manifest.config.digest, index.digest] {
        let mut blobs = blobs.clone();
        blobs.0.remove(&digest);
        assert_eq!(validate(&blobs, std::slice::from_ref(&index)).unwrap(), [Finding::Missing(digest)]);
    }
    blobs.0.clear();
    assert_eq!(validate(&blobs, &[]).unwrap(), [Finding::Empty]);
}

#[test]
fn finds_changed_bytes() {
    let (blobs, index) = two_layers();
    let (descriptor, manifest, _) = parts(&blobs, &index);
    for digest in [index.digest, descriptor.digest, manifest.config.digest] {
        let mut blobs = blobs.clone();
        blobs.0.entry(digest).and_modify(|bytes| bytes.push(b' '));
        let findings = validate(&blobs, std::slice::from_ref(&index)).unwrap();
        assert!(matches!(findings[..], [Finding::Digest { expected, .. }] if expected == digest), "{findings:?}");
    }
    let mut changed = blobs.clone();
    let layer = manifest.layers[0].digest;
    changed.0.insert(layer, gzip(&tar(&[file("evil", "evil")])));
    let findings = validate(&changed, &[index]).unwrap();
    assert!(findings.iter().any(|one| matches!(one, Finding::Digest { expected, .. } if *expected == layer)), "{findings:?}");
    assert!(findings.iter().any(|one| matches!(one, Finding::DiffId { .. })), "{findings:?}");
}

#[test]
fn finds_a_wrong_size() {
    let (mut blobs, index) = two_layers();
    let (_, mut manifest, _) = parts(&blobs, &index);
    manifest.layers[0].size += 1;
    let root = with_manifest(&mut blobs, &manifest);
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::Size { .. }]));
}

#[test]
fn finds_what_configuration_and_manifest_do_not_agree_on() {
    let (mut blobs, index) = two_layers();
    let zero = Digest::of("");
    let root = with_config(&mut blobs, &index, |config| config.rootfs.diff_ids[0] = zero);
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::DiffId { expected, .. }] if expected == zero));
    let root = with_config(&mut blobs, &index, |config| config.rootfs.diff_ids.truncate(1));
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::Layers { layers: 2, diff_ids: 1, .. }]));
    let root = with_config(&mut blobs, &index, |config| config.history.truncate(1));
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::History { layers: 2, history: 1, .. }]));
    let mut root = with_config(&mut blobs, &index, |config| config.architecture = "s390x".into());
    root.platform = Some(Platform::linux(base::Arch::X86_64));
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::Platform { .. }]));
}

#[test]
fn finds_another_media_type() {
    let (mut blobs, index) = two_layers();
    let (_, manifest, _) = parts(&blobs, &index);
    let mut root = with_manifest(&mut blobs, &manifest);
    root.media_type = media::DOCKER_MANIFEST.into();
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::MediaType { .. }]));
}

#[test]
fn finds_what_is_no_layer() {
    let (mut blobs, index) = two_layers();
    for bytes in [b"not gzip".to_vec(), gzip(b"not a tar but long enough to hold a header".repeat(20).as_slice())] {
        let root = with_layer(&mut blobs, &index, &bytes);
        let findings = validate(&blobs, &[root]).unwrap();
        assert!(matches!(findings[..], [Finding::Unreadable { .. }]), "{findings:?}");
    }
    let whole = gzip(&tar(&[file("a", "b")]));
    let root = with_layer(&mut blobs, &index, &whole[..whole.len() - 9]);
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::Unreadable { .. }]));
}

#[test]
fn finds_what_unpacks_differently_in_other_hands() {
    let (blobs, index) = image(&[vec![file("a", "1"), file("a", "2")]]);
    assert!(matches!(&validate(&blobs, &[index]).unwrap()[..], [Finding::Twice { path: at, .. }] if *at == path("a")));
    let (blobs, index) = image(&[vec![entry("b", Kind::Hardlink { target: path("a") }), file("a", "1")]]);
    assert!(matches!(&validate(&blobs, &[index]).unwrap()[..], [Finding::Link { target, .. }] if *target == path("a")));
}

#[test]
fn an_artifact_is_checked_and_is_no_image() {
    let mut blobs = Memory::default();
    let config = blobs.put("application/vnd.oci.empty.v1+json", b"{}");
    let layer = blobs.put("text/plain", b"hello");
    let manifest = Manifest::new(config, vec![layer.clone()], BTreeMap::new());
    let root = blobs.put(media::MANIFEST, &manifest.to_bytes());
    assert_eq!(validate(&blobs, std::slice::from_ref(&root)).unwrap(), [Finding::Empty]);
    blobs.0.insert(layer.digest, b"hullo".to_vec());
    assert!(matches!(validate(&blobs, &[root]).unwrap()[..], [Finding::Digest { .. }]));
}
