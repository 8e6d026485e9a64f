//! What is answered, a file for each kind of thing.

mod blobs;
mod lists;
mod manifests;
mod tokens;
mod uploads;
