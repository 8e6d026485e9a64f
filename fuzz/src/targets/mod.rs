//! The targets, a file per room.

mod apk;
mod attest;
mod base;
mod build;
mod oci;
mod source;
mod spec;

use std::path::Path;

use crate::Target;

pub(crate) fn all() -> Vec<Target> {
    [base::TARGETS, attest::TARGETS, oci::TARGETS, spec::TARGETS, apk::TARGETS, source::TARGETS, build::TARGETS].concat()
}

/// Every file below a folder of this checkout whose name ends so, as samples.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    fn collect(dir: &Path, ending: &str, found: &mut Vec<Vec<u8>>) {
        let Ok(entries) = fs_err::read_dir(dir) else { return };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                collect(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(fs_err::read(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut found = Vec::new();
    collect(&root, ending, &mut found);
    found
}

/// A fresh folder, in memory where there is such a place.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// How many names a folder has; what is written beside shows in it.
fn names(dir: &Path) -> usize {
    fs_err::read_dir(dir).unwrap().count()
}
