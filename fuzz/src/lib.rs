//! Every reader of foreign bytes as a fuzz target: a name, good inputs to begin with, and what is done with an input.
//!
//! A target may refuse its input in any way that the reader has. It may not panic, hang, take much memory or write
//! outside its folder; where more can be said (what is read can be written and is read again as the same), it says so.
//! `scripts/fuzz.sh` runs them under libFuzzer, led by coverage; the tests here run each over its samples and over what
//! was found in earlier runs (`regressions/TARGET/*`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a finding of the fuzzer, and the making of samples, end in a panic")]

mod targets;

use std::path::{Path, PathBuf};

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What `FUZZ_TARGET` calls it.
    pub name: &'static str,
    /// Good inputs to begin with.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Reads one input.
    pub run: fn(&[u8]),
}

/// Returns every target, by name.
#[must_use]
pub fn targets() -> Vec<Target> {
    let mut all = targets::all();
    all.sort_by_key(|target| target.name);
    all
}

/// Returns the target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

/// Inputs of earlier runs that once went wrong.
#[must_use]
pub fn regressions(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Writes `FOLDER/TARGET/N` for every sample of every target.
///
/// # Errors
/// The folder can not be written.
pub fn write_samples(folder: &Path) -> std::io::Result<()> {
    for target in targets() {
        let place = folder.join(target.name);
        fs_err::create_dir_all(&place)?;
        for (at, sample) in (target.samples)().into_iter().enumerate() {
            fs_err::write(place.join(format!("sample-{at:03}")), sample)?;
        }
        for path in regressions(target.name) {
            let name = path.file_name().map(|name| format!("regression-{}", name.to_string_lossy())).unwrap_or_default();
            fs_err::copy(&path, place.join(name))?;
        }
    }
    Ok(())
}
