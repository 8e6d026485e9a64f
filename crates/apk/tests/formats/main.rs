//! What the formats promise, on packages made here and on those of the corpus.

mod common;
mod flips;
mod foreign;
mod hostile;
mod random;
