//! Registries that lie, or do not end, or send elsewhere: what they are refused for.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base::Digest;
use oci::remote::{Pointer, RemoteError};
use oci::{Descriptor, media};

use crate::server::{Body, Reply, Request, Server};
use crate::{at, client, in_chunks};

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// Reads a blob whole, or says why not.
fn blob(server: &Server, blob: &Descriptor) -> Result<Vec<u8>, RemoteError> {
    let client = client();
    let remote = client.open(&at(&server.host, "app")).unwrap();
    let mut bytes = Vec::new();
    let read = remote.blob(blob).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| *error.into_inner().unwrap().downcast::<RemoteError>().unwrap())
}

fn manifest(server: &Server, pointer: &Pointer) -> Result<Vec<u8>, RemoteError> {
    let client = client();
    client.open(&at(&server.host, "app")).unwrap().manifest(pointer).map(|fetched| fetched.bytes)
}

fn ping(request: &Request) -> bool {
    request.target == "/v2/"
}

fn tag() -> Pointer {
    Pointer::Tag("1".into())
}

fn bytes_of(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

#[test]
fn other_bytes_than_the_digest_are_refused() {
    let server = Server::start(|_| Reply::new(200, MANIFEST).with("content-type", media::MANIFEST));
    let other = Digest::of("what was asked for");
    assert!(matches!(manifest(&server, &Pointer::Digest(other)), Err(RemoteError::Changed { .. })));
    assert!(manifest(&server, &Pointer::Digest(Digest::of(MANIFEST))).is_ok(), "its own digest is taken");
    let same_size = Descriptor::new(media::LAYER_TAR, other, MANIFEST.len() as u64);
    assert!(matches!(blob(&server, &same_size), Err(RemoteError::Changed { .. })));
    assert!(blob(&server, &Descriptor::of(media::LAYER_TAR, MANIFEST.as_bytes())).is_ok());
}

#[test]
fn a_tag_whose_digest_is_another_is_refused() {
    let said = Digest::of("something else").to_string();
    let server =
        Server::start(move |_| Reply::new(200, MANIFEST).with("content-type", media::MANIFEST).with("docker-content-digest", &said));
    assert!(matches!(manifest(&server, &tag()), Err(RemoteError::Changed { .. })));
}

#[test]
fn endless_bodies_are_not_read_to_their_end() {
    let server = Server::start(|request| if ping(request) { Reply::new(200, "") } else { Reply::new(200, "").body(Body::Endless) });
    assert!(matches!(manifest(&server, &tag()), Err(RemoteError::Large { .. })));
    let small = Descriptor::new(media::LAYER_TAR, Digest::of("x"), 1000);
    assert!(matches!(blob(&server, &small), Err(RemoteError::Large { most: 1000, .. })));
    let client = client();
    assert!(matches!(client.open(&at(&server.host, "app")).unwrap().tags(), Err(RemoteError::Large { .. })));
}

#[test]
fn an_endless_refusal_is_still_a_refusal() {
    let server = Server::start(|request| if ping(request) { Reply::new(200, "") } else { Reply::new(400, "").body(Body::Endless) });
    assert!(matches!(manifest(&server, &tag()), Err(RemoteError::Status { status: 400, .. })));
}

#[test]
fn a_manifest_of_two_meanings_is_refused() {
    let both = MANIFEST.replace("\"layers\":[]", "\"layers\":[],\"manifests\":[]");
    let lies = MANIFEST.replace("\"config\"", &format!("\"mediaType\":\"{}\",\"config\"", media::DOCKER_MANIFEST));
    let index = r#"{"schemaVersion":2,"manifests":[]}"#.to_owned();
    for (text, content_type) in [(both, media::MANIFEST), (lies, media::MANIFEST), (index, media::MANIFEST)] {
        let sent = text.clone();
        let server = Server::start(move |_| Reply::new(200, sent.clone()).with("content-type", content_type));
        let refused = manifest(&server, &tag());
        assert!(matches!(refused, Err(RemoteError::Ambiguous { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn a_blob_that_breaks_off_is_gone_on_with() {
    let bytes = bytes_of(300_000);
    let descriptor = Descriptor::of(media::LAYER_TAR, &bytes);
    for ranges in [true, false] {
        let (bytes, count) = (bytes.clone(), AtomicUsize::new(0));
        let sent = bytes.clone();
        let server = Server::start(move |request| {
            let from = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
            let from = from.filter(|_| ranges).unwrap_or(0);
            let reply = match from {
                0 => Reply::new(200, ""),
                _ => Reply::new(206, "").with("content-range", format!("bytes {from}-{}/{}", sent.len() - 1, sent.len())),
            };
            let rest = sent.len() - from;
            // The first ping, then two answers that end early: each further than the one before.
            match count.fetch_add(1, Ordering::SeqCst) {
                n @ 1..=2 => reply.body(Body::Cut(sent[from..100_000 * n].to_vec(), rest)),
                _ => reply.body(Body::Whole(sent[from..].to_vec())),
            }
        });
        assert_eq!(blob(&server, &descriptor).unwrap(), bytes, "with ranges: {ranges}");
        let asked: Vec<_> = server.asked().iter().filter_map(|one| one.header("range").map(str::to_owned)).collect();
        assert_eq!(asked, ["bytes=100000-", "bytes=200000-"]);
    }
}

#[test]
fn a_blob_that_always_breaks_off_is_given_up() {
    let bytes = bytes_of(1000);
    let descriptor = Descriptor::of(media::LAYER_TAR, &bytes);
    let server = Server::start(move |request| {
        if ping(request) { Reply::new(200, "") } else { Reply::new(200, "").body(Body::Cut(bytes[..10].to_vec(), bytes.len())) }
    });
    let error = blob(&server, &descriptor).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(server.lines().len(), 3, "as often as the settings say");
}

#[test]
fn another_part_than_was_asked_for_is_refused() {
    let bytes = bytes_of(1000);
    let descriptor = Descriptor::of(media::LAYER_TAR, &bytes);
    let server = Server::start(move |request| match request.header("range") {
        None => Reply::new(200, "").body(Body::Cut(bytes[..500].to_vec(), 1000)),
        Some(_) => Reply::new(206, &bytes[..500]).with("content-range", "bytes 0-499/1000"),
    });
    assert!(matches!(blob(&server, &descriptor), Err(RemoteError::Protocol { .. })));
}

#[test]
fn redirects_without_end_are_not_followed() {
    let server =
        Server::start(
            |request| if ping(request) { Reply::new(200, "") } else { Reply::new(307, "").with("location", request.target.clone()) },
        );
    assert!(matches!(manifest(&server, &tag()), Err(RemoteError::Redirect { insecure: false, .. })));
    assert_eq!(server.lines().len(), 6);
}

#[test]
fn redirects_to_nowhere_are_refused() {
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/x", "//"] {
        let server =
            Server::start(move |request| if ping(request) { Reply::new(200, "") } else { Reply::new(307, "").with("location", location) });
        assert!(matches!(manifest(&server, &tag()), Err(RemoteError::Protocol { .. })), "{location}");
    }
}

#[test]
fn what_passes_by_itself_is_tried_again_and_the_rest_is_not() {
    for (status, tries) in [(429, 3), (503, 3), (500, 3), (404, 1), (400, 1), (403, 1), (418, 1)] {
        let server =
            Server::start(move |request| if ping(request) { Reply::new(200, "") } else { Reply::new(status, "").with("retry-after", "0") });
        assert!(manifest(&server, &tag()).is_err());
        assert_eq!(server.lines().len(), tries, "{status}");
    }
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::new(503, "busy"),
        _ => Reply::new(200, MANIFEST).with("content-type", media::MANIFEST),
    });
    assert!(manifest(&server, &tag()).is_ok());
}

#[test]
fn the_next_page_is_of_the_same_registry_or_none() {
    let elsewhere = Server::start(|_| Reply::new(200, r#"{"tags":["stolen"]}"#));
    let link = format!("<http://{}/v2/app/tags/list?last=a>; rel=\"next\"", elsewhere.host);
    let server = Server::start(move |_| Reply::new(200, r#"{"tags":["a"]}"#).with("link", &link));
    let client = client();
    assert!(matches!(client.open(&at(&server.host, "app")).unwrap().tags(), Err(RemoteError::Protocol { .. })));
    assert!(elsewhere.asked().is_empty());
    let round = Server::start(|_| Reply::new(200, r#"{"tags":[]}"#).with("link", "</v2/app/tags/list?last=a>; rel=\"next\""));
    assert!(client.open(&at(&round.host, "app")).unwrap().tags().unwrap().is_empty(), "an empty page is the last");
}

#[test]
fn what_a_registry_says_is_shown_on_one_line() {
    let long = format!("first\\u001b[31m\\nsecond {}", "x".repeat(2000));
    let server = Server::start(move |request| {
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"{long}"}}]}}"#);
        if ping(request) { Reply::new(200, "") } else { Reply::new(400, body) }
    });
    let said = manifest(&server, &tag()).unwrap_err().to_string();
    assert!(said.contains("DENIED first") && !said.contains('\n') && !said.contains('\u{1b}') && said.len() < 500, "{said}");
}

#[test]
fn an_upload_that_is_lost_is_begun_anew() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => Reply::new(202, "").with("location", format!("/upload/{}", count.fetch_add(1, Ordering::SeqCst))),
        "PUT" if request.target.starts_with("/upload/0") => Reply::new(502, ""),
        _ => Reply::new(201, ""),
    });
    let client = client();
    let blob = Descriptor::of(media::LAYER_TAR, b"a blob");
    client.open(&at(&server.host, "app")).unwrap().put_blob(&blob, &|| Ok(Box::new(&b"a blob"[..]))).unwrap();
    let lines: Vec<_> = server.lines().iter().map(|line| line.split('?').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["POST /v2/app/blobs/uploads/", "PUT /upload/0", "POST /v2/app/blobs/uploads/", "PUT /upload/1"]);
}

#[test]
fn a_large_blob_goes_in_chunks_and_a_lost_chunk_is_sent_again_from_where_the_registry_is() {
    let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (held, count) = (Arc::clone(&kept), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let mut held = held.lock().unwrap();
        let next = |held: &[u8]| Reply::new(202, "").with("location", format!("/upload?at={}", held.len()));
        match request.method.as_str() {
            "POST" => next(&held),
            "PATCH" => {
                let range = format!("{}-{}", held.len(), held.len() + request.body.len() - 1);
                assert_eq!(request.header("content-range"), Some(range.as_str()), "chunks come in order");
                // Of the third, half is kept and the answer is lost.
                let lost = count.fetch_add(1, Ordering::SeqCst) == 2;
                held.extend(&request.body[..if lost { 50 } else { request.body.len() }]);
                if lost { Reply::new(502, "") } else { next(&held) }
            }
            "GET" if request.target.starts_with("/upload") => {
                let reply = Reply::new(204, "").with("range", format!("0-{}", held.len() - 1));
                reply.with("location", format!("/upload?at={}", held.len()))
            }
            "PUT" => Reply::new(201, ""),
            _ => Reply::new(200, ""),
        }
    });
    let bytes = bytes_of(1030);
    let blob = Descriptor::of(media::LAYER_TAR, &bytes);
    let client = in_chunks();
    client.open(&at(&server.host, "app")).unwrap().put_blob(&blob, &|| Ok(Box::new(&bytes[..]))).unwrap();
    assert_eq!(*kept.lock().unwrap(), bytes);
    assert!(server.lines().iter().any(|line| line == "GET /upload?at=200"), "{:?}", server.lines());
}
