//! The apk package format: packages, indexes, the installed database, the solver.
#![forbid(unsafe_code)]

mod checksum;
mod fields;
pub mod index;
pub mod info;

pub use checksum::{Checksum, ChecksumError};
pub use index::{Index, IndexError, Record};
pub use info::{Info, InfoError};
