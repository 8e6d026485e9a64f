//! Builds packages: plan, run, emit, analyse, test.
#![forbid(unsafe_code)]

pub mod analyse;
mod distro;
mod graph;
mod native;
mod output;
mod run;
pub mod seed;
mod sources;
mod work;
