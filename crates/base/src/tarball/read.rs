//! Reads tar archives of any origin: ustar, GNU long names, PAX records. Nothing of a header is trusted.
//!
//! Written here because a PAX record may hold any bytes, line breaks too (POSIX.1-2017, pax, "Extended Header"), as the
//! value of an xattr often does; and because a header's length must be judged before memory is given to it.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{BLOCK, MAX_PAX};
use crate::tree::{Entry, Kind, PathError, TreePath};

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The archive breaks off or breaks the format.
    #[error("not a readable archive")]
    Format(#[source] io::Error),
    /// An entry's path or hard link leads outside.
    #[error("an entry of the archive")]
    Path(#[source] PathError),
    /// An entry's name or link is not UTF-8.
    #[error("the name `{0}` is not UTF-8")]
    Encoding(String),
    /// A header is larger than is sane.
    #[error("the entry `{path}` has {bytes} bytes of extended header; {MAX_PAX} are the most")]
    Header {
        /// Which entry.
        path: String,
        /// How large it is.
        bytes: u64,
    },
    /// An entry of a kind that nothing here uses.
    #[error("the entry `{path}` has the type {kind:?}, which is not supported")]
    Kind {
        /// Which entry.
        path: String,
        /// Its type flag.
        kind: char,
    },
}

/// One entry as it was read, with the PAX records that are not part of [`Entry`].
#[derive(Debug)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Other PAX records, by key.
    pub pax: BTreeMap<String, Vec<u8>>,
}

/// Calls `each` for every entry, in order. `each` may read the content or leave it.
///
/// The root itself (`./`) is passed over, and so are blocks of zeros wherever they stand: archives may be joined together.
/// Reads gzip'd parts joined together only if the caller unpacked them.
pub fn read<E: From<ReadError>>(mut reader: impl Read, mut each: impl FnMut(Item, &mut dyn Read) -> Result<(), E>) -> Result<(), E> {
    let mut pending = Pending::default();
    while let Some(header) = Header::next(&mut reader)? {
        if let Some(place) = pending.place(header.kind) {
            pending.take(place, &header, &mut reader)?;
            continue;
        }
        let extensions = std::mem::take(&mut pending);
        let size = extensions.size(&header)?;
        let mut content = (&mut reader).take(size);
        if let Some(item) = item(header, extensions, size)? {
            each(item, &mut content)?;
        }
        let left = content.limit();
        skip(&mut reader, left + padding(size))?;
    }
    Ok(())
}

fn broken(text: &str) -> ReadError {
    ReadError::Format(io::Error::new(io::ErrorKind::InvalidData, text.to_owned()))
}

fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

fn skip(reader: &mut impl Read, bytes: u64) -> Result<(), ReadError> {
    let skipped = io::copy(&mut reader.take(bytes), &mut io::sink()).map_err(ReadError::Format)?;
    if skipped == bytes { Ok(()) } else { Err(ReadError::Format(io::ErrorKind::UnexpectedEof.into())) }
}

fn utf8(bytes: &[u8]) -> Result<String, ReadError> {
    let shown = || String::from_utf8_lossy(bytes).chars().take(200).collect();
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ReadError::Encoding(shown()))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A header block, taken apart.
struct Header {
    kind: u8,
    name: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: i64,
    device: (u32, u32),
}

impl Header {
    /// Reads up to the next header; `None` at the end.
    fn next(reader: &mut impl Read) -> Result<Option<Self>, ReadError> {
        loop {
            let mut block = [0; BLOCK];
            let mut filled = 0;
            while filled < BLOCK {
                match reader.read(&mut block[filled..]) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ReadError::Format(error)),
                }
            }
            match filled {
                0 => return Ok(None),
                BLOCK if block.iter().all(|&byte| byte == 0) => {}
                BLOCK => return Self::parse(&block).map(Some),
                _ => return Err(ReadError::Format(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    fn parse(block: &[u8; BLOCK]) -> Result<Self, ReadError> {
        check_sum(block)?;
        let name = until_nul(&block[..100]);
        // GNU's own header (`ustar  `) has other things where ustar has the prefix.
        let prefix = if block[257..265] == *b"ustar\x0000" { until_nul(&block[345..500]) } else { &[] };
        let name = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        let whole = |bytes: &[u8]| u64::try_from(number(bytes)?).map_err(|_| broken("a negative number"));
        let id = |bytes: &[u8]| whole(bytes).map(|id| u32::try_from(id).unwrap_or(u32::MAX));
        // Devices are only set where there is one; elsewhere some writers leave rubbish.
        let device = if matches!(block[156], b'3' | b'4') { (id(&block[329..337])?, id(&block[337..345])?) } else { (0, 0) };
        Ok(Self {
            kind: block[156],
            name,
            link: until_nul(&block[157..257]).to_vec(),
            mode: id(&block[100..108])? & 0o7777,
            uid: whole(&block[108..116])?,
            gid: whole(&block[116..124])?,
            size: whole(&block[124..136])?,
            mtime: number(&block[136..148])?,
            device,
        })
    }
}

/// Checks the sum of a header's bytes, its own field counted as spaces. Some old writers summed signed bytes.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), ReadError> {
    let stated = number(&block[148..156])?;
    let bytes = || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if stated == unsigned || stated == signed { Ok(()) } else { Err(broken("the checksum of a header does not match")) }
}

/// Reads a number: octal digits between spaces and NULs, or, where the first bit is set, two's complement (GNU).
fn number(field: &[u8]) -> Result<i64, ReadError> {
    let error = || broken("a header holds what is no number");
    if field[0] & 0x80 != 0 {
        // The first bit marks it, the second is the sign.
        let first = i64::from(field[0] & 0x7f) - if field[0] & 0x40 == 0 { 0 } else { 0x80 };
        let shift = |sum: i64, &byte: &u8| sum.checked_mul(256)?.checked_add(i64::from(byte));
        return field[1..].iter().try_fold(first, shift).ok_or_else(error);
    }
    let is_blank = |byte: &&u8| matches!(byte, b' ' | 0);
    let digits: Vec<_> = field.iter().skip_while(is_blank).take_while(|byte| !is_blank(byte)).collect();
    digits.iter().try_fold(0_i64, |sum, &&byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8).and_then(|sum| sum.checked_add(i64::from(byte - b'0'))).ok_or_else(error),
        _ => Err(error()),
    })
}

/// What headers before an entry say of it.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

/// Where an extension header belongs.
#[derive(Clone, Copy)]
enum Place {
    Name,
    Link,
    Pax,
    /// Of all entries. Writers use it for remarks (git: the commit).
    Global,
}

impl Pending {
    fn place(&self, kind: u8) -> Option<Place> {
        match kind {
            b'L' => Some(Place::Name),
            b'K' => Some(Place::Link),
            b'x' => Some(Place::Pax),
            b'g' => Some(Place::Global),
            _ => None,
        }
    }

    fn take(&mut self, place: Place, header: &Header, reader: &mut impl Read) -> Result<(), ReadError> {
        self.bytes = self.bytes.saturating_add(header.size);
        if self.bytes > MAX_PAX {
            let path = String::from_utf8_lossy(&header.name).chars().take(200).collect();
            return Err(ReadError::Header { path, bytes: self.bytes });
        }
        let mut bytes = Vec::new();
        reader.take(header.size).read_to_end(&mut bytes).map_err(ReadError::Format)?;
        skip(reader, header.size - bytes.len() as u64 + padding(header.size))?;
        match place {
            Place::Name => self.name = Some(until_nul(&bytes).to_vec()),
            Place::Link => self.link = Some(until_nul(&bytes).to_vec()),
            Place::Pax => self.pax.extend(records(&bytes)?),
            Place::Global => {}
        }
        Ok(())
    }

    /// Returns the length of the content. What is no regular file has none, whatever its header says, as in GNU tar and Go.
    fn size(&self, header: &Header) -> Result<u64, ReadError> {
        if matches!(header.kind, b'1'..=b'6') {
            return Ok(0);
        }
        match self.text("size") {
            Some(text) => text.parse().map_err(|_| broken("a PAX record `size` is no number")),
            None => Ok(header.size),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.pax.get(key)?).ok().filter(|text| !text.is_empty())
    }

    /// Returns a whole number of seconds or an id, where the record holds one.
    fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.split('.').next()?.parse().ok()
    }
}

/// Splits `length key=value\n` records by their length.
fn records(mut bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let error = || broken("a PAX record is not `length key=value`");
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|&byte| byte == b' ').ok_or_else(error)?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok().and_then(|text| text.parse().ok()).ok_or_else(error)?;
        if length > bytes.len() || length < space + 2 {
            return Err(error());
        }
        let (record, rest) = bytes.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(error)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(error)?;
        found.push((utf8(&record[..equals])?, record[equals + 1..].to_vec()));
        bytes = rest;
    }
    Ok(found)
}

fn item(header: Header, extensions: Pending, size: u64) -> Result<Option<Item>, ReadError> {
    let pick = |key: &str, long: &Option<Vec<u8>>, short: &[u8]| {
        let pax = extensions.pax.get(key).filter(|value| !value.is_empty());
        utf8(pax.or(long.as_ref()).map_or(short, Vec::as_slice))
    };
    let text = pick("path", &extensions.name, &header.name)?;
    let link = pick("linkpath", &extensions.link, &header.link)?;
    if matches!(text.as_str(), "." | "./" | "/") {
        return Ok(None);
    }
    let path = TreePath::parse(&text).map_err(ReadError::Path)?;
    let unsupported = |kind: u8| ReadError::Kind { path: text.clone(), kind: char::from(kind) };
    if extensions.pax.keys().any(|key| key.starts_with("GNU.sparse.")) {
        return Err(unsupported(b'S'));
    }
    let (major, minor) = header.device;
    let kind = match header.kind {
        // Before POSIX, a directory was a file whose name ends so.
        0 | b'0' | b'7' if text.ends_with('/') => Kind::Directory,
        0 | b'0' | b'7' => Kind::File { size, digest: None },
        b'1' => Kind::Hardlink { target: TreePath::parse(&link).map_err(ReadError::Path)? },
        b'2' => Kind::Symlink { target: link },
        b'3' => Kind::CharDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => return Err(unsupported(other)),
    };
    let id = |key: &str, field: u64| {
        let value = extensions.number(key).and_then(|id| u64::try_from(id).ok()).unwrap_or(field);
        u32::try_from(value).unwrap_or(u32::MAX)
    };
    let (uid, gid) = (id("uid", header.uid), id("gid", header.gid));
    let mtime = extensions.number("mtime").unwrap_or(header.mtime);
    let mut xattrs = BTreeMap::new();
    let mut pax = BTreeMap::new();
    for (key, value) in extensions.pax {
        match key.as_str() {
            "path" | "linkpath" | "size" | "uid" | "gid" | "mtime" => {}
            key if key.starts_with("SCHILY.xattr.") => drop(xattrs.insert(key["SCHILY.xattr.".len()..].to_owned(), value)),
            _ => drop(pax.insert(key, value)),
        }
    }
    Ok(Some(Item { entry: Entry { path, kind, mode: header.mode, uid, gid, mtime, xattrs }, pax }))
}

#[cfg(test)]
mod tests {
    use super::super::Writer;
    use super::*;

    fn file(path: &str, size: u64) -> Entry {
        Entry::new(TreePath::parse(path).unwrap(), Kind::File { size, digest: None }, 0o644, 5)
    }

    /// An archive of one file that holds `abc`, with its first header changed and its checksum put right.
    fn changed(change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.append(&file("name", 3), &BTreeMap::new(), &mut &b"abc"[..]).unwrap();
        let mut bytes = writer.finish().unwrap();
        change(&mut bytes);
        seal(&mut bytes[..BLOCK]);
        bytes
    }

    fn seal(header: &mut [u8]) {
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    /// A header of `kind`, then `content`.
    fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = changed(|bytes| {
            bytes[156] = kind;
            bytes[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        });
        bytes.truncate(BLOCK);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn all(bytes: &[u8]) -> Result<Vec<(Item, String)>, ReadError> {
        let mut found = Vec::new();
        read(bytes, |item, content| {
            let mut text = String::new();
            content.read_to_string(&mut text).map_err(ReadError::Format)?;
            found.push((item, text));
            Ok(())
        })
        .map(|()| found)
    }

    fn one(bytes: &[u8]) -> Entry {
        all(bytes).unwrap().pop().unwrap().0.entry
    }

    #[test]
    fn a_record_may_hold_line_breaks() {
        let mut entry = file("f", 3);
        entry.xattrs.insert("user.x".into(), b"a\n10 b=c\n\0".to_vec());
        let mut writer = Writer::new(Vec::new());
        writer.append(&entry, &BTreeMap::new(), &mut &b"abc"[..]).unwrap();
        assert_eq!(one(&writer.finish().unwrap()), entry);
    }

    #[test]
    fn reads_gnu_long_names_and_links() {
        let long = "d/".repeat(100) + "name";
        let mut bytes = extension(b'L', format!("{long}\0").as_bytes());
        bytes.extend(extension(b'K', b"target\0"));
        bytes.extend(&changed(|header| header[156] = b'2')[..BLOCK]);
        let entry = one(&bytes);
        assert_eq!((entry.path.as_str(), entry.kind), (long.as_str(), Kind::Symlink { target: "target".into() }));
    }

    #[test]
    fn reads_numbers_of_any_form() {
        let cases: [(&[u8], i64); 6] = [
            (b"0000017\0", 15),
            (b"     17 ", 15),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"\x80\0\0\0\0\0\x01\0", 256),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\xff\xff\xff\xff\xff\xff\xff\0", -256),
        ];
        for (field, value) in cases {
            assert_eq!(number(field).unwrap(), value, "{field:?}");
        }
        assert!(number(b"9").is_err() && number(b"17x").is_err() && number(&[0x80 | 0x3f; 12]).is_err());
    }

    #[test]
    fn a_directory_before_posix_ends_with_a_slash() {
        let bytes = changed(|header| {
            header[..5].copy_from_slice(b"name/");
            header[156] = 0;
            header[124..136].copy_from_slice(b"00000000000\0");
            header[257..265].fill(0);
        });
        assert_eq!(one(&bytes[..BLOCK]).kind, Kind::Directory);
    }

    #[test]
    fn what_is_no_file_has_no_content() {
        // A hard link that claims the content of the file before it.
        let mut bytes = changed(|_| {});
        bytes.truncate(2 * BLOCK);
        let mut link = changed(|header| {
            header[..4].copy_from_slice(b"link");
            header[156] = b'1';
            header[157..161].copy_from_slice(b"name");
        });
        link.truncate(BLOCK);
        bytes.extend(link);
        bytes.extend(changed(|header| header[..4].copy_from_slice(b"last")));
        let names: Vec<_> = all(&bytes).unwrap().into_iter().map(|(item, text)| (item.entry.path.to_string(), text)).collect();
        assert_eq!(names, [("name".into(), "abc".into()), ("link".into(), String::new()), ("last".into(), "abc".into())]);
    }

    #[test]
    fn archives_may_be_joined() {
        let bytes = [changed(|_| {}), changed(|header| header[..4].copy_from_slice(b"next"))].concat();
        assert_eq!(all(&bytes).unwrap().len(), 2);
    }

    #[test]
    fn a_huge_header_is_refused_before_it_is_read() {
        for kind in [b'L', b'K', b'x', b'g'] {
            let bytes = changed(|header| {
                header[156] = kind;
                header[124..136].copy_from_slice(b"77777777777\0");
            });
            assert!(matches!(all(&bytes), Err(ReadError::Header { .. })), "{}", char::from(kind));
        }
        let many = extension(b'x', &[b"40 k=".to_vec(), vec![b'v'; 34], b"\n".to_vec()].concat()).repeat(30_000);
        assert!(matches!(all(&many), Err(ReadError::Header { .. })), "many headers of one entry count together");
    }

    #[test]
    fn refuses_what_is_broken() {
        let good = changed(|_| {});
        assert!(matches!(all(&good[..100]), Err(ReadError::Format(_))), "a header breaks off");
        assert!(matches!(all(&good[..BLOCK + 2]), Err(ReadError::Format(_))), "content breaks off");
        let mut flipped = good.clone();
        flipped[0] ^= 1;
        assert!(matches!(all(&flipped), Err(ReadError::Format(_))), "the checksum");
        for record in ["", "x", "5", "5 a=b", "99 a=b\n", "6 ab c\n", "0 a=b\n", "3 \n"] {
            let bytes = [extension(b'x', record.as_bytes()), good.clone()].concat();
            assert_eq!(all(&bytes).is_ok(), record.is_empty(), "{record:?}");
        }
        let sparse = [extension(b'x', b"22 GNU.sparse.major=1\n"), good.clone()].concat();
        assert!(matches!(all(&sparse), Err(ReadError::Kind { kind: 'S', .. })));
        assert!(matches!(all(&changed(|header| header[156] = b'V')), Err(ReadError::Kind { kind: 'V', .. })));
        assert!(matches!(all(&changed(|header| header[0] = 0xff)), Err(ReadError::Encoding(_))));
        let outside = changed(|header| {
            header[156] = b'1';
            header[157..162].copy_from_slice(b"../..");
        });
        assert!(matches!(all(&outside), Err(ReadError::Path(_))));
    }
}
