//! House rules that no lint knows: file sizes, forbidden unsafe, marks left behind.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A file longer than this asks to become a folder. The room is for what is a list by nature.
const MOST_LINES: usize = 650;

/// The only room that may hold `unsafe`.
const UNSAFE_ROOM: &str = "sandbox";

/// Marks of unfinished work. Split so that this file does not find itself.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimpl", "emented!")];

/// Returns a line for every rule that a file breaks.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let mut files = Vec::new();
    for part in ["crates", "fuzz", "xtask"] {
        collect(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut findings = Vec::new();
    for file in files {
        let text = fs_err::read_to_string(&file)?;
        let name = file.strip_prefix(root)?.display();
        let lines = text.lines().count();
        if lines > MOST_LINES {
            findings.push(format!("{name}: {lines} lines; split it by meaning before {MOST_LINES}"));
        }
        if !text.starts_with("//!") {
            findings.push(format!("{name}: does not open with a sentence that says what it is for"));
        }
        findings.extend(MARKS.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{name}: holds {mark}")));
        let room_root = file.ends_with("src/lib.rs");
        let may_be_unsafe = file.components().any(|part| part.as_os_str() == UNSAFE_ROOM);
        if room_root && !may_be_unsafe && !text.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{name}: does not forbid unsafe code"));
        }
    }
    Ok(findings)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
