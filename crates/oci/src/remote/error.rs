//! Why a registry did not give or take what it was asked for. No message holds a secret, nor the query of a URL, where secrets travel.

use std::io;

use base::{Digest, StoreError};
use url::Url;

use super::Repository;
use crate::OciError;

/// Why a registry did not give or take what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The authorities that were handed in are none.
    #[error("the certificates of authorities can not be read")]
    Authorities(#[source] Box<ureq::Error>),
    /// The proxy can not be used.
    #[error("the proxy can not be used: its URL is not understood")]
    Proxy(#[source] Box<ureq::Error>),
    /// The host's name makes no URL.
    #[error("`{host}` is no host of a registry")]
    Host {
        /// The host.
        host: String,
    },
    /// No connection, or one that was lost.
    #[error("{method} {url} failed{}", times(*attempts))]
    Http {
        /// What was asked for.
        method: String,
        /// Of which address, without its query.
        url: String,
        /// How often.
        attempts: u32,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// TLS was spoken with what does not speak it, or not with a certificate that is trusted.
    #[error("{host} does not speak TLS as it must")]
    Tls {
        /// The registry.
        host: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
        /// Whether it answered in something other than TLS.
        plain: bool,
    },
    /// The registry refused.
    #[error("{method} {url}: the registry answered {status}{}{}", said(answer), times(*attempts))]
    Status {
        /// What was asked for.
        method: String,
        /// Of which address, without its query.
        url: String,
        /// The status.
        status: u16,
        /// What it said.
        answer: Option<String>,
        /// How often it was asked.
        attempts: u32,
    },
    /// The registry wants to know who asks, or does not let them.
    #[error("{repository}: not allowed to {action}{}", said(answer))]
    Unauthorised {
        /// Where.
        repository: String,
        /// What was to be done.
        action: &'static str,
        /// Whether credentials were handed in for the registry.
        had_credentials: bool,
        /// What it said.
        answer: Option<String>,
    },
    /// The registry asks for a proof in a way that is not understood.
    #[error("{host} asks for a proof in a way that is not understood: `{challenge}`")]
    Challenge {
        /// The registry.
        host: String,
        /// What it asked, shortened.
        challenge: String,
    },
    /// The service that gives tokens may not be asked.
    #[error("{host} sends to {realm} for a token, which is not encrypted")]
    Realm {
        /// The registry.
        host: String,
        /// The token service.
        realm: String,
    },
    /// There is no such repository or image.
    #[error("{repository} has no {what}{}", said(answer))]
    Missing {
        /// Where.
        repository: Repository,
        /// What was asked for.
        what: String,
        /// What the registry said.
        answer: Option<String>,
    },
    /// The bytes are others than was said.
    #[error("{what}: expected {expected}, got {actual}")]
    Changed {
        /// Which bytes.
        what: String,
        /// What they should be.
        expected: Digest,
        /// What they are.
        actual: Digest,
    },
    /// More bytes than there may be.
    #[error("{what} has more than {most} bytes")]
    Large {
        /// Which bytes.
        what: String,
        /// The bound.
        most: u64,
    },
    /// Fewer bytes than there should be.
    #[error("{what} ended after {got} of {total} bytes")]
    Truncated {
        /// Which bytes.
        what: String,
        /// How many came.
        got: u64,
        /// How many should.
        total: u64,
    },
    /// A text is not what it should be.
    #[error("{what} can not be understood")]
    Json {
        /// Which text.
        what: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest says two things of itself.
    #[error("the manifest {digest} can be read in two ways: {why}")]
    Ambiguous {
        /// Its digest.
        digest: Digest,
        /// How.
        why: String,
    },
    /// An answer that the protocol does not have.
    #[error("{url}: the answer can not be used: {why}")]
    Protocol {
        /// Of which address.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Sent on without end, or to where nothing may be sent.
    #[error("{url}: sent on {}", if *insecure { "to an address that is not encrypted" } else { "too often" })]
    Redirect {
        /// From where.
        url: String,
        /// Whether the last address is the reason.
        insecure: bool,
    },
    /// An image of too many parts, or too deep.
    #[error("{what} has {of}, more than {most}")]
    Many {
        /// Which image.
        what: String,
        /// Of what there are too many.
        of: &'static str,
        /// The bound.
        most: usize,
    },
    /// A file with credentials can not be read.
    #[error("the file of credentials {file} can not be understood")]
    AuthFile {
        /// Which file.
        file: String,
        /// What the parser said: places, no text.
        #[source]
        source: serde_json::Error,
    },
    /// A file with credentials has an entry that is none.
    #[error("the file of credentials {file} has an entry for {host} that is no user and password in base64")]
    AuthEntry {
        /// Which file.
        file: String,
        /// For which registry.
        host: String,
    },
    /// A helper gave no credentials.
    #[error("the credential helper {helper} failed for {host}: {why}")]
    Helper {
        /// Its program.
        helper: String,
        /// For which registry.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// The image where it lies here can not be read.
    #[error(transparent)]
    Local(#[from] OciError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The operating system refused.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error.
        #[source]
        source: io::Error,
    },
}

impl RemoteError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => is_transient(*status),
            Self::Http { source, .. } => is_lost(source),
            Self::Truncated { .. } => true,
            _ => false,
        }
    }
}

/// Whether a registry that answers so may answer otherwise a little later.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a connection was lost on the way. One that was refused will be refused again.
pub(super) fn is_lost(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, UnexpectedEof, WouldBlock};
    match error {
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | Interrupted | TimedOut | UnexpectedEof | WouldBlock)
        }
        _ => false,
    }
}

/// An address as it may be shown: presigned addresses carry their proof in the query.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Refused for addresses that can not have them, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

fn times(attempts: u32) -> String {
    if attempts > 1 { format!(" {attempts} times") } else { String::new() }
}

fn said(answer: &Option<String>) -> String {
    answer.as_ref().map_or(String::new(), |answer| format!(": {answer}"))
}
