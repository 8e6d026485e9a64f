//! Zip archives made by hand, so that each part can be wrong.

use std::io::Write as _;

use super::*;

/// An entry to be written: its name, its Unix mode with the type, its content.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) mode: u32,
    pub(crate) content: &'static [u8],
    pub(crate) deflated: bool,
}

pub(crate) fn member(name: &'static str, mode: u32, content: &'static [u8]) -> Member {
    Member { name, mode, content, deflated: mode & 1 == 0 }
}

fn put(out: &mut Vec<u8>, halves: &[u16]) {
    halves.iter().for_each(|half| out.extend(half.to_le_bytes()));
}

fn put_words(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend(word.to_le_bytes()));
}

/// Writes an archive; the directory lists the entries in the order given.
pub(crate) fn archive(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for one in members {
        let packed = if one.deflated {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(one.content).unwrap();
            encoder.finish().unwrap()
        } else {
            one.content.to_vec()
        };
        let mut sum = flate2::Crc::new();
        sum.update(one.content);
        let offset = u32::try_from(out.len()).unwrap();
        let (name, method) = (u16::try_from(one.name.len()).unwrap(), if one.deflated { 8 } else { 0 });
        let sizes = [sum.sum(), u32::try_from(packed.len()).unwrap(), u32::try_from(one.content.len()).unwrap()];
        // 2001-09-09 01:46:40 in an extra field.
        let extra = [&[0x55, 0x54, 5, 0, 1][..], &1_000_000_000_i32.to_le_bytes()].concat();
        out.extend(MAGIC);
        put(&mut out, &[20, 0, method, 0, 0x21]);
        put_words(&mut out, &sizes);
        put(&mut out, &[name, 0]);
        out.extend(one.name.bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02");
        put(&mut directory, &[3 << 8 | 20, 20, 0, method, 0, 0x21]);
        put_words(&mut directory, &sizes);
        put(&mut directory, &[name, 9, 0, 0, 0]);
        put_words(&mut directory, &[one.mode << 16, offset]);
        directory.extend(one.name.bytes());
        directory.extend(&extra);
    }
    let (count, size, offset) = (u16::try_from(members.len()).unwrap(), directory.len() as u32, out.len() as u32);
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    put(&mut out, &[0, 0, count, count]);
    put_words(&mut out, &[size, offset]);
    put(&mut out, &[0]);
    out
}

/// Path, kind, permissions, time and content.
type Found = (String, Kind, u32, i64, Vec<u8>);

fn entries(bytes: &[u8]) -> Result<Vec<Found>, ReadError> {
    let mut found = Vec::new();
    read(&mut io::Cursor::new(bytes), |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(ReadError::Format)?;
        found.push((entry.path.to_string(), entry.kind.clone(), entry.mode, entry.mtime, bytes));
        Ok::<_, ReadError>(())
    })?;
    Ok(found)
}

fn good() -> Vec<u8> {
    archive(&[
        member("a/", 0o040_755, b""),
        member("a/run", 0o100_755, b"stored"),
        member("a/text", 0o100_644, b"deflated deflated deflated"),
        member("a/link", 0o120_776, b"text"),
    ])
}

#[test]
fn reads_every_kind_of_entry() {
    let found = entries(&good()).unwrap();
    let file = |size| Kind::File { size, digest: None };
    let time = 1_000_000_000;
    assert_eq!(found[0], ("a".into(), Kind::Directory, 0o755, time, vec![]));
    assert_eq!(found[1], ("a/run".into(), file(6), 0o755, time, b"stored".to_vec()));
    assert_eq!(found[2], ("a/text".into(), file(26), 0o644, time, b"deflated deflated deflated".to_vec()));
    assert_eq!(found[3].1, Kind::Symlink { target: "text".into() });
}

#[test]
fn a_time_of_dos_is_read_as_utc() {
    assert_eq!(dos_time(0x21, 0), 315_532_800, "1980-01-01");
    assert_eq!(dos_time(44 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29), 1_709_251_198, "2024-02-29 23:59:58");
}

#[test]
fn any_changed_byte_is_refused_or_changes_no_content() {
    let bytes = good();
    let whole = entries(&bytes).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        match entries(&changed) {
            Err(_) => refused += 1,
            // Times and permissions, and the kind that stands with these, have no checksum in this format.
            Ok(found) => {
                let same = |(a, b): (&Found, &Found)| a.1 != b.1 || a.4 == b.4;
                assert!(found.iter().zip(&whole).all(same) && found.len() == whole.len(), "byte {at}");
            }
        }
        assert!(entries(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(refused > bytes.len() / 2, "{refused} of {}", bytes.len());
}

#[test]
fn refuses_paths_that_lead_outside() {
    for name in ["../x", "a/../../x", "/../x"] {
        assert!(matches!(entries(&archive(&[member(name, 0o100_644, b"x")])), Err(ReadError::Path(_))), "{name}");
    }
}

#[test]
fn refuses_entries_that_share_their_bytes() {
    let mut bytes = archive(&[member("a", 0o100_644, b"x"), member("b", 0o100_644, b"x")]);
    let at = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    bytes[at + 42..at + 46].copy_from_slice(&0u32.to_le_bytes());
    assert!(entries(&bytes).unwrap_err().to_string().contains("archive"), "two entries at one place");
}

#[test]
fn refuses_what_it_does_not_read() {
    let change = |at: usize, byte: u8| {
        let mut bytes = archive(&[member("a", 0o100_644, b"x")]);
        let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[central + at] = byte;
        std::error::Error::source(&entries(&bytes).unwrap_err()).map(ToString::to_string)
    };
    assert!(change(8, 1).is_some_and(|text| text.contains("encrypted")));
    assert!(change(10, 14).is_some_and(|text| text.contains("two things")), "another method than the local header has");
    assert!(change(24, 200).is_some_and(|text| text.contains("not what its directory says")));
}
