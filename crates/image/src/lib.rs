//! Composes images: contents, root, layers, config, lock.
#![forbid(unsafe_code)]

pub mod table;
