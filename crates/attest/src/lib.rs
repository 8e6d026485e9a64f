//! Claims and signatures: keys, SPDX documents.
#![forbid(unsafe_code)]

pub mod cyclonedx;
pub mod key;
pub mod spdx;
