//! Access by users, tokens and rules.
//!
//! A request shows nothing, a user's password, or a token that [`Guard::token`] gave. The rules decide about each request anew: a token
//! narrows what its user may do and never widens it, so a rule that is taken back counts at once.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue};

use super::passwords::Passwords;
use super::rules::Rules;
use super::tokens::{Claims, Grant, Tokens};
use super::{Access, Action, Caller, Decision, Issued};
use crate::Name;

/// The most repositories that one token is for: a client asks for one or two.
const MAX_SCOPES: usize = 32;
/// The longest proof that is looked at.
const MAX_PROOF: usize = 48 << 10;

/// Access by users, tokens and rules.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    passwords: Option<Passwords>,
    tokens: Tokens,
    url: Option<String>,
    scheme: &'static str,
}

/// Who asks, when it was looked at.
enum Proof {
    Nobody,
    User(String),
    Token(Box<Claims>),
    /// What was shown is wrong.
    Wrong,
}

impl Guard {
    /// Guards by `rules`. Without passwords there are no users, and what is not for anyone is for nobody.
    ///
    /// `url` is how clients reach the registry (`https://registry.example.org`); without it they are sent to the host that they asked.
    #[must_use]
    pub fn new(rules: Rules, passwords: Option<Passwords>, tokens: Tokens, url: Option<String>, tls: bool) -> Self {
        let url = url.map(|url| url.trim_end_matches('/').to_owned());
        Self { rules, passwords, tokens, url, scheme: if tls { "https" } else { "http" } }
    }

    async fn proof(&self, caller: &Caller<'_>) -> Proof {
        let Some(value) = caller.headers.get(AUTHORIZATION) else { return Proof::Nobody };
        let proof = match value.to_str().ok().filter(|text| text.len() <= MAX_PROOF).and_then(|text| text.split_once(' ')) {
            Some((scheme, basic)) if scheme.eq_ignore_ascii_case("basic") => self.basic(basic.trim()).await,
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match self.tokens.verify(token.trim(), now()) {
                Ok(claims) => return Proof::Token(Box::new(claims)),
                Err(why) => Err(why.to_string()),
            },
            _ => Err("it is neither password nor token".to_owned()),
        };
        match proof {
            Ok(user) => Proof::User(user),
            Err(why) => {
                tracing::warn!(address = ?caller.address, %why, "a proof was refused");
                Proof::Wrong
            }
        }
    }

    async fn basic(&self, text: &str) -> Result<String, String> {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
            return Err("it is no user and password".to_owned());
        };
        let right = match &self.passwords {
            Some(passwords) => passwords.verify(user, password).await,
            None => false,
        };
        // A name that is none may be the password, typed into the wrong field: it is not written down.
        if right { Ok(user.to_owned()) } else { Err("user or password is wrong".to_owned()) }
    }

    async fn decision(&self, caller: &Caller<'_>, action: Action, repository: Option<&Name>) -> Decision {
        let (who, claims) = match self.proof(caller).await {
            Proof::Wrong => return self.challenge(caller.headers, action, repository, Some("invalid_token")),
            Proof::Nobody => (None, None),
            Proof::User(user) => (Some(user), None),
            Proof::Token(claims) => (Some(claims.sub.clone()).filter(|sub| !sub.is_empty()), Some(claims)),
        };
        if action == Action::Ping {
            // Clients learn here how to log in; who shows nothing is asked, if there is anything to show.
            let asked = who.is_none() && claims.is_none() && self.passwords.is_some();
            return if asked { self.challenge(caller.headers, action, None, None) } else { Decision::Allow(who) };
        }
        let allowed = self.rules.allow(who.as_deref(), action, repository);
        let granted = claims.as_ref().is_none_or(|claims| granted(claims, action, repository));
        match (allowed, granted) {
            (true, true) => Decision::Allow(who),
            (true, false) => self.challenge(caller.headers, action, repository, Some("insufficient_scope")),
            (false, _) => {
                let name = repository.map(Name::as_str).unwrap_or_default();
                tracing::warn!(address = ?caller.address, user = who.as_deref().unwrap_or_default(), ?action, name, "refused by the rules");
                if who.is_some() || self.passwords.is_none() {
                    Decision::Deny
                } else {
                    self.challenge(caller.headers, action, repository, None)
                }
            }
        }
    }

    fn challenge(&self, headers: &HeaderMap, action: Action, repository: Option<&Name>, error: Option<&str>) -> Decision {
        let scope = match (repository, action) {
            (Some(name), Action::Push) => format!(",scope=\"repository:{}:pull,push\"", name.as_str()),
            (Some(name), _) => format!(",scope=\"repository:{}:{}\"", name.as_str(), word(action)),
            (None, Action::List) => ",scope=\"registry:catalog:*\"".to_owned(),
            (None, _) => String::new(),
        };
        let error = error.map(|error| format!(",error=\"{error}\"")).unwrap_or_default();
        let text = format!("Bearer realm=\"{}/token\",service=\"{}\"{scope}{error}", self.url(headers), self.tokens.service());
        Decision::Challenge(HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer")))
    }

    /// How the client reaches us: what the operator says, or else the host that it asked.
    fn url(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        let is_host = |host: &&str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(is_host).unwrap_or("localhost");
        format!("{}://{host}", self.scheme)
    }

    async fn issue(&self, caller: &Caller<'_>, query: Option<&str>) -> Issued {
        let who = match self.proof(caller).await {
            Proof::Nobody => None,
            Proof::User(user) => Some(user),
            Proof::Token(_) | Proof::Wrong => {
                let text = format!("Basic realm=\"{}\"", self.tokens.service());
                return Issued::Refused(HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Basic")));
            }
        };
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let scopes: Vec<String> = pairs.filter(|(key, _)| key == "scope").map(|(_, value)| value.into_owned()).collect();
        let wanted = scopes.iter().flat_map(|text| text.split(' ')).filter(|text| !text.is_empty()).take(MAX_SCOPES);
        let access = wanted.filter_map(|scope| self.grant(who.as_deref(), scope)).collect();
        match self.tokens.issue(who.as_deref(), access, now()) {
            Ok(token) => Issued::Given { token, seconds: self.tokens.lifetime().as_secs() },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no token could be made");
                Issued::Unknown
            }
        }
    }

    /// As much of `repository:NAME:ACTIONS` as the rules allow.
    fn grant(&self, who: Option<&str>, scope: &str) -> Option<Grant> {
        if scope == "registry:catalog:*" {
            let catalog = || Grant { kind: "registry".into(), name: "catalog".into(), actions: vec!["*".into()] };
            return self.rules.allow(who, Action::List, None).then(catalog);
        }
        let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
        let name: Name = name.parse().ok()?;
        let asked = |action: Action| actions.split(',').any(|one| one == word(action) || one == "*");
        let allowed = |action: &Action| asked(*action) && self.rules.allow(who, *action, Some(&name));
        let actions: Vec<String> = [Action::Pull, Action::Push, Action::Delete]
            .iter()
            .filter(|action| allowed(action))
            .map(|action| word(*action).to_owned())
            .collect();
        (!actions.is_empty()).then(|| Grant { kind: "repository".into(), name: name.as_str().to_owned(), actions })
    }
}

fn granted(claims: &Claims, action: Action, repository: Option<&Name>) -> bool {
    match repository {
        Some(name) => claims.grants(name.as_str(), word(action)),
        None => claims.access.iter().any(|grant| grant.kind == "registry" && grant.name == "catalog"),
    }
}

/// The action as scopes name it.
fn word(action: Action) -> &'static str {
    match action {
        Action::Push => "push",
        Action::Delete => "delete",
        Action::Ping | Action::List | Action::Pull => "pull",
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Access for Guard {
    fn decide<'a>(&'a self, caller: &'a Caller<'a>, action: Action, repository: Option<&'a Name>) -> BoxFuture<'a, Decision> {
        Box::pin(self.decision(caller, action, repository))
    }

    fn token<'a>(&'a self, caller: &'a Caller<'a>, query: Option<&'a str>) -> BoxFuture<'a, Issued> {
        Box::pin(self.issue(caller, query))
    }
}
