//! Debian's archive: its mirrors, indexes and binary packages, read without apt or dpkg.
//!
//! An archive is a tree of files; `dists/<suite>/InRelease` is signed and holds the hashes of the indexes, which hold
//! the hashes of everything in `pool/`. See [`Archive`] for what of that is checked.

mod ar;
mod archive;
mod control;
mod deb;
mod host;
mod index;
mod relation;
mod release;
mod relock;
mod version;

pub use ar::ArError;
pub use archive::{Archive, ArchiveError};
pub use control::{ControlError, Paragraph, Paragraphs};
pub use deb::{Control, Deb, DebError};
pub use host::{Host, KEYRING, host, host_mirror};
pub use index::{IndexError, Package, SourceFile, SourcePackage, packages, sources};
pub use relation::{Alternative, Clause, Relation, RelationError};
pub use release::{Listed, Release, ReleaseError};
pub use relock::{Looked, Pinned, Replacement, Standing, look_after};
pub use version::{Version, VersionError};

pub use crate::signature::{Authority, Signature, SignatureError, Signer, Unchecked};
