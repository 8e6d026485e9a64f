//! Archives: what they are compressed with, and how they are unpacked so that nothing leads outside.

mod compression;
mod folder;
mod unpack;
mod zip;

pub use compression::{Compression, decompress};
pub use unpack::{Limits, UnpackError, Unpacked, place_file, unpack};
