//! A registry to send requests to, without a socket.

#![allow(clippy::unwrap_used, dead_code, reason = "a test that can not go on fails, and each uses its part")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use registry::{Algorithm, Digest, Limits, Open, Opening, Registry, Settings, Store};
use serde_json::{Value, json};

/// A registry on a folder that goes with it.
pub(crate) struct Fixture {
    pub(crate) registry: Registry,
    pub(crate) folder: tempfile::TempDir,
}

/// An answer, its body read.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::open(limits, Opening::default().grace).await
    }

    /// One that counts links as fresh for an eighth of `grace`.
    pub(crate) async fn graceful(grace: Duration) -> Self {
        Self::open(Limits::default(), grace).await
    }

    async fn open(limits: Limits, grace: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().to_str().unwrap();
        let store = Store::open(address, &Opening { grace, ..Opening::default() }).await.unwrap();
        Self { registry: Registry::new(store, Settings { access: Box::new(Open), limits }, None, "test"), folder }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.registry.respond(request.body(Full::new(body.into())).unwrap(), None).await;
        let (parts, body) = response.into_parts();
        Got { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn push_blob(&self, name: &str, bytes: &'static [u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        loop {
            let got = self.send(Method::POST, &format!("/v2/{name}/blobs/uploads/?digest={digest}"), &[], bytes).await;
            // What is being swept this moment has to be sent again.
            if got.status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(got.status, StatusCode::CREATED);
                return digest;
            }
        }
    }

    pub(crate) async fn push(&self, name: &str, reference: &str, manifest: &Value) -> Got {
        let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
        let path = format!("/v2/{name}/manifests/{reference}");
        self.send(Method::PUT, &path, &[("content-type", &media_type)], manifest.to_string()).await
    }

    pub(crate) async fn image(&self, name: &str, config: &'static [u8]) -> Value {
        let config = self.push_blob(name, config).await;
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
            "layers": [],
        })
    }
}

pub(crate) fn digest_of(manifest: &Value) -> Digest {
    Digest::of(Algorithm::Sha256, manifest.to_string().as_bytes())
}
