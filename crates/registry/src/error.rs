//! Why the registry did not do what was asked: the specification's error codes (distribution-spec, "Error codes").

use http::StatusCode;

use crate::manifest::ManifestError;
use crate::pace::Slow;
use crate::route::RouteError;
use crate::store::StoreError;
use crate::{Digest, Mismatch, Name, Reference};

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The path leads nowhere, or holds a name, tag or digest that is none.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The path does not take this method.
    #[error("{0} is not done here")]
    Method(http::Method),
    /// A parameter of the query, or a header, is not what it should be.
    #[error("{what}: {why}")]
    Parameter {
        /// Which.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A digest given as a parameter is none.
    #[error("the digest in `{what}`: {source}")]
    Digest {
        /// Which parameter.
        what: &'static str,
        /// What is wrong.
        source: crate::DigestError,
    },
    /// The repository does not hold the blob.
    #[error("{name} holds no blob {digest}")]
    BlobUnknown {
        /// The repository.
        name: Name,
        /// The blob.
        digest: Digest,
    },
    /// There is no such upload, or it ended.
    #[error("there is no such upload; it may have ended, or was given up for its age")]
    UploadUnknown,
    /// A chunk does not follow what was received.
    #[error("the chunk begins at byte {start}, and {received} bytes were received")]
    ChunkOrder {
        /// Where it begins.
        start: u64,
        /// What there is.
        received: u64,
    },
    /// Another request writes to the upload.
    #[error("another request is writing to this upload")]
    UploadBusy,
    /// The bytes sent are not as many as was said.
    #[error("{said} bytes were announced and {sent} sent")]
    Length {
        /// By the headers.
        said: u64,
        /// In truth.
        sent: u64,
    },
    /// The bytes are not what their digest says.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// The body broke off.
    #[error("the body broke off: {0}")]
    Body(String),
    /// The body came too slowly.
    #[error("the body came too slowly: {0}")]
    Slow(String),
    /// The repository has no such manifest.
    #[error("{name} holds no manifest {reference}")]
    ManifestUnknown {
        /// The repository.
        name: Name,
        /// What was asked for.
        reference: Reference,
    },
    /// The manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest refers to content that the repository does not hold.
    #[error("{name} does not hold what the manifest refers to: {}", list(missing))]
    Missing {
        /// The repository.
        name: Name,
        /// What is not there.
        missing: Vec<Digest>,
    },
    /// There is no such repository.
    #[error("there is no repository {0}")]
    NameUnknown(Name),
    /// More bytes than are taken.
    #[error("{what} may have {most} bytes at most")]
    Large {
        /// What was sent.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// More at once than is allowed.
    #[error("too many {0}; try again later")]
    TooMany(&'static str),
    /// The caller has to say who they are.
    #[error("this needs a login")]
    Unauthorized {
        /// The value of `WWW-Authenticate`.
        challenge: http::HeaderValue,
    },
    /// The caller may not.
    #[error("this is not allowed")]
    Denied,
    /// What was asked for is being swept away right now.
    #[error("this content is being removed at this moment; send it again")]
    Sweeping,
    /// The process is about to end.
    #[error("the server is about to stop")]
    Stopping,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

fn list(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Refusal {
    /// What became of a body.
    pub(crate) fn body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Self {
        if error.is::<Slow>() { Self::Slow(error.to_string()) } else { Self::Body(error.to_string()) }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Route(RouteError::Nothing | RouteError::Upload)
            | Self::BlobUnknown { .. }
            | Self::UploadUnknown
            | Self::ManifestUnknown { .. }
            | Self::NameUnknown(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ChunkOrder { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UploadBusy => StatusCode::CONFLICT,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Sweeping | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.is_full() => StatusCode::INSUFFICIENT_STORAGE,
            Self::Store(error) if error.is_passing() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Route(_)
            | Self::Parameter { .. }
            | Self::Digest { .. }
            | Self::Length { .. }
            | Self::Mismatch(_)
            | Self::Body(_)
            | Self::Manifest(_)
            | Self::Missing { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// The code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Route(RouteError::Name(_)) => "NAME_INVALID",
            Self::Route(RouteError::Digest(_) | RouteError::Reference(crate::name::ReferenceError::Digest(_)))
            | Self::Digest { .. }
            | Self::Mismatch(_) => "DIGEST_INVALID",
            Self::Route(RouteError::Reference(crate::name::ReferenceError::Tag(_))) => "TAG_INVALID",
            Self::Route(RouteError::Upload) | Self::UploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::Route(RouteError::Nothing) | Self::Method(_) | Self::Parameter { .. } => "UNSUPPORTED",
            Self::BlobUnknown { .. } => "BLOB_UNKNOWN",
            Self::ChunkOrder { .. } | Self::UploadBusy | Self::Body(_) | Self::Slow(_) => "BLOB_UPLOAD_INVALID",
            Self::Length { .. } | Self::Large { .. } => "SIZE_INVALID",
            Self::ManifestUnknown { .. } => "MANIFEST_UNKNOWN",
            Self::Manifest(_) => "MANIFEST_INVALID",
            Self::Missing { .. } => "MANIFEST_BLOB_UNKNOWN",
            Self::NameUnknown(_) => "NAME_UNKNOWN",
            Self::TooMany(_) => "TOOMANYREQUESTS",
            Self::Unauthorized { .. } => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Sweeping | Self::Stopping | Self::Store(_) => "UNAVAILABLE",
        }
    }
}
