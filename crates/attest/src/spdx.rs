//! SPDX 2.3 documents: what a package or an image is made of (<https://spdx.github.io/spdx-spec/v2.3/>).
//!
//! A document depends on its content alone: it is sorted, its time is the epoch that it is given, and its namespace
//! is derived from a digest of the rest. So the same package has the same document, and no two documents share a
//! namespace.

mod document;
mod id;
mod image;
mod license;
mod package;
mod purl;

pub use document::{
    Algorithm, Checksum, CreationInfo, Document, Element, ExternalRef, ExtractedLicense, File, Purpose, Relation, Relationship,
    VerificationCode,
};
pub use id::Id;
pub use image::{Contents, MadeFile, Part, image};
pub use license::{Licenses, licenses};
pub use package::{Component, Linked, Source, SourceKind, package};
pub use purl::Purl;

#[cfg(test)]
pub(crate) use package::tests::zlib as example;

/// What SPDX writes where nothing is stated.
pub const NO_ASSERTION: &str = "NOASSERTION";

/// What SPDX writes where it is known that there is nothing.
pub const NONE: &str = "NONE";

/// The namespace for documents of someone who has no web site, as SPDX suggests it (clause 6.5).
pub const DEFAULT_NAMESPACE: &str = "https://spdx.org/spdxdocs";

/// Who made the document. A format number instead of a version of the tool: another undistro must give the same bytes.
const TOOL: &str = "Tool: undistro-sbom-1";

/// Why a document could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SpdxError {
    /// The text is no SPDX 2.3 document.
    #[error("the SBOM of {package} is no SPDX 2.3 document")]
    Parse {
        /// Whose document it is.
        package: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The document is of another version of SPDX.
    #[error("the SBOM of {package} says it is `{found}`; SPDX-2.3 and SPDX-2.2 are read")]
    Version {
        /// Whose document it is.
        package: String,
        /// What it says.
        found: String,
    },
    /// The document in a package describes something else.
    #[error("the SBOM in {package} does not describe {package}: it describes {found}")]
    Subject {
        /// The package that carries it.
        package: String,
        /// What it describes.
        found: String,
    },
    /// Two elements have one identifier.
    #[error("the SBOM {document} holds two elements named {id}")]
    Duplicate {
        /// The document.
        document: String,
        /// The identifier.
        id: Id,
    },
    /// A relationship leads nowhere.
    #[error("the SBOM {document} relates {id}, which it does not hold")]
    Dangling {
        /// The document.
        document: String,
        /// The identifier.
        id: Id,
    },
    /// A time that no calendar holds.
    #[error("{0} seconds since 1970 is no time that SPDX can write")]
    Time(i64),
}
