//! The ar container, as deb(5) uses it: a magic line, then members with a 60-byte header each.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// Where a member lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Why the container can not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// The bytes can not be read.
    #[error("the file can not be read")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("it does not begin as an ar archive does")]
    Magic,
    /// A member's header is not one.
    #[error("at byte {offset} is no member's header")]
    Header {
        /// Where.
        offset: u64,
    },
    /// A member is said to be longer than the file.
    #[error("the member `{name}` has {size} bytes, and the file ends before")]
    Truncated {
        /// Which member.
        name: String,
        /// Its length as the header says.
        size: u64,
    },
}

/// Returns the first `most` members, in order.
pub(super) fn members(file: &mut (impl Read + Seek), most: usize) -> Result<Vec<Member>, ArError> {
    let length = file.seek(SeekFrom::End(0)).and_then(|end| file.rewind().map(|()| end)).map_err(ArError::Read)?;
    let mut magic = [0; MAGIC.len()];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == *MAGIC => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(ArError::Read(error)),
        _ => return Err(ArError::Magic),
    }
    let mut members = Vec::new();
    let mut offset = MAGIC.len() as u64;
    while members.len() < most && offset < length {
        let member = header(file, offset)?;
        let end = member.offset.checked_add(member.size).filter(|end| *end <= length);
        let Some(end) = end else { return Err(ArError::Truncated { name: member.name, size: member.size }) };
        // Members begin at even bytes.
        offset = end + end % 2;
        members.push(member);
    }
    Ok(members)
}

fn header(file: &mut (impl Read + Seek), offset: u64) -> Result<Member, ArError> {
    let wrong = || ArError::Header { offset };
    let mut header = [0; HEADER];
    file.seek(SeekFrom::Start(offset)).map_err(ArError::Read)?;
    file.read_exact(&mut header)
        .map_err(|error| if error.kind() == io::ErrorKind::UnexpectedEof { wrong() } else { ArError::Read(error) })?;
    if &header[58..] != b"`\n" {
        return Err(wrong());
    }
    let text = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end).map_err(|_| wrong());
    let name = text(0..16)?.trim_end_matches('/').to_owned();
    let size = text(48..58)?;
    let digits = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
    let size = size.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    Ok(Member { name, offset: offset + HEADER as u64, size })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, content) in members {
            bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len() + bytes.len() % 2, b'\n');
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Member>, ArError> {
        members(&mut io::Cursor::new(bytes), 9)
    }

    #[test]
    fn finds_members_of_odd_length() {
        let found = read(&archive(&[("a", b"123"), ("b/", b""), ("c", b"4")])).unwrap();
        let found: Vec<_> = found.iter().map(|member| (member.name.as_str(), member.offset, member.size)).collect();
        assert_eq!(found, [("a", 68, 3), ("b", 132, 0), ("c", 192, 1)]);
    }

    #[test]
    fn refuses_what_is_no_archive() {
        let good = archive(&[("a", b"1234")]);
        assert!(matches!(read(b"!<arch"), Err(ArError::Magic)));
        assert!(matches!(read(b"not an archive"), Err(ArError::Magic)));
        assert!(matches!(read(&good[..40]), Err(ArError::Header { offset: 8 })));
        assert!(matches!(read(&good[..70]), Err(ArError::Truncated { size: 4, .. })));
        for (at, byte) in [(66, b'x'), (56, b'-'), (57, b'9'), (10, 0xff)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(read(&bad).is_err(), "{at}");
        }
    }
}
