//! Writes packages: data member, control member, signature.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use attest::key::{Named, PrivateKey};
use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Hashing, Store, tarball};
use fs_err as fs;
use sha1::{Digest as _, Sha1};

use super::{CHECKSUM_RECORD, Package, PackageError, Problem, SCRIPT_NAMES, Scripts, doing};
use crate::{Checksum, Info, gzip, signature};

/// The largest file that is held in memory rather than read twice, for its checksum and for its content.
const MAX_HELD: u64 = 1 << 20;

/// Opens the content of an entry; called once or twice for each regular file.
pub type Opener<'o> = dyn FnMut(&Entry) -> io::Result<Box<dyn Read>> + 'o;

/// A data member that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// sha256 of the member: the `datahash`.
    pub digest: Digest,
    /// Bytes of the member.
    pub size: u64,
    /// Bytes of all its files together; a file with several names counts once.
    pub installed_size: u64,
}

/// Writes a data member of `entries` in the order of their paths.
///
/// Of files that are linked, the first in that order becomes the file and the others its links, whatever the entries say:
/// then links point backwards, and equal trees give equal bytes. `open` is called with the entry as it is written.
pub fn write_data(entries: &[Entry], open: &mut Opener<'_>, out: &mut dyn Write) -> Result<Data, Problem> {
    let entries = arrange(entries)?;
    let mut tar = tarball::Writer::new(gzip::Encoder::new(Hashing::new(out)));
    let mut installed_size = 0;
    let mut sums = BTreeMap::new();
    for entry in &entries {
        if let Some(sum) = append(&mut tar, entry, &sums, open)? {
            sums.insert(&entry.path, sum);
        }
        installed_size += entry.size();
    }
    let finish = || tar.finish()?.finish();
    let (_, digest, size) = finish().map_err(doing("writing a data member"))?.finish();
    Ok(Data { digest, size, installed_size })
}

/// Appends an entry with its checksum, and returns that if others may link to it.
///
/// A hard link gets the checksum of its file: some versions of apk-tools want it there.
fn append(
    tar: &mut tarball::Writer<impl Write>,
    entry: &Entry,
    sums: &BTreeMap<&TreePath, Checksum>,
    open: &mut Opener<'_>,
) -> Result<Option<Checksum>, Problem> {
    let pack = |source| Problem::Pack { path: entry.path.clone(), source };
    let changed = || Problem::Changed { path: entry.path.clone() };
    let record = |sum: Checksum| BTreeMap::from([(CHECKSUM_RECORD.to_owned(), sum.hex().into_bytes())]);
    match &entry.kind {
        Kind::File { size, .. } if *size <= MAX_HELD => {
            let mut bytes = Vec::new();
            open(entry).and_then(|file| file.take(size + 1).read_to_end(&mut bytes)).map_err(pack)?;
            if bytes.len() as u64 != *size {
                return Err(changed());
            }
            let sum = Checksum::sha1(&bytes);
            tar.append(entry, &record(sum), &mut &bytes[..]).map_err(pack)?;
            Ok(Some(sum))
        }
        Kind::File { size, .. } => {
            let mut first = Summing::new(open(entry).map_err(pack)?.take(size + 1));
            let length = io::copy(&mut first, &mut io::sink()).map_err(pack)?;
            let sum = first.finish();
            let mut second = Summing::new(open(entry).map_err(pack)?.take(*size));
            tar.append(entry, &record(sum), &mut second).map_err(pack)?;
            if length == *size && second.finish() == sum { Ok(Some(sum)) } else { Err(changed()) }
        }
        other => {
            let sum = match other {
                Kind::Symlink { target } => Some(Checksum::sha1(target)),
                Kind::Hardlink { target } => sums.get(target).copied(),
                _ => None,
            };
            tar.append(entry, &sum.map(record).unwrap_or_default(), &mut io::empty()).map_err(pack)?;
            Ok(None)
        }
    }
}

/// Hashes what is read by SHA-1.
struct Summing<R> {
    inner: R,
    sha1: Sha1,
}

impl<R: Read> Summing<R> {
    fn new(inner: R) -> Self {
        Self { inner, sha1: Sha1::new() }
    }

    fn finish(self) -> Checksum {
        Checksum::Sha1(self.sha1.finalize().into())
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sha1.update(&buffer[..n]);
        Ok(n)
    }
}

/// Sorts entries, lets hard links point backwards, and refuses what no package may hold.
fn arrange(entries: &[Entry]) -> Result<Vec<Entry>, Problem> {
    let mut sorted = entries.to_vec();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut files = BTreeSet::new();
    let mut directories = BTreeSet::new();
    for pair in sorted.windows(2) {
        if pair[0].path == pair[1].path {
            return Err(Problem::Duplicate { path: pair[0].path.clone() });
        }
    }
    for entry in &sorted {
        if entry.path.as_str().starts_with('.') {
            return Err(Problem::Hidden { path: entry.path.clone() });
        }
        match entry.kind {
            Kind::Directory => directories.insert(entry.path.clone()),
            Kind::File { .. } => files.insert(entry.path.clone()),
            _ => false,
        };
    }
    let others: BTreeSet<_> = sorted.iter().map(|entry| &entry.path).filter(|path| !directories.contains(*path)).cloned().collect();
    for entry in &sorted {
        if let Some(above) = entry.path.ancestors().find(|above| others.contains(above)) {
            return Err(Problem::BelowFile { path: entry.path.clone(), above });
        }
        match &entry.kind {
            Kind::Hardlink { target } if !files.contains(target) => {
                return Err(Problem::LinkTarget { path: entry.path.clone(), target: target.clone() });
            }
            _ => {}
        }
    }
    Ok(turn_links(sorted))
}

/// Makes the first name of every linked file the file. `sorted` is sorted, and every link names a file in it.
fn turn_links(sorted: Vec<Entry>) -> Vec<Entry> {
    let mut first: BTreeMap<TreePath, TreePath> = BTreeMap::new();
    for entry in &sorted {
        if let Kind::Hardlink { target } = &entry.kind {
            let name = (&entry.path).min(target).clone();
            first.entry(target.clone()).and_modify(|known| *known = known.clone().min(name.clone())).or_insert(name);
        }
    }
    let files: BTreeMap<TreePath, Entry> =
        sorted.iter().filter(|entry| first.contains_key(&entry.path)).map(|entry| (entry.path.clone(), entry.clone())).collect();
    let turn = |entry: Entry| {
        let target = match &entry.kind {
            Kind::Hardlink { target } => target.clone(),
            _ => entry.path.clone(),
        };
        let Some((name, file)) = first.get(&target).zip(files.get(&target)) else { return entry };
        let kind = if *name == entry.path { file.kind.clone() } else { Kind::Hardlink { target: name.clone() } };
        // All names of one file share what is kept with the file.
        Entry { path: entry.path, kind, ..file.clone() }
    };
    sorted.into_iter().map(turn).collect()
}

/// Writes a control member: `.PKGINFO`, then the scripts by name.
pub fn write_control(info: &Info, datahash: &Digest, scripts: &Scripts, epoch: i64) -> Result<Vec<u8>, Problem> {
    let text = info.to_pkginfo(datahash).map_err(Problem::Info)?;
    let mut tar = tarball::Writer::new(gzip::Encoder::new(Vec::new()));
    let files = scripts.iter().map(|(name, bytes)| (name.as_str(), 0o755, bytes.as_slice()));
    for (name, mode, bytes) in std::iter::once((".PKGINFO", 0o644, text.as_bytes())).chain(files) {
        let path = TreePath::parse(name).ok().filter(|_| name == ".PKGINFO" || SCRIPT_NAMES.contains(&name));
        let path = path.ok_or_else(|| Problem::ScriptName { name: name.to_owned() })?;
        let entry = Entry::new(path, Kind::File { size: bytes.len() as u64, digest: None }, mode, epoch);
        tar.append(&entry, &BTreeMap::new(), &mut &bytes[..]).map_err(doing("writing a control member"))?;
    }
    tar.into_inner().finish().map_err(doing("writing a control member"))
}

/// Signs a control member and returns the member that goes before it.
pub fn sign(control: &[u8], key: &Named<PrivateKey>) -> Result<Vec<u8>, Problem> {
    signature::member(control, key).map_err(Problem::Sign)
}

/// Packs `entries` and keeps the unsigned package in the store under its content digest.
///
/// Times later than `epoch` (seconds since 1970) become `epoch`. `info.installed_size` is set to what was packed.
pub fn store_package(
    store: &Store,
    info: &Info,
    scripts: &Scripts,
    entries: &[Entry],
    open: &mut Opener<'_>,
    epoch: i64,
) -> Result<Package, PackageError> {
    let mut keep = || -> Result<Digest, Problem> {
        let entries: Vec<_> = entries.iter().map(|entry| Entry { mtime: entry.mtime.clamp(0, epoch), ..entry.clone() }).collect();
        // The control member states the hash of the data and goes before it, so the data wait in a file.
        let waiting = Waiting(store.tmp_path("data"));
        let mut file = fs::File::create_new(&waiting.0).map_err(doing("writing a data member"))?;
        let data = write_data(&entries, open, &mut file)?;
        let info = Info { installed_size: data.installed_size, ..info.clone() };
        let control = write_control(&info, &data.digest, scripts, epoch)?;
        let mut file = fs::File::open(&waiting.0).map_err(doing("writing a package"))?;
        let mut blob = store.blob_writer().map_err(Problem::Store)?;
        blob.write_all(&control).and_then(|()| io::copy(&mut file, &mut blob)).map_err(doing("writing a package"))?;
        blob.finish().map(|(content, _)| content).map_err(Problem::Store)
    };
    let content = keep().map_err(|problem| problem.of(info.identity()))?;
    Package::open_blob(store, &content)
}

/// A file that goes away with its owner.
struct Waiting(PathBuf);

impl Drop for Waiting {
    fn drop(&mut self) {
        // What an error leaves here is swept with the process's folder.
        let _ = fs::remove_file(&self.0);
    }
}

impl Package {
    /// Keeps the package in the store, without its signature, under its content digest.
    pub fn keep(&self, store: &Store) -> Result<(), PackageError> {
        let keep = || -> Result<(), Problem> {
            let mut file = fs::File::open(&self.path).map_err(doing("opening a package"))?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(self.layout.control.start)).map_err(doing("reading a package"))?;
            let mut blob = store.blob_writer().map_err(Problem::Store)?;
            io::copy(&mut file, &mut blob).map_err(doing("keeping a package"))?;
            blob.finish_expecting(&self.content, &self.record.info.identity()).map(drop).map_err(Problem::Store)
        };
        keep().map_err(|problem| self.error(problem))
    }

    /// Writes the package with a signature of `key` before it, and returns digest and length of what was written.
    pub fn write_signed(&self, key: &Named<PrivateKey>, out: &mut dyn Write) -> Result<(Digest, u64), PackageError> {
        let write = || -> Result<(Digest, u64), Problem> {
            let mut out = Hashing::new(out);
            out.write_all(&sign(&self.control, key)?).map_err(doing("writing a signed package"))?;
            let mut file = fs::File::open(&self.path).map_err(doing("opening a package"))?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(self.layout.control.start)).map_err(doing("reading a package"))?;
            io::copy(&mut file, &mut out).map_err(doing("writing a signed package"))?;
            let (_, digest, size) = out.finish();
            Ok((digest, size))
        };
        write().map_err(|problem| self.error(problem))
    }
}
