//! The room's promise: what clients push is what others pull, and what must not be is refused.
#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod common;

use common::{Fixture, digest_of};
use http::{Method, StatusCode};
use registry::{Algorithm, Digest, Limits};
use serde_json::json;

#[tokio::test]
async fn an_image_is_pulled_as_it_was_pushed() {
    let fixture = Fixture::new().await;
    let image = fixture.image("a/b", b"{}").await;
    let digest = digest_of(&image);
    let pushed = fixture.push("a/b", "1", &image).await;
    assert_eq!(pushed.status, StatusCode::CREATED);
    assert_eq!(pushed.header("location"), format!("/v2/a/b/manifests/{digest}"));
    for reference in ["1", &digest.to_string()] {
        let got = fixture.get(&format!("/v2/a/b/manifests/{reference}")).await;
        assert_eq!(got.body, image.to_string());
        assert_eq!(got.header("docker-content-digest"), digest.to_string());
        assert_eq!(got.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
        let head = fixture.send(Method::HEAD, &format!("/v2/a/b/manifests/{reference}"), &[], "").await;
        assert_eq!((head.header("content-length"), head.body.len()), (image.to_string().len().to_string().as_str(), 0));
        let etag = got.header("etag");
        let again = fixture.send(Method::GET, &format!("/v2/a/b/manifests/{reference}"), &[("if-none-match", etag)], "").await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
    assert_eq!(fixture.get("/v2/c/manifests/1").await.code(), (404, "MANIFEST_UNKNOWN".into()));
    assert_eq!(fixture.get(&format!("/v2/c/manifests/{digest}")).await.code(), (404, "MANIFEST_UNKNOWN".into()));
}

#[tokio::test]
async fn a_blob_comes_in_chunks_and_its_upload_is_resumed() {
    let fixture = Fixture::new().await;
    let digest = Digest::of(Algorithm::Sha512, b"hello world");
    let begun = fixture.send(Method::POST, "/v2/a/blobs/uploads/", &[], "").await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let upload = begun.header("location").to_owned();
    let chunk = fixture.send(Method::PATCH, &upload, &[("content-range", "0-4"), ("content-length", "5")], "hello").await;
    assert_eq!((chunk.status, chunk.header("range")), (StatusCode::ACCEPTED, "0-4"));
    let wrong = fixture.send(Method::PATCH, &upload, &[("content-range", "6-10")], "world").await;
    assert_eq!(wrong.code(), (416, "BLOB_UPLOAD_INVALID".into()));
    let status = fixture.get(&upload).await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-4"));
    let done = fixture.send(Method::PUT, &format!("{upload}?digest={digest}"), &[("content-range", "5-10")], " world").await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(fixture.get(done.header("location")).await.body, "hello world");
    assert_eq!(fixture.get(&upload).await.code(), (404, "BLOB_UPLOAD_UNKNOWN".into()));
}

#[tokio::test]
async fn bytes_that_are_not_their_digest_are_refused() {
    let fixture = Fixture::new().await;
    let digest = Digest::of(Algorithm::Sha256, b"said");
    let got = fixture.send(Method::POST, &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], "sent").await;
    assert_eq!(got.code(), (400, "DIGEST_INVALID".into()));
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{digest}")).await.code(), (404, "BLOB_UNKNOWN".into()));
    let image = fixture.image("a", b"{}").await;
    let got = fixture.push("a", &digest.to_string(), &image).await;
    assert_eq!(got.code(), (400, "DIGEST_INVALID".into()));
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_refused() {
    let fixture = Fixture::new().await;
    let image = fixture.image("a", b"{}").await;
    assert_eq!(fixture.push("b", "1", &image).await.code(), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    let child = digest_of(&image);
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{ "digest": child }] });
    assert_eq!(fixture.push("a", "1", &index).await.code(), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    assert_eq!(fixture.push("a", &child.to_string(), &image).await.status, StatusCode::CREATED);
    assert_eq!(fixture.push("a", "1", &index).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_one_repository_holds_another_does_not() {
    let fixture = Fixture::new().await;
    let digest = fixture.push_blob("a", b"secret").await;
    assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    let elsewhere = fixture.send(Method::POST, &format!("/v2/b/blobs/uploads/?mount={digest}&from=c"), &[], "").await;
    assert_eq!(elsewhere.status, StatusCode::ACCEPTED);
    let mounted = fixture.send(Method::POST, &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), &[], "").await;
    assert_eq!(mounted.status, StatusCode::CREATED);
    let anywhere = fixture.send(Method::POST, &format!("/v2/c/blobs/uploads/?mount={digest}"), &[], "").await;
    assert_eq!(anywhere.status, StatusCode::CREATED);
    assert_eq!(fixture.send(Method::DELETE, &format!("/v2/a/blobs/{digest}"), &[], "").await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).await.body, "secret");
}

#[tokio::test]
async fn tags_come_in_order_and_in_pages() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.get("/v2/a/tags/list").await.code(), (404, "NAME_UNKNOWN".into()));
    let image = fixture.image("a", b"{}").await;
    let digest = digest_of(&image);
    let got = fixture.push("a", &format!("{digest}?tag=b&tag=a&tag=B&tag=c"), &image).await;
    assert_eq!(got.headers.get_all("oci-tag").iter().count(), 4);
    let first = fixture.get("/v2/a/tags/list?n=3").await;
    assert_eq!(first.json(), json!({ "name": "a", "tags": ["B", "a", "b"] }));
    assert_eq!(first.header("link"), "</v2/a/tags/list?n=3&last=b>; rel=\"next\"");
    let second = fixture.get("/v2/a/tags/list?n=3&last=b").await;
    assert_eq!((second.json()["tags"].clone(), second.header("link")), (json!(["c"]), ""));
    assert_eq!(fixture.get("/v2/_catalog").await.json(), json!({ "repositories": ["a"] }));
    assert_eq!(fixture.send(Method::DELETE, "/v2/a/manifests/b", &[], "").await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.get("/v2/a/manifests/b").await.status, StatusCode::NOT_FOUND);
    // With the manifest, all that is left of its tags goes.
    assert_eq!(fixture.send(Method::DELETE, &format!("/v2/a/manifests/{digest}"), &[], "").await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.get("/v2/a/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_go_with_their_manifests() {
    let fixture = Fixture::new().await;
    let subject = Digest::of(Algorithm::Sha256, b"not here yet");
    let mut pushed = Vec::new();
    for kind in ["a/x", "a/y"] {
        let mut artifact = fixture.image("a", b"{}").await;
        artifact["artifactType"] = json!(kind);
        artifact["annotations"] = json!({ "kind": kind });
        artifact["subject"] = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1 });
        let digest = digest_of(&artifact);
        let got = fixture.push("a", &digest.to_string(), &artifact).await;
        assert_eq!(got.header("oci-subject"), subject.to_string());
        pushed.push((digest, artifact.to_string().len()));
    }
    let all = fixture.get(&format!("/v2/a/referrers/{subject}")).await;
    assert_eq!(all.header("content-type"), "application/vnd.oci.image.index.v1+json");
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    let some = fixture.get(&format!("/v2/a/referrers/{subject}?artifactType=a%2Fy")).await;
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    let entry = json!([{ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": pushed[1].0, "size": pushed[1].1,
        "artifactType": "a/y", "annotations": { "kind": "a/y" } }]);
    assert_eq!(some.json()["manifests"], entry);
    let page = fixture.get(&format!("/v2/a/referrers/{subject}?n=1")).await;
    assert_eq!(page.json()["manifests"].as_array().unwrap().len(), 1);
    let next = page.header("link").strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
    assert_eq!(fixture.get(&next).await.json()["manifests"].as_array().unwrap().len(), 1);
    fixture.send(Method::DELETE, &format!("/v2/a/manifests/{}", pushed[1].0), &[], "").await;
    assert_eq!(fixture.get(&format!("/v2/a/referrers/{subject}?artifactType=a%2Fy")).await.json()["manifests"], json!([]));
    assert_eq!(fixture.get(&format!("/v2/b/referrers/{subject}")).await.json()["manifests"], json!([]));
}

#[tokio::test]
async fn ranges_of_a_blob_are_sent() {
    let fixture = Fixture::new().await;
    let digest = fixture.push_blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    let got = fixture.send(Method::GET, &path, &[("range", "bytes=2-4")], "").await;
    assert_eq!((got.status.as_u16(), got.header("content-range"), &got.body[..]), (206, "bytes 2-4/10", &b"234"[..]));
    let got = fixture.send(Method::GET, &path, &[("range", "bytes=10-")], "").await;
    assert_eq!((got.status.as_u16(), got.header("content-range")), (416, "bytes */10"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_leaves_nothing() {
    let fixture = Fixture::with(Limits { blob: 4, manifest: 64, ..Limits::default() }).await;
    let digest = Digest::of(Algorithm::Sha256, b"12345");
    let got = fixture.send(Method::POST, &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], "12345").await;
    assert_eq!(got.code(), (413, "SIZE_INVALID".into()));
    let image = fixture.image("a", b"{}").await;
    assert_eq!(fixture.push("a", "1", &image).await.code(), (413, "SIZE_INVALID".into()));
    let begun = fixture.send(Method::POST, "/v2/a/blobs/uploads/", &[], "").await;
    let upload = begun.header("location").to_owned();
    fixture.send(Method::PATCH, &upload, &[], "12345").await;
    assert_eq!(fixture.get(&upload).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tricks_in_paths_and_methods_get_the_codes_of_the_specification() {
    let fixture = Fixture::new().await;
    let digest = Digest::of(Algorithm::Sha256, b"");
    for (method, path, code) in [
        (Method::GET, "/v2/../etc/tags/list".to_owned(), (400, "NAME_INVALID")),
        (Method::GET, "/v2/a%2f..%2fb/tags/list".to_owned(), (404, "UNSUPPORTED")),
        (Method::GET, "/v2/a/blobs/sha256:1".to_owned(), (400, "DIGEST_INVALID")),
        (Method::GET, "/v2/a/manifests/..".to_owned(), (400, "TAG_INVALID")),
        (Method::PUT, format!("/v2/a/blobs/{digest}"), (405, "UNSUPPORTED")),
        (Method::POST, "/v2/a/tags/list".to_owned(), (405, "UNSUPPORTED")),
        (Method::POST, format!("/v2/a/blobs/uploads/?mount={digest}&from=../b"), (400, "NAME_INVALID")),
        (Method::GET, "/v2/a/blobs/uploads/../../../x".to_owned(), (404, "UNSUPPORTED")),
        (Method::GET, "/v2/a/blobs/uploads/..".to_owned(), (404, "BLOB_UPLOAD_UNKNOWN")),
    ] {
        let got = fixture.send(method, &path, &[], "").await;
        assert_eq!(got.code(), (code.0, code.1.to_owned()), "{path}");
    }
    assert_eq!(fixture.get("/v2/").await.status, StatusCode::OK);
}
