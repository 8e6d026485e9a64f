//! The index of a repository: the text of `APKINDEX`.
//!
//! Records are separated by blank lines; a line is a letter, a colon and a value. An index of ours carries two more
//! lines, `a:content=<sha256>` and `a:file=<sha256>`. `a` is a letter of the installed database, which every apk-tools
//! since 2.4 and apko pass over in an index without a word; an unused letter would make apk-tools warn that it is old.

mod archive;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base::Digest;
use serde::{Deserialize, Serialize};

use crate::Checksum;

use crate::fields::{Applied, Draft};
use crate::info::{Info, InfoError, join};
pub use archive::Verified;

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the package says of itself. An index has no triggers and no packager.
    pub info: Info,
    /// The checksum of its control member.
    pub checksum: Checksum,
    /// The length of its file in bytes.
    pub size: u64,
    /// sha256 of control and data member, where the index is one of ours.
    pub content: Option<Digest>,
    /// sha256 of the whole file, where the index is one of ours.
    pub file: Option<Digest>,
    /// Why it can not be installed, such as a dependency that can not be read.
    pub uninstallable: Option<String>,
}

/// What a repository offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// A line about the repository.
    pub description: String,
    /// Its packages, in the order of the text.
    pub records: Vec<Record>,
    /// Records that name no package or no version that apk knows; they are not among `records`.
    pub skipped: Vec<Skipped>,
}

/// A record that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The line that is wrong, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Why an index can not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The text is not UTF-8.
    #[error("line {line} of APKINDEX is not UTF-8")]
    Encoding {
        /// Counted from 1.
        line: usize,
    },
    /// A line is not a letter, a colon and a value.
    #[error("line {line} of APKINDEX, `{text}`, is not a letter, a colon and a value")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line, shortened.
        text: String,
    },
    /// A value does not fit its field.
    #[error("line {line} of APKINDEX: {reason}")]
    Value {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The file can not be read.
    #[error("while reading an index")]
    Io(#[source] std::io::Error),
    /// A gzip member is not sound.
    #[error("the gzip member at byte {offset} of the index can not be read")]
    Member {
        /// Where it begins.
        offset: usize,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than is sane.
    #[error("the index has more than {limit} bytes")]
    Size {
        /// The limit.
        limit: usize,
    },
    /// The archive is not sound.
    #[error("the archive of the index")]
    Archive(#[source] base::tarball::ReadError),
    /// Something else than `DESCRIPTION` and `APKINDEX` is in it, or one of them twice.
    #[error("the index holds `{name}`, or holds it twice; there should be DESCRIPTION and APKINDEX")]
    Entry {
        /// The name.
        name: String,
    },
    /// There is no `APKINDEX`.
    #[error("the archive holds no APKINDEX")]
    NoIndex,
    /// It is of apk's version 3.
    #[error("it is an index of apk version 3 (ADB); only version 2 is read")]
    Version3,
    /// It does not count as signed.
    #[error("the index: {0}")]
    Signature(crate::signature::SignatureError),
    /// It can not be signed.
    #[error("the index can not be signed")]
    Sign(#[source] attest::key::KeyError),
    /// A record can not be written.
    #[error("a record of the index")]
    Record(#[source] InfoError),
}

impl Index {
    /// Parses the text of `APKINDEX`.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut index = Self::default();
        let mut open: Option<Open> = None;
        let mut number = 0;
        for bytes in bytes.split(|&byte| byte == b'\n') {
            number += 1;
            if bytes.is_empty() {
                index.take(open.take());
                continue;
            }
            let line = std::str::from_utf8(bytes).map_err(|_| IndexError::Encoding { line: number })?;
            let [letter, b':', ..] = *bytes else {
                return Err(IndexError::Line { line: number, text: line.chars().take(80).collect() });
            };
            let record = open.get_or_insert_with(|| Open { first: number, ..Open::default() });
            record.apply(letter, &line[2..], number)?;
        }
        index.take(open);
        Ok(index)
    }

    fn take(&mut self, open: Option<Open>) {
        let Some(Open { draft, first, refused }) = open else { return };
        match (refused, draft.into_record()) {
            (Some(skipped), _) => self.skipped.push(skipped),
            (None, Ok(record)) => self.records.push(record),
            (None, Err(key)) => self.skipped.push(Skipped { line: first, reason: format!("the record that begins here has no {key}") }),
        }
    }

    /// Prints the text of `APKINDEX`, sorted by name, version and checksum.
    ///
    /// Records that can not be installed are left out: what could not be read of them would be missing, and another reader
    /// would take them for sound.
    pub fn to_text(&self) -> Result<String, IndexError> {
        let mut records: Vec<_> = self.records.iter().filter(|record| record.uninstallable.is_none()).collect();
        records.sort_by(|a, b| {
            let key = |record: &Record| (record.info.name.clone(), record.info.version.clone(), record.checksum);
            key(a).cmp(&key(b))
        });
        let mut text = String::new();
        for record in records {
            record.print(&mut text).map_err(IndexError::Record)?;
            record.print_digests(&mut text);
            text.push('\n');
        }
        Ok(text)
    }

    /// Takes the records of `other` that are not here yet, by name, version and checksum.
    pub fn merge(&mut self, other: Self) {
        let key = |record: &Record| (record.info.name.clone(), record.info.version.to_string(), record.checksum);
        let mut known: BTreeSet<_> = self.records.iter().map(key).collect();
        self.records.extend(other.records.into_iter().filter(|record| known.insert(key(record))));
    }
}

/// A record whose end has not been reached.
#[derive(Default)]
struct Open {
    draft: Draft,
    first: usize,
    refused: Option<Skipped>,
}

impl Open {
    fn apply(&mut self, letter: u8, value: &str, line: usize) -> Result<(), IndexError> {
        let result = match self.draft.apply(letter, value) {
            Ok(Applied::Database) if letter == b'a' => self.draft.apply_digest(value),
            other => other.map(|_| ()),
        };
        match result {
            Ok(()) => Ok(()),
            // One package with an odd name or version must not take a whole repository away.
            Err(reason) if matches!(letter, b'P' | b'V' | b'o') => {
                self.refused.get_or_insert(Skipped { line, reason });
                Ok(())
            }
            Err(reason) => Err(IndexError::Value { line, reason }),
        }
    }
}

impl Record {
    /// Prints the record in apk's order of fields, without the blank line that ends it.
    pub(crate) fn print(&self, text: &mut String) -> Result<(), InfoError> {
        self.info.check()?;
        let info = &self.info;
        let mut line = |field: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{field}:{value}");
        };
        if self.checksum.is_stated() {
            line("C", &self.checksum);
        }
        line("P", &info.name);
        line("V", &info.version);
        if !info.arch.is_empty() {
            line("A", &info.arch);
        }
        line("S", &self.size);
        line("I", &info.installed_size);
        line("T", &info.description);
        line("U", &info.url);
        line("L", &info.license);
        if let Some(origin) = &info.origin {
            line("o", origin);
        }
        if let Some(maintainer) = &info.maintainer {
            line("m", maintainer);
        }
        if let Some(time) = info.build_time {
            line("t", &time);
        }
        if let Some(commit) = &info.commit {
            line("c", commit);
        }
        if let Some(priority) = info.provider_priority {
            line("k", &priority);
        }
        for (field, list) in [("D", &info.depends), ("p", &info.provides), ("i", &info.install_if), ("r", &info.replaces)] {
            if !list.is_empty() {
                line(field, &join(list));
            }
        }
        if let Some(priority) = info.replaces_priority {
            line("q", &priority);
        }
        Ok(())
    }

    /// Prints the sha256 digests. They never stand in an installed database: apk refuses one with fields it does not know.
    fn print_digests(&self, text: &mut String) {
        for (key, digest) in [("content", &self.content), ("file", &self.file)] {
            if let Some(digest) = digest {
                let _ = writeln!(text, "a:{key}={}", digest.hex());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::tests::full;

    fn record() -> Record {
        Record {
            info: Info { packager: None, triggers: Vec::new(), ..full() },
            checksum: Checksum::sha1(b"control"),
            size: 4711,
            content: Some(Digest::of(b"content")),
            file: Some(Digest::of(b"file")),
            uninstallable: None,
        }
    }

    #[test]
    fn prints_what_it_parses() {
        let index = Index { records: vec![record()], ..Index::default() };
        let text = index.to_text().unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(Index::parse(text.as_bytes()).unwrap(), index);
    }

    #[test]
    fn is_as_lenient_as_apk() {
        let index =
            Index::parse(b"P:a\nV:1\nx:new\n\n\nP:b\nV:1\nX:new\n\nP:c\nV:1\nD:d=x e\n\nP:d\nV:1\ni:[a b]\n\nP:e\nV:1\ni:[]\n\nP:f\nV:1\nD:a@edge\n\nP:g\nV:1\ni:a b=x\np:c=1x y").unwrap();
        let refused: Vec<_> = index.records.iter().map(|record| record.uninstallable.is_some()).collect();
        assert_eq!(refused, [false, true, true, false, false, true, false]);
        assert_eq!(index.records[2].info.depends.len(), 1);
        assert_eq!(index.records[3].info.install_if.len(), 2);
        assert!(index.records[4].info.install_if.is_empty());
        assert_eq!(
            index.records[1].uninstallable.as_deref(),
            Some("its field `X:` is not known, and says by its upper case that it matters")
        );
    }

    #[test]
    fn one_odd_record_does_not_take_the_others_away() {
        let index = Index::parse(b"P:a\nV:1 2\n\nP:b\nV:1\n\nV:1\n\nP:c\nV:6.8.0p2-r4\n").unwrap();
        assert_eq!(index.records.len(), 2, "apk takes a version that breaks its grammar");
        let lines: Vec<_> = index.skipped.iter().map(|skipped| skipped.line).collect();
        assert_eq!(lines, [2, 7]);
    }

    #[test]
    fn what_can_not_be_installed_is_not_passed_on() {
        let index = Index::parse(b"P:a\nV:1\nD:b=x\n\nP:b\nV:1\nX:new\n").unwrap();
        assert_eq!(index.records.len(), 2);
        assert_eq!(index.to_text().unwrap(), "");
    }

    #[test]
    fn says_which_line_is_wrong() {
        let cases: [(&[u8], &str); 4] = [
            (b"P:a\nV:1\n\nP:b\nV", "line 5 of APKINDEX, `V`, is not a letter, a colon and a value"),
            (b"P:a\nS:x", "line 2 of APKINDEX: the size `x` is no number"),
            (b"P:a\nT:\xff", "line 2 of APKINDEX is not UTF-8"),
            (b"a:content=0", "line 1 of APKINDEX: the content digest: `0` is not 64 lower-case hex digits"),
        ];
        for (text, message) in cases {
            assert_eq!(Index::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn merging_takes_each_package_once() {
        let other = Record { checksum: Checksum::sha1(b"other"), ..record() };
        let mut index = Index { records: vec![record()], ..Index::default() };
        index.merge(Index { records: vec![record(), other.clone()], ..Index::default() });
        assert_eq!(index.records, [record(), other]);
    }
}
