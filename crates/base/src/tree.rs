//! The file table: what a package, a root or a layer holds, entry by entry.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// A path below a root: relative, `/`-separated, without empty, `.` or `..` parts.
///
/// Ordered by its bytes with `/` first, so that a directory comes directly before what it holds.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(String);

/// The text is no path below a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path below a root: it is empty, leads outside, or holds a NUL")]
pub struct PathError(pub String);

/// Linux's own bound on a path (limits.h `PATH_MAX`), less the NUL.
const PATH_MAX: usize = 4095;

impl TreePath {
    /// Accepts a path as archives write it: a leading `./` or `/` and a trailing `/` are dropped.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let error = || PathError(text.chars().take(200).collect());
        let inner = text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        if inner.is_empty() || inner.len() > PATH_MAX || inner.contains('\0') {
            return Err(error());
        }
        let mut clean = String::with_capacity(inner.len());
        for part in inner.split('/') {
            match part {
                ".." => return Err(error()),
                "" | "." => {}
                part => {
                    if !clean.is_empty() {
                        clean.push('/');
                    }
                    clean.push_str(part);
                }
            }
        }
        if clean.is_empty() { Err(error()) } else { Ok(Self(clean)) }
    }

    /// Returns the path as text, without a leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory that holds it, or `None` for an entry of the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Returns the last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Returns every directory above it, outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }

    /// Appends one or more parts.
    pub fn join(&self, more: &str) -> Result<Self, PathError> {
        Self::parse(&format!("{}/{more}", self.0))
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // `/` sorts below every other byte, so "a/b" comes before "a-b".
        let key = |b: u8| if b == b'/' { 0 } else { b };
        self.0.bytes().map(key).cmp(other.0.bytes().map(key))
    }
}

impl TryFrom<String> for TreePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0
    }
}

impl AsRef<std::path::Path> for TreePath {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// The sha256 of its content, where it is known.
        digest: Option<Digest>,
    },
    /// A symbolic link, with its target as written.
    Symlink {
        /// Where it points, verbatim.
        target: String,
    },
    /// A second name of a regular file of the same tree.
    Hardlink {
        /// The first name.
        target: TreePath,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it lies.
    pub path: TreePath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-id and sticky bits (`0o7777` at most).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, by full name (`security.capability`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    /// Makes an entry owned by root.
    #[must_use]
    pub fn new(path: TreePath, kind: Kind, mode: u32, mtime: i64) -> Self {
        Self { path, kind, mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// Returns the length of its content in bytes: 0 unless it is a regular file.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_what_archives_write() {
        for (text, clean) in [("./usr/bin/", "usr/bin"), ("/etc//passwd", "etc/passwd"), ("a/./b", "a/b")] {
            assert_eq!(TreePath::parse(text).unwrap().as_str(), clean);
        }
    }

    #[test]
    fn refuses_what_leads_outside() {
        for text in ["", "/", "./", "..", "a/../b", "../a", "a/..", "a\0b", "."] {
            assert!(TreePath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_directory_comes_directly_before_what_it_holds() {
        let mut paths: Vec<_> = ["a-b", "a/c", "a", "a.d", "b"].map(|p| TreePath::parse(p).unwrap()).into();
        paths.sort();
        assert_eq!(paths.iter().map(TreePath::as_str).collect::<Vec<_>>(), ["a", "a/c", "a-b", "a.d", "b"]);
    }

    #[test]
    fn names_every_directory_above() {
        let path = TreePath::parse("usr/lib/x/y").unwrap();
        let above: Vec<_> = path.ancestors().map(String::from).collect();
        assert_eq!(above, ["usr", "usr/lib", "usr/lib/x"]);
    }
}
