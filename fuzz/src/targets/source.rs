//! Archives of sources, Debian's packages and indexes, what a signature and its keys look like.

use std::io::{self, Read as _};

use base::Store;
use base::tarball::ReadError;
use source::debian::{Clause, Deb, Paragraphs, Release, Version, packages, sources};
use source::{Compression, Limits, decompress, unpack};

use super::base::sample_tar;
use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "source-archive", samples: || vec![plain_tar(), super::apk::gzip(&plain_tar()), ZIP.to_vec()], run: archive },
    Target { name: "source-compressed", samples: compressed, run: compression },
    Target { name: "source-deb", samples: || vec![sample_deb()], run: deb },
    Target { name: "source-debian-index", samples: || [PACKAGES, SOURCES, RELEASE].map(Into::into).to_vec(), run: index },
    Target { name: "source-debian-words", samples: || [RELATIONS, "1:2.3~rc1+dfsg-4"].map(Into::into).to_vec(), run: words },
];

/// What a reader may give before it counts as a bomb here.
const MOST: u64 = 16 << 20;

/// Without the device of the other samples, which sources may not hold.
fn plain_tar() -> Vec<u8> {
    let mut writer = base::tarball::Writer::new(Vec::new());
    for entry in super::base::entries().into_iter().filter(|entry| !entry.path.as_str().starts_with("dev")) {
        writer.append(&entry, &Default::default(), &mut &b"abc"[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn archive(bytes: &[u8]) {
    let dir = super::folder();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let digest = store.put(bytes).unwrap();
    let folder = dir.path().join("folder");
    for strip in [0, 1] {
        fs_err::create_dir(&folder).unwrap();
        let _ = unpack(&store, &digest, "sample", &folder, strip, Limits { bytes: MOST, entries: 1000 });
        assert_eq!(super::names(dir.path()), 2, "something was written outside");
        base::store::remove_tree(&folder).unwrap();
    }
}

fn compressed() -> Vec<Vec<u8>> {
    let text = b"hello, hello, world".repeat(9);
    // `xz`, `lzip` and `bzip2` of "abc\n".
    let xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01\x16\0\0\0t/\xe5\xa3\x01\0\x03abc\n\0\xad[0A\xf9u*\xc3\0\x01\x1c\x04o,\x9c\xc1\x1f\xb6\xf3}\x01\0\0\0\0\x04YZ";
    let bzip2 = b"BZh91AY&SYw\xed\x96\xd9\0\0\x01A\0\0\x10\x80D\0 \0!\x9ah3M\x073\x8b\xb9\"\x9c(H;\xf6\xcbl\x80";
    vec![super::apk::gzip(&text), zstd::encode_all(&text[..], 3).unwrap(), xz.to_vec(), bzip2.to_vec(), b"LZIP\x01\x0c".to_vec()]
}

fn compression(bytes: &[u8]) {
    if let Ok((kind, plain)) = decompress(bytes) {
        assert_eq!(kind, Compression::of(bytes));
        let _ = io::copy(&mut plain.take(MOST), &mut io::sink());
    }
}

fn sample_deb() -> Vec<u8> {
    let control = tar("./control", b"Package: a\nVersion: 1-1\nArchitecture: amd64\nDepends: libc6 (>= 2), b | c\nDescription: x\n y\n");
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar.gz", super::apk::gzip(&sample_tar()))]
    {
        bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
        bytes.extend_from_slice(&content);
        bytes.resize(bytes.len() + bytes.len() % 2, b'\n');
    }
    bytes
}

fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    use base::tree::{Entry, Kind, TreePath};
    let mut writer = base::tarball::Writer::new(Vec::new());
    let entry = Entry::new(TreePath::parse(path).unwrap(), Kind::File { size: content.len() as u64, digest: None }, 0o644, 1);
    writer.append(&entry, &Default::default(), &mut &content[..]).unwrap();
    writer.finish().unwrap()
}

fn deb(bytes: &[u8]) {
    let dir = super::folder();
    let path = dir.path().join("sample.deb");
    fs_err::write(&path, bytes).unwrap();
    let Ok(mut deb) = Deb::open(fs_err::File::open(&path).unwrap(), "sample.deb") else { return };
    let mut left = MOST;
    let _ = deb.read(|_, content| {
        let copied = io::copy(&mut content.take(left), &mut io::sink()).map_err(ReadError::Format)?;
        left -= copied;
        Ok::<_, ReadError>(())
    });
}

fn index(bytes: &[u8]) {
    for paragraph in Paragraphs::new(bytes).take(10_000) {
        let Ok(paragraph) = paragraph else { break };
        assert!(paragraph.iter().all(|(name, _)| paragraph.get(name).is_some()));
    }
    let _ = packages(bytes);
    let _ = sources(bytes);
    let _ = Release::parse(&String::from_utf8_lossy(bytes), "stable");
}

fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
    if let (Ok(left), Ok(right)) = (left.parse::<Version>(), right.parse::<Version>()) {
        assert_eq!(left.cmp(&right), right.cmp(&left).reverse(), "{left} against {right}");
        for clause in Clause::parse_list(&text).unwrap_or_default() {
            let _ = clause.0.iter().any(|one| one.accepts(&left));
        }
    }
    let _ = Clause::parse_list(&text);
}

/// `a/`, `a/x` (deflated), and a link to it.
const ZIP: &[u8] = include_bytes!("sample.zip");

const PACKAGES: &str = "Package: a\nVersion: 1-1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 5\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nDepends: b (>= 1)\n\nPackage: b\nVersion: 2\nArchitecture: all\nFilename: pool/b.deb\nSize: 1\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nProvides: c (= 1)\n";
const SOURCES: &str = "Package: a\nVersion: 1-2\nDirectory: pool/a\nChecksums-Sha256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 5 a_1.orig.tar.gz\n";
const RELEASE: &str = "Suite: stable\nCodename: trixie\nVersion: 13.8\nSHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 5 main/binary-amd64/Packages.xz\n";
const RELATIONS: &str = "libc6 (>= 2.36), a:any | b (<< 1~) [amd64 !i386], c (= 1:2-3) <!nocheck>";
