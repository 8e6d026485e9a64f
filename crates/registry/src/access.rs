//! Who may do what: the seam for logins and rules.

mod guard;
mod passwords;
mod rules;
mod tokens;

use std::fmt;
use std::net::IpAddr;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue};

use crate::Name;

pub use guard::Guard;
pub use passwords::{Passwords, PasswordsError};
pub use rules::{Rule, RuleError, Rules, Who};
pub use tokens::{Claims, Grant, KeyError, TokenError, Tokens};

/// What a request wants to do to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Ask whether a registry is here: `/v2/`. A login is tried on it by every client.
    Ping,
    /// List the repositories.
    List,
    /// Read manifests, blobs, tags, referrers.
    Pull,
    /// Write manifests, tags and blobs.
    Push,
    /// Delete manifests, tags and blobs.
    Delete,
}

/// Who asks, before anything is believed.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The headers of the request; `Authorization` is among them.
    pub headers: &'a HeaderMap,
    /// Where the connection comes from, where that is known.
    pub address: Option<IpAddr>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on, as this one: a user's name, or `None` for nobody in particular.
    Allow(Option<String>),
    /// Say who you are first; the value of `WWW-Authenticate`.
    Challenge(HeaderValue),
    /// We know who you are, and no.
    Deny,
}

/// What became of the wish for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issued {
    /// There are no tokens here.
    Unknown,
    /// A token.
    Given {
        /// It.
        token: String,
        /// For how many seconds it counts.
        seconds: u64,
    },
    /// Say first who you are; the value of `WWW-Authenticate`.
    Refused(HeaderValue),
}

/// Decides about requests.
///
/// It is asked in one place, before anything else looks at the request, once for each repository that a request
/// touches: mounting a blob asks for [`Action::Push`] on the target and [`Action::Pull`] on the source.
pub trait Access: Send + Sync + fmt::Debug {
    /// Decides whether `caller` may do `action` to `repository`; `None` for what is about no repository.
    fn decide<'a>(&'a self, caller: &'a Caller<'a>, action: Action, repository: Option<&'a Name>) -> BoxFuture<'a, Decision>;

    /// Gives a token for what `query` asks for, where there are any (distribution's token specification).
    fn token<'a>(&'a self, _caller: &'a Caller<'a>, _query: Option<&'a str>) -> BoxFuture<'a, Issued> {
        Box::pin(std::future::ready(Issued::Unknown))
    }
}

/// Everyone may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open;

impl Access for Open {
    fn decide<'a>(&'a self, _: &'a Caller<'a>, _: Action, _: Option<&'a Name>) -> BoxFuture<'a, Decision> {
        Box::pin(std::future::ready(Decision::Allow(None)))
    }
}
