//! Reads the data of a package from front to end, checking as it goes: structure, per-file checksums, the data's hash.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::rc::Rc;

use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Hashing, tarball};
use flate2::bufread::MultiGzDecoder;
use fs_err as fs;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{CHECKSUM_RECORD, Limits, Package, PackageError, Problem, Table, doing};
use crate::Checksum;

/// Linux's own bound on the target of a symbolic link (limits.h `PATH_MAX`), less the NUL.
const MAX_TARGET: usize = 4095;

/// Why a walk ended early.
pub(super) enum Stop<E> {
    /// Something is wrong with the package.
    Problem(Problem),
    /// The caller's own error.
    Caller(E),
}

impl<E> From<Problem> for Stop<E> {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl<E> From<tarball::ReadError> for Stop<E> {
    fn from(error: tarball::ReadError) -> Self {
        Self::Problem(Problem::Data(error))
    }
}

impl Package {
    /// Calls `each` for every entry of the data with its content, which it may read or leave, and returns the table.
    ///
    /// Structure, checksums and the data's hash are checked; the hash can be known only at the end, so what `each` made
    /// of the content must be thrown away when this fails.
    pub fn read_data<E: From<PackageError>>(
        &self,
        limits: &Limits,
        mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
    ) -> Result<Table, E> {
        self.walk(limits, &mut each).map(|walked| walked.table).map_err(|stop| match stop {
            Stop::Problem(problem) => self.error(problem).into(),
            Stop::Caller(error) => error,
        })
    }

    /// Reads the table of what it holds.
    pub fn table(&self) -> Result<Table, PackageError> {
        self.read_data(&Limits::default(), |_, _| Ok(()))
    }

    pub(super) fn walk<E>(&self, limits: &Limits, each: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), E>) -> Result<Walked, Stop<E>> {
        let expected = self.datahash.ok_or(Problem::NoDatahash)?;
        let mut file = fs::File::open(&self.path).map_err(doing("opening a package"))?;
        file.seek(SeekFrom::Start(self.layout.data.start)).map_err(doing("reading a package"))?;
        let mut raw = Hashing::new(file);
        let over = Rc::new(Cell::new(false));
        let unpacked = Bounded {
            inner: MultiGzDecoder::new(BufReader::with_capacity(64 << 10, &mut raw)),
            left: limits.unpacked,
            over: Rc::clone(&over),
        };
        let mut checks = Checks::new(limits.entries);
        let result = tarball::read(BufReader::with_capacity(64 << 10, unpacked), |item, content| checks.entry(item, content, each));
        if over.get() {
            return Err(Problem::Unpacked { limit: limits.unpacked }.into());
        }
        result?;
        io::copy(&mut raw, &mut io::sink()).map_err(doing("reading a package"))?;
        let (_, actual, _) = raw.finish();
        if actual != expected {
            return Err(Problem::Datahash { expected, actual }.into());
        }
        Ok(Walked { table: checks.table, checked: checks.checked, unchecked: checks.unchecked })
    }
}

/// What a walk to the end found.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) table: Table,
    /// How many files and links were compared with their checksum record.
    pub(super) checked: usize,
    /// How many have no checksum record.
    pub(super) unchecked: usize,
}

/// What a path has been so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A directory that no entry names, above one that does.
    Implied,
    Directory,
    File,
    Other,
}

struct Checks {
    table: Table,
    seen: BTreeMap<TreePath, Seen>,
    limit: usize,
    checked: usize,
    unchecked: usize,
}

impl Checks {
    fn new(limit: usize) -> Self {
        Self { table: Table::default(), seen: BTreeMap::new(), limit, checked: 0, unchecked: 0 }
    }

    fn entry<E>(
        &mut self,
        item: tarball::Item,
        content: &mut dyn Read,
        each: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
    ) -> Result<(), Stop<E>> {
        let tarball::Item { mut entry, mut pax } = item;
        self.place(&entry)?;
        let recorded = match pax.remove(CHECKSUM_RECORD) {
            Some(bytes) => Some(parse_checksum(&bytes).ok_or_else(|| Problem::ChecksumText { path: entry.path.clone() })?),
            None => None,
        };
        let mut reader = Sums::new(content);
        each(&entry, &mut reader).map_err(Stop::Caller)?;
        io::copy(&mut reader, &mut io::sink()).map_err(tarball::ReadError::Format)?;
        let (sha1, sha256) = reader.finish();
        let sum = match &mut entry.kind {
            Kind::File { digest, .. } => {
                *digest = Some(sha256);
                Some(sha1)
            }
            Kind::Symlink { target } => Some(Checksum::sha1(target)),
            Kind::Hardlink { target } => self.table.checksums.get(target).copied(),
            _ => None,
        };
        if let (Some(expected), Some(actual)) = (recorded, sum)
            && expected != actual
        {
            return Err(Problem::Checksum { path: entry.path, expected, actual }.into());
        }
        match (&entry.kind, recorded) {
            (Kind::File { .. } | Kind::Symlink { .. }, None) => self.unchecked += 1,
            (_, Some(_)) => self.checked += 1,
            _ => {}
        }
        if let Some(sum) = sum {
            self.table.checksums.insert(entry.path.clone(), sum);
        }
        self.table.entries.push(entry);
        Ok(())
    }

    /// Refuses an entry that could not lie where it says, whatever lies there already.
    fn place(&mut self, entry: &Entry) -> Result<(), Problem> {
        let path = &entry.path;
        if self.table.entries.len() >= self.limit {
            return Err(Problem::Entries { limit: self.limit });
        }
        if path.as_str().starts_with('.') {
            return Err(Problem::Hidden { path: path.clone() });
        }
        for above in path.ancestors() {
            match self.seen.get(&above) {
                Some(Seen::Directory | Seen::Implied) => {}
                Some(_) => return Err(Problem::BelowFile { path: path.clone(), above }),
                None => {
                    self.seen.insert(above, Seen::Implied);
                }
            }
        }
        let kind = match &entry.kind {
            Kind::Directory => Seen::Directory,
            Kind::File { .. } => Seen::File,
            Kind::Hardlink { target } if self.seen.get(target) == Some(&Seen::File) => Seen::File,
            Kind::Hardlink { target } => return Err(Problem::LinkTarget { path: path.clone(), target: target.clone() }),
            Kind::Symlink { target } if target.is_empty() || target.len() > MAX_TARGET || target.contains('\0') => {
                return Err(Problem::LinkText { path: path.clone() });
            }
            _ => Seen::Other,
        };
        match self.seen.insert(path.clone(), kind) {
            None => Ok(()),
            Some(Seen::Implied) if kind == Seen::Directory => Ok(()),
            Some(_) => Err(Problem::Duplicate { path: path.clone() }),
        }
    }
}

fn parse_checksum(bytes: &[u8]) -> Option<Checksum> {
    let text = std::str::from_utf8(bytes).ok()?;
    Checksum::from_hex(text).ok().filter(|sum| matches!(sum, Checksum::Sha1(_)))
}

/// Hashes what is read by SHA-1 and sha256.
struct Sums<'r> {
    inner: &'r mut dyn Read,
    sha1: Sha1,
    sha256: Sha256,
}

impl<'r> Sums<'r> {
    fn new(inner: &'r mut dyn Read) -> Self {
        Self { inner, sha1: Sha1::new(), sha256: Sha256::new() }
    }

    fn finish(self) -> (Checksum, Digest) {
        (Checksum::Sha1(self.sha1.finalize().into()), Digest::from_bytes(self.sha256.finalize().into()))
    }
}

impl Read for Sums<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sha1.update(&buffer[..n]);
        self.sha256.update(&buffer[..n]);
        Ok(n)
    }
}

/// Fails once more than `left` bytes have been read, and says so in `over`.
struct Bounded<R> {
    inner: R,
    left: u64,
    over: Rc<Cell<bool>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match self.left.checked_sub(n as u64) {
            Some(left) => {
                self.left = left;
                Ok(n)
            }
            None => {
                self.over.set(true);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }
}
