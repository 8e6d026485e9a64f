//! The registry: a store, who may do what to it, and the answers to requests.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;

use crate::access::{Access, Action, Caller, Decision};
use crate::audit::{Audit, Event};
use crate::body::{Body, Spare};
use crate::cache::Cache;
use crate::error::Refusal;
use crate::metrics::Metrics;
use crate::pace::Paced;
use crate::query::Query;
use crate::rate::Rate;
use crate::route::Route;
use crate::store::{self, Store};
use crate::{Limits, Name, Swept};

/// Everything that answers requests; shared by all connections.
#[derive(Debug)]
pub struct Registry {
    pub(crate) store: Store,
    settings: RwLock<Arc<Settings>>,
    audit: Option<Audit>,
    pub(crate) manifests: Cache,
    pub(crate) spare: Spare,
    pub(crate) metrics: Metrics,
    rate: Rate,
    stopping: AtomicBool,
    requests: Requests,
}

/// What can be changed while the registry runs.
#[derive(Debug)]
pub struct Settings {
    /// Who may do what.
    pub access: Box<dyn Access>,
    /// Bounds on what strangers may send.
    pub limits: Limits,
}

/// Names for requests: what this process is called, and a number.
#[derive(Debug)]
struct Requests {
    process: String,
    next: AtomicU64,
}

/// A request, as far as its body.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query<'a>,
    pub(crate) caller: Caller<'a>,
    pub(crate) settings: Arc<Settings>,
}

/// What answers are: a response, or why not.
pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// Room among the uploads that run at once; it is given back when this is dropped.
pub(crate) struct Uploading<'a>(&'a Metrics);

impl Drop for Uploading<'_> {
    fn drop(&mut self) {
        self.0.uploading.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registry {
    /// Makes a registry. `process` is what requests are called by, and should differ from one process to the next.
    #[must_use]
    pub fn new(store: Store, settings: Settings, audit: Option<Audit>, process: &str) -> Self {
        Self {
            store,
            manifests: Cache::new(settings.limits.cache),
            settings: RwLock::new(Arc::new(settings)),
            audit,
            spare: Spare::default(),
            metrics: Metrics::default(),
            rate: Rate::default(),
            stopping: AtomicBool::new(false),
            requests: Requests { process: process.to_owned(), next: AtomicU64::new(0) },
        }
    }

    /// The store that it serves.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What can be changed, as it is now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what can be changed, for requests that come from now on, and opens the audit log anew.
    pub fn reload(&self, settings: Settings) -> std::io::Result<()> {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.audit.as_ref().map_or(Ok(()), Audit::reopen)
    }

    /// Says at `/readyz` from now on that no more requests should be sent here.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Counts a sweep that was made on this registry's store.
    pub fn note(&self, swept: &Swept) {
        self.metrics.swept(swept);
    }

    /// Answers a request that came from `address`.
    pub async fn respond<B>(&self, request: Request<B>, address: Option<IpAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let route = Route::parse(parts.uri.path());
        let kind = route.as_ref().map_or("unknown", Route::kind);
        let mut user = None;
        let answer = match route {
            Err(_) if parts.uri.path() == "/token" => {
                let caller = Caller { headers: &parts.headers, address };
                self.give_token(&parts.method, &caller, parts.uri.query()).await
            }
            Ok(route) => {
                let caller = Caller { headers: &parts.headers, address };
                let query = Query::new(parts.uri.query());
                let asked = Asked { method: &parts.method, headers: &parts.headers, query, caller, settings: self.settings() };
                let body = Paced::new(body, asked.settings.limits.body_time).boxed_unsync();
                self.answer(&route, &asked, body, &mut user).await
            }
            Err(error) => Err(error.into()),
        };
        let mut response = answer.unwrap_or_else(|refusal| refused(&refusal));
        let status = response.status().as_u16();
        self.metrics.answered(kind, status, response.body().left(), started.elapsed());
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_read || status >= 500 || status == 401 || status == 403 || status == 429 {
            self.log(&parts, &mut response, address, user.as_deref());
        } else {
            tracing::debug!(method = %parts.method, path = parts.uri.path(), status, "answered");
        }
        response
    }

    /// Writes down what was written, or refused to someone, under a name that the client gets too.
    fn log(&self, parts: &http::request::Parts, response: &mut Response<Body>, address: Option<IpAddr>, user: Option<&str>) {
        let number = self.requests.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number:x}", self.requests.process);
        let (method, path, status) = (parts.method.as_str(), parts.uri.path(), response.status().as_u16());
        let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        tracing::info!(request = id, method, path, status, address = address.map(tracing::field::display), user, digest, "answered");
        if let Some(audit) = self.audit.as_ref().filter(|_| parts.method != Method::GET && parts.method != Method::HEAD) {
            audit.write(&Event { time: Timestamp::now().to_string(), request: &id, address, user, method, path, status, digest });
        }
        response.headers_mut().insert("x-request-id", header(id));
    }

    async fn answer(&self, route: &Route, asked: &Asked<'_>, body: store::Body, user: &mut Option<String>) -> Answer {
        if let Some(action) = action(route, asked.method)? {
            if let Some((address, most)) = asked.caller.address.zip(asked.settings.limits.requests_per_second)
                && !self.rate.allows(address, most, Instant::now())
            {
                return Err(Refusal::TooMany("requests from this address"));
            }
            *user = self.admit(asked, action, route.name()).await?;
        }
        match (route, asked.method) {
            (Route::Ping, _) => Ok(ping()),
            (Route::Live, _) => Ok(text("ok\n")),
            (Route::Ready, _) => self.ready().await,
            (Route::Metrics, _) => Ok(json(StatusCode::OK, "text/plain; version=0.0.4", self.metrics.text())),
            (Route::Catalog, _) => self.catalog(asked).await,
            (Route::Blob(name, digest), &Method::DELETE) => self.delete_blob(name, digest).await,
            (Route::Blob(name, digest), _) => self.blob(asked, name, digest).await,
            (Route::Uploads(name), _) => self.begin_upload(asked, name, body).await,
            (Route::Upload(name, id), &Method::PATCH) => self.patch_upload(asked, name, id, body).await,
            (Route::Upload(name, id), &Method::PUT) => self.finish_upload(asked, name, id, body).await,
            (Route::Upload(name, id), &Method::DELETE) => self.cancel_upload(name, id).await,
            (Route::Upload(name, id), _) => self.upload_status(name, id).await,
            (Route::Manifest(name, reference), &Method::PUT) => self.put_manifest(asked, name, reference, body).await,
            (Route::Manifest(name, reference), &Method::DELETE) => self.delete_manifest(name, reference).await,
            (Route::Manifest(name, reference), _) => self.manifest(asked, name, reference).await,
            (Route::Tags(name), _) => self.tags(asked, name).await,
            (Route::Referrers(name, subject), _) => self.referrers(asked, name, subject).await,
        }
    }

    /// The one place where access is decided.
    pub(crate) async fn admit(&self, asked: &Asked<'_>, action: Action, name: Option<&Name>) -> Result<Option<String>, Refusal> {
        match asked.settings.access.decide(&asked.caller, action, name).await {
            Decision::Allow(who) => Ok(who),
            Decision::Challenge(challenge) => Err(Refusal::Unauthorized { challenge }),
            Decision::Deny => Err(Refusal::Denied),
        }
    }

    /// Takes room for a body that is being received.
    pub(crate) fn uploading(&self, asked: &Asked<'_>) -> Result<Uploading<'_>, Refusal> {
        let before = self.metrics.uploading.fetch_add(1, Ordering::Relaxed);
        let room = Uploading(&self.metrics);
        if before < asked.settings.limits.uploads { Ok(room) } else { Err(Refusal::TooMany("uploads at once")) }
    }

    async fn ready(&self) -> Answer {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        self.store.get(&store::Key::format()).await?;
        Ok(text("ok\n"))
    }
}

/// What a method does on a route; `None` where nobody is asked.
fn action(route: &Route, method: &Method) -> Result<Option<Action>, Refusal> {
    let read = matches!(*method, Method::GET | Method::HEAD);
    let action = match route {
        Route::Live | Route::Ready | Route::Metrics if read => return Ok(None),
        Route::Ping if read => Action::Ping,
        Route::Catalog if read => Action::List,
        Route::Blob(..) | Route::Manifest(..) | Route::Tags(_) | Route::Referrers(..) if read => Action::Pull,
        Route::Blob(..) | Route::Manifest(..) if *method == Method::DELETE => Action::Delete,
        Route::Manifest(..) if *method == Method::PUT => Action::Push,
        Route::Uploads(_) if *method == Method::POST => Action::Push,
        // The status of an upload is told to who may push, and to nobody else.
        Route::Upload(..) if read || matches!(*method, Method::PATCH | Method::PUT | Method::DELETE) => Action::Push,
        _ => return Err(Refusal::Method(method.clone())),
    };
    Ok(Some(action))
}

fn ping() -> Response<Body> {
    let mut response = json(StatusCode::OK, "application/json", "{}");
    response.headers_mut().insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    response
}

fn text(text: &'static str) -> Response<Body> {
    json(StatusCode::OK, "text/plain; charset=utf-8", text)
}

/// An answer of bytes at hand.
pub(crate) fn json(status: StatusCode, media_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// A header of a text that was checked to be one.
pub(crate) fn header(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The answer that says why not (distribution-spec, "Error codes").
pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let mut message = refusal.to_string();
    if let Refusal::Store(error) = refusal {
        // What the operating system said names paths of this machine; it is for the log.
        tracing::error!(error = error as &dyn std::error::Error, "the store failed");
        message = "the store failed".to_owned();
    }
    let body = serde_json::json!({ "errors": [{ "code": refusal.code(), "message": message }] });
    let mut response = json(refusal.status(), "application/json", body.to_string());
    let headers = response.headers_mut();
    match refusal {
        Refusal::Unauthorized { challenge } => {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        Refusal::Method(_) => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PATCH, PUT, DELETE"));
        }
        Refusal::TooMany(_) | Refusal::Sweeping | Refusal::Stopping => {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
