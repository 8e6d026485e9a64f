//! Layers: a merged table turned into archives.
//!
//! A layer holds the directories that its entries need, then for each of its packages what that package holds in the
//! table, then what was made here. Directories look the same wherever a layer repeats them; hard links point backwards
//! within one package's part; no path comes twice, in one layer or in two.
//!
//! Composing does not compress: what a package gives is compressed once and kept ([`mod@part`]), and a layer is put together
//! from such parts ([`mod@stitch`]). [`mod@whole`] writes the same layer in one stream.

mod codec;
mod group;
mod part;
mod plan;
mod segment;
mod stitch;
mod unpacked;
mod whole;

use base::Digest;
use oci::Descriptor;
use serde::{Deserialize, Serialize};

pub(crate) use group::groups;
pub(crate) use part::{Part, PartWriter, keep};
pub(crate) use plan::{Plan, part, plan};
pub(crate) use {stitch::write as stitch, whole::write as whole};

/// Raised when the same plan would give other bytes: the order, the archive's form, the compressors.
pub(crate) const FORMAT: u32 = 2;

/// The kind of record that tells which blob a plan became.
const LAYERS: &str = "layer";

/// A layer that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its bytes, compressed.
    pub descriptor: Descriptor,
    /// The digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// How many these are.
    pub unpacked: u64,
}
