//! What differs between two packages that should be one: field by field, file by file, down to the first byte.

use std::collections::BTreeMap;
use std::path::Path;

use apk::Package;
use apk::package::{Limits, PackageError};
use base::Digest;
use base::tree::{Entry, Kind, TreePath};
use image::diff::Aspect;
use image::{ImageError, Snapshot};
use serde::Serialize;

/// The most bytes of a file that are looked at for where it differs. A larger one is only said to differ.
const MAX_LOOK: u64 = 256 << 20;

/// How much of a differing line is shown.
const EXCERPT: usize = 160;

/// Two packages of one name whose contents are not equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The package: name and version.
    pub package: String,
    /// The content of the first build.
    pub first: Digest,
    /// The content of the second.
    pub second: Digest,
    /// What the packages say of themselves otherwise: field, first, second.
    pub fields: Vec<(String, String, String)>,
    /// Files that differ.
    pub files: Vec<FileDifference>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path in the package.
    pub path: TreePath,
    /// What about it.
    pub what: Vec<Aspect>,
    /// In words: where it begins to differ, or which build has it.
    pub how: String,
}

/// Compares two package files; `None` when their contents are equal.
pub fn compare(first: &Path, second: &Path) -> Result<Option<Differing>, ImageError> {
    let (first, second) = (Package::open(first)?, Package::open(second)?);
    if first.content() == second.content() {
        return Ok(None);
    }
    let diff = image::diff(&Snapshot::of_package(&first)?, &Snapshot::of_package(&second)?);
    let wanted: Vec<&TreePath> =
        diff.entries.iter().filter(|change| change.what.contains(&Aspect::Content)).map(|change| &change.key).collect();
    let (ours, theirs) = (contents(&first, &wanted)?, contents(&second, &wanted)?);
    let file = |change: &image::diff::Change<TreePath, Entry>| {
        let how = match (&change.before, &change.after) {
            (Some(_), None) => "only the first build has it".to_owned(),
            (None, _) => "only the second build has it".to_owned(),
            (Some(before), Some(after)) => describe(change, before, after, ours.get(&change.key), theirs.get(&change.key)),
        };
        FileDifference { path: change.key.clone(), what: change.what.clone(), how }
    };
    Ok(Some(Differing {
        package: first.info().identity(),
        first: first.content(),
        second: second.content(),
        fields: fields(&first, &second),
        files: diff.entries.iter().map(file).collect(),
    }))
}

/// What the two say of themselves otherwise. The hash of the data follows from the files and is left out.
fn fields(first: &Package, second: &Package) -> Vec<(String, String, String)> {
    let json = |package: &Package| match serde_json::to_value(package.info()) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (first, second) = (json(first), json(second));
    let text = |value: Option<&serde_json::Value>| value.map(ToString::to_string).unwrap_or_default();
    let keys: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).collect();
    let differing = keys.into_iter().filter(|key| first.get(*key) != second.get(*key));
    differing.map(|key| (key.clone(), text(first.get(key)), text(second.get(key)))).collect()
}

fn contents(package: &Package, wanted: &[&TreePath]) -> Result<BTreeMap<TreePath, Vec<u8>>, PackageError> {
    let mut found = BTreeMap::new();
    package.read_data(&Limits::default(), |entry, content| -> Result<(), PackageError> {
        if wanted.contains(&&entry.path) && entry.size() <= MAX_LOOK {
            let mut bytes = Vec::new();
            // What can not be read here fails when the package's own hash is checked at the end.
            let _ = content.read_to_end(&mut bytes);
            found.insert(entry.path.clone(), bytes);
        }
        Ok(())
    })?;
    Ok(found)
}

fn describe(
    change: &image::diff::Change<TreePath, Entry>,
    before: &Entry,
    after: &Entry,
    ours: Option<&Vec<u8>>,
    theirs: Option<&Vec<u8>>,
) -> String {
    let mut parts = Vec::new();
    for aspect in &change.what {
        match aspect {
            Aspect::Mode => parts.push(format!("mode {:o} and {:o}", before.mode, after.mode)),
            Aspect::Owner => parts.push(format!("owner {}:{} and {}:{}", before.uid, before.gid, after.uid, after.gid)),
            Aspect::Time => parts.push(format!("time {} and {}", before.mtime, after.mtime)),
            _ => {}
        }
    }
    match (&before.kind, &after.kind) {
        (Kind::Symlink { target }, Kind::Symlink { target: other }) if target != other => {
            parts.push(format!("it leads to {target} and to {other}"));
        }
        _ => {}
    }
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        parts.push(place(ours, theirs));
    }
    parts.join("; ")
}

/// Says where two files begin to differ: a line for texts, a section for programs, a byte for anything else.
fn place(first: &[u8], second: &[u8]) -> String {
    let at = first.iter().zip(second).position(|(a, b)| a != b).unwrap_or_else(|| first.len().min(second.len()));
    if let (Ok(first), Ok(second)) = (std::str::from_utf8(first), std::str::from_utf8(second)) {
        let number = first.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        let line = |text: &str| shortened(text.lines().nth(number).unwrap_or("(it ends before)"));
        return format!("line {}: `{}` and `{}`", number + 1, line(first), line(second));
    }
    let section = section(first, at as u64).map(|name| format!(", in {name}")).unwrap_or_default();
    let lengths = if first.len() == second.len() { String::new() } else { format!("; {} and {} bytes long", first.len(), second.len()) };
    format!("byte {at}{section}: `{}` and `{}`{lengths}", around(first, at), around(second, at))
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= EXCERPT { line.to_owned() } else { format!("{}…", line.chars().take(EXCERPT).collect::<String>()) }
}

/// The printable bytes around a place: often a date, a path or a name that explains the difference.
fn around(bytes: &[u8], at: usize) -> String {
    let is_text = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let mut start = at.min(bytes.len());
    while start > 0 && at - start < EXCERPT / 2 && is_text(bytes[start - 1]) {
        start -= 1;
    }
    let text: String = bytes[start..].iter().take(EXCERPT).take_while(|byte| is_text(**byte)).map(|byte| char::from(*byte)).collect();
    if text.len() > 3 { text } else { bytes[at.min(bytes.len())..].iter().take(8).map(|byte| format!("{byte:02x}")).collect() }
}

fn section(bytes: &[u8], at: u64) -> Option<String> {
    use object::{Object as _, ObjectSection as _};
    let file = object::File::parse(bytes).ok()?;
    let holds = |section: &object::Section<'_, '_>| section.file_range().is_some_and(|(start, size)| (start..start + size).contains(&at));
    let found = file.sections().find(holds)?;
    found.name().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_texts_and_bytes_begin_to_differ() {
        assert_eq!(place(b"a\nb 1\nc\n", b"a\nb 2\nc\n"), "line 2: `b 1` and `b 2`");
        assert_eq!(place(b"a\n", b"a\nb\n"), "line 2: `(it ends before)` and `b`");
        assert_eq!(place(b"\xffbuilt Jan 01\0x", b"\xffbuilt Feb 02\0x"), "byte 7: `built Jan 01` and `built Feb 02`");
        assert_eq!(place(b"\xff\x00\x01\x02", b"\xff\x00\x03"), "byte 2: `0102` and `03`; 4 and 3 bytes long");
    }
}
