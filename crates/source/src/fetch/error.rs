//! Why a source could not be had: every place that was tried, and what each said.

use std::fmt;
use std::io;

use base::StoreError;

use super::LocationError;
use crate::expected::Expected;

/// Why a source could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No place had it. Its message has a line for each place, and the way out.
    #[error("{}", missing(name, expected, tries, relock.as_deref()))]
    Missing {
        /// The name under which the source was asked for.
        name: String,
        /// The hash that it must have.
        expected: Box<Expected>,
        /// Each place that was tried, in order.
        tries: Vec<Try>,
        /// The command that looks for what replaced it.
        relock: Option<String>,
    },
    /// The store failed.
    #[error("while fetching {name}")]
    Store {
        /// The name under which the source was asked for.
        name: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The unfinished download could not be written. The message of the source names the path.
    #[error("while writing the download of {name}")]
    Write {
        /// The name under which the source was asked for.
        name: String,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
    /// A file without a pinned hash (an archive's release file) could not be had.
    #[error("{place}")]
    Unpinned {
        /// Where it should be.
        place: String,
        /// What failed.
        #[source]
        failure: Failure,
    },
}

/// One place that was tried in vain.
#[derive(Debug)]
pub struct Try {
    /// Where, as a person knows it.
    pub place: String,
    /// What failed.
    pub failure: Failure,
}

/// Why one place did not give a source.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store or folder does not have it.
    #[error("not there")]
    NotThere,
    /// The network is not used.
    #[error("not asked: offline")]
    Offline,
    /// Not a place that can be asked.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The server answered with another status than success.
    #[error("HTTP status {status}{}", tried(*attempts))]
    Status {
        /// The status.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// The server led on from place to place.
    #[error("more than {limit} redirects")]
    Redirects {
        /// How many are followed.
        limit: u32,
    },
    /// The exchange failed: no connection, a time limit, TLS, a broken answer.
    #[error("{error}{}", tried(*attempts))]
    Http {
        /// What failed.
        error: Box<ureq::Error>,
        /// How often it was tried.
        attempts: u32,
    },
    /// The connection ended early.
    #[error("broke off after {got} of {total} bytes{}", tried(*attempts))]
    Truncated {
        /// How many bytes came.
        got: u64,
        /// How many were announced.
        total: u64,
        /// How often it was tried.
        attempts: u32,
    },
    /// Larger than a source may be.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
    /// The file could not be read.
    #[error("{0}")]
    File(io::Error),
    /// The bytes are not the pinned ones.
    #[error("other bytes: {actual}")]
    Checksum {
        /// The hash that they have.
        actual: Box<Expected>,
    },
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}

impl Failure {
    /// Whether the place says that it does not have the file (any more).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NotThere | Self::Status { status: 404 | 410, .. })
    }
}

fn missing(name: &str, expected: &Expected, tries: &[Try], relock: Option<&str>) -> impl fmt::Display {
    let mut text = format!("source {name} ({expected}) could not be had; tried");
    for one in tries {
        let failure = one.failure.to_string();
        text.push_str(&format!("\n  {}: {failure}", one.place));
    }
    let gone = tries.iter().any(|one| one.failure.is_gone() && one.place.contains("/pool/"));
    if let Some(command) = relock {
        let why = if gone { "an archive drops superseded files at a point release; " } else { "" };
        text.push_str(&format!("\nhint: {why}`{command}` shows what is there now"));
    }
    text.push_str("\nhint: a mirror made by `undistro source mirror DIR` while the source was there is asked before the network");
    text
}
