//! The sweep's promise: what is needed stays, what is not goes, and a push in flight loses nothing.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod common;

use std::time::Duration;

use common::{Fixture, digest_of};
use http::{Method, StatusCode};
use registry::sweep::{Rule, Sweep, sweep, verify};
use registry::{Algorithm, Digest};
use serde_json::json;

/// Everything that is not needed goes, however young.
fn at_once() -> Sweep {
    Sweep { grace: Duration::ZERO, uploads: Duration::ZERO, ..Sweep::default() }
}

async fn is_clean(fixture: &Fixture) {
    let verified = verify(fixture.registry.store(), false).await.unwrap();
    assert_eq!(verified.damage, []);
}

#[tokio::test]
async fn what_nothing_names_goes_and_all_else_stays() {
    let fixture = Fixture::new().await;
    let image = fixture.image("a", b"{}").await;
    fixture.push("a", "1", &image).await;
    let untagged = fixture.image("a", b"{ }").await;
    fixture.push("a", &digest_of(&untagged).to_string(), &untagged).await;
    let loose = fixture.push_blob("a", b"loose").await;
    let shared = fixture.push_blob("b", b"{}").await;
    fixture.send(Method::POST, "/v2/a/blobs/uploads/", &[], "").await;
    let dry = sweep(fixture.registry.store(), &Sweep { dry_run: true, ..at_once() }).await.unwrap();
    assert_eq!((dry.removed_blobs, dry.removed_links, dry.removed_uploads), (1, 2, 1));
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{loose}")).await.status, StatusCode::OK);
    let swept = sweep(fixture.registry.store(), &at_once()).await.unwrap();
    assert_eq!((swept.removed_blobs, swept.freed), (1, 5));
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{loose}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&format!("/v2/b/blobs/{shared}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{shared}")).await.status, StatusCode::OK);
    assert_eq!(fixture.get(&format!("/v2/a/manifests/{}", digest_of(&untagged))).await.status, StatusCode::OK);
    is_clean(&fixture).await;
    let again = sweep(fixture.registry.store(), &at_once()).await.unwrap();
    assert_eq!((again.removed_blobs, again.removed_links, again.freed), (0, 0, 0));
}

#[tokio::test]
async fn what_is_young_stays() {
    let fixture = Fixture::new().await;
    let loose = fixture.push_blob("a", b"loose").await;
    let swept = sweep(fixture.registry.store(), &Sweep::default()).await.unwrap();
    assert_eq!((swept.removed_blobs, swept.young), (0, 1));
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{loose}")).await.status, StatusCode::OK);
}

/// The signature of an image: by `subject`, and by a tag of the older scheme.
async fn signed(fixture: &Fixture, name: &str, tag: &str) -> (Digest, Vec<String>) {
    let mut image = fixture.image(name, b"{}").await;
    image["annotations"] = json!({ "tag": tag });
    fixture.push(name, tag, &image).await;
    let subject = digest_of(&image);
    let mut signature = fixture.image(name, b"{\"signature\":1}").await;
    signature["subject"] = json!({ "mediaType": image["mediaType"], "digest": subject, "size": 1 });
    let signature_digest = digest_of(&signature).to_string();
    fixture.push(name, &signature_digest, &signature).await;
    let mut old = fixture.image(name, b"{\"signature\":2}").await;
    old["annotations"] = json!({ "of": tag });
    let old_tag = format!("sha256-{}.sig", subject.hex());
    fixture.push(name, &old_tag, &old).await;
    (subject, vec![signature_digest, old_tag])
}

#[tokio::test]
async fn signatures_of_both_forms_live_and_die_with_their_subject() {
    let fixture = Fixture::new().await;
    let (subject, signatures) = signed(&fixture, "a", "1").await;
    sweep(fixture.registry.store(), &at_once()).await.unwrap();
    for reference in &signatures {
        assert_eq!(fixture.get(&format!("/v2/a/manifests/{reference}")).await.status, StatusCode::OK, "{reference}");
    }
    fixture.send(Method::DELETE, &format!("/v2/a/manifests/{subject}"), &[], "").await;
    sweep(fixture.registry.store(), &at_once()).await.unwrap();
    for reference in &signatures {
        assert_eq!(fixture.get(&format!("/v2/a/manifests/{reference}")).await.status, StatusCode::NOT_FOUND, "{reference}");
    }
    assert_eq!(fixture.get(&format!("/v2/a/referrers/{subject}")).await.json()["manifests"], json!([]));
    is_clean(&fixture).await;
}

#[tokio::test]
async fn rules_keep_the_newest_and_take_what_hangs_on_the_others() {
    let fixture = Fixture::new().await;
    for tag in ["1-rc1", "1-rc2", "1-rc3"] {
        signed(&fixture, "team/a", tag).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signed(&fixture, "team/a", "1").await;
    let pattern = |text: &str| text.parse().unwrap();
    let rule =
        Rule { repositories: pattern("team/**"), tags: pattern("*-rc*"), newest: Some(1), younger: None, untagged: Some(Duration::ZERO) };
    let plan = Sweep { rules: vec![rule], ..at_once() };
    let dry = sweep(fixture.registry.store(), &Sweep { dry_run: true, ..plan.clone() }).await.unwrap();
    let swept = sweep(fixture.registry.store(), &plan).await.unwrap();
    assert_eq!(dry.removed_tags, swept.removed_tags);
    assert_eq!(dry.removed_manifests, swept.removed_manifests);
    let tags = fixture.get("/v2/team/a/tags/list").await.json();
    let tags: Vec<&str> = tags["tags"].as_array().unwrap().iter().filter_map(|tag| tag.as_str()).collect();
    assert_eq!(tags.iter().filter(|tag| !tag.starts_with("sha256-")).collect::<Vec<_>>(), [&"1", &"1-rc3"]);
    assert_eq!(tags.len(), 4, "each tag that stays has its signature: {tags:?}");
    // Two images and two signatures each of the two that stay; the second signature of all is one manifest per tag.
    assert_eq!(swept.removed_manifests["team/a"].len(), 6);
    is_clean(&fixture).await;
}

#[tokio::test]
async fn children_of_an_index_stay_with_it() {
    let fixture = Fixture::new().await;
    let child = fixture.image("a", b"{}").await;
    fixture.push("a", &digest_of(&child).to_string(), &child).await;
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "digest": digest_of(&child) }] });
    fixture.push("a", "1", &index).await;
    let rule = Rule {
        repositories: "*".parse().unwrap(),
        tags: "*".parse().unwrap(),
        newest: None,
        younger: None,
        untagged: Some(Duration::ZERO),
    };
    let plan = Sweep { rules: vec![rule], ..at_once() };
    sweep(fixture.registry.store(), &plan).await.unwrap();
    assert_eq!(fixture.get(&format!("/v2/a/manifests/{}", digest_of(&child))).await.status, StatusCode::OK);
    fixture.send(Method::DELETE, "/v2/a/manifests/1", &[], "").await;
    sweep(fixture.registry.store(), &plan).await.unwrap();
    assert_eq!(fixture.get(&format!("/v2/a/manifests/{}", digest_of(&child))).await.status, StatusCode::NOT_FOUND);
    is_clean(&fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_while_everything_old_is_swept() {
    let grace = Duration::from_millis(400);
    let fixture = std::sync::Arc::new(Fixture::graceful(grace).await);
    let plan = Sweep { grace, ..at_once() };
    let configs: Vec<&'static [u8]> = (0..12).map(|n| format!("{{\"n\":{n}}}").leak().as_bytes()).collect();
    let pushing = {
        let fixture = fixture.clone();
        tokio::spawn(async move {
            // The same few images again and again: each is garbage, and may be swept, before it comes back.
            for config in configs.iter().cycle().take(48) {
                let image = loop {
                    let image = fixture.image("a", config).await;
                    let pushed = fixture.push("a", "latest", &image).await;
                    if pushed.status == StatusCode::CREATED {
                        break image;
                    }
                    // On a machine that stood still for the grace period, a client is asked to send its blobs again.
                    assert!(matches!(pushed.code().1.as_str(), "MANIFEST_BLOB_UNKNOWN" | "UNAVAILABLE"), "{:?}", pushed.body);
                };
                assert_eq!(fixture.get("/v2/a/manifests/latest").await.body, image.to_string());
                let config = image["config"]["digest"].as_str().unwrap();
                assert_eq!(fixture.get(&format!("/v2/a/blobs/{config}")).await.status, StatusCode::OK);
                fixture.send(Method::DELETE, &format!("/v2/a/manifests/{}", digest_of(&image)), &[], "").await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    };
    while !pushing.is_finished() {
        sweep(fixture.registry.store(), &plan).await.unwrap();
    }
    pushing.await.unwrap();
    is_clean(&fixture).await;
}

#[tokio::test]
async fn two_sweeps_do_not_run_at_once_and_a_dry_one_may() {
    let fixture = Fixture::new().await;
    let plan = at_once();
    let (one, other) = tokio::join!(sweep(fixture.registry.store(), &plan), sweep(fixture.registry.store(), &plan));
    assert!(one.is_ok() != other.is_ok());
}

#[tokio::test]
async fn verify_finds_and_mends_what_someone_damaged() {
    let fixture = Fixture::new().await;
    let image = fixture.image("a", b"{}").await;
    fixture.push("a", "1", &image).await;
    let digest = digest_of(&image);
    let file = |kind: &str, digest: &Digest| fixture.folder.path().join(format!("{kind}/sha256/{}/{}", &digest.hex()[..2], digest.hex()));
    let config = Digest::of(Algorithm::Sha256, b"{}");
    fs_err::write(file("blobs", &config), b"[]").unwrap();
    fs_err::remove_file(fixture.folder.path().join(format!("manifests/sha256/{}/{}@a", &digest.hex()[..2], digest.hex()))).unwrap();
    let kinds = |verified: &registry::sweep::Verified| {
        verified.damage.iter().map(|damage| serde_json::to_value(damage).unwrap()["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = verify(fixture.registry.store(), false).await.unwrap();
    assert_eq!(kinds(&found), ["changed", "dangling"]);
    let mended = verify(fixture.registry.store(), true).await.unwrap();
    assert_eq!(mended.mended, mended.damage.len());
    is_clean(&fixture).await;
    // The image is whole again when it is pushed again.
    let image = fixture.image("a", b"{}").await;
    assert_eq!(fixture.push("a", "1", &image).await.status, StatusCode::CREATED);
    is_clean(&fixture).await;
}
