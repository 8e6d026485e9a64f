//! A client: what is known of registries while a command runs; and one repository of one of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use ureq::Body;
use ureq::http::{Method, Response};
use url::{Host, Url};

use super::error::{is_transient, shown};
use super::http::{Ask, Web, answer, retry_after};
use super::token::{Place, Proofs, Scope};
use super::{Credential, Keychain, RemoteError, Repository, Secret};

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Speak without TLS to every registry, not only to this machine. Whoever is in between can read and change what is not named
    /// by its digest, and reads the credentials.
    pub plain_http: bool,
    /// How often a request is tried that may pass by itself.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with each.
    pub backoff: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may stand still.
    pub stall_timeout: Duration,
    /// The proxy's URL, which can hold a password.
    pub proxy: Option<Secret>,
    /// Authorities to trust in place of Mozilla's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// How many blobs travel at once.
    pub parallel: usize,
    /// The bytes of a chunk, by which blobs are sent that have eight or more of them. Each is held in memory, once per blob that
    /// travels.
    pub chunk: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plain_http: false,
            attempts: 5,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(60),
            proxy: None,
            authorities: None,
            parallel: 4,
            chunk: 32 << 20,
        }
    }
}

/// Speaks with registries. It may be used from many threads.
#[derive(Debug)]
pub struct Client {
    web: Web,
    keychain: Keychain,
    proofs: Proofs,
    plain_http: bool,
    parallel: usize,
    chunk: u64,
    /// How each registry is spoken to.
    bases: Mutex<BTreeMap<String, Url>>,
    /// Who we are in each repository.
    known: Mutex<BTreeMap<Repository, Option<Credential>>>,
}

/// One repository of a registry.
#[derive(Debug, Clone)]
pub struct Remote<'a> {
    client: &'a Client,
    repository: Repository,
    base: Url,
}

impl Client {
    /// Makes a client. Nothing is connected yet.
    pub fn new(settings: &Settings, keychain: Keychain) -> Result<Self, RemoteError> {
        Ok(Self {
            web: Web::new(settings)?,
            keychain,
            proofs: Proofs::default(),
            plain_http: settings.plain_http,
            parallel: settings.parallel.max(1),
            chunk: settings.chunk.max(1),
            bases: Mutex::default(),
            known: Mutex::default(),
        })
    }

    /// Opens a repository: finds out how its registry is spoken to.
    pub fn open(&self, repository: &Repository) -> Result<Remote<'_>, RemoteError> {
        let host = repository.host();
        let known = lock(&self.bases).get(host).cloned();
        let base = match known {
            Some(base) => base,
            None => {
                let base = self.base(host)?;
                lock(&self.bases).insert(host.to_owned(), base.clone());
                base
            }
        };
        Ok(Remote { client: self, repository: repository.clone(), base })
    }

    /// TLS, but for registries on this machine, which seldom speak it and are asked.
    fn base(&self, host: &str) -> Result<Url, RemoteError> {
        let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let url = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{server}/"));
            url.ok().filter(Url::has_host).ok_or_else(|| RemoteError::Host { host: host.to_owned() })
        };
        let plain = url("http")?;
        if self.plain_http {
            return Ok(plain);
        }
        if is_loopback(&plain) {
            // A server that speaks TLS only answers 400, or ends the connection.
            let spoken = self.web.send(&Ask::new(Method::GET, join(&plain, "v2/")), None);
            let refused = |error: &RemoteError| matches!(error, RemoteError::Http { source, .. } if is_refused(source));
            return match spoken {
                Ok(response) if response.status().as_u16() != 400 => Ok(plain),
                Err(error) if refused(&error) => Err(error),
                _ => url("https"),
            };
        }
        url("https")
    }

    pub(super) fn web(&self) -> &Web {
        &self.web
    }

    pub(super) fn parallel(&self) -> usize {
        self.parallel
    }

    pub(super) fn chunk(&self) -> u64 {
        self.chunk
    }

    fn credential(&self, repository: &Repository) -> Result<Option<Credential>, RemoteError> {
        if let Some(known) = lock(&self.known).get(repository) {
            return Ok(known.clone());
        }
        let found = self.keychain.find(repository)?;
        lock(&self.known).insert(repository.clone(), found.clone());
        Ok(found)
    }
}

impl Remote<'_> {
    /// Returns which repository it is.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn client(&self) -> &Client {
        self.client
    }

    /// Asks whether there is a registry that lets us in (distribution-spec, "determining support").
    pub fn ping(&self) -> Result<(), RemoteError> {
        let scope = Scope { parts: Vec::new(), action: "speak with it" };
        let response = self.call(&Ask::new(Method::GET, join(&self.base, "v2/")), &scope)?;
        if response.status().as_u16() == 200 { Ok(()) } else { Err(self.refused(&Method::GET, "v2/", response)) }
    }

    /// An address below this repository: `manifests/latest`.
    pub(super) fn url(&self, below: &str) -> Url {
        join(&self.base, &format!("v2/{}/{below}", self.repository.path()))
    }

    /// An address that the registry named, which may be relative to `from`.
    pub(super) fn location(&self, from: &Url, response: &Response<Body>) -> Result<Url, RemoteError> {
        let header = response.headers().get(ureq::http::header::LOCATION).and_then(|value| value.to_str().ok());
        let url = header.and_then(|text| from.join(text).ok()).filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| RemoteError::Protocol { url: shown(from), why: "it has no address to go on with" })?;
        if from.scheme() == "https" && url.scheme() == "http" {
            return Err(RemoteError::Redirect { url: shown(from), insecure: true });
        }
        Ok(url)
    }

    pub(super) fn pull(&self) -> Scope {
        Scope::new(self.repository.path(), "pull", "read it")
    }

    pub(super) fn push(&self) -> Scope {
        Scope::new(self.repository.path(), "pull,push", "write it")
    }

    pub(super) fn delete(&self) -> Scope {
        Scope::new(self.repository.path(), "delete", "delete from it")
    }

    /// Sends a request until it is answered: proofs are obtained when asked for, and what may pass by itself is tried again.
    ///
    /// Any answer is returned but 401, and those that may pass by itself.
    pub(super) fn call(&self, ask: &Ask<'_>, scope: &Scope) -> Result<Response<Body>, RemoteError> {
        self.call_times(ask, scope, self.client.web().attempts())
    }

    /// As `call`, but what failed is not tried again.
    pub(super) fn call_once(&self, ask: &Ask<'_>, scope: &Scope) -> Result<Response<Body>, RemoteError> {
        self.call_times(ask, scope, 1)
    }

    fn call_times(&self, ask: &Ask<'_>, scope: &Scope, attempts: u32) -> Result<Response<Body>, RemoteError> {
        let web = self.client.web();
        // An upload may go on at another host, which is not the one that our proofs are for.
        let ours = ask.url.origin() == self.base.origin();
        let place = Place { base: &self.base, path: self.repository.path() };
        let mut proof = if ours { self.client.proofs.known(&place, scope) } else { None };
        let mut fresh = false;
        let mut number = 1;
        loop {
            let last = number >= attempts;
            let response = match web.send(ask, proof.as_ref()) {
                Err(error) if error.is_transient() && !last => {
                    web.pause(number, Duration::ZERO);
                    number += 1;
                    continue;
                }
                other => other.map_err(|error| counted(error, number))?,
            };
            match response.status().as_u16() {
                401 if ours && !fresh => {
                    let credential = self.client.credential(&self.repository)?;
                    proof = self.client.proofs.obtain(web, &place, scope, credential.as_ref(), &response)?;
                    fresh = true;
                    if proof.is_none() {
                        return Err(self.unauthorised(scope, response));
                    }
                }
                401 => return Err(self.unauthorised(scope, response)),
                status if is_transient(status) && !last => {
                    web.pause(number, retry_after(&response));
                    number += 1;
                }
                status if is_transient(status) => {
                    let (method, url) = (ask.method.to_string(), shown(&ask.url));
                    return Err(RemoteError::Status { method, url, status, answer: answer(response), attempts: number });
                }
                _ => return Ok(response),
            }
        }
    }

    fn unauthorised(&self, scope: &Scope, response: Response<Body>) -> RemoteError {
        let had_credentials = self.client.credential(&self.repository).is_ok_and(|credential| credential.is_some());
        let repository = self.repository.to_string();
        RemoteError::Unauthorised { repository, action: scope.action, had_credentials, answer: answer(response) }
    }

    /// The error for an answer that is not the one hoped for. `below` is what was asked for.
    pub(super) fn refused(&self, method: &Method, below: &str, response: Response<Body>) -> RemoteError {
        match response.status().as_u16() {
            404 => RemoteError::Missing { repository: self.repository.clone(), what: named(below), answer: answer(response) },
            403 => self.unauthorised(&Scope { parts: Vec::new(), action: action(method) }, response),
            status => {
                let (method, url) = (method.to_string(), shown(&self.url(below)));
                RemoteError::Status { method, url, status, answer: answer(response), attempts: 1 }
            }
        }
    }
}

fn action(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "read it",
        Method::DELETE => "delete from it",
        _ => "write it",
    }
}

/// `manifests/latest` is the manifest `latest`.
fn named(below: &str) -> String {
    match below.split_once('/') {
        Some(("manifests", name)) => format!("image `{name}`"),
        Some(("blobs", name)) if !name.starts_with("uploads") => format!("blob {name}"),
        Some(("tags", _)) => "tags: the repository is not there".to_owned(),
        _ => below.to_owned(),
    }
}

fn counted(error: RemoteError, number: u32) -> RemoteError {
    match error {
        RemoteError::Http { method, url, source, .. } => RemoteError::Http { method, url, attempts: number, source },
        other => other,
    }
}

fn is_refused(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// `localhost`, `127.0.0.1` and `[::1]`: what is sent there does not leave the machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// Paths are made of names that were checked; they are joined as text, since `Url::join` would read `a:b` as a scheme.
fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(path);
    url.set_query(query);
    url
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
