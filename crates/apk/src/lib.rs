//! The apk package format: packages, indexes, the installed database, the solver.
#![forbid(unsafe_code)]

mod checksum;
pub mod discovery;
mod fields;
pub mod gzip;
pub mod index;
pub mod info;
pub mod installed;
pub mod package;
pub mod repository;
pub mod signature;
pub mod solve;

pub use checksum::{Checksum, ChecksumError};
pub use index::{Index, IndexError, Record};
pub use info::{Info, InfoError};
pub use package::{Package, PackageError, Problem, Scripts, Table};
pub use signature::{Keyring, Policy};
