//! Proofs: what is shown to a registry so that it lets us in, and how it is had (distribution's token specification).
//!
//! A registry that wants to know who asks answers 401 and says how. What is had then is kept per registry and scope, and had anew when
//! the registry refuses it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Method, Response, header};
use url::Url;

use super::challenge::{self, Challenge};
use super::error::{is_transient, shown};
use super::http::{Ask, Payload, Web, answer, read_all, retry_after};
use super::{Credential, RemoteError, Secret};

/// The longest answer of a token service: tokens that list every right of a user can have some hundred kilobytes.
const MAX_TOKEN: u64 = 1 << 20;
/// How much of a challenge is shown that is not understood.
const MAX_SHOWN: usize = 200;
/// What this client calls itself to token services (OAuth 2, `client_id`).
const CLIENT: &str = "undistro";

/// What is to be done, as registries name it: `repository:team/app:pull,push`; several where a blob is mounted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Scope {
    pub(super) parts: Vec<String>,
    /// In words, for errors.
    pub(super) action: &'static str,
}

impl Scope {
    pub(super) fn new(path: &str, actions: &str, action: &'static str) -> Self {
        Self { parts: vec![format!("repository:{path}:{actions}")], action }
    }
}

/// Where a proof serves: different repositories of one registry can have different users.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) base: &'a Url,
    pub(super) path: &'a str,
}

impl Place<'_> {
    fn name(&self) -> String {
        format!("{}{}", self.base, self.path)
    }
}

/// The proofs that were had, by repository and scope.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    kept: Mutex<BTreeMap<(String, Vec<String>), Secret>>,
}

impl Proofs {
    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, Vec<String>), Secret>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is known to serve at `place` for `scope`: user and password serve for every scope.
    pub(super) fn known(&self, place: &Place<'_>, scope: &Scope) -> Option<Secret> {
        let kept = self.kept();
        let name = place.name();
        kept.get(&(name.clone(), scope.parts.clone())).or_else(|| kept.get(&(name, Vec::new()))).cloned()
    }

    /// Does what the registry asks for in its answer 401, and keeps the proof.
    pub(super) fn obtain(
        &self,
        web: &Web,
        place: &Place<'_>,
        scope: &Scope,
        credential: Option<&Credential>,
        refusal: &Response<Body>,
    ) -> Result<Option<Secret>, RemoteError> {
        let headers: Vec<&str> =
            refusal.headers().get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        let challenges: Vec<Challenge> = headers.iter().flat_map(|header| challenge::parse(header)).collect();
        let base = place.base;
        let find = |scheme: &str| challenges.iter().find(|one| one.scheme == scheme);
        let (key, proof) = if let Some(bearer) = find("bearer") {
            let token = token(web, base, scope, credential, bearer)?;
            (scope.parts.clone(), Secret::new(format!("Bearer {}", token.expose())))
        } else if find("basic").is_some() {
            match credential.and_then(Credential::basic) {
                Some(proof) => (Vec::new(), proof),
                None => return Ok(None),
            }
        } else if headers.is_empty() {
            return Ok(None);
        } else {
            let challenge = headers.join(", ").chars().take(MAX_SHOWN).collect();
            return Err(RemoteError::Challenge { host: base.host_str().unwrap_or_default().to_owned(), challenge });
        };
        self.kept().insert((place.name(), key), proof.clone());
        Ok(Some(proof))
    }
}

/// Asks the token service that a challenge names.
fn token(web: &Web, base: &Url, scope: &Scope, credential: Option<&Credential>, challenge: &Challenge) -> Result<Secret, RemoteError> {
    if let Some(Credential::Token(token)) = credential {
        return Ok(token.clone());
    }
    let host = || base.host_str().unwrap_or_default().to_owned();
    let text = challenge.parameters.get("realm").map(String::as_str).unwrap_or_default();
    let realm = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(mut realm) = realm else {
        return Err(RemoteError::Challenge {
            host: host(),
            challenge: format!("Bearer realm=\"{}\"", text.chars().take(MAX_SHOWN).collect::<String>()),
        });
    };
    if base.scheme() == "https" && realm.scheme() == "http" {
        return Err(RemoteError::Realm { host: host(), realm: shown(&realm) });
    }
    let service = challenge.parameters.get("service");
    let mut scopes = scope.parts.clone();
    scopes.extend(challenge.parameters.get("scope").filter(|one| !one.is_empty() && !scope.parts.contains(one)).cloned());
    let form;
    let ask = if let Some(Credential::Identity(refresh)) = credential {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT).append_pair("refresh_token", refresh.expose());
        pairs.append_pair("service", service.map(String::as_str).unwrap_or_default()).append_pair("scope", &scopes.join(" "));
        form = pairs.finish();
        Ask::new(Method::POST, realm)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .payload(Payload::Bytes(form.as_bytes()))
    } else {
        let mut pairs = realm.query_pairs_mut();
        service.map(|service| pairs.append_pair("service", service));
        scopes.iter().for_each(|scope| {
            pairs.append_pair("scope", scope);
        });
        drop(pairs);
        Ask::new(Method::GET, realm)
    };
    fetch(web, &ask, credential.and_then(Credential::basic).as_ref(), scope, &host(), credential.is_some())
}

fn fetch(
    web: &Web,
    ask: &Ask<'_>,
    proof: Option<&Secret>,
    scope: &Scope,
    host: &str,
    had_credentials: bool,
) -> Result<Secret, RemoteError> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<Secret>,
        access_token: Option<Secret>,
    }
    for number in 1.. {
        let last = number >= web.attempts();
        let response = match web.send(ask, proof) {
            Err(error) if error.is_transient() && !last => {
                web.pause(number, std::time::Duration::ZERO);
                continue;
            }
            other => other?,
        };
        match response.status().as_u16() {
            200 => {
                let bytes = read_all(response, &ask.url, MAX_TOKEN)?;
                let no_token = RemoteError::Protocol { url: shown(&ask.url), why: "it holds no token" };
                // The parser's message could quote the token.
                let Ok(answer) = serde_json::from_slice::<Answer>(&bytes) else { return Err(no_token) };
                let token = answer.token.or(answer.access_token).filter(|token| is_token(token.expose()));
                return token.ok_or(no_token);
            }
            401 | 403 => {
                let answer = answer(response);
                return Err(RemoteError::Unauthorised { repository: host.to_owned(), action: scope.action, had_credentials, answer });
            }
            status if is_transient(status) && !last => web.pause(number, retry_after(&response)),
            status => {
                let (method, url) = (ask.method.to_string(), shown(&ask.url));
                return Err(RemoteError::Status { method, url, status, answer: answer(response), attempts: number });
            }
        }
    }
    unreachable!("the loop ends with the last attempt")
}

/// Whether a text can stand in a header as a token (RFC 6750, 2.1, and what services give that do not keep to it).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
