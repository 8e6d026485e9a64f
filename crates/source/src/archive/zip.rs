//! Zip archives (PKWARE's APPNOTE 6.3): stored and deflated entries, found through the central directory.
//!
//! Local headers must agree with the directory and lie apart from each other: a file that two readers would read
//! differently, or whose entries share their bytes to unpack to more than any archive could hold, is refused.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use base::tarball::ReadError;
use base::tree::{Entry, Kind, TreePath};

/// How the first entry of an archive begins.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
/// The fixed part of the record at the end, which a comment of at most 64 KiB follows.
const END: usize = 22;
const CENTRAL: usize = 46;
const LOCAL: usize = 30;
/// The largest central directory that is read: a million entries with paths of 80 bytes.
const MAX_DIRECTORY: u32 = 128 << 20;
/// Linux's own bound on the target of a symbolic link.
const MAX_TARGET: u64 = 4095;

/// What the central directory says of an entry.
struct Listed<'d> {
    name: &'d [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
    entry: Entry,
}

fn broken(text: impl Into<String>) -> ReadError {
    ReadError::Format(io::Error::new(io::ErrorKind::InvalidData, text.into()))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

/// Calls `each` for every entry, in the order of the central directory. `each` may read the content or leave it.
pub(super) fn read<E: From<ReadError>>(
    file: &mut (impl Read + Seek),
    mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let (count, start, directory) = directory(file)?;
    let mut rest = directory.as_slice();
    let mut listed = Vec::new();
    for _ in 0..count {
        let (one, after) = central(rest)?;
        listed.push(one);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(broken("there is more in the directory of the zip archive than it counts").into());
    }
    let offsets: BTreeSet<u64> = listed.iter().map(|one| one.offset).chain([start]).collect();
    if offsets.len() != listed.len() + 1 {
        return Err(broken("two entries of the zip archive are in one place").into());
    }
    for mut one in listed {
        let end = offsets.range(one.offset + 1..).next().copied().unwrap_or(start);
        open(file, &one, end)?;
        let mut content = Content::new(&mut *file, &one)?;
        if matches!(one.entry.kind, Kind::Symlink { .. }) {
            one.entry.kind = Kind::Symlink { target: target(&mut content, one.size)? };
        }
        each(&one.entry, &mut content)?;
        content.finish(&one.entry.path)?;
    }
    Ok(())
}

/// Returns how many entries the directory has, where it begins, and its bytes.
fn directory(file: &mut (impl Read + Seek)) -> Result<(u16, u64, Vec<u8>), ReadError> {
    let length = file.seek(SeekFrom::End(0)).map_err(ReadError::Format)?;
    let tail = length.min((END + usize::from(u16::MAX)) as u64);
    file.seek(SeekFrom::Start(length - tail)).map_err(ReadError::Format)?;
    let mut bytes = Vec::new();
    file.by_ref().take(tail).read_to_end(&mut bytes).map_err(ReadError::Format)?;
    // The record whose comment reaches to the end of the file is the one.
    let is_end = |at: &usize| bytes[*at..].starts_with(b"PK\x05\x06") && *at + END + usize::from(half(&bytes, at + 20)) == bytes.len();
    let at = (0..bytes.len().saturating_sub(END - 1)).rev().find(is_end).ok_or_else(|| broken("the zip archive has no end"))?;
    let end = &bytes[at..];
    let (count, size, offset) = (half(end, 10), word(end, 12), word(end, 16));
    if count == u16::MAX || size == u32::MAX || offset == u32::MAX {
        return Err(broken("the zip archive is of the form for more than 4 GiB (zip64), which is not read"));
    }
    if half(end, 4) != 0 || half(end, 6) != 0 || half(end, 8) != count {
        return Err(broken("the zip archive is one of several parts"));
    }
    let place = length - tail + at as u64;
    if size > MAX_DIRECTORY || u64::from(offset) + u64::from(size) != place {
        return Err(broken("the directory of the zip archive is not where its end says"));
    }
    file.seek(SeekFrom::Start(offset.into())).map_err(ReadError::Format)?;
    let mut directory = Vec::new();
    file.by_ref().take(size.into()).read_to_end(&mut directory).map_err(ReadError::Format)?;
    Ok((count, offset.into(), directory))
}

/// Reads one entry of the directory, and returns what follows it.
fn central(bytes: &[u8]) -> Result<(Listed<'_>, &[u8]), ReadError> {
    let cut = || broken("the directory of the zip archive breaks off");
    if bytes.len() < CENTRAL || !bytes.starts_with(b"PK\x01\x02") {
        return Err(cut());
    }
    let (name, extra, comment) = (usize::from(half(bytes, 28)), usize::from(half(bytes, 30)), usize::from(half(bytes, 32)));
    let after = bytes.get(CENTRAL + name + extra + comment..).ok_or_else(cut)?;
    let (name, extra) = (&bytes[CENTRAL..CENTRAL + name], &bytes[CENTRAL + name..CENTRAL + name + extra]);
    let text = std::str::from_utf8(name).map_err(|_| broken("the name of an entry of the zip archive is not UTF-8"))?;
    let size = u64::from(word(bytes, 24));
    let made_on_unix = half(bytes, 4) >> 8 == 3;
    let attributes = if made_on_unix { word(bytes, 38) >> 16 } else { 0 };
    let kind = match attributes & 0o170_000 {
        _ if text.ends_with('/') => Kind::Directory,
        0 | 0o100_000 => Kind::File { size, digest: None },
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Symlink { target: String::new() },
        _ => Kind::Fifo,
    };
    let usual = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let mode = if attributes == 0 { usual } else { attributes & 0o7777 };
    let mtime = extended_time(extra).unwrap_or_else(|| dos_time(half(bytes, 14), half(bytes, 12)));
    let entry = Entry::new(TreePath::parse(text).map_err(ReadError::Path)?, kind, mode, mtime);
    let listed = Listed {
        name,
        flags: half(bytes, 8),
        method: half(bytes, 10),
        crc: word(bytes, 16),
        packed: word(bytes, 20).into(),
        size,
        offset: word(bytes, 42).into(),
        entry,
    };
    Ok((listed, after))
}

/// The time of modification in the extra field of Info-ZIP (0x5455), in seconds since 1970.
fn extended_time(mut extra: &[u8]) -> Option<i64> {
    while extra.len() >= 4 {
        let (kind, size) = (half(extra, 0), usize::from(half(extra, 2)));
        let field = extra.get(4..4 + size)?;
        if kind == 0x5455 && size >= 5 && field[0] & 1 != 0 {
            return Some(i64::from(word(field, 1).cast_signed()));
        }
        extra = &extra[4 + size..];
    }
    None
}

/// The time that DOS writes, taken for UTC: it does not say of which zone it is.
fn dos_time(date: u16, time: u16) -> i64 {
    let (year, month, day) = (1980 + i64::from(date >> 9), i64::from(date >> 5 & 15).clamp(1, 12), i64::from(date & 31).max(1));
    // Days since 1970 of the civil calendar, counted from March so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + i64::from(time >> 11) * 3600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2
}

/// Goes to the content of an entry, past a local header that must say what the directory says.
fn open(file: &mut (impl Read + Seek), one: &Listed<'_>, end: u64) -> Result<(), ReadError> {
    let mut header = [0; LOCAL];
    file.seek(SeekFrom::Start(one.offset)).and_then(|_| file.read_exact(&mut header)).map_err(ReadError::Format)?;
    let path = &one.entry.path;
    let (length, extra) = (u64::from(half(&header, 26)), u64::from(half(&header, 28)));
    let mut name = Vec::new();
    file.by_ref().take(length).read_to_end(&mut name).map_err(ReadError::Format)?;
    if !header.starts_with(MAGIC) || name != one.name || half(&header, 8) != one.method {
        return Err(broken(format!("the zip archive says two things of `{path}`")));
    }
    if one.flags & 1 != 0 {
        return Err(broken(format!("`{path}` in the zip archive is encrypted")));
    }
    let start = one.offset + LOCAL as u64 + length + extra;
    if start.checked_add(one.packed).is_none_or(|its_end| its_end > end) {
        return Err(broken(format!("`{path}` reaches into what follows it in the zip archive")));
    }
    file.seek(SeekFrom::Start(start)).map(|_| ()).map_err(ReadError::Format)
}

fn target(content: &mut Content<'_>, size: u64) -> Result<String, ReadError> {
    if size > MAX_TARGET {
        return Err(broken("the target of a symbolic link in the zip archive is too long"));
    }
    let mut target = String::new();
    content.read_to_string(&mut target).map_err(ReadError::Format)?;
    Ok(target)
}

/// The content of an entry: as many bytes as the directory says, with the checksum that it says.
struct Content<'f> {
    plain: Box<dyn Read + 'f>,
    sum: flate2::Crc,
    expected: u32,
    left: u64,
}

impl<'f> Content<'f> {
    fn new(file: impl Read + 'f, one: &Listed<'_>) -> Result<Self, ReadError> {
        let packed = file.take(one.packed);
        let plain: Box<dyn Read + 'f> = match one.method {
            0 => Box::new(packed),
            8 => Box::new(flate2::read::DeflateDecoder::new(packed)),
            other => return Err(broken(format!("`{}` in the zip archive is packed by method {other}, which is not read", one.entry.path))),
        };
        Ok(Self { plain, sum: flate2::Crc::new(), expected: one.crc, left: one.size })
    }

    /// Reads what `each` left, and checks that it was all.
    fn finish(mut self, path: &TreePath) -> Result<(), ReadError> {
        io::copy(&mut self, &mut io::sink()).map_err(ReadError::Format)?;
        let more = self.plain.read(&mut [0]).map_err(ReadError::Format)?;
        if self.left != 0 || more != 0 || self.sum.sum() != self.expected {
            return Err(broken(format!("`{path}` in the zip archive is not what its directory says")));
        }
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.plain.read(&mut buffer[..most])?;
        self.sum.update(&buffer[..n]);
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
pub(super) mod tests;
