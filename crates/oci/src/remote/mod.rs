//! Registries: a client of the OCI distribution protocol (distribution-spec 1.1), and images carried from and to them.
//!
//! It is synchronous: a command waits for what it carries, and blobs travel in threads of their own. Whatever has a digest is checked
//! against it; whatever a registry sends has a bound. Credentials come in from the caller and are shown to the registry that they are
//! for and the token service that it names, to nobody else.

mod blob;
mod challenge;
mod client;
mod document;
mod error;
mod http;
mod keychain;
mod manifest;
mod origin;
mod plan;
mod reference;
mod referrers;
mod secret;
mod tags;
mod token;
mod transfer;
mod tree;
mod upload;

pub use blob::BlobReader;
pub use client::{Client, Remote, Settings};
pub use document::Document;
pub use error::RemoteError;
pub use keychain::{Helper, Keychain};
pub use manifest::Fetched;
pub use origin::{Local, Origin};
pub use plan::{Plan, Referrer, Referrers};
pub use reference::{Pointer, Reference, ReferenceError, Repository, Wrong};
pub use referrers::fallback_tag;
pub use secret::{Credential, Secret};
pub use transfer::{Carried, How, Keep, Target, transfer};
pub use tree::Tree;
