//! What the SBOM of a package says.

use super::*;

pub(crate) fn zlib() -> Component {
    let checksum = |text: &str| vec![Checksum::sha256(&Digest::of(text))];
    Component {
        name: "zlib".into(),
        version: "1.3.1-r0".into(),
        arch: "x86_64".into(),
        distro: "undistro".into(),
        supplier: Some("Undistro".into()),
        description: "a compression library".into(),
        license: "Zlib".into(),
        homepage: Some("https://zlib.net".into()),
        sources: vec![
            Source {
                name: "zlib".into(),
                version: Some("1.3.1".into()),
                kind: SourceKind::Archive,
                locations: vec!["debian:pool/main/z/zlib/zlib_1.3.1.orig.tar.gz".into(), "https://zlib.net/zlib-1.3.1.tar.gz".into()],
                checksums: checksum("archive"),
                note: Some("as distributed by Debian".into()),
            },
            Source {
                name: "fix.patch".into(),
                version: None,
                kind: SourceKind::Patch { of: Some(0), fixes: Vec::new() },
                locations: vec!["https://example.org/fix.patch".into()],
                checksums: checksum("patch"),
                note: None,
            },
        ],
        ..Component::default()
    }
}

#[test]
fn says_what_went_in() {
    let document = package(&zlib(), 1_700_000_000, "https://undistro.example/spdx").unwrap();
    insta::assert_snapshot!(document.to_json());
}

#[test]
fn is_read_back_as_it_was_written() {
    let document = package(&zlib(), 0, "https://undistro.example/spdx").unwrap();
    assert_eq!(Document::from_json(document.to_json().as_bytes(), "zlib").unwrap(), document);
}

#[test]
fn two_packages_of_one_version_have_two_namespaces() {
    let one = package(&zlib(), 0, "https://undistro.example/spdx").unwrap();
    let other = package(&Component { name: "zlib-dev".into(), ..zlib() }, 0, "https://undistro.example/spdx").unwrap();
    assert_ne!(one.document_namespace, other.document_namespace);
    let license = package(&Component { license: "MIT".into(), ..zlib() }, 0, "https://undistro.example/spdx").unwrap();
    assert_ne!(one.document_namespace, license.document_namespace, "the same name with other content is another document");
}

#[test]
fn says_what_was_linked_in() {
    let linked = Linked {
        supplier: Some("Debian".into()),
        name: "libgcc-12-dev".into(),
        version: "12.2.0-14".into(),
        purl: Purl::new("deb", "libgcc-12-dev").namespace("debian").version("12.2.0-14"),
        license: "GPL-3.0-or-later WITH GCC-exception-3.1".into(),
        digest: Digest::of("deb"),
    };
    let document = package(&Component { linked: vec![linked], ..zlib() }, 0, "https://undistro.example/spdx").unwrap();
    let link = document.relationships.iter().find(|one| one.relationship_type == Relation::STATIC_LINK).unwrap();
    assert_eq!(link.spdx_element_id.as_str(), "SPDXRef-Package-zlib-1.3.1-r0");
    assert!(document.packages.iter().any(|element| element.id == link.related_spdx_element && element.name == "libgcc-12-dev"));
}

#[test]
fn says_which_holes_a_patch_inside_an_archive_closes() {
    let mut component = zlib();
    component.sources[1] = Source {
        kind: SourceKind::Patch { of: Some(0), fixes: vec!["CVE-2024-1000".into(), "CVE-2024-2000".into()] },
        locations: vec!["debian:pool/a.debian.tar.xz#debian/patches/fix.patch".into()],
        checksums: Vec::new(),
        note: Some("debian/patches/fix.patch in a.debian.tar.xz".into()),
        ..component.sources[1].clone()
    };
    let document = package(&component, 0, "https://undistro.example/spdx").unwrap();
    let patch = document.packages.iter().find(|element| element.name == "fix.patch").unwrap();
    assert_eq!(patch.version_info, None, "a digest of its address would be no version");
    assert_eq!(patch.comment.as_deref(), Some("a patch; fixes CVE-2024-1000, CVE-2024-2000"));
    let advisories = patch.external_refs.iter().filter(|one| one.reference_type == "advisory");
    let advisories: Vec<_> = advisories.map(|one| one.reference_locator.as_str()).collect();
    assert_eq!(advisories, ["https://www.cve.org/CVERecord?id=CVE-2024-1000", "https://www.cve.org/CVERecord?id=CVE-2024-2000"]);
    let patched = document.relationships.iter().find(|one| one.relationship_type == Relation::PATCH_FOR).unwrap();
    assert_eq!(patched.spdx_element_id, patch.id);
}

#[test]
fn refuses_what_is_no_document() {
    assert!(matches!(Document::from_json(b"{}", "x"), Err(SpdxError::Parse { .. })));
    let old = package(&zlib(), 0, "n").unwrap().to_json().replace("SPDX-2.3", "SPDX-1.0");
    assert!(matches!(Document::from_json(old.as_bytes(), "x"), Err(SpdxError::Version { .. })));
}
