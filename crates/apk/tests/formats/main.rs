//! What the formats promise, on packages made here and on those of the corpus.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;
mod flips;
mod foreign;
mod hostile;
mod random;
