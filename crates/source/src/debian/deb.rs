//! Debian's binary packages (deb(5)): what the control file says, and the tree that would be installed.
//!
//! Nothing is run. What maintainer scripts a package has is only told.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use base::tarball::{self, ReadError};
use fs_err as fs;

use super::ar::{self, ArError, Member};
use super::{Clause, ControlError, Paragraph, Paragraphs, RelationError, Version, VersionError};
use crate::archive::decompress;

/// The longest control archive, unpacked, in bytes. The largest in Debian hold some megabytes of `md5sums`.
const MAX_CONTROL: u64 = 64 << 20;
/// The longest control file, in bytes.
const MAX_CONTROL_FILE: u64 = 1 << 20;
/// The scripts that dpkg would run.
const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// An opened package.
#[derive(Debug)]
pub struct Deb {
    /// What it says of itself.
    pub control: Control,
    /// Maintainer scripts that it has, by name, sorted.
    pub scripts: Vec<String>,
    file: fs::File,
    data: Member,
}

/// The control file of a binary package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: Version,
    /// For which machines: `amd64`, `all`.
    pub architecture: String,
    /// The source package, where it has another name or version.
    pub source: Option<String>,
    /// The version of the source package, where it is another.
    pub source_version: Option<Version>,
    /// One line of description.
    pub synopsis: String,
    /// Upstream's page.
    pub homepage: Option<String>,
    /// Who maintains it.
    pub maintainer: Option<String>,
    /// What it needs, to be unpacked (`Pre-Depends`) or to be used (`Depends`).
    pub depends: Vec<Clause>,
}

/// Why a package can not be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The container is broken.
    #[error("{name} is no Debian package")]
    Ar {
        /// Which package file.
        name: String,
        /// What is wrong.
        #[source]
        source: ArError,
    },
    /// A member is not there, or not in its place.
    #[error("{name} is no Debian package: {found} stands where {wanted} should")]
    Member {
        /// Which package file.
        name: String,
        /// What deb(5) has there.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A format that does not exist yet.
    #[error("{name} has the package format `{format}`; 2.0 and later ones of 2 are known")]
    Format {
        /// Which package file.
        name: String,
        /// What it says.
        format: String,
    },
    /// One of the two tar archives is broken.
    #[error("{member} of {name} can not be read")]
    Tar {
        /// Which package file.
        name: String,
        /// Which archive.
        member: String,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// The control archive has no control file.
    #[error("{name} has no control file")]
    NoControl {
        /// Which package file.
        name: String,
    },
    /// The control file is larger than is sane.
    #[error("the control file of {name} has more than {limit} bytes")]
    ControlSize {
        /// Which package file.
        name: String,
        /// The bound.
        limit: u64,
    },
    /// The control file is broken.
    #[error("in {name}")]
    Control {
        /// Which package file.
        name: String,
        /// What is wrong.
        #[source]
        source: ControlError,
    },
    /// A field is missing.
    #[error("the control file of {name} has no `{field}`")]
    Field {
        /// Which package file.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// The version is none.
    #[error("the version of {name}")]
    Version {
        /// Which package file.
        name: String,
        /// What is wrong.
        #[source]
        source: VersionError,
    },
    /// What it needs can not be read.
    #[error("the depends of {name}")]
    Relation {
        /// Which package file.
        name: String,
        /// What is wrong.
        #[source]
        source: RelationError,
    },
}

impl Deb {
    /// Opens a package and reads its control file. `name` is for errors.
    pub fn open(mut file: fs::File, name: &str) -> Result<Self, DebError> {
        let members = ar::members(&mut file, 16).map_err(|source| DebError::Ar { name: name.to_owned(), source })?;
        // deb(5): members whose names begin with `_` may come between and are passed over.
        let mut members = members.into_iter().filter(|member| !member.name.starts_with('_'));
        let mut next = |wanted: &'static str| match members.next() {
            Some(member) if member.name == wanted || wanted.ends_with(".tar") && is_tar(&member.name, wanted) => Ok(member),
            other => Err(DebError::Member { name: name.to_owned(), wanted, found: other.map_or("nothing".into(), |member| member.name) }),
        };
        let (version, control, data) = (next("debian-binary")?, next("control.tar")?, next("data.tar")?);
        check_format(&mut file, &version, name)?;
        let (control, scripts) = read_control(&mut file, &control, name)?;
        Ok(Self { control, scripts, file, data })
    }

    /// Calls `each` for every entry that would be installed, in order. `each` may read the content or leave it.
    pub fn read<E: From<ReadError>>(&mut self, each: impl FnMut(tarball::Item, &mut dyn Read) -> Result<(), E>) -> Result<(), E> {
        let member = window(&mut self.file, &self.data).map_err(ReadError::Format)?;
        let (_, plain) = decompress(member).map_err(ReadError::Format)?;
        tarball::read(plain, each)
    }
}

fn is_tar(name: &str, wanted: &str) -> bool {
    matches!(name.strip_prefix(wanted), Some("" | ".gz" | ".xz" | ".zst" | ".bz2"))
}

fn window<'a>(file: &'a mut fs::File, member: &Member) -> io::Result<io::Take<&'a mut fs::File>> {
    file.seek(SeekFrom::Start(member.offset))?;
    Ok(file.take(member.size))
}

fn check_format(file: &mut fs::File, member: &Member, name: &str) -> Result<(), DebError> {
    let mut format = String::new();
    let read = window(file, member).and_then(|window| window.take(16).read_to_string(&mut format));
    read.map_err(|source| DebError::Ar { name: name.to_owned(), source: ArError::Read(source) })?;
    if format.starts_with("2.") { Ok(()) } else { Err(DebError::Format { name: name.to_owned(), format: format.trim().to_owned() }) }
}

/// Reads the control archive: the control file, and which scripts there are.
fn read_control(file: &mut fs::File, member: &Member, name: &str) -> Result<(Control, Vec<String>), DebError> {
    let broken = |source| DebError::Tar { name: name.to_owned(), member: member.name.clone(), source };
    let plain = window(file, member).and_then(decompress).map_err(|error| broken(ReadError::Format(error)))?.1;
    let mut text = None;
    let mut scripts = Vec::new();
    tarball::read(plain.take(MAX_CONTROL), |item, content| {
        let path = item.entry.path.as_str();
        if path == "control" {
            let mut bytes = Vec::new();
            content.take(MAX_CONTROL_FILE + 1).read_to_end(&mut bytes).map_err(ReadError::Format)?;
            text = Some(bytes);
        } else if SCRIPTS.contains(&path) {
            scripts.push(path.to_owned());
        }
        Ok(())
    })
    .map_err(broken)?;
    scripts.sort();
    let text = text.ok_or_else(|| DebError::NoControl { name: name.to_owned() })?;
    if text.len() as u64 > MAX_CONTROL_FILE {
        return Err(DebError::ControlSize { name: name.to_owned(), limit: MAX_CONTROL_FILE });
    }
    let mut paragraphs = Paragraphs::new(BufReader::new(&text[..]));
    let paragraph = paragraphs.next().ok_or_else(|| DebError::NoControl { name: name.to_owned() })?;
    let paragraph = paragraph.map_err(|source| DebError::Control { name: name.to_owned(), source })?;
    Ok((Control::from_paragraph(&paragraph, name)?, scripts))
}

impl Control {
    fn from_paragraph(paragraph: &Paragraph, name: &str) -> Result<Self, DebError> {
        let needed = |field: &'static str| paragraph.get(field).ok_or_else(|| DebError::Field { name: name.to_owned(), field });
        let list = |field: &str| {
            Clause::parse_list(paragraph.get(field).unwrap_or("")).map_err(|source| DebError::Relation { name: name.to_owned(), source })
        };
        let parse = |text: &str| text.parse().map_err(|source| DebError::Version { name: name.to_owned(), source });
        let version = parse(needed("Version")?)?;
        // `Source: gcc-14 (14.2.0-1)` when the versions differ.
        let source = paragraph.get("Source").unwrap_or_default();
        let source_version = source.split_once('(').map(|(_, rest)| parse(rest.trim_end().trim_end_matches(')'))).transpose()?;
        let owned = |field: &str| paragraph.get(field).map(str::to_owned);
        Ok(Self {
            package: needed("Package")?.to_owned(),
            version,
            architecture: needed("Architecture")?.to_owned(),
            source: source.split_whitespace().next().map(str::to_owned),
            source_version,
            synopsis: paragraph.get("Description").and_then(|text| text.lines().next()).unwrap_or("").to_owned(),
            homepage: owned("Homepage"),
            maintainer: owned("Maintainer"),
            depends: [list("Pre-Depends")?, list("Depends")?].concat(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::tree::{Entry, Kind, TreePath};

    use super::*;

    const CONTROL: &str = "Package: x\nVersion: 1:2-3\nArchitecture: amd64\nSource: y (2-3)\nPre-Depends: libc6\n\
        Depends: a | b\nDescription: short\n long\n";

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = tarball::Writer::new(Vec::new());
        for (path, text) in files {
            let entry = Entry::new(TreePath::parse(path).unwrap(), Kind::File { size: text.len() as u64, digest: None }, 0o644, 1);
            writer.append(&entry, &BTreeMap::new(), &mut text.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn deb(members: &[(&str, &[u8])]) -> Result<Deb, DebError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &ar::tests::archive(members)).unwrap();
        Deb::open(fs::File::open(file.path()).unwrap(), "x.deb")
    }

    fn control(text: &str) -> Result<Deb, DebError> {
        deb(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(&[("control", text)])), ("data.tar", &tar(&[]))])
    }

    #[test]
    fn reads_control_and_tree() {
        let parts = tar(&[("./control", CONTROL), ("postinst", "#!/bin/sh"), ("md5sums", "")]);
        let data = zstd::encode_all(&tar(&[("./usr/bin/x", "x")])[..], 1).unwrap();
        let mut deb = deb(&[("debian-binary", b"2.0\n"), ("control.tar/", &parts), ("_extra", b"?"), ("data.tar.zst", &data)]).unwrap();
        assert_eq!((deb.control.package.as_str(), deb.control.version.as_str()), ("x", "1:2-3"));
        assert_eq!(deb.control.source_version.as_ref().map(Version::as_str), Some("2-3"));
        assert_eq!((deb.control.source.as_deref(), deb.control.synopsis.as_str(), deb.control.depends.len()), (Some("y"), "short", 2));
        assert_eq!(deb.scripts, ["postinst"]);
        let mut paths = Vec::new();
        deb.read(|item, _| {
            paths.push(item.entry.path.to_string());
            Ok::<_, ReadError>(())
        })
        .unwrap();
        assert_eq!(paths, ["usr/bin/x"]);
    }

    #[test]
    fn refuses_what_is_no_package() {
        let (good, empty) = (tar(&[("control", CONTROL)]), tar(&[]));
        let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
        assert!(matches!(deb(&[]), Err(DebError::Member { wanted: "debian-binary", .. })));
        assert!(matches!(deb(&[binary]), Err(DebError::Member { wanted: "control.tar", .. })));
        assert!(matches!(deb(&[binary, ("control.tar", &good)]), Err(DebError::Member { wanted: "data.tar", .. })));
        assert!(matches!(deb(&[binary, ("data.tar", &empty), ("control.tar", &good)]), Err(DebError::Member { .. })));
        assert!(matches!(deb(&[binary, ("control.tar.exe", &good)]), Err(DebError::Member { .. })));
        let next = deb(&[("debian-binary", b"3.0\n"), ("control.tar", &good), ("data.tar", &empty)]);
        assert!(matches!(next, Err(DebError::Format { .. })), "{next:?}");
        let without = deb(&[binary, ("control.tar", &empty), ("data.tar", &empty)]);
        assert!(matches!(without, Err(DebError::NoControl { .. })), "{without:?}");
        let cut = deb(&[binary, ("control.tar", &good[..600]), ("data.tar", &empty)]);
        assert!(matches!(cut, Err(DebError::Tar { .. })), "{cut:?}");
    }

    #[test]
    fn refuses_a_control_file_that_says_too_little_or_nonsense() {
        assert!(matches!(control("Package: x\nVersion: 1\n"), Err(DebError::Field { field: "Architecture", .. })));
        assert!(matches!(control("Version: 1\nArchitecture: all\n"), Err(DebError::Field { field: "Package", .. })));
        assert!(matches!(control("Package: x\nVersion: !\nArchitecture: all\n"), Err(DebError::Version { .. })));
        assert!(matches!(control(&CONTROL.replace("a | b", "a (?)")), Err(DebError::Relation { .. })));
        assert!(matches!(control("no control file"), Err(DebError::Control { .. })));
        assert!(matches!(control(""), Err(DebError::NoControl { .. })));
        let long = format!("{CONTROL}{}", " more\n".repeat(300_000));
        assert!(matches!(control(&long), Err(DebError::ControlSize { .. })));
    }
}
