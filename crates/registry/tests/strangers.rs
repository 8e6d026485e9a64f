//! Strangers, and users who want more than they may: each attack is refused and leaves nothing, and goes through with the guard off.
#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use registry::access::{Grant, Guard, Passwords, Rule, Rules, Tokens};
use registry::{Access, Algorithm, Digest, Limits, Open, Registry, Store};
use serde_json::{Value, json};

/// A PKCS#8 key for tokens, known to the test as to servers that share it.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n";
const LIFETIME: Duration = Duration::from_secs(300);

struct Desk {
    registry: Registry,
    _folder: tempfile::TempDir,
}

struct Got {
    status: u16,
    challenge: String,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// `public/**` is read by anyone and written by alice; `team/*` is bob's; the rest is nobody's.
fn guard(folder: &std::path::Path) -> Box<dyn Access> {
    let line = |user: &str, password: &str| format!("{user}:{}\n", bcrypt::hash_with_salt(password, 4, *b"0123456789abcdef").unwrap());
    fs_err::write(folder.join("htpasswd"), line("alice", "a1") + &line("bob", "b2")).unwrap();
    let who = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
    let rules = vec![
        Rule::new("public/**", who(&["anyone"]), who(&["alice"]), who(&["alice"])).unwrap(),
        Rule::new("team/*", who(&["bob"]), who(&["bob"]), who(&[])).unwrap(),
    ];
    let passwords = Passwords::open(&folder.join("htpasswd")).unwrap();
    Box::new(Guard::new(Rules::new(rules).unwrap(), Some(passwords), tokens("undistro"), None, false))
}

fn tokens(service: &str) -> Tokens {
    Tokens::from_pem(KEY, service, LIFETIME).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn grant(name: &str, actions: &[&str]) -> Vec<Grant> {
    vec![Grant { kind: "repository".into(), name: name.into(), actions: actions.iter().map(|one| (*one).to_owned()).collect() }]
}

impl Desk {
    async fn new(guarded: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::folder(&folder.path().join("store")).await.unwrap();
        let access = if guarded { guard(folder.path()) } else { Box::new(Open) };
        Self { registry: Registry::new(store, registry::Settings { access, limits: Limits::default() }, None, "test"), _folder: folder }
    }

    async fn send(&self, method: Method, path: &str, proof: &str, body: impl Into<Bytes>) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("host", "registry.example.org");
        request = request.header("content-type", "application/vnd.oci.image.index.v1+json");
        if !proof.is_empty() {
            request = request.header("authorization", proof);
        }
        let response = self.registry.respond(request.body(Full::new(body.into())).unwrap(), None).await;
        let (parts, body) = response.into_parts();
        let challenge = parts.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        Got { status: parts.status.as_u16(), challenge, body: body.collect().await.unwrap().to_bytes() }
    }

    async fn get(&self, path: &str, proof: &str) -> Got {
        self.send(Method::GET, path, proof, "").await
    }

    /// Pushes an empty index under a tag, and returns its digest.
    async fn push(&self, name: &str, proof: &str) -> (u16, Digest) {
        let digest = Digest::of(Algorithm::Sha256, INDEX.as_bytes());
        (self.send(Method::PUT, &format!("/v2/{name}/manifests/1"), proof, INDEX).await.status, digest)
    }

    async fn push_blob(&self, name: &str, proof: &str, bytes: &'static [u8]) -> (u16, Digest) {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        (self.send(Method::POST, &format!("/v2/{name}/blobs/uploads/?digest={digest}"), proof, bytes).await.status, digest)
    }

    async fn token(&self, query: &str, proof: &str) -> String {
        let got = self.get(&format!("/token?service=undistro{query}"), proof).await;
        assert_eq!(got.status, 200);
        format!("Bearer {}", got.json()["token"].as_str().unwrap())
    }
}

const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_stranger_pushes_nothing_and_is_told_how_to_log_in() {
    for name in ["public/app", "team/app", "other"] {
        let desk = Desk::new(true).await;
        let got = desk.send(Method::PUT, &format!("/v2/{name}/manifests/1"), "", INDEX).await;
        assert_eq!(got.status, 401, "{name}");
        let realm = "Bearer realm=\"http://registry.example.org/token\",service=\"undistro\"";
        assert_eq!(got.challenge, format!("{realm},scope=\"repository:{name}:pull,push\""));
        assert_eq!(desk.push_blob(name, "", b"blob").await.0, 401);
        assert_eq!(desk.get("/v2/public/app/tags/list", "").await.status, 404, "no effect");
        let open = Desk::new(false).await;
        assert_eq!(open.push(name, "").await.0, 201, "with the guard off");
    }
}

#[tokio::test]
async fn the_ping_asks_for_a_login_and_takes_one() {
    let desk = Desk::new(true).await;
    assert_eq!(desk.get("/v2/", "").await.status, 401);
    assert_eq!(desk.get("/v2/", &basic("alice", "a1")).await.status, 200);
    assert_eq!(desk.get("/v2/", &basic("alice", "b2")).await.status, 401);
    assert_eq!(desk.get("/v2/", &desk.token("", "").await).await.status, 200);
    assert_eq!(desk.get("/v2/_catalog", &basic("alice", "a1")).await.status, 403);
}

#[tokio::test]
async fn users_do_what_the_rules_say_and_nothing_else() {
    let desk = Desk::new(true).await;
    let (alice, bob) = (basic("alice", "a1"), basic("bob", "b2"));
    let (status, digest) = desk.push("public/app", &alice).await;
    assert_eq!(status, 201);
    assert_eq!(desk.push("team/app", &bob).await.0, 201);
    let table = [
        (Method::GET, "/v2/public/app/manifests/1".to_owned(), "", 200),
        (Method::GET, "/v2/team/app/manifests/1".to_owned(), "", 401),
        (Method::GET, "/v2/team/app/manifests/1".to_owned(), alice.as_str(), 403),
        (Method::GET, "/v2/team/app/tags/list".to_owned(), alice.as_str(), 403),
        (Method::GET, format!("/v2/team/app/referrers/{digest}"), alice.as_str(), 403),
        (Method::HEAD, format!("/v2/team/app/blobs/{digest}"), alice.as_str(), 403),
        (Method::PUT, "/v2/public/app/manifests/1".to_owned(), bob.as_str(), 403),
        (Method::DELETE, "/v2/public/app/manifests/1".to_owned(), "", 401),
        (Method::DELETE, "/v2/public/app/manifests/1".to_owned(), bob.as_str(), 403),
        (Method::DELETE, "/v2/team/app/manifests/1".to_owned(), bob.as_str(), 403),
        (Method::GET, "/v2/team/app/manifests/1".to_owned(), bob.as_str(), 200),
        (Method::PUT, "/v2/elsewhere/manifests/1".to_owned(), alice.as_str(), 403),
        (Method::DELETE, "/v2/public/app/manifests/1".to_owned(), alice.as_str(), 202),
        (Method::GET, "/v2/public/app/manifests/1".to_owned(), "", 404),
    ];
    for (method, path, proof, status) in table {
        assert_eq!(desk.send(method.clone(), &path, proof, INDEX).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_stranger_deletes_nothing() {
    for (guarded, status) in [(true, 401), (false, 202)] {
        let desk = Desk::new(guarded).await;
        let (_, digest) = desk.push("public/app", &if guarded { basic("alice", "a1") } else { String::new() }).await;
        for path in ["/v2/public/app/manifests/1".to_owned(), format!("/v2/public/app/manifests/{digest}")] {
            assert_eq!(desk.send(Method::DELETE, &path, "", "").await.status, status, "{path}");
        }
        let there = if guarded { 200 } else { 404 };
        assert_eq!(desk.get(&format!("/v2/public/app/manifests/{digest}"), "").await.status, there);
    }
}

#[tokio::test]
async fn a_blob_of_a_forbidden_repository_is_not_mounted() {
    for (guarded, status) in [(true, 202), (false, 201)] {
        let desk = Desk::new(guarded).await;
        let (alice, bob) = if guarded { (basic("alice", "a1"), basic("bob", "b2")) } else { Default::default() };
        let (_, secret) = desk.push_blob("team/app", &bob, b"a secret").await;
        for from in ["&from=team/app", ""] {
            let path = format!("/v2/public/app/blobs/uploads/?mount={secret}{from}");
            let got = desk.send(Method::POST, &path, &alice, "").await.status;
            if guarded || !from.is_empty() {
                assert_eq!(got, status, "{from}");
            }
        }
        let there = desk.get(&format!("/v2/public/app/blobs/{secret}"), &alice).await.status;
        assert_eq!(there, if guarded { 404 } else { 200 }, "guarded: {guarded}");
    }
}

#[tokio::test]
async fn a_token_is_for_what_its_user_may_and_asked_for() {
    let desk = Desk::new(true).await;
    let bob = basic("bob", "b2");
    let token = desk.token("&scope=repository:team/app:pull,push&scope=repository:public/app:pull", &bob).await;
    assert_eq!(desk.push("team/app", &token).await.0, 201);
    assert_eq!(desk.get("/v2/team/app/manifests/1", &token).await.status, 200);
    let other = desk.get("/v2/team/other/manifests/1", &token).await;
    assert_eq!(other.status, 401, "a token for another repository");
    assert!(
        other.challenge.contains("repository:team/other:pull") && other.challenge.contains("insufficient_scope"),
        "{}",
        other.challenge
    );
    let reader = desk.token("&scope=repository:team/app:pull", &bob).await;
    assert_eq!(desk.push("team/app", &reader).await.0, 401, "a token to read does not write");
    let stranger = desk.token("&scope=repository:team/app:pull,push&scope=repository:public/app:pull,push", "").await;
    assert_eq!(desk.push("team/app", &stranger).await.0, 401);
    assert_eq!(desk.push("public/app", &stranger).await.0, 401);
    assert_eq!(desk.get("/v2/public/app/tags/list", &stranger).await.status, 404, "who asked for nothing but what anyone may has that");
    let wrong = desk.get("/token?scope=repository:team/app:pull", &basic("bob", "a1")).await;
    assert_eq!((wrong.status, wrong.challenge.as_str()), (401, "Basic realm=\"undistro\""));
    assert_eq!(desk.get("/token", &token).await.status, 401, "a token does not make tokens");
}

#[tokio::test]
async fn tokens_that_are_old_or_forged_are_refused() {
    let desk = Desk::new(true).await;
    let access = || grant("team/app", &["pull", "push"]);
    let bearer = |token: String| format!("Bearer {token}");
    let good = tokens("undistro").issue(Some("bob"), access(), now()).unwrap();
    assert_eq!(desk.push("team/app", &bearer(good.clone())).await.0, 201, "one of a server that shares the key is taken");
    let mut flipped = good.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let table = [
        tokens("undistro").issue(Some("bob"), access(), now() - 301).unwrap(),
        tokens("undistro").issue(Some("bob"), access(), now() + 3600).unwrap(),
        tokens("elsewhere").issue(Some("bob"), access(), now()).unwrap(),
        Tokens::with_own_key("undistro", LIFETIME).unwrap().issue(Some("bob"), access(), now()).unwrap(),
        String::from_utf8(flipped).unwrap(),
        none,
        "nonsense".to_owned(),
    ];
    for token in table {
        let got = desk.get("/v2/team/app/manifests/1", &bearer(token.clone())).await;
        assert_eq!(got.status, 401, "{token}");
        assert!(got.challenge.contains("invalid_token"));
    }
    // Even a token that we signed does not widen what the rules say.
    let wide = tokens("undistro").issue(Some("alice"), access(), now()).unwrap();
    assert_eq!(desk.get("/v2/team/app/manifests/1", &bearer(wide)).await.status, 403);
}

#[tokio::test]
async fn tricks_in_paths_reach_no_other_repository() {
    let desk = Desk::new(true).await;
    let alice = basic("alice", "a1");
    desk.push("team/app", &basic("bob", "b2")).await;
    for path in [
        "/v2/public/../team/app/manifests/1",
        "/v2/public/%2e%2e/team/app/manifests/1",
        "/v2/public%2f..%2fteam/app/manifests/1",
        "/v2/public/x/..%2f..%2fteam/app/manifests/1",
        "/v2//team/app/manifests/1",
        "/v2/./team/app/manifests/1",
        "/v2/team/app/manifests/../../../public/x/manifests/1",
        "/v2/public/x/blobs/sha256:../../../team/app",
        "/v2/public/x/blobs/../../../../htpasswd",
        "/v2/TEAM/app/manifests/1",
        "/v2/team/app/manifests/1%00",
        "/v2/team%00/app/manifests/1",
    ] {
        let got = desk.get(path, &alice).await;
        assert!(matches!(got.status, 400 | 403 | 404), "{path}: {}", got.status);
        assert_ne!(&got.body[..], INDEX.as_bytes(), "{path}");
    }
    let body = json!({"schemaVersion": 2, "manifests": [{"mediaType": "x", "digest": "sha256:../../x", "size": 1}]}).to_string();
    assert_eq!(desk.send(Method::PUT, "/v2/public/x/manifests/1", &alice, body).await.status, 400);
}

#[tokio::test]
async fn proofs_that_are_none_are_no_proof() {
    let desk = Desk::new(true).await;
    let long = format!("Bearer {}", "a".repeat(60_000));
    for proof in ["Basic", "Basic !!!", "Basic YWxpY2U=", "Bearer", "Negotiate abc", "basic", &basic("", ""), &basic("alice", ""), &long] {
        assert_eq!(desk.push("public/app", proof).await.0, 401, "{proof:.40}");
    }
    assert_eq!(desk.push("public/app", &basic("alice", "a1").replace("Basic", "bAsIc")).await.0, 201);
}

/// Pushes indexes that each name the one before, until one is refused; returns how many were taken.
async fn nested(depth: usize, levels: usize) -> usize {
    // In memory where there is such a folder: each of many small writes is flushed.
    let folder = if std::path::Path::new("/dev/shm").is_dir() { tempfile::tempdir_in("/dev/shm") } else { tempfile::tempdir() }.unwrap();
    let store = Store::folder(folder.path()).await.unwrap();
    let limits = Limits { depth, ..Limits::default() };
    let registry = Registry::new(store, registry::Settings { access: Box::new(Open), limits }, None, "test");
    let desk = Desk { registry, _folder: folder };
    let mut text = INDEX.to_owned();
    for level in 0..levels {
        let got = desk.send(Method::PUT, "/v2/deep/manifests/1", "", text.clone()).await;
        if got.status != 201 {
            assert_eq!((got.status, got.json()["errors"][0]["code"].as_str()), (400, Some("MANIFEST_INVALID")));
            let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
            assert_eq!(desk.get(&format!("/v2/deep/manifests/{digest}"), "").await.status, 404, "no effect");
            return level;
        }
        let child = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(Algorithm::Sha256, text.as_bytes()), "size": text.len()});
        text = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [child]}).to_string();
    }
    let plan = registry::sweep::Sweep { grace: Duration::ZERO, ..registry::sweep::Sweep::default() };
    registry::sweep(desk.registry.store(), &plan).await.unwrap();
    let verified = registry::sweep::verify(desk.registry.store(), false).await.unwrap();
    assert_eq!((verified.manifests, verified.damage.len()), (levels, 0), "the sweep and the check take any depth");
    levels
}

#[tokio::test]
async fn indexes_in_indexes_without_end_are_refused() {
    assert_eq!(nested(16, 10_000).await, 16);
    assert_eq!(nested(usize::MAX, 300).await, 300, "with the guard off");
}

#[tokio::test]
async fn a_flood_of_referrers_comes_in_pages_of_bounded_size() {
    let desk = Desk::new(false).await;
    let subject = Digest::of(Algorithm::Sha256, b"not there yet");
    let filling = "x".repeat(100_000);
    for n in 0..100 {
        let text = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [], "artifactType": "a/b",
            "annotations": {"n": n.to_string(), "filling": filling}, "subject": {"digest": subject, "size": 1, "mediaType": "a/b"}});
        assert_eq!(desk.send(Method::PUT, &format!("/v2/a/manifests/{n}"), "", text.to_string()).await.status, 201);
    }
    let (mut found, mut pages, mut path) = (0, 0, format!("/v2/a/referrers/{subject}"));
    while !path.is_empty() {
        let request = Request::builder().uri(&path).body(Full::new(Bytes::new())).unwrap();
        let (parts, body) = desk.registry.respond(request, None).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(body.len() <= 4 << 20, "{}", body.len());
        found += serde_json::from_slice::<Value>(&body).unwrap()["manifests"].as_array().unwrap().len();
        pages += 1;
        let link = parts.headers.get("link").map(|link| link.to_str().unwrap().to_owned()).unwrap_or_default();
        path = link.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
    }
    assert_eq!(found, 100);
    assert!(pages >= 3, "{pages}");
}
