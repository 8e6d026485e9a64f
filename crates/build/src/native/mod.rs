//! The built-in pipelines that are carried out on the host: no program of the build root is asked.

pub(crate) mod patch;
pub(crate) mod place;
pub(crate) mod split;
