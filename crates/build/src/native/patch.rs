//! Applies unified diffs as GNU patch does: by context, with offsets and fuzz, whole files made and removed.
//!
//! It is native so that a build root needs no patch program, and stricter in one thing: a hunk that does not apply
//! fails the step and leaves the file as it was; there are no `.orig` and `.rej` files.

mod hunk;
mod parse;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::place::{PlaceError, Workspace};
use parse::FileDiff;

pub(crate) use parse::parse;

/// Why a patch could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The text is no unified diff.
    #[error("line {line}: {problem}")]
    Syntax {
        /// The line of the patch.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// There is nothing in it.
    #[error("it holds no unified diff")]
    Empty,
    /// No file to patch.
    #[error("no file to patch: {names} {verb} not there", verb = if names.contains(" and ") { "are" } else { "is" })]
    NoFile {
        /// The names after stripping.
        names: String,
    },
    /// The file to be made is there.
    #[error("{name} is to be made, and is there already; is the patch applied?")]
    Exists {
        /// The file.
        name: String,
    },
    /// The context is nowhere in the file.
    #[error("{name}: hunk {hunk} (line {line} of the file) does not apply{hint}")]
    Hunk {
        /// The file.
        name: String,
        /// Which hunk, from 1.
        hunk: usize,
        /// Where it should have been.
        line: usize,
        /// A guess why.
        hint: &'static str,
    },
    /// A path leads outside or can not be reached.
    #[error("{name}")]
    Place {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// The operating system refused.
    #[error("{name}")]
    Io {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How a patch is applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How many leading parts of a name are cut off.
    pub(crate) strip: usize,
    /// How many lines of context may differ at each end of a hunk.
    pub(crate) fuzz: usize,
    /// The time that changed files get: one for all, so that `make` sees no order among them.
    pub(crate) time: SystemTime,
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The file.
    pub(crate) name: String,
    /// Hunks that applied elsewhere than they said or with fuzz, in words.
    pub(crate) notes: Vec<String>,
}

/// Applies every diff of `text` in the directory that a step calls `base`. All apply, or the file that does not is named
/// and those before it are changed already.
pub(crate) fn apply(text: &[u8], workspace: &Workspace, base: Option<&str>, options: Options) -> Result<Vec<Change>, PatchError> {
    let diffs = parse(text)?;
    if diffs.is_empty() {
        return Err(PatchError::Empty);
    }
    diffs.iter().map(|diff| apply_one(diff, workspace, base, options)).collect()
}

/// The names in a quilt series.
pub(crate) fn series_names(text: &str) -> impl Iterator<Item = &str> {
    series_lines(text).filter_map(|line| line.split_whitespace().next())
}

fn series_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default())
}

/// Reads a quilt series: one patch a line, maybe with its own `-p`; `#` begins a comment.
pub(crate) fn series(text: &str, options: Options) -> Vec<(String, Options)> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let strip = words.find_map(|word| word.strip_prefix("-p")?.parse().ok()).unwrap_or(options.strip);
        Some((name, Options { strip, ..options }))
    };
    series_lines(text).filter_map(entry).collect()
}

fn apply_one(diff: &FileDiff, workspace: &Workspace, base: Option<&str>, options: Options) -> Result<Change, PatchError> {
    let (name, old) = find(diff, workspace, base, options.strip)?;
    let io = |source| PatchError::Io { name: name.clone(), source };
    let before = match &old {
        Some(path) => fs::read(path).map_err(io)?,
        None => Vec::new(),
    };
    let (after, notes) = hunk::apply(&before, &diff.hunks, options.fuzz).map_err(|(hunk, line)| PatchError::Hunk {
        name: name.clone(),
        hunk,
        line,
        hint: hint(&before, diff, options.fuzz),
    })?;
    if let (true, Some(path)) = (diff.deletes() && after.is_empty(), &old) {
        fs::remove_file(path).map_err(io)?;
        return Ok(Change { name, notes });
    }
    let target_name = diff.renamed_to.as_ref().map_or_else(|| Some(name.clone()), |to| strip(to, options.strip));
    let target_name = target_name.unwrap_or_else(|| name.clone());
    let target = match &old {
        Some(path) if target_name == name => path.clone(),
        _ => fresh(&target_name, workspace, base)?,
    };
    let mode = match (diff.mode, &old) {
        (Some(mode), _) => mode,
        (None, Some(path)) => fs::metadata(path).map_err(io)?.permissions().mode() & 0o777,
        (None, None) => 0o644,
    };
    write(&target, &after, mode, options.time).map_err(io)?;
    if let Some(path) = old.filter(|path| *path != target) {
        fs::remove_file(path).map_err(io)?;
    }
    Ok(Change { name: target_name, notes })
}

/// Finds the file that the diff is for: among the names that exist, the one with the fewest parts, then the shortest.
/// A diff that makes a file gives its name and `None`.
fn find(diff: &FileDiff, workspace: &Workspace, base: Option<&str>, count: usize) -> Result<(String, Option<PathBuf>), PatchError> {
    let mut names: Vec<String> = diff.names().filter_map(|name| strip(name, count)).collect();
    names.sort_by_key(|name| (name.matches('/').count(), name.rsplit('/').next().map_or(0, str::len), name.len()));
    names.dedup();
    let mut refused = None;
    for name in &names {
        match workspace.existing(base, name) {
            Ok(path) if path.is_file() && diff.creates() && fs::metadata(&path).is_ok_and(|m| m.len() > 0) => {
                return Err(PatchError::Exists { name: name.clone() });
            }
            Ok(path) if path.is_file() => return Ok((name.clone(), Some(path))),
            Err(source @ PlaceError::Outside { .. }) => refused = Some(PatchError::Place { name: name.clone(), source }),
            _ => {}
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    match names.last() {
        Some(name) if diff.creates() => Ok((diff.new.as_deref().and_then(|new| strip(new, count)).unwrap_or_else(|| name.clone()), None)),
        _ => Err(PatchError::NoFile { names: names.join(" and ") }),
    }
}

/// Returns the path of a file that is to be made, after making the directories above it.
fn fresh(name: &str, workspace: &Workspace, base: Option<&str>) -> Result<PathBuf, PatchError> {
    let (parent, file) = name.rsplit_once('/').unwrap_or((".", name));
    let place = |source| PatchError::Place { name: name.to_owned(), source };
    if matches!(file, "" | "." | "..") {
        return Err(place(PlaceError::Outside { place: name.to_owned() }));
    }
    workspace.directory(base, parent).map(|parent| parent.join(file)).map_err(place)
}

/// Writes beside the file and renames, so that read-only files and second names do not matter.
fn write(path: &Path, content: &[u8], mode: u32, time: SystemTime) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".undistro-patch");
    let beside = PathBuf::from(beside);
    fs::write(&beside, content)?;
    let file = fs::File::options().write(true).open(&beside)?;
    file.set_modified(time)?;
    fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, path)
}

/// Cuts `count` leading parts off; `None` where there are fewer.
fn strip(name: &str, count: usize) -> Option<String> {
    let mut rest = name;
    for _ in 0..count {
        rest = rest.split_once('/')?.1.trim_start_matches('/');
    }
    (!rest.is_empty()).then(|| rest.to_owned())
}

fn hint(before: &[u8], diff: &FileDiff, fuzz: usize) -> &'static str {
    let reversed: Vec<_> = diff.hunks.iter().map(hunk::Hunk::reversed).collect();
    if hunk::apply(before, &reversed, fuzz).is_ok() { "; it seems to be applied already" } else { "" }
}

#[cfg(test)]
mod tests;
