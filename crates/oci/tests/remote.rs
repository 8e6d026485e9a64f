//! Images carried from and to registries: an honest one as small as the protocol, and those that lie.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

#[path = "remote/carry.rs"]
mod carry;
mod common;
#[path = "remote/hostile.rs"]
mod hostile;
#[path = "remote/proof.rs"]
mod proof;
#[path = "remote/registry.rs"]
mod registry;
#[path = "remote/server.rs"]
mod server;

use std::time::Duration;

use oci::remote::{Client, Keychain, Reference, Repository, Settings};

/// A client that does not wait long.
pub(crate) fn client() -> Client {
    with(Keychain::default())
}

/// One that sends blobs of 800 bytes and more in chunks of 100.
pub(crate) fn in_chunks() -> Client {
    Client::new(&Settings { chunk: 100, ..settings() }, Keychain::default()).unwrap()
}

pub(crate) fn with(keychain: Keychain) -> Client {
    Client::new(&settings(), keychain).unwrap()
}

fn settings() -> Settings {
    Settings { backoff: Duration::from_millis(1), attempts: 3, stall_timeout: Duration::from_secs(20), ..Settings::default() }
}

pub(crate) fn at(host: &str, path: &str) -> Repository {
    format!("{host}/{path}").parse::<Reference>().unwrap().repository
}
