//! What these tests share: the corpus beside the project, a key, packages made here.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use apk::package::{Scripts, store_package};
use apk::{Info, Keyring, Package};
use attest::key::{Named, PrivateKey, PublicKey};
use base::tree::{Entry, Kind, TreePath};
use base::{Dependency, Store};

/// Finds a part of the corpus beside the workspace. Where it is not there, says so; the test then passes.
pub(crate) fn corpus(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(path);
    if !path.exists() {
        // Past the harness, which keeps what a test that passes prints; on a line of its own, so that `./check` finds it.
        let _ = std::io::stderr().write_all(format!("\nSKIP: the corpus is not there: {}\n", path.display()).as_bytes());
        return None;
    }
    Some(path)
}

/// Every file of the corpus below `dir` whose name ends so.
pub(crate) fn corpus_files(dir: &str, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<_> = corpus(dir).into_iter().collect();
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn public_key(path: &Path) -> Named<PublicKey> {
    Named::<PublicKey>::load(path).unwrap()
}

pub(crate) struct Workshop {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) key: Named<PrivateKey>,
    pub(crate) keys: Keyring,
}

impl Workshop {
    pub(crate) fn open() -> Self {
        Self::named("workshop.rsa.pub")
    }

    /// One workshop for all cases of a property: making a key takes long.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: std::sync::LazyLock<Workshop> = std::sync::LazyLock::new(Workshop::open);
        &SHARED
    }

    /// A workshop whose key has another name.
    pub(crate) fn named(key: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let key = Named::new(key, PrivateKey::generate(2048).unwrap()).unwrap();
        let keys = Keyring::new([key.public().unwrap()]);
        Self { dir, store, key, keys }
    }

    /// Packs a tree in which each file holds its own path.
    pub(crate) fn package(&self, entries: &[Entry]) -> Package {
        let mut info = Info::new("workshop".parse().unwrap(), "1.2.3-r4".parse().unwrap(), "x86_64");
        info.description = "made by a test".into();
        info.depends = Dependency::parse_list("so:libc.musl-x86_64.so.1 !other").unwrap();
        let scripts = Scripts::from([(".post-install".into(), b"#!/bin/sh\nexit 0\n".to_vec())]);
        store_package(&self.store, &info, &scripts, entries, &mut content, 1_700_000_000).unwrap()
    }

    /// Writes bytes to a file and returns its path.
    pub(crate) fn file(&self, bytes: &[u8]) -> PathBuf {
        // One file for each thread: tests run side by side.
        let path = self.dir.path().join(format!("file-{:?}", std::thread::current().id()));
        fs_err::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn signed(&self, package: &Package) -> Vec<u8> {
        let mut bytes = Vec::new();
        package.write_signed(&self.key, &mut bytes).unwrap();
        bytes
    }
}

pub(crate) fn content(entry: &Entry) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(io::Cursor::new(entry.path.to_string())))
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A file that holds its own path.
pub(crate) fn file(text: &str) -> Entry {
    Entry::new(path(text), Kind::File { size: text.len() as u64, digest: None }, 0o644, 1_600_000_000)
}

/// A small tree with something of every kind.
pub(crate) fn tree() -> Vec<Entry> {
    let mut capable = file("usr/bin/ping");
    capable.xattrs.insert("security.capability".into(), vec![1, 0, 0, 2, 0, 32, 0, 0]);
    vec![
        Entry::new(path("usr"), Kind::Directory, 0o755, 0),
        Entry::new(path("usr/bin"), Kind::Directory, 0o755, 0),
        capable,
        Entry { mode: 0o4755, ..file("usr/bin/su") },
        Entry::new(path("bin"), Kind::Symlink { target: "usr/bin".into() }, 0o777, 0),
        Entry::new(path("dev/zero"), Kind::CharDevice { major: 1, minor: 5 }, 0o666, 0),
        file(&format!("{}file", "deep/".repeat(60))),
    ]
}
