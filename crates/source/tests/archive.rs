//! What reading an archive promises: each file is checked by the hash above it, and the signature is told of truly.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base::{Arch, Digest};
use common::{Place, quick};
use fs_err as fs;
use source::debian::{Archive, ArchiveError, Authority, Pinned, Signature, SignatureError, Standing, Unchecked, look_after};
use source::{Expected, FetchError, Settings};

/// An archive in a folder, with one binary and one source package.
struct Mirror {
    place: Place,
    root: PathBuf,
}

impl Mirror {
    fn new() -> Self {
        let place = Place::new();
        let root = place.dir.path().join("debian");
        let mirror = Self { place, root };
        let hash = Digest::of(b"bytes").hex();
        let packages = format!(
            "Package: tool\nVersion: 1-1\nArchitecture: amd64\nFilename: pool/main/t/tool/tool_1-1_amd64.deb\nSize: 5\nSHA256: {hash}\n"
        );
        let sources = format!(
            "Package: tool\nVersion: 1-2\nDirectory: pool/main/t/tool\nChecksums-Sha256:\n {hash} 5 tool_1.orig.tar.gz\n {hash} 5 tool_1-2.debian.tar.xz\n\n\
             Package: tool\nVersion: 1-0\nDirectory: pool/main/t/tool\nChecksums-Sha256:\n {hash} 5 tool_1.orig.tar.gz\n {hash} 5 tool_1-0.debian.tar.xz\n"
        );
        mirror.write("pool/main/t/tool/tool_1.orig.tar.gz", b"bytes");
        mirror.write("pool/main/t/tool/tool_0.9.orig.tar.gz", b"older");
        mirror.release(&[("main/binary-amd64/Packages.xz", packages.as_bytes()), ("main/source/Sources.xz", sources.as_bytes())]);
        mirror
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let place = self.root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
    }

    fn release(&self, indexes: &[(&str, &[u8])]) {
        let mut text = String::from("Suite: stable\nCodename: trixie\nVersion: 13.8\nSHA256:\n");
        for (path, bytes) in indexes {
            self.write(&format!("dists/trixie/{path}"), bytes);
            text.push_str(&format!(" {} {} {path}\n", Digest::of(bytes).hex(), bytes.len()));
        }
        let message = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}-----BEGIN PGP SIGNATURE-----\n\nnone\n");
        self.write("dists/trixie/InRelease", message.as_bytes());
    }

    fn settings(&self) -> Settings {
        Settings { debian: Some(self.root.to_str().unwrap().parse().unwrap()), ..quick() }
    }

    /// A stand-in for gpgv that says `status` and gives the message back as the signed text.
    fn gpgv(&self, status: &str) -> Authority {
        let gpgv = self.place.dir.path().join("gpgv");
        let script = format!(
            "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\n/bin/cat \"$3\" | /bin/sed '1,3d;/^-----/,$d' > \"$2\"\nprintf '{status}'\n"
        );
        fs::write(&gpgv, script).unwrap();
        fs::set_permissions(&gpgv, std::fs::Permissions::from_mode(0o755)).unwrap();
        Authority { gpgv, keyring: "/keys".into() }
    }
}

#[test]
fn an_index_is_read_only_if_its_hash_is_right() {
    let mirror = Mirror::new();
    let fetcher = mirror.place.fetcher(mirror.settings());
    let archive = Archive::open(&fetcher, "trixie", Err(Unchecked::Waived)).unwrap();
    assert_eq!(archive.signature, Signature::Unchecked(Unchecked::Waived));
    assert_eq!(archive.packages("main", Arch::X86_64, &()).unwrap()["tool"].size, 5);
    mirror.write("dists/trixie/main/source/Sources.xz", b"Package: evil\n");
    let refused = archive.sources("main", &());
    assert!(matches!(refused, Err(ArchiveError::Fetch(_))), "{refused:?}");
    assert!(matches!(archive.packages("contrib", Arch::X86_64, &()), Err(ArchiveError::NoIndex { .. })));
}

#[test]
fn refuses_another_suite_and_a_missing_one() {
    let mirror = Mirror::new();
    let fetcher = mirror.place.fetcher(mirror.settings());
    let passed_off = fs::read(mirror.root.join("dists/trixie/InRelease")).unwrap();
    mirror.write("dists/forky/InRelease", &passed_off);
    let open = |suite| Archive::open(&fetcher, suite, Err(Unchecked::Waived));
    assert!(matches!(open("forky"), Err(ArchiveError::Release { .. })));
    assert!(matches!(open("sid"), Err(ArchiveError::NoRelease { .. })));
    assert!(matches!(open("../x"), Err(ArchiveError::Location { .. })));
    let nowhere = mirror.place.fetcher(quick());
    assert!(matches!(Archive::open(&nowhere, "trixie", Err(Unchecked::Waived)), Err(ArchiveError::Location { .. })));
}

#[test]
fn tells_truly_of_the_signature() {
    let mirror = Mirror::new();
    let fetcher = mirror.place.fetcher(mirror.settings());
    let open = |status: &str| Archive::open(&fetcher, "trixie", Ok(&mirror.gpgv(status)));
    let good = open("[GNUPG:] NEWSIG\\n[GNUPG:] GOODSIG 1 Archive\\n[GNUPG:] VALIDSIG ABC 1\\n").unwrap();
    assert_eq!(good.signature.to_string(), "signature of the release file: good, by Archive (ABC)");
    for status in ["", "[GNUPG:] BADSIG 1 Archive\\n", "[GNUPG:] NO_PUBKEY 1\\n", "[GNUPG:] EXPKEYSIG 1 Archive\\n[GNUPG:] VALIDSIG A 1\\n"]
    {
        let refused = open(status);
        assert!(
            matches!(refused, Err(ArchiveError::Signature { ref source, .. }) if matches!(**source, SignatureError::Bad { .. })),
            "{status}: {refused:?}"
        );
    }
    let absent = Authority { gpgv: "/nowhere/gpgv".into(), keyring: "/keys".into() };
    let refused = Archive::open(&fetcher, "trixie", Ok(&absent));
    assert!(matches!(refused, Err(ArchiveError::Signature { ref source, .. }) if matches!(**source, SignatureError::Run { .. })));
    let unchecked = Archive::open(&fetcher, "trixie", Err(Unchecked::NoGpgv)).unwrap().signature.to_string();
    assert!(unchecked.contains("NOT checked"), "{unchecked}");
}

#[test]
fn says_what_became_of_pinned_files() {
    let mirror = Mirror::new();
    let fetcher = mirror.place.fetcher(mirror.settings());
    let archive = Archive::open(&fetcher, "trixie", Err(Unchecked::Waived)).unwrap();
    let pinned =
        |uri: &str, bytes: &[u8]| Pinned { package: "tool".into(), uri: uri.into(), expected: Expected::Sha256(Digest::of(bytes)) };
    let all = [
        pinned("debian:pool/main/t/tool/tool_1.orig.tar.gz", b"bytes"),
        pinned("debian:pool/main/t/tool/tool_1.orig.tar.gz", b"other"),
        pinned("debian:pool/main/t/tool/tool_0.9.orig.tar.gz", b"older"),
        pinned("debian:pool/main/t/tool/tool_1-1.debian.tar.xz", b"gone"),
        pinned("debian:pool/main/n/none/none_1.orig.tar.gz", b"gone"),
        pinned("debian:pool/main/t/tool/tool_1-0.debian.tar.xz", b"bytes"),
        pinned("https://elsewhere.example/x", b"x"),
    ];
    let looked = look_after(&archive, "main", &all, &fetcher, &()).unwrap();
    let standings: Vec<_> = looked.iter().map(|one| one.standing).collect();
    let expected =
        [Standing::Listed, Standing::OtherHash(Digest::of(b"bytes")), Standing::Unlisted, Standing::Gone, Standing::Gone, Standing::Older];
    assert_eq!(standings, expected);
    let text: Vec<_> = looked.iter().filter(|one| one.needs_change()).map(ToString::to_string).collect();
    let text =
        text.join("\n").replace("sha256:", "").replace(&Digest::of(b"bytes").hex(), "NEW").replace(&Digest::of(b"gone").hex(), "OLD");
    let text = text.replace(&Digest::of(b"other").hex(), "OTHER").replace(&Digest::of(b"older").hex(), "OLDER");
    insta::assert_snapshot!(text, @r"
    tool: debian:pool/main/t/tool/tool_1.orig.tar.gz has another hash now, NEW
    - debian:pool/main/t/tool/tool_1.orig.tar.gz OTHER
    + debian:pool/main/t/tool/tool_1.orig.tar.gz NEW (tool 1-2)
    tool: debian:pool/main/t/tool/tool_0.9.orig.tar.gz is superseded, and may go at any time
    - debian:pool/main/t/tool/tool_0.9.orig.tar.gz OLDER
    + debian:pool/main/t/tool/tool_1.orig.tar.gz NEW (tool 1-2)
    tool: debian:pool/main/t/tool/tool_1-1.debian.tar.xz is gone
    - debian:pool/main/t/tool/tool_1-1.debian.tar.xz OLD
    + debian:pool/main/t/tool/tool_1-2.debian.tar.xz NEW (tool 1-2; this mirror does not have it yet)
    tool: debian:pool/main/n/none/none_1.orig.tar.gz is gone
    - debian:pool/main/n/none/none_1.orig.tar.gz OLD
      the suite has nothing in its place
    tool: debian:pool/main/t/tool/tool_1-0.debian.tar.xz is of an older version
    - debian:pool/main/t/tool/tool_1-0.debian.tar.xz NEW
    + debian:pool/main/t/tool/tool_1-2.debian.tar.xz NEW (tool 1-2; this mirror does not have it yet)
    ");
}

#[test]
fn a_mirror_that_is_not_there_is_named() {
    let place = Place::new();
    let missing = Settings { debian: Some("/nowhere/debian".parse().unwrap()), ..quick() };
    let fetcher = place.fetcher(missing);
    match Archive::open(&fetcher, "trixie", Err(Unchecked::Waived)) {
        Err(ArchiveError::NoRelease { source, .. }) => {
            assert!(matches!(*source, FetchError::Unpinned { ref place, .. } if place == "/nowhere/debian/dists/trixie/InRelease"));
        }
        other => panic!("{other:?}"),
    }
}
