//! The OCI distribution server over an object store: blobs, manifests, tags, referrers (distribution-spec 1.1).
#![forbid(unsafe_code)]

pub mod access;
mod answers;
mod body;
mod cache;
mod digest;
mod error;
mod holdings;
mod limits;
mod manifest;
mod name;
mod query;
mod registry;
mod route;
pub mod serve;
mod store;
pub mod tls;

pub use access::{Access, Action, Caller, Decision, Issued, Open};
pub use body::Body;
pub use digest::{Algorithm, Digest, DigestError, Mismatch};
pub use error::Refusal;
pub use limits::Limits;
pub use manifest::{MAX_MANIFEST, MAX_REFERENCES, ManifestError};
pub use name::{MAX_NAME, MAX_TAG, Name, NameError, Reference, ReferenceError, Tag, TagError};
pub use registry::Registry;
pub use route::{Route, RouteError, UploadId};
pub use store::{Store, StoreError};
