//! The OCI distribution server over an object store: blobs, manifests, tags, referrers (distribution-spec 1.1).
#![forbid(unsafe_code)]

pub mod access;
mod answers;
mod audit;
mod body;
mod cache;
mod digest;
mod error;
mod holdings;
mod limits;
mod manifest;
mod metrics;
mod name;
mod pace;
mod query;
mod rate;
mod registry;
mod route;
pub mod serve;
mod store;
pub mod sweep;
pub mod tls;
mod wire;

pub use access::{Access, Action, Caller, Decision, Issued, Open};
pub use audit::Audit;
pub use body::Body;
pub use digest::{Algorithm, Digest, DigestError, Mismatch};
pub use error::Refusal;
pub use limits::{Limits, MAX_MANIFEST_LIMIT};
pub use manifest::{MAX_MANIFEST, MAX_REFERENCES, ManifestError};
pub use name::{MAX_NAME, MAX_TAG, Name, NameError, Reference, ReferenceError, Tag, TagError};
pub use registry::{Registry, Settings};
pub use route::{Route, RouteError, UploadId};
pub use store::{Conditions, Opening, Store, StoreError};
pub use sweep::{Swept, sweep};
