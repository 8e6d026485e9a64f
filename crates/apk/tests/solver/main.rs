//! What the solver promises: apk's answers on apk's own cases, and answers that are right on any.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::Write as _;
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
        // Past the harness, which keeps what a test that passes prints; on a line of its own, so that `./check` finds it.
        let _ = std::io::stderr().write_all(format!("\nSKIP: the corpus is not there: {name}\n").as_bytes());
        return None;
    }
    Some(path)
}
