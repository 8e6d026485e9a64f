//! What a package promises, shown on packages that are made here.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use attest::key::{Named, PrivateKey};
use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Store, tarball};
use fs_err as fs;

use super::*;
use crate::gzip::Encoder;
use crate::signature::{Outcome, Sha1, Unsigned};
use crate::{Keyring, Policy};

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn file(text: &str, mode: u32, content: &str) -> Entry {
    Entry::new(path(text), Kind::File { size: content.len() as u64, digest: None }, mode, 1000)
}

/// The content of each file is its path in the order that [`entries`] gives it.
fn entries() -> Vec<Entry> {
    let mut capable = file("usr/bin/ping", 0o755, "ping");
    capable.xattrs.insert("security.capability".into(), vec![1, 0, 0, 2, 0, 32, 0, 0]);
    capable.mtime = 9_999_999_999;
    let mut owned = file("etc/shadow", 0o640, "shadow");
    owned.gid = 42;
    vec![
        Entry::new(path("usr"), Kind::Directory, 0o755, 1000),
        Entry::new(path("usr/bin"), Kind::Directory, 0o755, 1000),
        capable,
        file("usr/bin/su", 0o4755, "su"),
        Entry::new(path("usr/bin/first"), Kind::Hardlink { target: path("usr/bin/su") }, 0o4755, 1000),
        Entry::new(path("usr/bin/third"), Kind::Hardlink { target: path("usr/bin/su") }, 0o4755, 1000),
        Entry::new(path("bin"), Kind::Symlink { target: "usr/bin".into() }, 0o777, 1000),
        Entry::new(path("etc"), Kind::Directory, 0o555, 1000),
        owned,
        Entry::new(path("dev/null"), Kind::CharDevice { major: 1, minor: 3 }, 0o666, 1000),
        Entry::new(path("tmp"), Kind::Directory, 0o1777, 1000),
    ]
}

fn open(entry: &Entry) -> io::Result<Box<dyn Read>> {
    // A linked file may be asked for under any of its names.
    let name = match entry.path.file_name() {
        "first" | "third" => "su",
        name => name,
    };
    Ok(Box::new(io::Cursor::new(name.to_owned())))
}

fn info() -> Info {
    Info::new("demo".parse().unwrap(), "1.0-r0".parse().unwrap(), "x86_64")
}

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    key: Named<PrivateKey>,
    keys: Keyring,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let key = Named::new("test.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
    let keys = Keyring::new([key.public().unwrap()]);
    Fixture { dir, store, key, keys }
}

impl Fixture {
    fn package(&self) -> Package {
        let scripts = Scripts::from([(".post-install".into(), b"#!/bin/sh\n".to_vec())]);
        store_package(&self.store, &info(), &scripts, &entries(), &mut open, 5000).unwrap()
    }

    /// Writes a file beside the store.
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn signed(&self) -> PathBuf {
        let mut bytes = Vec::new();
        self.package().write_signed(&self.key, &mut bytes).unwrap();
        self.write("signed.apk", &bytes)
    }

    /// A package whose data member is `tar`, packed, with a true data hash.
    fn with_data(&self, tar: &[u8]) -> Package {
        let mut encoder = Encoder::new(Vec::new());
        io::Write::write_all(&mut encoder, tar).unwrap();
        let data = encoder.finish().unwrap();
        let control = write_control(&info(), &Digest::of(&data), &Scripts::new(), 0).unwrap();
        Package::open(&self.write("odd.apk", &[control, data].concat())).unwrap()
    }

    fn problem(&self, tar: &[u8]) -> Problem {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let package = self.with_data(tar);
        let verified = *package.verify(&self.keys, &Policy { unsigned: Unsigned::Accept, ..Policy::default() }).unwrap_err().problem;
        let extracted = *package.extract(dir.path(), &Limits::default()).unwrap_err().problem;
        assert_eq!(extracted.to_string(), verified.to_string());
        verified
    }
}

/// A tar of entries whose files hold `abc`.
fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut writer = tarball::Writer::new(Vec::new());
    for entry in entries {
        writer.append(entry, &BTreeMap::new(), &mut &b"abc"[..]).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn the_same_entries_give_the_same_bytes() {
    let fixture = fixture();
    let mut reversed = entries();
    reversed.reverse();
    let again = store_package(&fixture.store, &info(), &Scripts::new(), &reversed, &mut open, 5000).unwrap();
    let first = store_package(&fixture.store, &info(), &Scripts::new(), &entries(), &mut open, 5000).unwrap();
    assert_eq!(first.content(), again.content());
    // A change here changes every package that was ever built: raise the emit format.
    insta::assert_snapshot!(fixture.package().content());
}

#[test]
fn signing_with_another_key_leaves_the_content_alone() {
    let fixture = fixture();
    let package = fixture.package();
    let signed = Package::open(&fixture.signed()).unwrap();
    assert_eq!(signed.content(), package.content());
    assert_eq!(signed.record().checksum, package.record().checksum);
    assert_ne!(signed.record().file, signed.record().content);
    let other = Named::new("other.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
    let mut bytes = Vec::new();
    let (digest, size) = signed.write_signed(&other, &mut bytes).unwrap();
    assert_eq!((digest, size), (Digest::of(&bytes), bytes.len() as u64));
    let resigned = Package::open(&fixture.write("resigned.apk", &bytes)).unwrap();
    assert_eq!(resigned.content(), package.content());
    assert_eq!(resigned.signatures().len(), 1);
}

#[test]
fn verifies_what_it_writes() {
    let fixture = fixture();
    let package = Package::open(&fixture.signed()).unwrap();
    let report = package.verify(&fixture.keys, &Policy::default()).unwrap();
    assert_eq!(report.keys().collect::<Vec<_>>(), ["test.rsa.pub"]);
    assert_eq!((report.files, report.files_without_checksum), (6, 0));
    assert_eq!(package.scripts().keys().collect::<Vec<_>>(), [".post-install"]);
    assert_eq!(package.info().installed_size, 12);
}

#[test]
fn holds_every_kind_of_entry() {
    let fixture = fixture();
    let table = fixture.package().table().unwrap();
    let text = table.entries.iter().map(|entry| {
        let sum = table.checksums.get(&entry.path).map(Checksum::to_string).unwrap_or_default();
        format!("{:o} {}:{} {} {} {:?} {:?} {sum}\n", entry.mode, entry.uid, entry.gid, entry.mtime, entry.path, entry.kind, entry.xattrs)
    });
    insta::assert_snapshot!(text.collect::<String>());
}

#[test]
fn extracts_what_it_holds() {
    let fixture = fixture();
    let dir = fixture.dir.path().join("tree");
    fs::create_dir(&dir).unwrap();
    let table = fixture.package().extract(&dir, &Limits::default()).unwrap();
    assert_eq!(table, fixture.package().table().unwrap());
    assert_eq!(fs::read_to_string(dir.join("usr/bin/first")).unwrap(), "su");
    let stat = |name: &str| fs::symlink_metadata(dir.join(name)).unwrap();
    assert_eq!(stat("usr/bin/su").ino(), stat("usr/bin/first").ino());
    assert_eq!(stat("usr/bin/su").ino(), stat("usr/bin/third").ino());
    assert_eq!(stat("usr/bin/su").permissions().mode() & 0o7777, 0o755, "no set-id bit outside of the table");
    assert_eq!(stat("etc").permissions().mode() & 0o7777, 0o755, "the owner may change a directory");
    assert_eq!(stat("tmp").permissions().mode() & 0o7777, 0o1777);
    assert_eq!(fs::read_link(dir.join("bin")).unwrap(), Path::new("usr/bin"));
    assert!(!dir.join("dev/null").exists());
    for (name, mtime) in [("usr", 1000), ("usr/bin/su", 1000), ("bin", 1000), ("usr/bin/ping", 5000)] {
        assert_eq!(stat(name).mtime(), mtime, "{name}");
    }
}

#[test]
fn refuses_by_policy() {
    let fixture = fixture();
    let signed = Package::open(&fixture.signed()).unwrap();
    let refused = |package: &Package, keys: &Keyring, policy: Policy| package.verify(keys, &policy).unwrap_err().to_string();
    assert_eq!(
        refused(&signed, &Keyring::default(), Policy::default()),
        "demo-1.0-r0: it is signed by test.rsa.pub, and none of these keys is known"
    );
    assert_eq!(refused(&fixture.package(), &fixture.keys, Policy::default()), "demo-1.0-r0: it is not signed");
    let policy = Policy { unsigned: Unsigned::Accept, sha1: Sha1::Refuse };
    let report = signed.verify(&Keyring::default(), &policy).unwrap();
    assert_eq!(report.signatures[0].outcome, Outcome::UnknownKey);
}

#[test]
fn refuses_another_package_than_was_asked_for() {
    let fixture = fixture();
    let package = Package::open(&fixture.signed()).unwrap();
    let good = Expected::from(package.record());
    good.check(&package).unwrap();
    let digest = Some(Digest::of(b"other"));
    let cases = [
        (Expected { identity: Some("demo-1.0-r1".into()), ..good.clone() }, "name and version"),
        (Expected { checksum: Some(Checksum::sha1(b"")), ..good.clone() }, "control checksum"),
        (Expected { size: Some(1), ..good.clone() }, "size"),
        (Expected { content: digest, ..good.clone() }, "content digest"),
        (Expected { file: digest, ..good.clone() }, "file digest"),
    ];
    for (expected, name) in cases {
        let problem = expected.check(&package).unwrap_err().problem;
        assert!(matches!(*problem, Problem::Expected { what, .. } if what == name), "{name}: {problem}");
    }
}

#[test]
fn refuses_data_that_the_control_member_does_not_name() {
    let fixture = fixture();
    let bytes = fs::read(fixture.signed()).unwrap();
    let layout = Package::open(&fixture.signed()).unwrap().layout().clone();
    let mut other = Vec::new();
    write_data(&[file("x", 0o644, "x")], &mut open, &mut other).unwrap();
    let front = &bytes[..layout.data.start as usize];
    let swapped = Package::open(&fixture.write("swapped.apk", &[front, &other].concat())).unwrap();
    let problem = swapped.verify(&fixture.keys, &Policy::default()).unwrap_err().problem;
    assert!(matches!(*problem, Problem::Datahash { .. }), "{problem}");
    let dir = tempfile::tempdir().unwrap();
    let problem = swapped.extract(dir.path(), &Limits::default()).unwrap_err().problem;
    assert!(matches!(*problem, Problem::Datahash { .. }), "{problem}");
    let appended = Package::open(&fixture.write("appended.apk", &[&bytes[..], &other].concat())).unwrap();
    let problem = appended.verify(&fixture.keys, &Policy::default()).unwrap_err().problem;
    assert!(matches!(*problem, Problem::Datahash { .. }), "{problem}");
}

#[test]
fn refuses_a_file_that_its_checksum_does_not_name() {
    let fixture = fixture();
    let mut writer = tarball::Writer::new(Vec::new());
    let record = |text: &str| BTreeMap::from([(CHECKSUM_RECORD.to_owned(), text.as_bytes().to_vec())]);
    writer.append(&file("f", 0o644, "abc"), &record(&Checksum::sha1(b"abd").hex()), &mut &b"abc"[..]).unwrap();
    assert!(matches!(fixture.problem(&writer.finish().unwrap()), Problem::Checksum { .. }));
    for text in ["", "xyz", &"0".repeat(64)] {
        let mut writer = tarball::Writer::new(Vec::new());
        writer.append(&file("f", 0o644, "abc"), &record(text), &mut &b"abc"[..]).unwrap();
        assert!(matches!(fixture.problem(&writer.finish().unwrap()), Problem::ChecksumText { .. }), "{text}");
    }
}

#[test]
fn refuses_hostile_structure() {
    let fixture = fixture();
    let link = |name: &str, target: &str| Entry::new(path(name), Kind::Symlink { target: target.into() }, 0o777, 0);
    let hard = |name: &str, target: &str| Entry::new(path(name), Kind::Hardlink { target: path(target) }, 0o644, 0);
    let directory = |name: &str| Entry::new(path(name), Kind::Directory, 0o755, 0);
    let cases: [(&str, Vec<Entry>); 9] = [
        ("`a` comes twice", vec![file("a", 0o644, "abc"), file("a", 0o644, "abc")]),
        ("`a` comes twice", vec![link("a", "/etc"), directory("a")]),
        ("`a` comes twice", vec![file("a/b", 0o644, "abc"), link("a", "/etc")]),
        ("`a/passwd` lies below `a`, which is no directory", vec![link("a", "/etc"), file("a/passwd", 0o644, "abc")]),
        ("`a/b/c` lies below `a`, which is no directory", vec![file("a", 0o644, "abc"), file("a/b/c", 0o644, "abc")]),
        ("`.post-install` begins with a dot; apk takes such names for its own scripts", vec![file(".post-install", 0o755, "abc")]),
        (
            "`b` is a hard link to `etc/passwd`, which is no file that comes before it in the package",
            vec![hard("b", "etc/passwd"), file("etc/passwd", 0o644, "abc")],
        ),
        ("`b` is a hard link to `a`, which is no file that comes before it in the package", vec![link("a", "/etc/passwd"), hard("b", "a")]),
        ("the target of the symbolic link `a` is empty, too long, or holds a NUL", vec![link("a", &"x/".repeat(3000))]),
    ];
    for (message, entries) in cases {
        assert_eq!(fixture.problem(&tar(&entries)).to_string(), message);
    }
}

#[test]
fn refuses_paths_that_lead_outside() {
    let fixture = fixture();
    let mut bytes = tar(&[file("aa/bb", 0o644, "abc")]);
    bytes[..5].copy_from_slice(b"../bb");
    let sum: u64 = (0..512).map(|i| if (148..156).contains(&i) { 32 } else { u64::from(bytes[i]) }).sum();
    bytes[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    assert!(matches!(fixture.problem(&bytes), Problem::Data(tarball::ReadError::Path(_))));
}

#[test]
fn names_the_limit_that_a_bomb_passes() {
    let fixture = fixture();
    let zeros = Entry::new(path("zeros"), Kind::File { size: 10 << 20, digest: None }, 0o644, 0);
    let mut data = Vec::new();
    write_data(&[zeros], &mut |_| Ok(Box::new(io::repeat(0).take(10 << 20))), &mut data).unwrap();
    let control = write_control(&info(), &Digest::of(&data), &Scripts::new(), 0).unwrap();
    let package = Package::open(&fixture.write("bomb.apk", &[control, data].concat())).unwrap();
    let refused = |limits: Limits| {
        let dir = tempfile::tempdir().unwrap();
        package.extract(dir.path(), &limits).unwrap_err().problem.to_string()
    };
    assert_eq!(refused(Limits { unpacked: 1 << 20, ..Limits::default() }), "its data unpack to more than 1048576 bytes");
    assert_eq!(refused(Limits { entries: 0, ..Limits::default() }), "its data hold more than 0 entries");
}

#[test]
fn refuses_what_is_no_package() {
    let fixture = fixture();
    let gz = |entries: &[Entry]| {
        let mut encoder = Encoder::new(Vec::new());
        io::Write::write_all(&mut encoder, &tar(entries)).unwrap();
        encoder.finish().unwrap()
    };
    let cases: [(&str, Vec<u8>); 7] = [
        ("there is no .PKGINFO", Vec::new()),
        ("the gzip member at byte 0 can not be read", b"hello".to_vec()),
        ("it is a package of apk version 3 (ADB); only version 2 is read", b"ADBd1234".to_vec()),
        ("there is no .PKGINFO", gz(&[file(".other", 0o644, "abc")])),
        ("the control member holds `etc`; all of its names begin with a dot, and none comes twice", gz(&[file("etc", 0o644, "abc")])),
        ("`.SIGN.RSA` is no name of a signature", gz(&[file(".SIGN.RSA", 0o644, "abc")])),
        ("its .PKGINFO", gz(&[file(".PKGINFO", 0o644, "abc")])),
    ];
    for (message, bytes) in cases {
        let error = Package::open(&fixture.write("x.apk", &bytes)).unwrap_err();
        assert_eq!(error.problem.to_string(), message);
    }
}

#[test]
fn refuses_to_pack_what_it_would_refuse_to_read() {
    let refused = |entries: &[Entry]| write_data(entries, &mut open, &mut io::sink()).unwrap_err().to_string();
    let link = Entry::new(path("a"), Kind::Symlink { target: "b".into() }, 0o777, 0);
    assert_eq!(refused(&[file("a", 0o644, "a"), file("a", 0o644, "a")]), "`a` comes twice");
    assert_eq!(refused(&[link, file("a/b", 0o644, "b")]), "`a/b` lies below `a`, which is no directory");
    assert!(refused(&[file(".x", 0o644, "x")]).starts_with("`.x` begins with a dot"));
    let dangling = Entry::new(path("a"), Kind::Hardlink { target: path("b") }, 0o644, 0);
    assert!(refused(&[dangling]).starts_with("`a` is a hard link to `b`"));
    assert_eq!(refused(&[file("a", 0o644, "longer")]), "`a` changed while it was being packed");
    let scripts = Scripts::from([(".evil".into(), Vec::new())]);
    assert!(matches!(write_control(&info(), &Digest::of(b""), &scripts, 0), Err(Problem::ScriptName { .. })));
}

#[test]
fn a_large_file_that_changes_while_it_is_packed_is_refused() {
    let size = 2 << 20;
    let large = Entry::new(path("large"), Kind::File { size, digest: None }, 0o644, 0);
    let mut turn = 0;
    let mut open = |_: &Entry| -> io::Result<Box<dyn Read>> {
        turn += 1;
        Ok(Box::new(io::repeat(turn).take(size)))
    };
    assert!(matches!(write_data(&[large], &mut open, &mut io::sink()), Err(Problem::Changed { .. })));
}

#[test]
fn a_signed_package_does_not_belong_into_the_store() {
    let fixture = fixture();
    let digest = fixture.store.put(&fs::read(fixture.signed()).unwrap()).unwrap();
    assert!(matches!(*Package::open_blob(&fixture.store, &digest).unwrap_err().problem, Problem::Expected { .. }));
}
