//! Lock files, and what programs and libraries look like.

use std::io::Cursor;

use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Version};
use build::analyse::{Libraries, Options, Subject, analyse};

use crate::Target;

pub(super) const TARGETS: &[Target] =
    &[Target { name: "build-locks", samples: locks, run: lock }, Target { name: "build-analyse", samples: programs, run: program }];

fn locks() -> Vec<Vec<u8>> {
    const IMAGE: &str = r#"{"arch":"x86_64","wants":["a"],"packages":[{"name":"a","version":"1-r0","content":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}"#;
    const SEED: &str = r#"{"format":1,"arch":"x86_64","suite":"trixie","component":"main","release":{"version":"13","date":"x","signature":{"unchecked":"waived"}},"packages":[]}"#;
    // The start of the real ones: all of a seed lock is large, and more of the same.
    let starts = super::files("distro", ".lock").into_iter().map(|mut bytes| {
        bytes.truncate(4000);
        bytes
    });
    starts.chain([IMAGE.into(), SEED.into()]).collect()
}

fn lock(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(lock) = build::seed::Lock::parse(text) {
        assert_eq!(build::seed::Lock::parse(&lock.to_text()).unwrap().to_text(), lock.to_text());
    }
    if let Ok(lock) = build::locked::Locked::parse(text) {
        assert_eq!(build::locked::Locked::parse(&lock.to_text()).unwrap().to_text(), lock.to_text());
    }
    if let Ok(lock) = serde_json::from_str::<image::Lock>(text) {
        assert_eq!(serde_json::from_str::<image::Lock>(&serde_json::to_string(&lock).unwrap()).unwrap(), lock);
    }
}

/// A small ELF file with a dynamic section, a script, a pkg-config file.
fn programs() -> Vec<Vec<u8>> {
    vec![
        elf(),
        b"#!/usr/bin/env -S sh -e\n".to_vec(),
        b"prefix=/usr\nName: a\nVersion: 1\nRequires: b >= 2, c\nRequires.private: d\nLibs: -la\n".to_vec(),
    ]
}

/// ELF64, x86_64, ET_DYN: PT_LOAD over all of it, PT_INTERP, PT_DYNAMIC with DT_NEEDED, DT_SONAME, DT_STRTAB, DT_STRSZ.
fn elf() -> Vec<u8> {
    let strings = b"\0libc.so.6\0libdemo.so.1\0/lib/ld.so\0";
    let (headers, dynamic) = (64 + 3 * 56, 5 * 16);
    let (at_dynamic, at_strings) = (headers as u64, (headers + dynamic) as u64);
    let length = at_strings + strings.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let half = |bytes: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let word = |bytes: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let long = |bytes: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    half(&mut bytes, &[3, 62]);
    word(&mut bytes, &[1]);
    long(&mut bytes, &[0, 64, 0]);
    word(&mut bytes, &[0]);
    half(&mut bytes, &[64, 56, 3, 64, 0, 0]);
    for (kind, offset, size) in [(1, 0, length), (3, at_strings + 24, 11), (2, at_dynamic, dynamic as u64)] {
        word(&mut bytes, &[kind, 4]);
        long(&mut bytes, &[offset, offset, offset, size, size, 8]);
    }
    for pair in [[1, 1], [14, 11], [5, at_strings], [10, strings.len() as u64], [0, 0]] {
        long(&mut bytes, &pair);
    }
    bytes.extend_from_slice(strings);
    bytes
}

fn program(bytes: &[u8]) {
    let file = |path: &str| {
        let kind = Kind::File { size: bytes.len() as u64, digest: None };
        Entry::new(TreePath::parse(path).unwrap(), kind, 0o755, 1)
    };
    let entries = ["etc/ld.so.conf.d/x.conf", "usr/bin/x", "usr/lib/libdemo.so.1", "usr/lib/pkgconfig/a.pc"].map(file);
    let version: Version = "1-r0".parse().unwrap();
    let (options, siblings) = (Options::default(), Libraries::default());
    let subject = Subject { version: &version, arch: Arch::X86_64, entries: &entries, options: &options, siblings: &siblings };
    let _ = analyse(&subject, &mut |_| Ok(Box::new(Cursor::new(bytes.to_vec()))));
    let _ = Libraries::of(&entries, Arch::X86_64, &mut |_| Ok(Box::new(Cursor::new(bytes.to_vec()))));
}
