//! Claims and signatures: keys, SPDX and CycloneDX documents, in-toto statements and SLSA provenance.
#![forbid(unsafe_code)]

pub mod cyclonedx;
pub mod intoto;
pub mod key;
pub mod slsa;
pub mod spdx;
