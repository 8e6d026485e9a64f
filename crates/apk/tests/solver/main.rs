//! What the solver promises: apk's answers on apk's own cases, and answers that are right on any.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by it, and says what it did not do")]

use std::path::{Path, PathBuf};

mod case;
mod explain;
mod images;
mod large;
mod random;
mod small;
mod vectors;

/// Returns a file or folder of the corpus beside the workspace, or says that the test is left out.
fn corpus(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(name);
    if !path.exists() {
        eprintln!("SKIP: the corpus is not there: {name}");
        return None;
    }
    Some(path)
}
