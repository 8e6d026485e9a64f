//! Unpacks a source: tar, plain or compressed, or zip, into a folder of ours.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use base::tarball::{self, ReadError};
use base::tree::{Kind, PathError, TreePath};
use base::{Digest, Store, StoreError};

use super::folder::{EntryError, Folder, finish_file};
use super::{decompress, zip};

/// What an archive may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

impl Default for Limits {
    /// Chromium, among the largest sources there are, has 20 GB in 500,000 files.
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 2_000_000 }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Entries made.
    pub entries: u64,
    /// Entries left out, since their path has no more parts than are stripped.
    pub stripped: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// The newest time of an entry, in seconds since 1970. `SOURCE_DATE_EPOCH` comes from it.
    pub newest: Option<i64>,
}

/// Why a source could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The store does not give it.
    #[error("while unpacking {name}")]
    Store {
        /// Which source.
        name: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The archive can not be read.
    #[error("the archive {name} can not be read")]
    Archive {
        /// Which source.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ReadError,
    },
    /// Neither a tar archive, compressed or not, nor a zip archive.
    #[error("{name} is neither a tar nor a zip archive; as it is, without unpacking, it can be had with `extract: false`")]
    NotAnArchive {
        /// Which source.
        name: String,
    },
    /// More than the limits allow.
    #[error("the archive {name} holds more than {limit} {unit}")]
    TooMuch {
        /// Which source.
        name: String,
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Every entry was stripped away.
    #[error("nothing of {name} is left when {strip} leading directories are stripped; its files lie at the top")]
    Empty {
        /// Which source.
        name: String,
        /// How many parts were to be stripped.
        strip: usize,
    },
    /// An entry lies below something that is not a directory, such as a symbolic link that leads elsewhere.
    #[error("the entry `{entry}` of {name} lies below `{below}`, which is not a directory")]
    Below {
        /// Which source.
        name: String,
        /// The entry.
        entry: TreePath,
        /// What is in its way.
        below: String,
    },
    /// An entry would take the place of a directory.
    #[error("the entry `{entry}` of {name} has the path of a directory")]
    Taken {
        /// Which source.
        name: String,
        /// The entry.
        entry: TreePath,
    },
    /// A device or named pipe.
    #[error("the entry `{entry}` of {name} is a device or a named pipe")]
    Special {
        /// Which source.
        name: String,
        /// The entry.
        entry: TreePath,
    },
    /// A single file's name is no name.
    #[error("`{name}` is no file name")]
    FileName {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Option<PathError>,
    },
    /// An entry could not be written.
    #[error("while writing `{entry}` of {name} in {}", folder.display())]
    Write {
        /// Which source.
        name: String,
        /// The entry.
        entry: String,
        /// The folder that was being filled.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// An error whose source is still to be named; the reader of tar makes it without knowing which it reads.
enum Halt {
    Archive(ReadError),
    Error(Box<UnpackError>),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Archive(error)
    }
}

impl From<UnpackError> for Halt {
    fn from(error: UnpackError) -> Self {
        Self::Error(Box::new(error))
    }
}

/// Unpacks the source `digest` into `folder`, which exists, without the first `strip` parts of every path.
///
/// `name` is for errors. Files belong to the caller, with the times of the archive; permissions are the archive's less
/// set-id bits and others' right to write, and the owner can always read and write. A symbolic link is made as it is
/// written, and nothing is ever put through one: an entry below a symbolic link is refused. Whoever reads the folder
/// outside a sandbox must not follow links either. As with tar, an entry that comes again takes the earlier one's place.
pub fn unpack(store: &Store, digest: &Digest, name: &str, folder: &Path, strip: usize, limits: Limits) -> Result<Unpacked, UnpackError> {
    let file = store.open_blob(digest).map_err(|source| UnpackError::Store { name: name.to_owned(), source })?;
    let unreadable = |error| UnpackError::Archive { name: name.to_owned(), source: ReadError::Format(error) };
    let (_, mut plain) = decompress(file).map_err(unreadable)?;
    let start = first_block(&mut plain).map_err(unreadable)?;
    let is_zip = start.starts_with(zip::MAGIC);
    if !is_zip && !looks_like_tar(&start) {
        return Err(UnpackError::NotAnArchive { name: name.to_owned() });
    }
    let root = Folder::open(folder).map_err(|source| write_error(name, ".", folder, source))?;
    let mut unpacker = Unpacker { name, folder, root, strip, limits, done: Unpacked::default(), directories: Vec::new() };
    let read = if is_zip {
        let mut file = store.open_blob(digest).map_err(|source| UnpackError::Store { name: name.to_owned(), source })?;
        zip::read(&mut file, |entry, content| unpacker.entry(entry, content).map_err(Halt::from))
    } else {
        tarball::read(start.as_slice().chain(plain), |item, content| unpacker.entry(&item.entry, content).map_err(Halt::from))
    };
    match read {
        Ok(()) => unpacker.finish(),
        Err(Halt::Archive(source)) => Err(UnpackError::Archive { name: name.to_owned(), source }),
        Err(Halt::Error(error)) => Err(*error),
    }
}

/// Puts the source `digest` into `folder` as one file named `name`, as it is.
pub fn place_file(store: &Store, digest: &Digest, name: &str, folder: &Path) -> Result<(), UnpackError> {
    let path = TreePath::parse(name).map_err(|source| UnpackError::FileName { name: name.to_owned(), source: Some(source) })?;
    if path.as_str() != name || name.contains('/') {
        return Err(UnpackError::FileName { name: name.to_owned(), source: None });
    }
    let mut blob = store.open_blob(digest).map_err(|source| UnpackError::Store { name: name.to_owned(), source })?;
    let failed = |source| write_error(name, name, folder, source);
    let mut root = Folder::open(folder).map_err(failed)?;
    let mut file = match root.file(&path) {
        Ok(file) => file,
        Err(EntryError::Io(source)) => return Err(failed(source)),
        Err(_) => return Err(UnpackError::Taken { name: name.to_owned(), entry: path }),
    };
    io::copy(&mut blob, &mut file).and_then(|_| finish_file(&file, 0o644, 0)).map_err(failed)
}

fn write_error(name: &str, entry: &str, folder: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { name: name.to_owned(), entry: entry.to_owned(), folder: folder.to_owned(), source }
}

/// Reads as much as one tar header has, or less if there is no more.
fn first_block(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(512);
    reader.take(512).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a block is a tar header: its checksum is right (POSIX.1-2017, pax), which holds for archives before ustar too.
fn looks_like_tar(block: &[u8]) -> bool {
    if block.len() < 512 || block[0] == 0 {
        return false;
    }
    let stored = std::str::from_utf8(&block[148..156]).ok().map(|text| text.trim_matches(['\0', ' ']));
    let sum: u32 = (0..512).map(|at| if (148..156).contains(&at) { 32 } else { u32::from(block[at]) }).sum();
    stored.and_then(|text| u32::from_str_radix(text, 8).ok()) == Some(sum)
}

struct Unpacker<'a> {
    name: &'a str,
    folder: &'a Path,
    root: Folder,
    strip: usize,
    limits: Limits,
    done: Unpacked,
    directories: Vec<(TreePath, u32, i64)>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &base::tree::Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        if self.done.entries + self.done.stripped >= self.limits.entries {
            return Err(self.too_much(self.limits.entries, "entries"));
        }
        if entry.size() > self.limits.bytes - self.done.bytes {
            return Err(self.too_much(self.limits.bytes, "bytes"));
        }
        let Some(path) = self.stripped(&entry.path) else {
            self.done.stripped += 1;
            return Ok(());
        };
        match &entry.kind {
            Kind::Directory => {
                self.root.directory(&path).map_err(|error| self.refused(&path, error))?;
                self.directories.push((path, 0o700 | entry.mode & 0o755, entry.mtime));
            }
            Kind::File { .. } => self.file(&path, entry, content)?,
            Kind::Symlink { target } => {
                self.root.symlink(&path, target).map_err(|error| self.refused(&path, error))?;
                self.root.finish_symlink(&path, entry.mtime).map_err(|error| self.refused(&path, error))?;
            }
            Kind::Hardlink { target } => match self.stripped(target) {
                Some(target) => self.root.hardlink(&path, &target).map_err(|error| self.refused(&path, error))?,
                None => return Err(self.refused(&path, EntryError::Io(io::Error::other("its target was stripped away")))),
            },
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => {
                return Err(UnpackError::Special { name: self.name.to_owned(), entry: path });
            }
        }
        self.done.entries += 1;
        self.done.newest = self.done.newest.max(Some(entry.mtime));
        Ok(())
    }

    fn file(&mut self, path: &TreePath, entry: &base::tree::Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        let mut file = self.root.file(path).map_err(|error| self.refused(path, error))?;
        let mut left = entry.size();
        let mut chunk = [0; 64 << 10];
        while left > 0 {
            let most = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = match content.read(&mut chunk[..most]) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                other => other,
            };
            let n = n.map_err(|error| UnpackError::Archive { name: self.name.to_owned(), source: ReadError::Format(error) })?;
            file.write_all(&chunk[..n]).map_err(|source| write_error(self.name, path.as_str(), self.folder, source))?;
            left -= n as u64;
        }
        self.done.bytes += entry.size();
        let mode = 0o600 | entry.mode & 0o755;
        finish_file(&file, mode, entry.mtime).map_err(|source| write_error(self.name, path.as_str(), self.folder, source))
    }

    /// Gives directories their permissions and times, the deepest first, since filling one changes its time.
    ///
    /// Those that the archive does not list get the newest time in it, so that the folder depends on the archive alone.
    fn finish(mut self) -> Result<Unpacked, UnpackError> {
        let newest = self.done.newest.unwrap_or(0);
        let implied = self.root.take_implied().into_iter().map(|path| (path, (0o755, newest)));
        let listed = std::mem::take(&mut self.directories).into_iter().map(|(path, mode, mtime)| (path, (mode, mtime)));
        let directories: BTreeMap<_, _> = implied.chain(listed).collect();
        for (path, (mode, mtime)) in directories.into_iter().rev() {
            self.root.finish_directory(&path, mode, mtime).map_err(|error| self.refused(&path, error))?;
        }
        if self.done.entries == 0 && self.done.stripped > 0 {
            return Err(UnpackError::Empty { name: self.name.to_owned(), strip: self.strip });
        }
        Ok(self.done)
    }

    /// The path without its first parts, or `None` if none is left.
    fn stripped(&self, path: &TreePath) -> Option<TreePath> {
        let mut rest = path.as_str();
        for _ in 0..self.strip {
            rest = rest.split_once('/')?.1;
        }
        TreePath::parse(rest).ok()
    }

    fn too_much(&self, limit: u64, unit: &'static str) -> UnpackError {
        UnpackError::TooMuch { name: self.name.to_owned(), limit, unit }
    }

    fn refused(&self, path: &TreePath, error: EntryError) -> UnpackError {
        let (name, entry) = (self.name.to_owned(), path.clone());
        match error {
            EntryError::NotADirectory(below) => UnpackError::Below { name, entry, below },
            EntryError::Taken => UnpackError::Taken { name, entry },
            EntryError::Io(source) => write_error(self.name, path.as_str(), self.folder, source),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use base::tree::Entry;
    use fs_err as fs;

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn file(name: &str, mode: u32) -> Entry {
        Entry::new(path(name), Kind::File { size: 3, digest: None }, mode, 1_000)
    }

    fn link(name: &str, target: &str) -> Entry {
        Entry::new(path(name), Kind::Symlink { target: target.into() }, 0o777, 1_000)
    }

    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut writer = tarball::Writer::new(Vec::new());
        for entry in entries {
            writer.append(entry, &BTreeMap::new(), &mut &b"abc"[..]).unwrap();
        }
        writer.finish().unwrap()
    }

    struct Case {
        dir: tempfile::TempDir,
        outcome: Result<Unpacked, UnpackError>,
    }

    impl Case {
        fn of(bytes: &[u8], strip: usize, limits: Limits) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store")).unwrap();
            let digest = store.put(bytes).unwrap();
            fs::create_dir(dir.path().join("to")).unwrap();
            let outcome = unpack(&store, &digest, "x.tar", &dir.path().join("to"), strip, limits);
            Self { dir, outcome }
        }

        fn entries(entries: &[Entry]) -> Self {
            Self::of(&archive(entries), 0, Limits::default())
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join("to").join(name)
        }
    }

    #[test]
    fn unpacks_below_the_stripped_directory() {
        let top = Entry::new(path("x-1"), Kind::Directory, 0o555, 7);
        let hard = Entry::new(path("x-1/again"), Kind::Hardlink { target: path("x-1/a/run") }, 0o755, 1_000);
        let case = Case::of(&archive(&[top, file("x-1/a/run", 0o6777), link("x-1/l", "/etc/passwd"), hard]), 1, Limits::default());
        let expected = Unpacked { entries: 3, stripped: 1, bytes: 3, newest: Some(1_000) };
        assert_eq!(case.outcome.as_ref().unwrap(), &expected);
        let meta = fs::metadata(case.at("a/run")).unwrap();
        assert_eq!((meta.permissions().mode() & 0o7777, meta.mtime(), meta.nlink()), (0o755, 1_000, 2), "set-id bits are dropped");
        assert_eq!(fs::read_link(case.at("l")).unwrap(), Path::new("/etc/passwd"));
        let implied = fs::metadata(case.at("a")).unwrap();
        assert_eq!((implied.permissions().mode() & 0o7777, implied.mtime()), (0o755, 1_000));
    }

    #[test]
    fn a_directory_without_rights_can_still_be_filled() {
        let shut = Entry::new(path("d"), Kind::Directory, 0o000, 9);
        let case = Case::entries(&[shut, file("d/f", 0)]);
        case.outcome.as_ref().unwrap();
        let meta = fs::metadata(case.at("d")).unwrap();
        assert_eq!((meta.permissions().mode() & 0o7777, meta.mtime()), (0o700, 9));
        assert_eq!(fs::metadata(case.at("d/f")).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn refuses_to_go_through_a_symbolic_link() {
        for target in ["/tmp", "..", "real", "/etc/passwd"] {
            let real = Entry::new(path("real"), Kind::Directory, 0o755, 1);
            let case = Case::entries(&[real, link("l", target), file("l/f", 0o644)]);
            assert!(matches!(case.outcome, Err(UnpackError::Below { .. })), "{target}: {:?}", case.outcome);
        }
    }

    #[test]
    fn a_file_takes_the_place_of_a_link_and_does_not_go_through_it() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let case = Case::entries(&[link("l", victim.to_str().unwrap()), file("l", 0o644)]);
        case.outcome.as_ref().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(case.at("l")).unwrap(), "abc");
    }

    #[test]
    fn refuses_a_hard_link_to_a_symbolic_link_or_to_nothing() {
        for first in [link("a", "/etc/passwd"), file("other", 0o644)] {
            let hard = Entry::new(path("h"), Kind::Hardlink { target: path("a") }, 0o644, 1);
            let case = Case::entries(&[first, hard]);
            assert!(matches!(case.outcome, Err(UnpackError::Write { .. })), "{:?}", case.outcome);
            assert!(!case.at("h").exists());
        }
    }

    #[test]
    fn refuses_a_path_that_leads_outside() {
        let mut bytes = archive(&[file("aa/bb", 0o644)]);
        bytes[..5].copy_from_slice(b"../bb");
        let sum: u64 = (0..512).map(|at| if (148..156).contains(&at) { 32 } else { u64::from(bytes[at]) }).sum();
        bytes[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        let case = Case::of(&bytes, 0, Limits::default());
        assert!(matches!(case.outcome, Err(UnpackError::Archive { source: ReadError::Path(_), .. })), "{:?}", case.outcome);
    }

    #[test]
    fn refuses_devices_and_files_in_place_of_directories() {
        let device = Entry::new(path("null"), Kind::CharDevice { major: 1, minor: 3 }, 0o666, 1);
        assert!(matches!(Case::entries(&[device]).outcome, Err(UnpackError::Special { .. })));
        let directory = Entry::new(path("d"), Kind::Directory, 0o755, 1);
        assert!(matches!(Case::entries(&[directory, file("d", 0o644)]).outcome, Err(UnpackError::Taken { .. })));
    }

    #[test]
    fn refuses_a_bomb() {
        let mut zeros = Vec::new();
        let big = Entry::new(path("zeros"), Kind::File { size: 1 << 20, digest: None }, 0o644, 1);
        let mut writer = tarball::Writer::new(&mut zeros);
        writer.append(&big, &BTreeMap::new(), &mut io::repeat(0)).unwrap();
        writer.finish().unwrap();
        let bomb = zstd::encode_all(&zeros[..], 1).unwrap();
        assert!(bomb.len() < 1_000);
        let case = Case::of(&bomb, 0, Limits { bytes: 1 << 19, entries: 9 });
        assert!(matches!(case.outcome, Err(UnpackError::TooMuch { unit: "bytes", .. })), "{:?}", case.outcome);
        assert!(!case.at("zeros").exists(), "refused before a byte is written");
        let many = archive(&[file("a", 0o644), file("b", 0o644), file("c", 0o644)]);
        let case = Case::of(&many, 0, Limits { bytes: 1 << 19, entries: 2 });
        assert!(matches!(case.outcome, Err(UnpackError::TooMuch { unit: "entries", .. })), "{:?}", case.outcome);
    }

    #[test]
    fn unpacks_a_zip_archive_as_it_does_a_tar() {
        use crate::archive::zip::tests::{archive, member};
        let bytes =
            archive(&[member("top/", 0o040_755, b""), member("top/run", 0o104_755, b"#!/bin/sh"), member("top/link", 0o120_776, b"run")]);
        let case = Case::of(&bytes, 1, Limits::default());
        let done = case.outcome.as_ref().unwrap();
        assert_eq!((done.entries, done.stripped, done.newest), (2, 1, Some(1_000_000_000)));
        assert_eq!(fs::read_to_string(case.at("link")).unwrap(), "#!/bin/sh");
        assert_eq!(case.at("run").metadata().unwrap().mode() & 0o7777, 0o755, "set-id bits go");
        // A file below a link that leads outside.
        let outside = archive(&[member("link", 0o120_776, b"/"), member("link/x", 0o100_644, b"x")]);
        assert!(matches!(Case::of(&outside, 0, Limits::default()).outcome, Err(UnpackError::Below { .. })));
        let case = Case::of(&archive(&[member("zeros", 0o100_644, &[0; 4096])]), 0, Limits { bytes: 4095, entries: 9 });
        assert!(matches!(case.outcome, Err(UnpackError::TooMuch { unit: "bytes", .. })), "{:?}", case.outcome);
    }

    #[test]
    fn refuses_what_is_cut_or_no_archive() {
        let whole = archive(&[file("a", 0o644)]);
        let cut = Case::of(&whole[..513], 0, Limits::default());
        assert!(matches!(cut.outcome, Err(UnpackError::Archive { .. })), "{:?}", cut.outcome);
        for bytes in [&b"just text"[..], &[0; 2_000], b""] {
            assert!(matches!(Case::of(bytes, 0, Limits::default()).outcome, Err(UnpackError::NotAnArchive { .. })));
        }
    }

    #[test]
    fn says_when_stripping_leaves_nothing() {
        let case = Case::of(&archive(&[file("a", 0o644), file("b", 0o644)]), 1, Limits::default());
        assert!(matches!(case.outcome, Err(UnpackError::Empty { strip: 1, .. })), "{:?}", case.outcome);
    }

    #[test]
    fn places_a_single_file_under_a_plain_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let digest = store.put(b"text").unwrap();
        place_file(&store, &digest, "cert.txt", dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("cert.txt")).unwrap(), "text");
        for name in ["../x", "a/b", "/x", "", ".", "a/"] {
            let result = place_file(&store, &digest, name, dir.path());
            assert!(matches!(result, Err(UnpackError::FileName { .. })), "{name}: {result:?}");
        }
    }
}
