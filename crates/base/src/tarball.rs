//! Tar archives with one way of writing: ustar headers, PAX records where ustar can not say it, nothing else.
//!
//! The bytes depend on the entries alone (POSIX.1-2017, pax interchange format). Reading names its limits and gives
//! paths that can not lead outside.

mod read;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::tree::{Entry, Kind};

pub use read::{Item, ReadError, read};

/// The longest PAX header that is read, in bytes: xattrs are at most 64 KiB each (Linux `XATTR_SIZE_MAX`), paths 4 KiB.
pub const MAX_PAX: u64 = 1 << 20;

const BLOCK: usize = 512;
/// The largest number that eleven octal digits hold.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// Writes a tar archive.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes one entry with its content, which must have exactly the entry's size.
    ///
    /// `pax` holds further PAX records, such as apk's `APK-TOOLS.checksum.SHA1`. A directory's name is written without
    /// a trailing `/` (as apko and Go write it).
    pub fn append(&mut self, entry: &Entry, pax: &BTreeMap<String, Vec<u8>>, content: &mut dyn Read) -> io::Result<()> {
        let mut records = pax.clone();
        let header = header(entry, &mut records)?;
        if !records.is_empty() {
            self.pax(entry, &records)?;
        }
        self.inner.write_all(&header)?;
        let size = entry.size();
        let copied = io::copy(&mut content.take(size), &mut self.inner)?;
        if copied != size {
            let text = format!("{} has {copied} bytes, its entry says {size}", entry.path);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.pad(size)
    }

    /// Returns the inner writer without the end of the archive: apk's signature and control members have none.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Writes the end of the archive, two zero blocks, and returns the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.inner.write_all(&[0; BLOCK][over..]) }
    }

    fn pax(&mut self, entry: &Entry, records: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        let body: Vec<u8> = records.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
        let mut name = format!("PaxHeaders/{}", entry.path.file_name());
        let end = (0..=name.len().min(100)).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        name.truncate(end);
        let mut block = [0; BLOCK];
        put(&mut block, 0, 100, name.as_bytes());
        numbers(&mut block, 0o644, 0, 0, body.len() as u64, 0);
        seal(&mut block, b'x');
        self.inner.write_all(&block)?;
        self.inner.write_all(&body)?;
        self.pad(body.len() as u64)
    }
}

/// `length key=value\n`, where the length counts itself.
fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

fn put(block: &mut [u8; BLOCK], at: usize, room: usize, bytes: &[u8]) {
    let n = bytes.len().min(room);
    block[at..at + n].copy_from_slice(&bytes[..n]);
}

fn octal(block: &mut [u8; BLOCK], at: usize, digits: usize, value: u64) {
    put(block, at, digits, format!("{value:0digits$o}").as_bytes());
}

fn numbers(block: &mut [u8; BLOCK], mode: u32, uid: u32, gid: u32, size: u64, mtime: u64) {
    octal(block, 100, 7, u64::from(mode));
    octal(block, 108, 7, u64::from(uid));
    octal(block, 116, 7, u64::from(gid));
    octal(block, 124, 11, size);
    octal(block, 136, 11, mtime);
}

/// Sets type, magic and checksum.
fn seal(block: &mut [u8; BLOCK], kind: u8) {
    block[156] = kind;
    put(block, 257, 8, b"ustar\x0000");
    put(block, 148, 8, b"        ");
    let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
    octal(block, 148, 6, sum);
    block[154] = 0;
}

fn header(entry: &Entry, pax: &mut BTreeMap<String, Vec<u8>>) -> io::Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let path = entry.path.as_str();
    match split_name(path) {
        Some((prefix, name)) => {
            put(&mut block, 0, 100, name.as_bytes());
            put(&mut block, 345, 155, prefix.as_bytes());
        }
        None => {
            pax.insert("path".into(), path.as_bytes().to_vec());
        }
    }
    let (kind, link) = match &entry.kind {
        Kind::Directory => (b'5', None),
        Kind::File { .. } => (b'0', None),
        Kind::Symlink { target } => (b'2', Some(target.as_str())),
        Kind::Hardlink { target } => (b'1', Some(target.as_str())),
        Kind::CharDevice { .. } => (b'3', None),
        Kind::BlockDevice { .. } => (b'4', None),
        Kind::Fifo => (b'6', None),
    };
    if let Some(link) = link {
        if link.len() <= 100 && link.is_ascii() {
            put(&mut block, 157, 100, link.as_bytes());
        } else {
            pax.insert("linkpath".into(), link.as_bytes().to_vec());
        }
    }
    if let Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } = entry.kind {
        octal(&mut block, 329, 7, u64::from(major));
        octal(&mut block, 337, 7, u64::from(minor));
    }
    let mtime = u64::try_from(entry.mtime).map_err(|_| io::Error::other(format!("{path} was changed before 1970")))?;
    for (key, value, most) in [
        ("uid", u64::from(entry.uid), 0o777_7777),
        ("gid", u64::from(entry.gid), 0o777_7777),
        ("size", entry.size(), OCTAL_MAX),
        ("mtime", mtime, OCTAL_MAX),
    ] {
        if value > most {
            pax.insert(key.into(), value.to_string().into_bytes());
        }
    }
    let fit = |value: u64, most: u64| if value > most { 0 } else { value };
    let id = |value: u32| if value > 0o777_7777 { 0 } else { value };
    numbers(&mut block, entry.mode & 0o7777, id(entry.uid), id(entry.gid), fit(entry.size(), OCTAL_MAX), fit(mtime, OCTAL_MAX));
    for (name, value) in &entry.xattrs {
        pax.insert(format!("SCHILY.xattr.{name}"), value.clone());
    }
    seal(&mut block, kind);
    Ok(block)
}

/// Splits a path into ustar's prefix and name, or `None` if it needs a PAX record.
fn split_name(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/').map(|(at, _)| (&path[..at], &path[at + 1..])).find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreePath;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn entries() -> Vec<Entry> {
        let long = "d/".repeat(80) + &"n".repeat(120);
        let mut capable = Entry::new(path("bin/ping"), Kind::File { size: 3, digest: None }, 0o4755, 5);
        capable.xattrs.insert("security.capability".into(), vec![1, 0, 0, 2]);
        capable.uid = 3_000_000;
        vec![
            Entry::new(path("bin"), Kind::Directory, 0o755, 5),
            capable,
            Entry::new(path("bin/ping6"), Kind::Hardlink { target: path("bin/ping") }, 0o4755, 5),
            Entry::new(path("lib"), Kind::Symlink { target: "usr/lib".into() }, 0o777, 5),
            Entry::new(path("dev/null"), Kind::CharDevice { major: 1, minor: 3 }, 0o666, 5),
            Entry::new(path(&long), Kind::File { size: 3, digest: None }, 0o644, 5),
            Entry::new(path("é"), Kind::Symlink { target: "x".repeat(150) }, 0o777, 5),
        ]
    }

    fn write(entries: &[Entry]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for entry in entries {
            writer.append(entry, &BTreeMap::new(), &mut &b"abc"[..]).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = write(&entries());
        let mut found = Vec::new();
        read(&bytes[..], |one, content| {
            let mut text = String::new();
            content.read_to_string(&mut text).map_err(ReadError::Format)?;
            assert_eq!(text.len() as u64, one.entry.size());
            found.push(one.entry);
            Ok::<_, ReadError>(())
        })
        .unwrap();
        assert_eq!(found, entries());
    }

    #[test]
    fn writes_the_same_bytes_for_the_same_entries() {
        assert_eq!(write(&entries()), write(&entries()));
    }

    #[test]
    fn refuses_content_that_is_too_short() {
        let entry = Entry::new(path("f"), Kind::File { size: 4, digest: None }, 0o644, 0);
        assert!(Writer::new(Vec::new()).append(&entry, &BTreeMap::new(), &mut &b"abc"[..]).is_err());
    }

    #[test]
    fn refuses_paths_that_lead_outside() {
        let entry = Entry::new(path("aa/bb"), Kind::File { size: 0, digest: None }, 0o644, 0);
        let mut bytes = write(&[entry]);
        bytes[..5].copy_from_slice(b"../bb");
        let sum: u64 = (0..512).map(|i| if (148..156).contains(&i) { 32 } else { u64::from(bytes[i]) }).sum();
        bytes[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        let result = read(&bytes[..], |_, _| Ok::<_, ReadError>(()));
        assert!(matches!(result, Err(ReadError::Path(_))), "{result:?}");
    }

    #[test]
    fn a_pax_record_counts_its_own_length() {
        assert_eq!(pax_record("path", &[b'x'; 90]).len(), 99);
        assert!(pax_record("path", &[b'x'; 91]).starts_with(b"101 path="));
    }
}
