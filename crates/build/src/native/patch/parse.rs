//! Reads unified diffs, plain and git's.

use super::PatchError;
use super::hunk::{Hunk, Line};

/// The diff of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileDiff {
    /// The name after `---`; `None` for `/dev/null`.
    pub(super) old: Option<String>,
    /// The name after `+++`; `None` for `/dev/null`.
    pub(super) new: Option<String>,
    /// git's `rename to`, with the `b/` that it leaves out.
    pub(super) renamed_to: Option<String>,
    /// git's `new file mode` or `new mode`, of which only the execute bit counts.
    pub(super) mode: Option<u32>,
    /// The changes, in order.
    pub(super) hunks: Vec<Hunk>,
}

impl FileDiff {
    /// The names the file may have.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.old, &self.new].into_iter().flatten().map(String::as_str)
    }

    /// Whether the file is made by it.
    pub(super) fn creates(&self) -> bool {
        self.old.is_none() || self.hunks.first().is_some_and(|hunk| hunk.old_start == 0 && hunk.old_count() == 0)
    }

    /// The content of the file at `path`, below the directory that diffs begin with, if it is made by this diff.
    pub(crate) fn made(&self, path: &str) -> Option<Vec<u8>> {
        let (_, below) = self.new.as_deref()?.split_once('/')?;
        let added = |line: &Line| if let Line::Add(text) = line { Some(text.clone()) } else { None };
        // Against an empty tree every line is added, whatever the diff says of the old file.
        (below == path).then(|| self.hunks.iter().flat_map(|hunk| hunk.lines.iter().filter_map(added)).flatten().collect())
    }

    /// Whether the file is removed by it.
    pub(super) fn deletes(&self) -> bool {
        self.new.is_none()
    }
}

/// Reads every diff in a patch; what stands around them (mail, commit message) is passed over.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<FileDiff>, PatchError> {
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let mut diffs = Vec::new();
    let mut git: Option<FileDiff> = None;
    let mut at = 0;
    while at < lines.len() {
        let (line, next) = (lines[at], lines.get(at + 1).copied().unwrap_or_default());
        if let Some(header) = line.strip_prefix(b"diff --git ") {
            diffs.extend(git.take().filter(|diff| diff.renamed_to.is_some() || diff.mode.is_some()));
            git = Some(git_names(header));
        } else if let (Some(old), Some(new)) = (line.strip_prefix(b"--- "), next.strip_prefix(b"+++ ")) {
            let header = git.take().unwrap_or_default();
            let mut diff = FileDiff { old: name(old), new: name(new), ..header };
            at += 2;
            while lines.get(at).is_some_and(|line| line.starts_with(b"@@ -")) {
                diff.hunks.push(hunk(&lines, &mut at)?);
            }
            if diff.hunks.is_empty() {
                return Err(PatchError::Syntax { line: at + 1, problem: "a hunk (`@@ -… +… @@`) must follow the file names" });
            }
            diffs.push(diff);
            continue;
        } else if let Some(diff) = &mut git {
            extended(diff, line);
            if line.starts_with(b"GIT binary patch") {
                return Err(PatchError::Syntax { line: at + 1, problem: "binary diffs can not be applied" });
            }
        }
        at += 1;
    }
    diffs.extend(git.take().filter(|diff| diff.renamed_to.is_some() || diff.mode.is_some()));
    Ok(diffs)
}

/// `a/x b/x`, for diffs that have no `---` line: renames and changes of mode.
fn git_names(header: &[u8]) -> FileDiff {
    let text = String::from_utf8_lossy(header).trim_end().to_owned();
    // Both names are equal but for the first letter, so the middle is where they part; a rename says its names itself.
    let (old, new) = text.split_at_checked(text.len() / 2).unwrap_or((&text, ""));
    FileDiff { old: Some(old.trim().to_owned()), new: Some(new.trim().to_owned()), ..FileDiff::default() }
}

fn extended(diff: &mut FileDiff, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    if let Some(from) = text.strip_prefix("rename from ") {
        diff.old = Some(format!("a/{from}"));
        diff.new = None.or_else(|| Some(format!("a/{from}")));
    } else if let Some(to) = text.strip_prefix("rename to ") {
        diff.renamed_to = Some(format!("b/{to}"));
    } else if let Some(mode) = text.strip_prefix("new file mode ").or_else(|| text.strip_prefix("new mode ")) {
        let executable = u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o100 != 0);
        diff.mode = Some(if executable { 0o755 } else { 0o644 });
    }
}

/// The name in a `---` or `+++` line: up to a tab, after which a time may follow.
fn name(line: &[u8]) -> Option<String> {
    let line = line.split(|b| *b == b'\t').next().unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end().trim_matches('"');
    (text != "/dev/null").then(|| text.to_owned())
}

fn hunk(lines: &[&[u8]], at: &mut usize) -> Result<Hunk, PatchError> {
    let syntax = |at: usize, problem| PatchError::Syntax { line: at + 1, problem };
    let header = String::from_utf8_lossy(lines[*at]);
    let (old_start, mut old_left, mut new_left) =
        ranges(&header).ok_or_else(|| syntax(*at, "the numbers of a hunk must be `@@ -line,count +line,count @@`"))?;
    *at += 1;
    let mut hunk = Hunk { old_start, lines: Vec::new() };
    while old_left > 0 || new_left > 0 {
        let line = lines.get(*at).ok_or_else(|| syntax(*at, "the patch ends within a hunk"))?;
        let (mark, rest) = line.split_first().unwrap_or((&b' ', &[]));
        let (uses_old, uses_new, parsed) = match mark {
            b' ' => (1, 1, Line::Context(rest.to_vec())),
            // Mailers and editors cut the one space of an empty context line.
            b'\n' => (1, 1, Line::Context(b"\n".to_vec())),
            b'-' => (1, 0, Line::Remove(rest.to_vec())),
            b'+' => (0, 1, Line::Add(rest.to_vec())),
            b'\\' => {
                hunk.cut_last_newline();
                *at += 1;
                continue;
            }
            _ => return Err(syntax(*at, "a line of a hunk begins with a space, `+`, `-` or `\\`")),
        };
        let left = |left: usize, used| left.checked_sub(used).ok_or_else(|| syntax(*at, "the hunk has more lines than it says"));
        (old_left, new_left) = (left(old_left, uses_old)?, left(new_left, uses_new)?);
        hunk.lines.push(parsed);
        *at += 1;
    }
    if lines.get(*at).is_some_and(|line| line.starts_with(b"\\")) {
        hunk.cut_last_newline();
        *at += 1;
    }
    Ok(hunk)
}

/// `@@ -old,count +new,count @@`: old line, both counts.
fn ranges(header: &str) -> Option<(usize, usize, usize)> {
    let mut words = header.strip_prefix("@@ -")?.split(' ');
    let range = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    };
    let (old_start, old) = range(words.next()?)?;
    let (_, new) = range(words.next()?.strip_prefix('+')?)?;
    words.next()?.starts_with("@@").then_some((old_start, old, new))
}
