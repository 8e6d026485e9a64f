//! Who asks, and to whom that is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci::Descriptor;
use oci::media;
use oci::remote::{Keychain, Pointer, RemoteError};

use crate::server::{Body, Reply, Request, Server};
use crate::{at, client, with};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;
/// `me:hunter2`.
const BASIC: &str = "Basic bWU6aHVudGVyMg==";

fn keys(host: &str, entry: &str) -> Keychain {
    let mut keychain = Keychain::default();
    keychain.add_file("config.json", format!(r#"{{"auths":{{"{host}":{entry}}}}}"#).as_bytes()).unwrap();
    keychain
}

fn me(host: &str) -> Keychain {
    keys(host, r#"{"auth":"bWU6aHVudGVyMg=="}"#)
}

fn found() -> Reply {
    Reply::new(200, INDEX).with("content-type", media::INDEX)
}

fn get(host: &str, keychain: Keychain) -> Result<(), RemoteError> {
    let client = with(keychain);
    client.open(&at(host, "app"))?.manifest(&Pointer::Tag("1".into())).map(drop)
}

/// A registry that wants a token of `realm`, and lets in who has `token`.
fn wants_token(realm: String, token: &'static str) -> Server {
    Server::start(move |request| {
        if request.header("authorization") == Some(&format!("Bearer {token}")) {
            return found();
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"here\",scope=\"repository:app:pull\"");
        Reply::new(401, "").with("www-authenticate", challenge)
    })
}

#[test]
fn a_token_is_had_without_a_user_where_that_is_enough() {
    let tokens = Server::start(|_| Reply::new(200, r#"{"token":"t1"}"#));
    let server = wants_token(format!("http://{}/token", tokens.host), "t1");
    get(&server.host, Keychain::default()).unwrap();
    let asked = &tokens.asked()[0];
    assert_eq!(asked.target, "/token?service=here&scope=repository%3Aapp%3Apull");
    assert_eq!(asked.header("authorization"), None);
}

#[test]
fn a_user_is_shown_to_the_token_service_and_the_registry_sees_the_token_alone() {
    let tokens = Server::start(|_| Reply::new(200, r#"{"access_token":"t2"}"#));
    let server = wants_token(format!("http://{}/token?a=b", tokens.host), "t2");
    get(&server.host, me(&server.host)).unwrap();
    assert_eq!(tokens.asked()[0].header("authorization"), Some(BASIC));
    assert!(tokens.asked()[0].target.starts_with("/token?a=b&service=here"));
    assert!(server.asked().iter().all(|one| one.header("authorization") != Some(BASIC)));
}

#[test]
fn an_identity_token_is_exchanged_and_a_registry_token_is_shown_as_it_is() {
    let tokens = Server::start(|_| Reply::new(200, r#"{"token":"t3"}"#));
    let server = wants_token(format!("http://{}/token", tokens.host), "t3");
    get(&server.host, keys(&server.host, r#"{"identitytoken":"re/fresh"}"#)).unwrap();
    let asked = &tokens.asked()[0];
    let form = String::from_utf8(asked.body.clone()).unwrap();
    assert_eq!(asked.method, "POST");
    assert!(form.contains("grant_type=refresh_token") && form.contains("refresh_token=re%2Ffresh"), "{form}");
    get(&server.host, keys(&server.host, r#"{"registrytoken":"t3"}"#)).unwrap();
    assert_eq!(tokens.asked().len(), 1, "nobody is asked for a token that is there");
}

#[test]
fn a_token_serves_until_it_is_refused_and_is_then_had_anew() {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let tokens = Server::start(move |_| Reply::new(200, format!(r#"{{"token":"t{}"}}"#, count.fetch_add(1, Ordering::SeqCst))));
    let realm = format!("http://{}/token", tokens.host);
    let uses = AtomicUsize::new(0);
    // Each token is taken twice.
    let server = Server::start(move |request| {
        let current = format!("Bearer t{}", uses.load(Ordering::SeqCst) / 2);
        if request.header("authorization") == Some(&current) {
            uses.fetch_add(1, Ordering::SeqCst);
            return found();
        }
        Reply::new(401, "").with("www-authenticate", format!("Bearer realm=\"{realm}\""))
    });
    let client = client();
    let remote = client.open(&at(&server.host, "app")).unwrap();
    for _ in 0..5 {
        remote.manifest(&Pointer::Tag("1".into())).unwrap();
    }
    assert_eq!(given.load(Ordering::SeqCst), 3);
}

#[test]
fn a_registry_that_always_answers_401_is_given_up() {
    for challenge in ["Bearer realm=\"REALM\"", "Basic realm=\"x\""] {
        let tokens = Server::start(|_| Reply::new(200, r#"{"token":"never-enough"}"#));
        let challenge = challenge.replace("REALM", &format!("http://{}/token", tokens.host));
        let server = Server::start(move |_| Reply::new(401, "").with("www-authenticate", &challenge));
        let refused = get(&server.host, me(&server.host));
        assert!(matches!(refused, Err(RemoteError::Unauthorised { had_credentials: true, .. })), "{refused:?}");
        assert_eq!(server.lines().len(), 2);
    }
}

#[test]
fn what_is_asked_for_and_not_understood_is_said() {
    let server = Server::start(|_| Reply::new(401, "").with("www-authenticate", "Negotiate"));
    assert!(matches!(get(&server.host, Keychain::default()), Err(RemoteError::Challenge { .. })));
    let server = Server::start(|_| Reply::new(401, "").with("www-authenticate", "Bearer realm=\"file:///etc/passwd\""));
    assert!(matches!(get(&server.host, Keychain::default()), Err(RemoteError::Challenge { .. })));
    let server = Server::start(|_| Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\""));
    assert!(matches!(get(&server.host, Keychain::default()), Err(RemoteError::Unauthorised { had_credentials: false, .. })));
}

#[test]
fn a_token_service_that_gives_something_else_is_refused() {
    let replies: [fn() -> Reply; 4] = [
        || Reply::new(200, "{}"),
        || Reply::new(200, r#"{"token":"two\r\nlines"}"#),
        || Reply::new(200, "hunter2"),
        || Reply::new(200, "").body(Body::Endless),
    ];
    for reply in replies {
        let tokens = Server::start(move |_: &Request| reply());
        let server = wants_token(format!("http://{}/token", tokens.host), "t");
        let refused = get(&server.host, me(&server.host)).unwrap_err();
        assert!(matches!(refused, RemoteError::Protocol { .. } | RemoteError::Large { .. }), "{refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("hunter2"));
    }
}

#[test]
fn a_proof_is_not_shown_to_where_a_registry_sends_on() {
    let bytes = b"a blob".to_vec();
    let sent = bytes.clone();
    let storage = Server::start(move |_| Reply::new(200, sent.clone()));
    let (elsewhere, own) = (format!("http://{}/blob?signature=s", storage.host), bytes.clone());
    let server = Server::start(move |request| match (request.header("authorization"), request.target.as_str()) {
        (Some(BASIC), "/own") => Reply::new(200, own.clone()),
        (Some(BASIC), target) if target.contains("/near/") => Reply::new(307, "").with("location", "/own"),
        (Some(BASIC), _) => Reply::new(307, "").with("location", &elsewhere),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\""),
    });
    let client = with(me(&server.host));
    let blob = Descriptor::of(media::LAYER_TAR, &bytes);
    for (path, at_storage) in [("app", 1), ("near", 1)] {
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut client.open(&at(&server.host, path)).unwrap().blob(&blob), &mut read).unwrap();
        assert_eq!(read, bytes);
        assert_eq!(storage.asked().len(), at_storage, "{path}");
    }
    assert_eq!(storage.asked()[0].header("authorization"), None, "another origin sees no proof");
    let own = server.asked().into_iter().find(|one| one.target == "/own").unwrap();
    assert_eq!(own.header("authorization"), Some(BASIC), "the same origin does");
}

#[test]
fn a_proof_is_not_shown_to_where_an_upload_goes_on() {
    let storage = Server::start(|_| Reply::new(201, ""));
    let elsewhere = format!("http://{}/upload?state=1", storage.host);
    let server = Server::start(move |request| match request.header("authorization") {
        Some(BASIC) => Reply::new(202, "").with("location", &elsewhere),
        _ => Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\""),
    });
    let client = with(me(&server.host));
    let bytes = b"a blob";
    let blob = Descriptor::of(media::LAYER_TAR, bytes);
    client.open(&at(&server.host, "app")).unwrap().put_blob(&blob, &|| Ok(Box::new(&bytes[..]))).unwrap();
    let asked = &storage.asked()[0];
    assert_eq!((asked.header("authorization"), asked.body.as_slice()), (None, &bytes[..]));
    assert_eq!(asked.target, format!("/upload?state=1&digest=sha256%3A{}", blob.digest.hex()));
}

#[test]
fn secrets_are_in_no_error() {
    let tokens = Server::start(|_| Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#));
    let server = wants_token(format!("http://{}/token?key=s3cret", tokens.host), "t");
    let client = with(me(&server.host));
    let error = client.open(&at(&server.host, "app")).unwrap().manifest(&Pointer::Tag("1".into())).unwrap_err();
    let said = format!("{error} {error:?} {client:?}");
    assert!(said.contains("wrong password"), "{said}");
    for secret in ["hunter2", "bWU6", "s3cret"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}
