//! HTTP: one request, sent on where a registry keeps its blobs elsewhere, and proofs shown to nobody but who asked for them.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, Response, header};
use ureq::{Agent, Body, SendBody};
use url::Url;

use super::error::shown;
use super::{RemoteError, Secret, Settings};

/// How often a request is sent on: a registry sends to its storage, which may send to the nearest copy.
const MAX_REDIRECTS: usize = 5;
/// The longest pause that a registry may ask for with `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u64 = 60;
/// The longest body of an answer that is not what was asked for: its JSON has some hundred bytes, and one line of it is shown.
const MAX_REFUSAL: u64 = 64 << 10;
/// The most that is shown of what a registry says.
const MAX_SAID: usize = 300;
/// The longest head of an answer: tokens and presigned addresses stand in it, and no honest one has more.
const MAX_HEAD: usize = 64 << 10;

/// Makes the body anew for every attempt.
pub(super) type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Read + 'a>, RemoteError>;

/// What is sent with a request.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    /// Nothing, as with GET.
    None,
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes from a reader.
    Stream(u64, Open<'a>),
}

/// One request.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) payload: Payload<'a>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), payload: Payload::None }
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

/// Speaks HTTP.
#[derive(Debug)]
pub(super) struct Web {
    agent: Agent,
    plain_http: bool,
    attempts: u32,
    backoff: Duration,
}

impl Web {
    pub(super) fn new(settings: &Settings) -> Result<Self, RemoteError> {
        let proxy = |url: &Secret| ureq::Proxy::new(url.expose()).map_err(|source| RemoteError::Proxy(Box::new(source)));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("undistro/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEAD)
            .proxy(settings.proxy.as_ref().map(proxy).transpose()?)
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_recv_response(Some(settings.stall_timeout))
            .timeout_per_read(Some(settings.stall_timeout))
            .timeout_per_write(Some(settings.stall_timeout))
            .tls_config(tls(settings)?)
            .build();
        let agent = Agent::new_with_config(config);
        Ok(Self { agent, plain_http: settings.plain_http, attempts: settings.attempts.max(1), backoff: settings.backoff })
    }

    /// How often something is tried.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Waits before attempt `number + 1`, at least as long as `least`.
    pub(super) fn pause(&self, number: u32, least: Duration) {
        std::thread::sleep(self.backoff.saturating_mul(1 << number.saturating_sub(1).min(6)).max(least));
    }

    /// Sends a request once, and on as long as the answer says so and nothing is written by it. The proof is shown to `ask`'s own
    /// origin and to no other.
    pub(super) fn send(&self, ask: &Ask<'_>, proof: Option<&Secret>) -> Result<Response<Body>, RemoteError> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let proof = proof.filter(|_| url.origin() == ask.url.origin());
            let response = self.send_once(ask, &url, proof)?;
            let reads = ask.method == Method::GET || ask.method == Method::HEAD;
            if !reads || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            url = self.next(&url, response.headers())?;
        }
        Err(RemoteError::Redirect { url: shown(&ask.url), insecure: false })
    }

    /// The address that an answer sends to. From an encrypted address it never leads to one that is not.
    fn next(&self, from: &Url, headers: &HeaderMap) -> Result<Url, RemoteError> {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok()).filter(|to| matches!(to.scheme(), "http" | "https"));
        let to = to.ok_or_else(|| RemoteError::Protocol { url: shown(from), why: "it sends on to nowhere" })?;
        if from.scheme() == "https" && to.scheme() == "http" && !self.plain_http {
            return Err(RemoteError::Redirect { url: shown(from), insecure: true });
        }
        Ok(to)
    }

    fn send_once(&self, ask: &Ask<'_>, url: &Url, proof: Option<&Secret>) -> Result<Response<Body>, RemoteError> {
        let mut request = Request::builder().method(ask.method.clone()).uri(url.as_str());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(proof) = proof {
            request = request.header(header::AUTHORIZATION, proof.expose());
        }
        let (length, reader) = match ask.payload {
            Payload::None => (None, None),
            Payload::Bytes(bytes) => (Some(bytes.len() as u64), Some(Box::new(bytes) as Box<dyn Read>)),
            Payload::Stream(size, open) => (Some(size), Some(open()?)),
        };
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        let answer = match reader {
            None => request.body(()).map_err(ureq::Error::Http).and_then(|request| self.agent.run(request)),
            Some(mut reader) => {
                request.body(SendBody::from_reader(&mut reader)).map_err(ureq::Error::Http).and_then(|request| self.agent.run(request))
            }
        };
        answer.map_err(|error| failed(ask, url, error))
    }
}

fn failed(ask: &Ask<'_>, url: &Url, error: ureq::Error) -> RemoteError {
    let error = match unwrap(error) {
        Ok(own) => return own,
        Err(error) => error,
    };
    if let Some(plain) = tls_trouble(&error) {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        return RemoteError::Tls { host: format!("{}{port}", url.host_str().unwrap_or_default()), source: Box::new(error), plain };
    }
    RemoteError::Http { method: ask.method.to_string(), url: shown(url), attempts: 1, source: Box::new(error) }
}

/// An error of ours that travelled through a reader, if it is one.
fn unwrap(error: ureq::Error) -> Result<RemoteError, ureq::Error> {
    match error {
        ureq::Error::Io(error) => from_io(error).map_err(ureq::Error::Io),
        error => Err(error),
    }
}

/// An error of ours that travelled through a reader, if it is one.
pub(super) fn from_io(error: io::Error) -> Result<RemoteError, io::Error> {
    if !error.get_ref().is_some_and(|inner| inner.is::<RemoteError>()) {
        return Err(error);
    }
    let kind = error.kind();
    let inner = error.into_inner().and_then(|inner| inner.downcast::<RemoteError>().ok());
    inner.map(|own| *own).ok_or_else(|| io::Error::from(kind))
}

/// Whether TLS failed, and if so whether the other side did not speak it at all.
fn tls_trouble(error: &ureq::Error) -> Option<bool> {
    let inner = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        _ => None,
    }?;
    Some(matches!(inner, rustls::Error::InvalidMessage(_)))
}

/// TLS by aws-lc-rs, with Mozilla's authorities or those of the caller.
fn tls(settings: &Settings) -> Result<ureq::tls::TlsConfig, RemoteError> {
    use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
    let roots = match &settings.authorities {
        None => RootCerts::WebPki,
        Some(pem) => {
            let mut certificates = Vec::new();
            for item in parse_pem(pem) {
                if let PemItem::Certificate(one) = item.map_err(|source| RemoteError::Authorities(Box::new(source)))? {
                    certificates.push(one);
                }
            }
            if certificates.is_empty() {
                return Err(RemoteError::Authorities(Box::new(ureq::Error::Tls("there is no certificate in the file"))));
            }
            RootCerts::Specific(Arc::new(certificates))
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

/// The pause that an answer asks for, within bounds.
pub(super) fn retry_after(response: &Response<Body>) -> Duration {
    let text = |value: &header::HeaderValue| value.to_str().ok().map(|text| text.trim().to_owned());
    let after = response.headers().get(header::RETRY_AFTER).and_then(text).and_then(|text| text.parse::<u64>().ok());
    Duration::from_secs(after.unwrap_or(0).min(MAX_RETRY_AFTER))
}

/// Reads a body whole, and refuses one of more than `most` bytes.
pub(super) fn read_all(response: Response<Body>, url: &Url, most: u64) -> Result<Vec<u8>, RemoteError> {
    let total = response.body().content_length();
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_with_config().limit(u64::MAX).reader().take(most + 1);
    let read = reader.read_to_end(&mut bytes);
    let got = bytes.len() as u64;
    if got > most {
        return Err(RemoteError::Large { what: shown(url), most });
    }
    match (read, total) {
        (Err(error), Some(total)) if got < total && error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(RemoteError::Truncated { what: shown(url), got, total })
        }
        (Err(error), _) => {
            Err(RemoteError::Http { method: "GET".into(), url: shown(url), attempts: 1, source: Box::new(ureq::Error::from(error)) })
        }
        (Ok(_), Some(total)) if got < total => Err(RemoteError::Truncated { what: shown(url), got, total }),
        (Ok(_), _) => Ok(bytes),
    }
}

/// What a registry says of a refusal: the first error of its JSON (distribution-spec, "error codes"), on one line, shortened.
pub(super) fn answer(response: Response<Body>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut bytes = Vec::new();
    // What was said up to a lost connection is better than nothing.
    let _ = response.into_body().into_with_config().limit(u64::MAX).reader().take(MAX_REFUSAL).read_to_end(&mut bytes);
    let text = match serde_json::from_slice::<Errors>(&bytes) {
        Ok(errors) => errors.errors.into_iter().next().map(|one| format!("{} {}", one.code, one.message))?,
        Err(_) => String::from_utf8(bytes).ok().filter(|text| !text.trim_start().starts_with('<'))?,
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
