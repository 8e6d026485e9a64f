//! Samples of packages, indexes and databases, each made by our own writers.

use std::io::{self, Read, Write as _};
use std::sync::LazyLock;

use apk::gzip::Encoder;
use apk::installed::{Database, Installed};
use apk::package::{Scripts, sign, store_package, write_control};
use apk::{Index, Info, Package};
use attest::key::{Named, PrivateKey};
use base::tree::Entry;
use base::{Dependency, Digest, Store};

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
    let package = store_package(&store, &info(), &scripts_of(), &super::super::base::entries(), &mut content, 1000).unwrap();
    let key = Named::new("sample.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
    Made { key, package, _dir: dir }
});

pub(in crate::targets) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}

pub(in crate::targets) fn signed() -> Vec<u8> {
    let mut bytes = Vec::new();
    MADE.package.write_signed(&MADE.key, &mut bytes).unwrap();
    bytes
}

/// A package whose data member is `tar`, packed, with a true hash.
pub(in crate::targets) fn around_data(tar: &[u8]) -> Vec<u8> {
    let data = gzip(tar);
    [write_control(&info(), &Digest::of(&data), &Scripts::new(), 0).unwrap(), data].concat()
}

pub(in crate::targets) fn control_tar() -> Vec<u8> {
    gunzip(MADE.package.control())
}

/// A package with this control member, signed, and the data of the sample.
pub(in crate::targets) fn around_control(tar: &[u8]) -> Vec<u8> {
    let whole = fs_err::read(MADE.package.path()).unwrap();
    let control = gzip(tar);
    [sign(&control, &MADE.key).unwrap(), control, whole[MADE.package.control().len()..].to_vec()].concat()
}

fn an_index() -> Index {
    Index { description: "samples".into(), records: vec![MADE.package.record().clone(); 2], ..Index::default() }
}

pub(in crate::targets) fn index() -> Vec<u8> {
    an_index().to_archive(Some(&MADE.key)).unwrap()
}

pub(in crate::targets) fn index_tar() -> Vec<u8> {
    gunzip(&an_index().to_archive(None).unwrap())
}

pub(in crate::targets) fn index_text() -> Vec<u8> {
    an_index().to_text().unwrap().into_bytes()
}

pub(in crate::targets) fn installed() -> Vec<u8> {
    let table = MADE.package.table().unwrap();
    Database { packages: vec![Installed::new(MADE.package.record().clone(), &table); 2] }.to_text().unwrap().into_bytes()
}

pub(in crate::targets) fn scripts() -> Vec<u8> {
    apk::installed::write_scripts([(MADE.package.record(), &scripts_of())], 0).unwrap()
}

pub(in crate::targets) fn unsigned() -> Vec<u8> {
    fs_err::read(MADE.package.path()).unwrap()
}

pub(in crate::targets) fn pkginfo() -> Vec<u8> {
    info().to_pkginfo(&Digest::of(b"")).unwrap().into_bytes()
}

pub(in crate::targets) fn key_set() -> Vec<u8> {
    br#"{"keys": [{"kid": "sample", "kty": "RSA", "use": "sig", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs", "e": "AQAB"}]}"#.to_vec()
}
