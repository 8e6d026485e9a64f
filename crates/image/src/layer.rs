//! Layers: a merged table turned into archives.
//!
//! A layer holds the directories that its entries need, then for each of its packages what that package holds in the
//! table, then what was made here. Directories look the same wherever a layer repeats them; hard links point backwards
//! within one package's part; no path comes twice, in one layer or in two.

mod group;
mod plan;
mod write;

pub(crate) use group::groups;
pub(crate) use plan::{Plan, plan};
pub use write::Layer;
pub(crate) use write::write;
