//! What exactly goes into an image: each package by the digest of its content.

use base::{Arch, Dependency, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

/// The packages of an image for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// For which machines.
    pub arch: Arch,
    /// What was asked for.
    pub wants: Vec<Dependency>,
    /// The packages in install order.
    pub packages: Vec<Locked>,
}

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// The sha256 of its control and data members: the same whoever signed it.
    pub content: Digest,
}
