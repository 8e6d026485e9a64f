//! A registry in memory, as small as the protocol lets it be, with what a test wants to be missing missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base::Digest;

use crate::server::{Reply, Request, Server};

#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and digest or tag: media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    begun: usize,
}

/// What it can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) referrers: bool,
    pub(crate) mount: bool,
    /// How many tags are on a page.
    pub(crate) page: usize,
}

pub(crate) const ALL: Abilities = Abilities { referrers: true, mount: true, page: 1000 };

pub(crate) fn start(abilities: Abilities) -> (Server, Arc<Mutex<Held>>) {
    let held: Arc<Mutex<Held>> = Arc::default();
    let kept = Arc::clone(&held);
    (Server::start(move |request| answer(request, &mut kept.lock().unwrap(), abilities)), held)
}

pub(crate) fn answer(request: &Request, held: &mut Held, can: Abilities) -> Reply {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let Some(path) = path.strip_prefix("/v2/").filter(|path| !path.is_empty()) else { return Reply::new(200, "{}") };
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let get = matches!(request.method.as_str(), "GET" | "HEAD");
    let kinds = ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/list", "/referrers/"];
    let Some((kind, at)) = kinds.iter().find_map(|kind| Some((*kind, path.find(kind)?))) else {
        return Reply::new(404, "404 page not found");
    };
    let (name, rest) = (path[..at].to_owned(), path[at + kind.len()..].to_owned());
    match kind {
        "/manifests/" if get => match held.manifests.get(&(name, rest)) {
            Some((media, bytes)) => {
                Reply::new(200, bytes.clone()).with("content-type", media).with("docker-content-digest", Digest::of(bytes).to_string())
            }
            None => unknown("MANIFEST_UNKNOWN"),
        },
        "/manifests/" if request.method == "PUT" => put_manifest(request, held, can, name, rest),
        "/manifests/" => {
            if held.manifests.remove(&(name, rest)).is_some() {
                Reply::new(202, "")
            } else {
                unknown("MANIFEST_UNKNOWN")
            }
        }
        "/blobs/uploads/" => upload(request, held, can, &name, &rest, &query),
        "/blobs/" => match held.blobs.get(&(name, rest)) {
            Some(bytes) => ranged(request, bytes),
            None => unknown("BLOB_UNKNOWN"),
        },
        "/tags/list" => tags(held, &name, &query, can.page),
        _ if can.referrers => referrers(held, &name, &rest),
        _ => Reply::new(404, "404 page not found"),
    }
}

fn unknown(code: &str) -> Reply {
    Reply::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"it is not here"}}]}}"#))
}

fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let from = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) => Reply::new(206, &bytes[from..]).with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
        None => Reply::new(200, bytes),
    }
}

fn put_manifest(request: &Request, held: &mut Held, can: Abilities, name: String, rest: String) -> Reply {
    let digest = Digest::of(&request.body).to_string();
    let value = (request.header("content-type").unwrap_or_default().to_owned(), request.body.clone());
    let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    held.manifests.insert((name.clone(), rest), value.clone());
    held.manifests.insert((name, digest.clone()), value);
    let reply = Reply::new(201, "").with("docker-content-digest", &digest);
    match json["subject"]["digest"].as_str().filter(|_| can.referrers) {
        Some(subject) => reply.with("oci-subject", subject),
        None => reply,
    }
}

fn upload(request: &Request, held: &mut Held, can: Abilities, name: &str, rest: &str, query: &BTreeMap<String, String>) -> Reply {
    let location = |id: &str| format!("/v2/{name}/blobs/uploads/{id}?state=a%2Fb");
    match request.method.as_str() {
        "POST" => {
            if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
                && can.mount
                && let Some(bytes) = held.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                held.blobs.insert((name.to_owned(), digest.clone()), bytes);
                return Reply::new(201, "");
            }
            held.begun += 1;
            let id = held.begun.to_string();
            held.uploads.insert(id.clone(), Vec::new());
            Reply::new(202, "").with("location", location(&id))
        }
        "PATCH" => {
            held.uploads.get_mut(rest).unwrap().extend(&request.body);
            Reply::new(202, "").with("location", location(rest))
        }
        _ => {
            assert_eq!(query["state"], "a/b", "what the registry put into the address is kept");
            let mut bytes = held.uploads.remove(rest).unwrap();
            bytes.extend(&request.body);
            let digest = Digest::of(&bytes).to_string();
            if digest != query["digest"] {
                return Reply::new(400, r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}"#);
            }
            held.blobs.insert((name.to_owned(), digest), bytes);
            Reply::new(201, "")
        }
    }
}

fn tags(held: &Held, name: &str, query: &BTreeMap<String, String>, page: usize) -> Reply {
    let last = query.get("last").cloned().unwrap_or_default();
    let all: Vec<&String> = held
        .manifests
        .keys()
        .filter(|(repository, tag)| repository == name && !tag.contains(':') && *tag > last)
        .map(|(_, tag)| tag)
        .collect();
    if !held.manifests.keys().any(|(repository, _)| repository == name) {
        return unknown("NAME_UNKNOWN");
    }
    let part = &all[..all.len().min(page)];
    let reply = Reply::new(200, serde_json::json!({"name": name, "tags": part}).to_string());
    if part.len() < all.len() {
        return reply.with("link", format!("</v2/{name}/tags/list?last={}&n={page}>; rel=\"next\"", part[part.len() - 1]));
    }
    reply
}

fn referrers(held: &Held, name: &str, subject: &str) -> Reply {
    let mut found = Vec::new();
    for ((_, digest), (media, bytes)) in held.manifests.iter().filter(|((repository, key), _)| repository == name && key.contains(':')) {
        let json: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        if json["subject"]["digest"] == subject {
            found
                .push(serde_json::json!({"mediaType": media, "digest": digest, "size": bytes.len(), "artifactType": json["artifactType"]}));
        }
    }
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": oci::media::INDEX, "manifests": found});
    Reply::new(200, index.to_string()).with("content-type", oci::media::INDEX)
}
