//! SBOM, database and files of every image agree, and each way of disagreeing is found.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;

use attest::spdx::{Algorithm, Document, Id, Relation, Relationship};
use base::tarball::{self, Writer};
use base::tree::{Entry, Kind};
use base::{Digest, Store};
use common::{compose, definition, drafts, path};
use image::database::PLACE;
use image::verify::{Finding, verify};
use image::{Composed, Snapshot};
use oci::{Blobs as _, Descriptor, Manifest, media};

const ACCOUNTS: &str = "
accounts: {users: [{username: nonroot, uid: 65532}]}
paths:
  - {path: /srv/link, type: symlink, source: /etc}
  - {path: /usr/bin/third, type: hardlink, source: /usr/bin/program}
  - {path: /etc/empty, type: empty-file}
";

struct Made {
    _dir: tempfile::TempDir,
    store: Store,
    image: Composed,
    sbom: Document,
}

fn made(text: &str) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let image = compose(&store, &drafts(), &definition(text));
    let sbom = Document::from_json(&store.read_blob(&image.sbom).unwrap(), "demo").unwrap();
    Made { _dir: dir, store, image, sbom }
}

/// What becomes of an entry's bytes.
type Edit<'a> = dyn Fn(&Entry, Vec<u8>) -> Option<Vec<u8>> + 'a;

impl Made {
    /// The one layer of the image, changed entry by entry, in an image of its own. `None` drops an entry.
    fn with_layer(&self, change: &Edit<'_>, more: &[(Entry, Vec<u8>)]) -> Descriptor {
        let mut manifest = Manifest::read(&self.store, &self.image.manifest).unwrap();
        let mut writer = Writer::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut entries: Vec<(Entry, Vec<u8>)> = Vec::new();
        let reader = flate2::read::MultiGzDecoder::new(self.store.open(&manifest.layers[0].digest).unwrap());
        tarball::read(reader, |item, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(tarball::ReadError::Format)?;
            entries.extend(change(&item.entry, bytes).map(|bytes| (item.entry, bytes)));
            Ok::<_, tarball::ReadError>(())
        })
        .unwrap();
        for (mut entry, bytes) in entries.into_iter().chain(more.iter().cloned()) {
            if let Kind::File { size, .. } = &mut entry.kind {
                *size = bytes.len() as u64;
            }
            writer.append(&entry, &BTreeMap::new(), &mut bytes.as_slice()).unwrap();
        }
        let mut encoder = writer.finish().unwrap();
        encoder.flush().unwrap();
        let layer = encoder.finish().unwrap();
        self.store.put(&layer).unwrap();
        manifest.layers = vec![Descriptor::of(media::LAYER_GZIP, &layer)];
        let bytes = manifest.to_bytes();
        self.store.put(&bytes).unwrap();
        Descriptor::of(media::MANIFEST, &bytes)
    }

    /// What is found in a changed image, but for its being another one.
    fn findings(&self, image: &Descriptor) -> Vec<Finding> {
        let findings = verify(&self.store, image, &self.sbom).unwrap();
        assert!(findings.contains(&Finding::Subject(image.digest)));
        findings.into_iter().filter(|finding| !matches!(finding, Finding::Subject(_))).collect()
    }
}

fn same(_: &Entry, bytes: Vec<u8>) -> Option<Vec<u8>> {
    Some(bytes)
}

#[test]
fn every_composed_image_agrees_with_its_sbom() {
    for text in ["{}", ACCOUNTS, &format!("{ACCOUNTS}layering: {{strategy: origin, budget: 3}}")] {
        let made = made(text);
        assert_eq!(verify(&made.store, &made.image.manifest, &made.sbom).unwrap(), [], "{text}");
    }
}

#[test]
fn finds_a_file_that_is_gone_changed_or_added() {
    let made = made(ACCOUNTS);
    let library = path("usr/lib/library.so");
    let gone = made.with_layer(&|entry, bytes| (entry.path != library).then_some(bytes), &[]);
    assert_eq!(made.findings(&gone), [Finding::Missing { owner: "library-1.0-r0".into(), path: library.clone() }]);

    let changed = made.with_layer(&|entry, bytes| Some(if entry.path == library { b"evil".to_vec() } else { bytes }), &[]);
    assert!(matches!(&made.findings(&changed)[..], [Finding::Changed { owner, .. }] if owner == "library-1.0-r0"));

    let passwd = path("etc/passwd");
    let changed = made.with_layer(&|entry, bytes| Some(if entry.path == passwd { b"evil".to_vec() } else { bytes }), &[]);
    assert!(matches!(&made.findings(&changed)[..], [Finding::Changed { owner, .. }] if owner == "the SBOM"));

    let added = made.with_layer(&same, &[common::file("usr/bin/miner", "x"), common::link("usr/bin/link", "miner")]);
    assert_eq!(made.findings(&added), [Finding::Unaccounted(path("usr/bin/link")), Finding::Unaccounted(path("usr/bin/miner"))]);
}

#[test]
fn finds_a_link_that_leads_elsewhere() {
    let made = made(ACCOUNTS);
    let lib = path("lib");
    let without = made.with_layer(&|entry, bytes| (entry.path != lib).then_some(bytes), &[common::link("lib", "usr/evil")]);
    assert!(matches!(&made.findings(&without)[..], [Finding::Changed { path, .. }] if *path == lib));
}

#[test]
fn finds_a_package_that_only_one_of_both_knows() {
    let made = made("{}");
    let strip = |entry: &Entry, bytes: Vec<u8>| {
        if entry.path.as_str() != PLACE {
            return Some(bytes);
        }
        let text = String::from_utf8(bytes).unwrap();
        let records: Vec<_> = text.split("\n\n").filter(|record| !record.contains("P:library\n")).collect();
        Some(records.join("\n\n").into_bytes())
    };
    let findings = made.findings(&made.with_layer(&strip, &[]));
    assert!(findings.contains(&Finding::NotInstalled("library-1.0-r0".into())), "{findings:?}");
    assert!(findings.contains(&Finding::Unaccounted(path("usr/lib/library.so"))), "{findings:?}");

    let mut sbom = made.sbom.clone();
    sbom.packages.retain(|element| element.name != "library");
    assert_eq!(verify(&made.store, &made.image.manifest, &sbom).unwrap(), [Finding::NotInSbom("library-1.0-r0".into())]);

    let without = made.with_layer(&|entry, bytes| (entry.path.as_str() != PLACE).then_some(bytes), &[]);
    assert_eq!(made.findings(&without), [Finding::NoDatabase]);
}

#[test]
fn finds_a_file_with_two_holders() {
    let made = made("{}");
    let mut sbom = made.sbom.clone();
    let mut file = sbom.files[0].clone();
    file.file_name = "./usr/lib/library.so".into();
    file.checksums.retain(|sum| sum.algorithm != Algorithm::SHA1);
    sbom.files.push(file.clone());
    let findings = verify(&made.store, &made.image.manifest, &sbom).unwrap();
    assert!(
        matches!(&findings[..], [Finding::Twice { first, second, .. }] if first == "library-1.0-r0" && second == "the SBOM"),
        "{findings:?}"
    );

    // Listed as a file of its own package, it is told twice and held once.
    let mut sbom = made.sbom.clone();
    let library = sbom.packages.iter().find(|element| element.name == "library").unwrap().id.clone();
    file.id = Id::new("File", "library");
    sbom.relationships.push(Relationship::new(&library, Relation::CONTAINS, &file.id));
    sbom.files.push(file);
    assert_eq!(verify(&made.store, &made.image.manifest, &sbom).unwrap(), []);
}

#[test]
fn an_image_tells_its_packages_and_whose_a_file_is() {
    let made = made(ACCOUNTS);
    let seen = image::inspect(&made.store, &made.image.manifest).unwrap();
    let names: Vec<_> = seen.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["base", "library", "program", "program-data"]);
    assert_eq!(seen.image.layers.len(), 1);
    let snapshot = Snapshot::of_image(&made.store, &made.image.manifest, &|_| false).unwrap();
    assert_eq!(snapshot.owners(&path("usr/lib/old.so")), ["library-1.0-r0"]);
    assert_eq!(snapshot.owners(&path("etc/passwd")), Vec::<String>::new());
    assert_eq!(snapshot.entries[&path("usr/lib/old.so")].kind, Kind::File { size: 5, digest: Some(Digest::of("newer")) });
}

#[test]
fn two_images_differ_by_what_was_added() {
    let [before, after] = ["{}", ACCOUNTS].map(made);
    let [one, other] = [&before, &after].map(|made| Snapshot::of_image(&made.store, &made.image.manifest, &|_| false).unwrap());
    let diff = image::diff(&one, &other);
    assert!(diff.packages.is_empty());
    let changed: Vec<_> = diff.entries.iter().map(|change| (change.key.as_str(), change.before.is_some())).collect();
    let new = |path| (path, false);
    assert_eq!(
        changed,
        [
            new("etc/empty"),
            ("etc/passwd", true),
            new("home"),
            new("home/nonroot"),
            new("srv"),
            new("srv/link"),
            new("usr/bin/third"),
            (PLACE, true)
        ]
    );
    assert!(image::diff(&one, &one).is_empty());
}
