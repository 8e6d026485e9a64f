//! Tar archives, versions, dependencies, names, paths.

use std::collections::BTreeMap;
use std::io;

use base::tarball::{self, ReadError};
use base::tree::{Entry, Kind, TreePath};

use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "base-tar", samples: || vec![sample_tar()], run: tar },
    Target {
        name: "base-names",
        samples: || {
            ["1.2.3_rc1_p2~ab12-r4", "6.8.0p2-r4", "!so:libx.so.1@edge>=1.2-r3", "a=1 b~2 c><Q1", "usr/lib/x"].map(Into::into).to_vec()
        },
        run: names,
    },
];

/// A tar with an entry of every kind.
pub(super) fn sample_tar() -> Vec<u8> {
    let mut writer = tarball::Writer::new(Vec::new());
    for entry in entries() {
        let mut pax = BTreeMap::new();
        if matches!(entry.kind, Kind::File { .. }) {
            pax.insert("APK-TOOLS.checksum.SHA1".to_owned(), apk::Checksum::sha1(b"abc").hex().into_bytes());
        }
        writer.append(&entry, &pax, &mut &b"abc"[..]).unwrap();
    }
    writer.finish().unwrap()
}

pub(super) fn entries() -> Vec<Entry> {
    let entry = |path: &str, kind, mode| Entry::new(TreePath::parse(path).unwrap(), kind, mode, 1000);
    let file = |path: &str| entry(path, Kind::File { size: 3, digest: None }, 0o644);
    let mut marked = file("usr/bin/b");
    marked.xattrs.insert("user.x".into(), b"1\n2".to_vec());
    vec![
        entry("usr", Kind::Directory, 0o755),
        entry("usr/bin", Kind::Directory, 0o755),
        file("usr/bin/a"),
        marked,
        entry("usr/bin/c", Kind::Hardlink { target: TreePath::parse("usr/bin/a").unwrap() }, 0o644),
        entry("bin", Kind::Symlink { target: "usr/bin".into() }, 0o777),
        entry("dev/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666),
        file(&("long/".repeat(40) + "name")),
    ]
}

fn tar(bytes: &[u8]) {
    let _ = tarball::read(bytes, |_, content| {
        io::copy(content, &mut io::sink()).map_err(ReadError::Format)?;
        Ok::<_, ReadError>(())
    });
}

fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
    if let (Ok(left), Ok(right)) = (base::Version::tolerate(left), base::Version::tolerate(right)) {
        assert_eq!(left.cmp(&right), right.cmp(&left).reverse(), "{left} against {right}");
    }
    if let Ok(dependency) = text.parse::<base::Dependency>() {
        assert_eq!(dependency.to_string().parse::<base::Dependency>().unwrap(), dependency);
    }
    if let Ok(list) = base::Dependency::parse_list(&text) {
        assert!(list.len() <= text.len());
    }
    if let Ok(path) = TreePath::parse(&text) {
        assert_eq!(TreePath::parse(path.as_str()).unwrap(), path);
        assert!(!path.as_str().split('/').any(|part| part == ".." || part.is_empty()), "{path}");
    }
}
