//! The registry: a store, who may do what to it, and the answers to requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::access::{Access, Action, Caller, Decision};
use crate::body::{Body, Spare};
use crate::cache::Cache;
use crate::error::Refusal;
use crate::query::Query;
use crate::route::{Route, RouteError};
use crate::store::{self, Store};
use crate::{Limits, Name};

/// Everything that answers requests; shared by all connections.
#[derive(Debug)]
pub struct Registry {
    pub(crate) store: Store,
    access: Box<dyn Access>,
    pub(crate) limits: Limits,
    pub(crate) manifests: Cache,
    pub(crate) spare: Spare,
    uploading: Arc<AtomicUsize>,
}

/// A request, as far as its body.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query<'a>,
    pub(crate) caller: Caller<'a>,
}

/// What answers are: a response, or why not.
pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// Room among the uploads that run at once; it is given back when this is dropped.
pub(crate) struct Uploading(Arc<AtomicUsize>);

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registry {
    /// Makes a registry.
    #[must_use]
    pub fn new(store: Store, access: Box<dyn Access>, limits: Limits) -> Self {
        let manifests = Cache::new(limits.cache);
        Self { store, access, limits, manifests, spare: Spare::default(), uploading: Arc::default() }
    }

    /// Answers a request that came from `address`.
    pub async fn respond<B>(&self, request: Request<B>, address: Option<IpAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let answer = match Route::parse(parts.uri.path()) {
            Err(_) if parts.uri.path() == "/token" => {
                let caller = Caller { headers: &parts.headers, address };
                self.give_token(&parts.method, &caller, parts.uri.query()).await
            }
            Ok(route) => {
                let caller = Caller { headers: &parts.headers, address };
                let query = Query::new(parts.uri.query());
                let asked = Asked { method: &parts.method, headers: &parts.headers, query, caller };
                self.answer(&route, &asked, body.map_err(Into::into).boxed_unsync()).await
            }
            Err(error) => Err(error.into()),
        };
        answer.unwrap_or_else(|refusal| refused(&refusal))
    }

    async fn answer(&self, route: &Route, asked: &Asked<'_>, body: store::Body) -> Answer {
        let action = action(route, asked.method)?;
        if let Some(action) = action {
            self.admit(&asked.caller, action, route.name()).await?;
        }
        match (route, asked.method) {
            (Route::Ping, _) => Ok(ping()),
            (Route::Live, _) => Ok(text("ok\n")),
            (Route::Ready, _) => self.ready().await,
            (Route::Metrics, _) => Err(RouteError::Nothing.into()),
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

    /// Who gives tokens, and decides about requests.
    pub(crate) fn access(&self) -> &dyn Access {
        &*self.access
    }

    /// The one place where access is decided.
    pub(crate) async fn admit(&self, caller: &Caller<'_>, action: Action, name: Option<&Name>) -> Result<Option<String>, Refusal> {
        match self.access.decide(caller, action, name).await {
            Decision::Allow(who) => Ok(who),
            Decision::Challenge(challenge) => Err(Refusal::Unauthorized { challenge }),
            Decision::Deny => Err(Refusal::Denied),
        }
    }

    /// Takes room for a body that is being received.
    pub(crate) fn uploading(&self) -> Result<Uploading, Refusal> {
        let before = self.uploading.fetch_add(1, Ordering::Relaxed);
        let room = Uploading(self.uploading.clone());
        if before < self.limits.uploads { Ok(room) } else { Err(Refusal::TooMany("uploads at once")) }
    }

    async fn ready(&self) -> Answer {
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
