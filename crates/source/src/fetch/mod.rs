//! Brings sources into the store by digest: from the store itself, from mirrors, then from where they are said to be.

mod error;
mod http;
mod partial;
mod place;

use std::sync::Arc;
use std::time::Duration;

use base::{Digest, Finish, Reporter, Store, StoreError, Task, TaskKind};
use serde::{Deserialize, Serialize};

use crate::expected::Expected;

pub use error::{Failure, FetchError, Try};
pub use place::{Location, LocationError, Place};

use http::Web;

/// The largest source in bytes. Chromium's tarball, among the largest there are, has 6 GB.
pub const MAX_SOURCE: u64 = 16 << 30;

/// Where hosts keep the certificate authorities that they trust, by distribution; the first that is there is the one.
///
/// For [`Settings::authorities`], so that a site whose proxy looks into TLS can add its own authority to its machines.
pub const AUTHORITY_FILES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// How and where sources are sought.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folders or servers laid out by digest, as [`mirror()`](crate::mirror()) writes them. Asked in order, before any other place.
    pub mirrors: Vec<Location>,
    /// The root of a Debian mirror, where `debian:` URIs are found ([`crate::debian::host_mirror`]).
    pub debian: Option<Location>,
    /// Whether only the store and files of this machine are used.
    pub offline: bool,
    /// The proxy for every connection, as a URL.
    pub proxy: Option<String>,
    /// Certificate authorities in PEM that take the place of Mozilla's list, which is built in.
    pub authorities: Option<Vec<u8>>,
    /// How often one place is asked while its failures are transient: a lost or stalled connection, and the statuses 408,
    /// 429, 500, 502, 503 and 504. All other failures are final.
    pub attempts: u32,
    /// The pause before the second attempt; each later one is twice as long.
    pub backoff: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a server may say nothing.
    pub stall_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            debian: None,
            offline: false,
            proxy: None,
            authorities: None,
            attempts: 4,
            backoff: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// The settings can not be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The proxy's URL is not one.
    #[error("the proxy `{proxy}` can not be used")]
    Proxy {
        /// What was given.
        proxy: String,
        /// What is wrong with it.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The certificate authorities are not PEM.
    #[error("the certificate authorities can not be read as PEM")]
    Authorities(#[source] Box<ureq::Error>),
    /// The PEM text holds no certificate.
    #[error("the list of certificate authorities is empty")]
    NoAuthority,
}

/// A source that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What a person calls it: the file's name, the package's.
    pub name: String,
    /// Where it is said to be, in order: `https:`, `http:`, `file:`, `debian:`.
    pub uris: Vec<String>,
    /// The hash that it must have.
    pub expected: Expected,
    /// Its length in bytes, where that is pinned too.
    pub size: Option<u64>,
    /// The command that shows what replaced it when it is gone: `undistro source relock nginx`.
    pub relock: Option<String>,
}

/// Where the bytes came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// They were in the store.
    Store,
    /// They came from here, passwords left out.
    Place(String),
}

/// A source that is in the store, its hash checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The blob.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it came from.
    pub from: Origin,
}

/// Fetches sources into one store. Shared between threads; fetching in parallel is the caller's.
#[derive(Debug)]
pub struct Fetcher<'a> {
    store: &'a Store,
    settings: Settings,
    web: Web,
}

/// The kind of record that says which sha256 a sha512 belongs to.
const SHA512: &str = "sha512";

impl<'a> Fetcher<'a> {
    /// Makes a fetcher. No connection is made yet.
    pub fn new(store: &'a Store, settings: Settings) -> Result<Self, SettingsError> {
        let web = Web::new(&settings)?;
        Ok(Self { store, settings, web })
    }

    /// Returns the store it fetches into.
    #[must_use]
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Returns the settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Brings a source into the store. Two processes that want one source do not both download it.
    pub fn fetch(&self, request: &Request, reporter: &dyn Reporter) -> Result<Fetched, FetchError> {
        let task = Task::new(TaskKind::Fetch, &request.name);
        reporter.started(&task);
        let result = self.fetch_task(request, &task, reporter);
        let how = match &result {
            Ok(Fetched { from: Origin::Store, .. }) => Finish::Cached,
            Ok(_) => Finish::Done,
            Err(_) => Finish::Failed,
        };
        reporter.finished(&task, how);
        result
    }

    /// Returns the source if the store has it already.
    pub fn stored(&self, expected: &Expected) -> Result<Option<Fetched>, StoreError> {
        let digest = match expected {
            Expected::Sha256(digest) => Some(*digest),
            Expected::Sha512(_) => self.store.record(SHA512, &Digest::of(expected.to_string()))?,
        };
        let Some((digest, path)) = digest.and_then(|digest| Some((digest, self.store.blob(&digest)?))) else { return Ok(None) };
        let size = fs_err::metadata(path).map_err(|source| StoreError::Io { doing: "looking at a blob", source })?.len();
        Ok(Some(Fetched { digest, size, from: Origin::Store }))
    }

    /// Reads a small file that no hash is pinned for, such as an archive's release file, of at most `limit` bytes.
    ///
    /// Nothing is known of the bytes: the caller checks a signature, or says that it did not.
    pub fn fetch_unpinned(&self, place: &Place, limit: u64) -> Result<Vec<u8>, FetchError> {
        let read = || match place {
            Place::File(path) => partial::read_file(path, limit),
            Place::Web(_) if self.settings.offline => Err(Failure::Offline),
            Place::Web(url) => self.web.read(url, limit),
        };
        read().map_err(|failure| FetchError::Unpinned { place: place.to_string(), failure })
    }

    /// Asks whether a place has a file, without reading it.
    pub fn has(&self, place: &Place) -> Result<bool, FetchError> {
        let ask = || match place {
            Place::File(path) => Ok(path.is_file()),
            Place::Web(_) if self.settings.offline => Err(Failure::Offline),
            Place::Web(url) => self.web.has(url),
        };
        ask().map_err(|failure| FetchError::Unpinned { place: place.to_string(), failure })
    }

    fn fetch_task(&self, request: &Request, task: &Task, reporter: &dyn Reporter) -> Result<Fetched, FetchError> {
        let store_error = |source| FetchError::Store { name: request.name.clone(), source };
        if let Some(found) = self.stored(&request.expected).map_err(store_error)? {
            self.store.mark_source(&found.digest, &request.name).map_err(store_error)?;
            return Ok(found);
        }
        let _alone = self.store.lock(&format!("fetch-{}", request.expected.hex())).map_err(store_error)?;
        if let Some(found) = self.stored(&request.expected).map_err(store_error)? {
            return Ok(found);
        }
        let mut tries = vec![Try { place: "the store".into(), failure: Failure::NotThere }];
        for (name, place) in self.places(request) {
            let outcome = match place {
                Ok(place) => self.bring(request, &place, task, reporter)?,
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok((digest, size)) => {
                    let wrong = tries.iter().filter(|one| matches!(one.failure, Failure::Checksum { .. }));
                    wrong.for_each(|one| reporter.warned(&format!("{} has other bytes for {}", one.place, request.name)));
                    self.store.mark_source(&digest, &request.name).map_err(store_error)?;
                    self.remember(&request.expected, &digest).map_err(store_error)?;
                    return Ok(Fetched { digest, size, from: Origin::Place(name) });
                }
                Err(failure) => tries.push(Try { place: name, failure }),
            }
        }
        let (name, relock) = (request.name.clone(), request.relock.clone());
        Err(FetchError::Missing { name, expected: Box::new(request.expected), tries, relock })
    }

    /// Every place in the order in which it is asked, with the name that an error shows.
    fn places(&self, request: &Request) -> Vec<(String, Result<Place, Failure>)> {
        let path = request.expected.mirror_path();
        let mirrors = self.settings.mirrors.iter().map(|mirror| Ok(mirror.join(&path)));
        let debian = self.settings.debian.as_ref();
        let uris = request.uris.iter().flat_map(|uri| {
            let place = Place::parse(uri, debian).map_err(|error| (uri, error));
            std::iter::once(place).chain(Place::security(uri, debian).map(Ok))
        });
        let named = |place: Result<Place, (&String, LocationError)>| match place {
            Ok(place @ Place::Web(_)) if self.settings.offline => (place.to_string(), Err(Failure::Offline)),
            Ok(place) => (place.to_string(), Ok(place)),
            Err((uri, error)) => (uri.clone(), Err(error.into())),
        };
        mirrors.chain(uris).map(named).collect()
    }

    fn remember(&self, expected: &Expected, digest: &Digest) -> Result<(), StoreError> {
        match expected {
            Expected::Sha256(_) => Ok(()),
            Expected::Sha512(_) => self.store.put_record(SHA512, &Digest::of(expected.to_string()), digest),
        }
    }
}

/// TLS by aws-lc-rs, with Mozilla's authorities or those of the caller.
fn tls(settings: &Settings) -> Result<ureq::tls::TlsConfig, SettingsError> {
    use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
    let roots = match &settings.authorities {
        None => RootCerts::WebPki,
        Some(pem) => {
            let mut certificates = Vec::new();
            for item in parse_pem(pem) {
                if let PemItem::Certificate(one) = item.map_err(|source| SettingsError::Authorities(Box::new(source)))? {
                    certificates.push(one);
                }
            }
            if certificates.is_empty() {
                return Err(SettingsError::NoAuthority);
            }
            RootCerts::Specific(Arc::new(certificates))
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}
