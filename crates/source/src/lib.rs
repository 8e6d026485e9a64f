//! Fetches sources and keeps them: tarballs, mirrors, Debian's archive.
//!
//! A source is asked for by digest: from the store, then from any configured mirror, then from where its definition says.
//! Places are not trusted, only hashes are: nothing reads a byte before its hash was checked.
#![forbid(unsafe_code)]

mod archive;
mod bundle;
pub mod debian;
mod expected;
mod fetch;
mod identity;
mod mirror;
mod signature;

pub use archive::{Compression, Limits, UnpackError, Unpacked, decompress, place_file, unpack};
pub use bundle::{Bundle, BundleError, Bundled, Listed};
pub use expected::{Expected, ExpectedError, Sha512};
pub use fetch::{
    AUTHORITY_FILES, Failure, FetchError, Fetched, Fetcher, Location, LocationError, MAX_SOURCE, Origin, Place, Request, Settings,
    SettingsError, Try,
};
pub use identity::Identity;
pub use mirror::{MirrorError, Mirrored, mirror};
pub use signature::{SignatureError, Signer, check_detached};
