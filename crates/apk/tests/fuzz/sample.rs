//! Good inputs to begin with, each made by our own writers.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::sync::LazyLock;

use apk::gzip::Encoder;
use apk::installed::{Database, Installed};
use apk::package::{Scripts, sign, store_package, write_control};
use apk::{Checksum, Index, Info, Package};
use attest::key::{Named, PrivateKey};
use base::tree::{Entry, Kind, TreePath};
use base::{Dependency, Digest, Store, tarball};

fn entry(path: &str, kind: Kind, mode: u32) -> Entry {
    Entry::new(TreePath::parse(path).unwrap(), kind, mode, 1000)
}

fn entries() -> Vec<Entry> {
    let file = |path: &str| entry(path, Kind::File { size: 3, digest: None }, 0o644);
    let mut capable = file("usr/bin/b");
    capable.xattrs.insert("user.x".into(), b"1\n2".to_vec());
    vec![
        entry("usr", Kind::Directory, 0o755),
        entry("usr/bin", Kind::Directory, 0o755),
        file("usr/bin/a"),
        capable,
        entry("usr/bin/c", Kind::Hardlink { target: TreePath::parse("usr/bin/a").unwrap() }, 0o644),
        entry("bin", Kind::Symlink { target: "usr/bin".into() }, 0o777),
        entry("dev/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666),
        file(&("long/".repeat(40) + "name")),
    ]
}

fn content(_: &Entry) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(&b"abc"[..]))
}

fn info() -> Info {
    Info {
        description: "a sample".into(),
        license: "MIT".into(),
        origin: Some("sample".parse().unwrap()),
        build_time: Some(1000),
        depends: Dependency::parse_list("so:libc.so !x y>=1.2").unwrap(),
        provides: Dependency::parse_list("cmd:sample=1.2.3-r4").unwrap(),
        install_if: Dependency::parse_list("a b=1").unwrap(),
        ..Info::new("sample".parse().unwrap(), "1.2.3-r4".parse().unwrap(), "x86_64")
    }
}

fn scripts_of() -> Scripts {
    Scripts::from([(".post-install".into(), b"exit 0\n".to_vec())])
}

struct Made {
    key: Named<PrivateKey>,
    package: Package,
    _dir: tempfile::TempDir,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let package = store_package(&store, &info(), &scripts_of(), &entries(), &mut content, 1000).unwrap();
    let key = Named::new("sample.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
    Made { key, package, _dir: dir }
});

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}

pub(crate) fn signed() -> Vec<u8> {
    let mut bytes = Vec::new();
    MADE.package.write_signed(&MADE.key, &mut bytes).unwrap();
    bytes
}

pub(crate) fn data_tar() -> Vec<u8> {
    let mut writer = tarball::Writer::new(Vec::new());
    let sum = BTreeMap::from([("APK-TOOLS.checksum.SHA1".to_owned(), Checksum::sha1(b"abc").hex().into_bytes())]);
    for entry in entries() {
        let pax = if matches!(entry.kind, Kind::File { .. }) { sum.clone() } else { BTreeMap::new() };
        writer.append(&entry, &pax, &mut &b"abc"[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// A package whose data member is `tar`, packed, with a true hash.
pub(crate) fn around_data(tar: &[u8]) -> Vec<u8> {
    let data = gzip(tar);
    [write_control(&info(), &Digest::of(&data), &Scripts::new(), 0).unwrap(), data].concat()
}

pub(crate) fn control_tar() -> Vec<u8> {
    gunzip(MADE.package.control())
}

/// A package with this control member, signed, and the data of the sample.
pub(crate) fn around_control(tar: &[u8]) -> Vec<u8> {
    let whole = fs_err::read(MADE.package.path()).unwrap();
    let control = gzip(tar);
    [sign(&control, &MADE.key).unwrap(), control, whole[MADE.package.control().len()..].to_vec()].concat()
}

fn an_index() -> Index {
    Index { description: "samples".into(), records: vec![MADE.package.record().clone(); 2], ..Index::default() }
}

pub(crate) fn index() -> Vec<u8> {
    an_index().to_archive(Some(&MADE.key)).unwrap()
}

pub(crate) fn index_tar() -> Vec<u8> {
    gunzip(&an_index().to_archive(None).unwrap())
}

pub(crate) fn index_text() -> Vec<u8> {
    an_index().to_text().unwrap().into_bytes()
}

pub(crate) fn installed() -> Vec<u8> {
    let table = MADE.package.table().unwrap();
    Database { packages: vec![Installed::new(MADE.package.record().clone(), &table); 2] }.to_text().unwrap().into_bytes()
}

pub(crate) fn scripts() -> Vec<u8> {
    apk::installed::write_scripts([(MADE.package.record(), &scripts_of())], 0).unwrap()
}

pub(crate) fn pkginfo() -> Vec<u8> {
    info().to_pkginfo(&Digest::of(b"")).unwrap().into_bytes()
}

pub(crate) fn public_key() -> Vec<u8> {
    MADE.key.key().public().unwrap().to_pem().into_bytes()
}

pub(crate) fn key_set() -> Vec<u8> {
    br#"{"keys": [{"kid": "sample", "kty": "RSA", "use": "sig", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs", "e": "AQAB"}]}"#.to_vec()
}
