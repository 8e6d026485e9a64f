//! Builds packages: plan, run, emit, analyse, test.
#![forbid(unsafe_code)]

pub mod analyse;
mod native;
