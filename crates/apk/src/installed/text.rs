//! The text of the installed database.

use std::fmt::Write as _;

use base::tree::TreePath;

use super::{Access, Database, Directory, File, Installed};
use crate::Checksum;
use crate::fields::{Applied, Draft};
use crate::info::InfoError;

/// Why an installed database can not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// The text is not UTF-8.
    #[error("line {line} of the installed database is not UTF-8")]
    Encoding {
        /// Counted from 1.
        line: usize,
    },
    /// A line is not a letter, a colon and a value.
    #[error("line {line} of the installed database, `{text}`, is not a letter, a colon and a value")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line, shortened.
        text: String,
    },
    /// A value does not fit its field, or stands where it says nothing.
    #[error("line {line} of the installed database: {reason}")]
    Value {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A package can not be written.
    #[error("a package of the installed database")]
    Info(#[source] InfoError),
    /// A path can not be written.
    #[error("`{path}` holds a line break, which the installed database can not say")]
    Path {
        /// The path.
        path: String,
    },
    /// The archive of scripts is not sound.
    #[error("scripts.tar")]
    Scripts(#[source] base::tarball::ReadError),
    /// A name in the archive of scripts is not that of a script.
    #[error("`{name}` in scripts.tar is not `name-version.checksum.script`")]
    ScriptName {
        /// The name.
        name: String,
    },
    /// The archive of scripts can not be written.
    #[error("writing scripts.tar")]
    Write(#[source] std::io::Error),
}

impl Database {
    /// Parses the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, InstalledError> {
        let mut packages = Vec::new();
        let mut open: Option<Open> = None;
        let mut line = 0;
        for bytes in bytes.split(|&byte| byte == b'\n') {
            line += 1;
            if bytes.is_empty() {
                packages.extend(open.take().map(|open| open.finish(line)).transpose()?);
                continue;
            }
            let text = std::str::from_utf8(bytes).map_err(|_| InstalledError::Encoding { line })?;
            let [letter, b':', ..] = *bytes else {
                return Err(InstalledError::Line { line, text: text.chars().take(80).collect() });
            };
            open.get_or_insert_default().apply(letter, &text[2..]).map_err(|reason| InstalledError::Value { line, reason })?;
        }
        packages.extend(open.map(|open| open.finish(line)).transpose()?);
        Ok(Self { packages })
    }

    /// Prints the text as apk writes it.
    pub fn to_text(&self) -> Result<String, InstalledError> {
        let mut text = String::new();
        for installed in &self.packages {
            installed.print(&mut text)?;
            text.push('\n');
        }
        Ok(text)
    }
}

/// A package whose end has not been reached.
#[derive(Default)]
struct Open {
    draft: Draft,
    tag: Option<String>,
    broken: Option<String>,
    directories: Vec<Directory>,
    /// Whether the last of `F:` and `R:` was `R:`.
    in_file: bool,
}

impl Open {
    fn apply(&mut self, letter: u8, value: &str) -> Result<(), String> {
        if self.draft.apply(letter, value)? == Applied::Taken {
            return Ok(());
        }
        match letter {
            b'F' => {
                let path = match value {
                    "" => None,
                    value => Some(TreePath::parse(value).map_err(|error| error.to_string())?),
                };
                self.directories.push(Directory { path, access: None, files: Vec::new() });
                self.in_file = false;
            }
            b'M' => self.directory()?.access = Some(access(value)?),
            b'R' => {
                if value.is_empty() || value.contains('/') || value == "." || value == ".." {
                    return Err(format!("`{value}` is no name of a file"));
                }
                self.directory()?.files.push(File { name: value.to_owned(), access: None, checksum: Checksum::Unstated });
                self.in_file = true;
            }
            b'a' => {
                let file = self.file()?;
                file.access = Some(access(value)?);
            }
            b'Z' => {
                let file = self.file()?;
                file.checksum = value.parse().map_err(|error: crate::ChecksumError| error.to_string())?;
            }
            b's' => self.tag = Some(value.to_owned()),
            b'f' => self.broken = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn directory(&mut self) -> Result<&mut Directory, String> {
        self.directories.last_mut().ok_or_else(|| "no directory (`F:`) stands before it".to_owned())
    }

    fn file(&mut self) -> Result<&mut File, String> {
        let in_file = self.in_file;
        let file = self.directories.last_mut().and_then(|directory| directory.files.last_mut()).filter(|_| in_file);
        file.ok_or_else(|| "no file (`R:`) stands before it".to_owned())
    }

    fn finish(self, line: usize) -> Result<Installed, InstalledError> {
        let record = self.draft.into_record().map_err(|key| {
            let reason = format!("the package that ends here has no {key}");
            InstalledError::Value { line, reason }
        })?;
        Ok(Installed { record, tag: self.tag, broken: self.broken, directories: self.directories })
    }
}

/// Reads `uid:gid:mode[:checksum of xattrs]`; the mode is octal, with or without a leading 0.
fn access(value: &str) -> Result<Access, String> {
    let error = || format!("`{value}` is not user, group and mode");
    let mut parts = value.splitn(4, ':');
    let mut next = |radix| parts.next().and_then(|part| u32::from_str_radix(part, radix).ok()).ok_or_else(error);
    let (uid, gid, mode) = (next(10)?, next(10)?, next(8)?);
    let xattrs = match parts.next() {
        Some(sum) => sum.parse().map_err(|error: crate::ChecksumError| error.to_string())?,
        None => Checksum::Unstated,
    };
    if mode > 0o7777 { Err(error()) } else { Ok(Access { uid, gid, mode, xattrs }) }
}

impl Installed {
    fn print(&self, text: &mut String) -> Result<(), InstalledError> {
        self.record.print(text).map_err(InstalledError::Info)?;
        for (letter, value) in [('s', &self.tag), ('f', &self.broken)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{letter}:{value}");
            }
        }
        for directory in &self.directories {
            let path = directory.path.as_ref().map_or("", TreePath::as_str);
            line(text, 'F', path)?;
            print_access(text, 'M', directory.access);
            for file in &directory.files {
                line(text, 'R', &file.name)?;
                print_access(text, 'a', file.access);
                if file.checksum.is_stated() {
                    let _ = writeln!(text, "Z:{}", file.checksum);
                }
            }
        }
        Ok(())
    }
}

fn line(text: &mut String, letter: char, value: &str) -> Result<(), InstalledError> {
    if value.contains('\n') {
        return Err(InstalledError::Path { path: value.to_owned() });
    }
    let _ = writeln!(text, "{letter}:{value}");
    Ok(())
}

fn print_access(text: &mut String, letter: char, access: Option<Access>) {
    let Some(Access { uid, gid, mode, xattrs }) = access else { return };
    let _ = write!(text, "{letter}:{uid}:{gid}:{mode:o}");
    let _ = if xattrs.is_stated() { writeln!(text, ":{xattrs}") } else { writeln!(text) };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::tree::{Entry, Kind};

    use super::*;
    use crate::{Info, Record, Table};

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn installed() -> Installed {
        let mut ping = Entry::new(path("bin/ping"), Kind::File { size: 1, digest: None }, 0o755, 0);
        ping.xattrs.insert("security.capability".into(), vec![1, 2, 3]);
        let mut shadow = Entry::new(path("etc/shadow"), Kind::File { size: 1, digest: None }, 0o640, 0);
        shadow.gid = 42;
        let entries = vec![
            Entry::new(path("bin"), Kind::Directory, 0o755, 0),
            ping,
            Entry::new(path("dev/null"), Kind::CharDevice { major: 1, minor: 3 }, 0o666, 0),
            Entry::new(path("etc"), Kind::Directory, 0o755, 0),
            Entry::new(path("etc/plain"), Kind::File { size: 1, digest: None }, 0o644, 0),
            shadow,
            Entry::new(path("init"), Kind::Symlink { target: "bin/init".into() }, 0o777, 0),
            Entry::new(path("tmp"), Kind::Directory, 0o1777, 0),
        ];
        let sums = ["bin/ping", "etc/plain", "etc/shadow", "init"].map(|name| (path(name), Checksum::sha1(name)));
        let record = Record {
            info: Info { packager: None, triggers: Vec::new(), ..crate::info::tests::full() },
            checksum: Checksum::sha1(b"control"),
            size: 4711,
            content: None,
            file: None,
            uninstallable: None,
        };
        Installed::new(record, &Table { entries, checksums: BTreeMap::from(sums) })
    }

    #[test]
    fn prints_what_it_parses() {
        let database =
            Database { packages: vec![installed(), Installed { tag: Some("edge".into()), broken: Some("f".into()), ..installed() }] };
        let text = database.to_text().unwrap();
        insta::assert_snapshot!(Database { packages: vec![installed()] }.to_text().unwrap());
        assert_eq!(Database::parse(text.as_bytes()).unwrap(), database);
    }

    #[test]
    fn knows_who_owns_a_path() {
        let database = Database { packages: vec![installed()] };
        for name in ["bin", "bin/ping", "init", "dev/null", "dev"] {
            assert_eq!(database.owners(&path(name)).count(), 1, "{name}");
        }
        assert_eq!(database.owners(&path("ping")).count(), 0);
        assert!(database.packages[0].paths().any(|name| name == "bin/ping"));
    }

    #[test]
    fn says_which_line_is_wrong() {
        let cases: [(&[u8], &str); 9] = [
            (b"P:a\nV:1\nR:x", "line 3 of the installed database: no directory (`F:`) stands before it"),
            (b"P:a\nV:1\nF:x\nZ:Q1", "line 4 of the installed database: no file (`R:`) stands before it"),
            (b"P:a\nV:1\nF:a\nR:b\nF:c\na:0:0:644", "line 6 of the installed database: no file (`R:`) stands before it"),
            (b"P:a\nV:1\nF:../x", "line 3 of the installed database: `../x` is not a path below a root"),
            (b"P:a\nV:1\nF:x\nR:../y", "line 4 of the installed database: `../y` is no name of a file"),
            (b"P:a\nV:1\nF:x\nM:0:0:9", "line 4 of the installed database: `0:0:9` is not user, group and mode"),
            (b"P:a\nV:1\nF:x\nR:y\nZ:Q1x", "line 5 of the installed database: `Q1x` is no checksum"),
            (b"P:a\n\n", "line 2 of the installed database: the package that ends here has no pkgver"),
            (b"P:a\nV:1\nF\n", "line 3 of the installed database, `F`, is not a letter, a colon and a value"),
        ];
        for (text, message) in cases {
            let error = Database::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn refuses_to_write_a_line_break_into_a_path() {
        let mut odd = installed();
        odd.directories[0].files.push(File { name: "a\nP:evil".into(), access: None, checksum: Checksum::Unstated });
        assert!(matches!(Database { packages: vec![odd] }.to_text(), Err(InstalledError::Path { .. })));
    }
}
