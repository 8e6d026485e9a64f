//! Bounds on what strangers may send.

use std::time::Duration;

use crate::manifest::MAX_MANIFEST;

/// The largest bound of a manifest that may be set: the store reads them whole.
pub const MAX_MANIFEST_LIMIT: u64 = crate::store::MAX_POINTER;

/// Bounds on what strangers may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a manifest.
    pub manifest: u64,
    /// Bytes of a blob. The default, 64 GiB, is more than any image's layer and less than most disks.
    pub blob: u64,
    /// Bodies that are received at once.
    pub uploads: usize,
    /// Connections that are open at once.
    pub connections: usize,
    /// Requests that one address may make in a second, over some time; `None` for as many as it can.
    pub requests_per_second: Option<u32>,
    /// Bytes of manifests kept in memory.
    pub cache: usize,
    /// Entries of a page of tags or repositories.
    pub page: usize,
    /// How many indexes may lie in each other. Clients go down by recursion; an image is two deep, and 16 is more than any.
    pub depth: usize,
    /// Bytes of the head of a request. Tokens in `Authorization` are the largest part; the default, 64 KiB, holds any.
    pub head: usize,
    /// How long the head of a request may take to come.
    pub head_time: Duration,
    /// How long a client may be waited for until 16 KiB more of a body came, or its end.
    pub body_time: Duration,
    /// How long nothing may move on a connection: no byte of a request comes, none of an answer is taken.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: MAX_MANIFEST,
            blob: 64 << 30,
            uploads: 256,
            connections: 10_000,
            requests_per_second: None,
            cache: 64 << 20,
            page: 10_000,
            depth: 16,
            head: 64 << 10,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(120),
        }
    }
}
