//! Claims and signatures: keys, SPDX and CycloneDX documents, in-toto statements and SLSA provenance, signed bundles, the log.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod cyclonedx;
pub mod dsse;
pub mod intoto;
pub mod key;
pub mod log;
pub mod policy;
pub mod signing;
pub mod sigstore;
pub mod simple;
pub mod slsa;
pub mod spdx;
pub mod trust;
pub mod verify;
pub mod vsa;
