//! Builds packages: plan, run, emit, analyse, test.
//!
//! ```text
//! Distro   the definitions of one folder            Distro::load
//! Order    what must be built before what           Builder::order
//! Run      steps in a sandbox → output trees        Builder::build
//! Emit     output trees → packages
//! Test     package + test text → passed             Builder::test
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::result_large_err,
    reason = "an error ends a build of minutes; boxes would only hide its fields from those who match on it"
)]

mod action;
pub mod analyse;
mod builder;
mod distro;
mod emit;
mod environment;
mod error;
mod files;
pub mod fixes;
mod graph;
mod licenses;
pub mod lineage;
pub mod linked;
mod lint;
pub mod locked;
mod native;
mod output;
pub mod provenance;
pub mod rebuild;
pub mod reproduce;
pub mod resources;
mod run;
mod schedule;
pub mod seed;
mod setcap;
mod sources;
pub mod timeline;
mod work;

pub use action::{EMIT_FORMAT, RUN_FORMAT, TEST_FORMAT};
pub use builder::{Actions, Attempt, Builder, Built, Outcome, Report, Tested};
pub use distro::{Definition, Distro, DistroError, Mistaken};
pub use emit::EmitError;
pub use environment::{EnvironmentError, Member};
pub use error::BuildError;
pub use graph::{Edge, Graph, GraphError, Node, NodeKind, Order, When, graph};
pub use lint::{Finding, Severity};
pub use native::{patch::PatchError, place::PlaceError, split::SplitError};
pub use output::OutputError;
pub use run::{Failed, SiteError, StepError};
pub use schedule::{Limits, OnFailure};
pub use sources::{SourceError, requests};
pub use work::WorkError;
