//! What a hostile package may try, as bytes that our own writer would never write.
//!
//! Each is refused by name when it is verified and when it is extracted; nothing is written outside, and memory stays
//! small.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use apk::gzip::Encoder;
use apk::installed::Database;
use apk::package::{Limits, Scripts, write_control};
use apk::signature::Unsigned;
use apk::{Index, Info, Keyring, Package, Policy};
use base::tree::{Entry, Kind};
use base::{Digest, tarball};

use crate::common::{Workshop, file, path};

const ANYONE: Policy = Policy { unsigned: Unsigned::Accept, sha1: apk::signature::Sha1::Refuse };

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A package whose data member is `data`, with a true data hash.
fn package(workshop: &Workshop, data: &[u8]) -> Package {
    let info = Info::new("hostile".parse().unwrap(), "1-r0".parse().unwrap(), "x86_64");
    let control = write_control(&info, &Digest::of(data), &Scripts::new(), 0).unwrap();
    Package::open(&workshop.file(&[&control, data].concat())).unwrap()
}

/// Everything below `dir`, so that what is written outside of the tree shows.
fn listing(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.display().to_string());
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(listing(&path));
        }
    }
    found.sort();
    found
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// Verifies and extracts; both must fail, with the same words, and leave nothing outside of the tree.
fn refused(tar: &[u8]) -> String {
    let workshop = Workshop::open();
    let package = package(&workshop, &gzip(tar));
    let verified = package.verify(&Keyring::default(), &ANYONE).unwrap_err();
    let around = tempfile::tempdir().unwrap();
    let dir = around.path().join("tree");
    fs_err::create_dir(&dir).unwrap();
    fs_err::write(around.path().join("victim"), "untouched").unwrap();
    let extracted = package.extract(&dir, &Limits::default()).unwrap_err();
    assert_eq!(chain(&extracted), chain(&verified));
    let outside: Vec<_> = listing(around.path()).into_iter().filter(|path| !path.starts_with(&dir.display().to_string())).collect();
    assert_eq!(outside, [around.path().join("victim").display().to_string()]);
    assert_eq!(fs_err::read_to_string(around.path().join("victim")).unwrap(), "untouched");
    chain(&verified)
}

/// One raw entry: ustar header with a true checksum, then content.
fn raw(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn traversal() {
    let long = [b"x/".repeat(40), b"../".repeat(41), b"victim".to_vec()].concat();
    let cases: [(&str, Vec<u8>); 7] = [
        ("`../victim` is not a path below a root", raw(b"../victim", b'0', b"", b"x")),
        ("`a/../../victim` is not a path below a root", raw(b"a/../../victim", b'0', b"", b"x")),
        ("is not a path below a root", [raw(b"n", b'L', b"", &long), raw(b"n", b'0', b"", b"x")].concat()),
        ("`..` is not a path below a root", raw(b"..", b'5', b"", b"")),
        ("is not a path below a root", raw(b"a", b'1', b"../victim", b"")),
        ("is not a path below a root", [raw(b"n", b'x', b"", b"18 path=../victim\n"), raw(b"n", b'0', b"", b"x")].concat()),
        ("is not a path below a root", [raw(b"n", b'K', b"", b"../victim"), raw(b"n", b'1', b"x", b"")].concat()),
    ];
    for (words, tar) in cases {
        let message = refused(&tar);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn links_that_lead_outside() {
    let cases: [(&str, Vec<u8>); 6] = [
        // A symbolic link, and a file through it.
        ("`up/victim` lies below `up`", [raw(b"up", b'2', b"..", b""), raw(b"up/victim", b'0', b"", b"x")].concat()),
        ("`root/x` lies below `root`", [raw(b"root", b'2', b"/", b""), raw(b"root/x", b'5', b"", b"")].concat()),
        // A file over a link.
        ("`up` comes twice", [raw(b"up", b'2', b"../victim", b""), raw(b"up", b'0', b"", b"x")].concat()),
        // A hard link to a symbolic link, then a file over it.
        ("`b` is a hard link to `a`", [raw(b"a", b'2', b"../victim", b""), raw(b"b", b'1', b"a", b"")].concat()),
        // A directory that becomes a link once something lies in it.
        ("`d` comes twice", [raw(b"d/f", b'0', b"", b"x"), raw(b"d", b'2', b"..", b"")].concat()),
        // A hard link to nothing.
        ("is not a path below a root", raw(b"a", b'1', b"", b"")),
    ];
    for (words, tar) in cases {
        let message = refused(&tar);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn devices_are_listed_and_never_made() {
    let workshop = Workshop::open();
    let device = Entry::new(path("dev/sda"), Kind::BlockDevice { major: 8, minor: 0 }, 0o666, 0);
    let mut writer = tarball::Writer::new(Vec::new());
    for entry in [device, Entry::new(path("pipe"), Kind::Fifo, 0o666, 0)] {
        writer.append(&entry, &BTreeMap::new(), &mut std::io::empty()).unwrap();
    }
    let package = package(&workshop, &gzip(&writer.finish().unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let table = package.extract(dir.path(), &Limits::default()).unwrap();
    assert_eq!(table.entries.len(), 2);
    assert_eq!(listing(dir.path()), Vec::<String>::new());
}

#[test]
fn huge_headers_and_bad_text() {
    let huge = vec![b'x'; 2 << 20];
    let record = [b"2097152 user.x=".to_vec(), vec![b'x'; (2 << 20) - 16], b"\n".to_vec()].concat();
    let cases: [(&str, Vec<u8>); 6] = [
        ("bytes of extended header; 1048576 are the most", [raw(b"n", b'L', b"", &huge), raw(b"n", b'0', b"", b"x")].concat()),
        ("bytes of extended header; 1048576 are the most", [raw(b"n", b'x', b"", &record), raw(b"n", b'0', b"", b"x")].concat()),
        ("is not UTF-8", raw(b"\xff\xfe", b'0', b"", b"x")),
        ("is not UTF-8", raw(b"a", b'2', b"\xff", b"")),
        ("a PAX record is not `length key=value`", [raw(b"n", b'x', b"", b"nonsense"), raw(b"n", b'0', b"", b"x")].concat()),
        ("has the type 'S'", raw(b"sparse", b'S', b"", b"x")),
    ];
    for (words, tar) in cases {
        let message = refused(&tar);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let workshop = Workshop::open();
    // 64 MiB of zeros in 64 KiB; a member of a member would unpack further still.
    let mut zeros = file("zeros");
    zeros.kind = Kind::File { size: 64 << 20, digest: None };
    let mut writer = tarball::Writer::new(Encoder::new(Vec::new()));
    writer.append(&zeros, &BTreeMap::new(), &mut std::io::repeat(0)).unwrap();
    let package = package(&workshop, &writer.finish().unwrap().finish().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { unpacked: 8 << 20, ..Limits::default() };
    let error = package.extract(dir.path(), &limits).unwrap_err();
    assert_eq!(error.problem.to_string(), "its data unpack to more than 8388608 bytes");
    assert!(fs_err::metadata(dir.path().join("zeros")).unwrap().len() <= 8 << 20);
}

#[test]
fn many_entries_stop_at_the_limit() {
    let workshop = Workshop::open();
    let tar: Vec<u8> = (0..2000).flat_map(|n| raw(format!("f{n}").as_bytes(), b'0', b"", b"")).collect();
    let package = package(&workshop, &gzip(&tar));
    let dir = tempfile::tempdir().unwrap();
    let error = package.extract(dir.path(), &Limits { entries: 1000, ..Limits::default() }).unwrap_err();
    assert_eq!(error.problem.to_string(), "its data hold more than 1000 entries");
}

#[test]
fn large_members_at_the_front() {
    let workshop = Workshop::open();
    let control = gzip(&raw(b".PKGINFO", b'0', b"", &vec![b' '; 20 << 20]));
    let error = Package::open(&workshop.file(&control)).unwrap_err();
    assert_eq!(error.problem.to_string(), "the control member has more than 16777216 bytes");
    let signature = gzip(&raw(b".SIGN.RSA256.x.rsa.pub", b'0', b"", &vec![b' '; 2 << 20]));
    let error = Package::open(&workshop.file(&signature)).unwrap_err();
    assert_eq!(error.problem.to_string(), "the signature member has more than 1048576 bytes");
    let many = gzip(&raw(b".SIGN.RSA256.x.rsa.pub", b'0', b"", b"x")).repeat(20_000);
    let error = Package::open(&workshop.file(&many)).unwrap_err();
    assert_eq!(error.problem.to_string(), "the signature member has more than 1048576 bytes");
}

#[test]
fn control_members_that_say_two_things() {
    let workshop = Workshop::open();
    let info = b"pkgname = a\npkgver = 1\n";
    let cases: [(&str, Vec<u8>); 4] = [
        ("the control member holds `.PKGINFO`", [raw(b".PKGINFO", b'0', b"", info), raw(b".PKGINFO", b'0', b"", info)].concat()),
        ("the control member holds `.PKGINFO`", raw(b".PKGINFO", b'2', b"/etc/passwd", b"")),
        ("the control member holds `.x/y`", [raw(b".PKGINFO", b'0', b"", info), raw(b".x/y", b'0', b"", b"")].concat()),
        ("the control member holds `usr`", [raw(b".PKGINFO", b'0', b"", info), raw(b"usr", b'5', b"", b"")].concat()),
    ];
    for (words, tar) in cases {
        let error = Package::open(&workshop.file(&gzip(&tar))).unwrap_err();
        assert!(error.problem.to_string().starts_with(words), "{error}");
    }
    let nothing = Package::open(&workshop.file(&gzip(&raw(b".PKGINFO", b'0', b"", info)))).unwrap();
    let error = nothing.verify(&Keyring::default(), &ANYONE).unwrap_err();
    assert_eq!(error.to_string(), "a-1: its .PKGINFO has no datahash");
}

#[test]
fn indexes_and_databases_of_nonsense() {
    let policy = &ANYONE;
    let read = |bytes: &[u8]| Index::read(bytes, &Keyring::default(), policy).map(|_| ()).map_err(|error| chain(&error));
    let index = |tar: &[u8]| read(&gzip(tar)).unwrap_err();
    assert!(index(&raw(b"../APKINDEX", b'0', b"", b"")).contains("not a path below a root"));
    assert!(index(&raw(b"OTHER", b'0', b"", b"")).contains("the index holds `OTHER`"));
    assert!(index(&[raw(b"APKINDEX", b'0', b"", b""), raw(b"APKINDEX", b'0', b"", b"")].concat()).contains("or holds it twice"));
    assert!(index(&raw(b"DESCRIPTION", b'0', b"", b"x")).contains("the archive holds no APKINDEX"));
    assert!(index(&raw(b"APKINDEX", b'0', b"", b"P:a\nV:1\nT:\xff\n")).contains("line 3 of APKINDEX is not UTF-8"));
    assert!(read(b"").unwrap_err().contains("the archive holds no APKINDEX"));
    assert!(read(b"ADB.1234").unwrap_err().contains("version 3"));
    assert!(read(b"<html>").unwrap_err().contains("the gzip member at byte 0"));
    let huge = vec![b'a'; 5 << 20];
    assert!(Database::parse(&huge).unwrap_err().to_string().len() < 200, "an error shows a line shortened");
    assert!(Database::parse(b"P:a\nV:1\nF:x\nR:\xff").unwrap_err().to_string().contains("line 4"));
}
