//! What a user sees: commands, their output and exit codes, as snapshots.

#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

mod definitions;
mod desk;
mod machine;
mod mistakes;
mod packages;
mod registries;
mod shells;
mod trust;
