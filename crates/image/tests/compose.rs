//! Images composed of small packages: sound, the same each time, and what the definition says.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod common;

use std::collections::BTreeSet;

use apk::Package;
use base::tree::Entry;
use base::{Arch, Digest, Store};
use common::{Draft, compose, definition, directory, distro, drafts, file, lock, path};
use image::{Composed, ImageError, table};
use oci::{Config, Manifest, tree, validate};

const NGINX: &str = "
accounts:
  run-as: nonroot
  users: [{username: nonroot, uid: 65532}]
  groups: [{groupname: nonroot, gid: 65532}]
entrypoint: {command: /usr/bin/program --serve}
cmd: -g 'daemon off;'
stop-signal: SIGQUIT
work-dir: /tmp
volumes: [/data]
environment: {LANG: C}
annotations: {org.opencontainers.image.title: demo}
paths:
  - {path: /var/run/demo, type: directory, uid: 65532, gid: 65532, permissions: 0o700}
  - {path: /usr/bin/program, type: permissions, permissions: 0o755}
  - {path: /usr/bin/third, type: hardlink, source: /usr/bin/program}
  - {path: /etc/empty, type: empty-file}
layering: {strategy: origin, budget: 2}
";

fn stored() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn merged(store: &Store, image: &Composed) -> tree::Tree {
    let manifest = Manifest::read(store, &image.manifest).unwrap();
    tree::merged(store, &manifest, &|_| true).unwrap()
}

fn listing(tree: &tree::Tree) -> String {
    let line = |(entry, layer): &(Entry, usize)| {
        let kind = serde_json::to_string(&entry.kind).unwrap();
        format!("{layer} {:4o} {}:{} {} {kind}\n", entry.mode, entry.uid, entry.gid, entry.path)
    };
    tree.entries.values().map(line).collect()
}

#[test]
fn every_image_is_sound() {
    let (_dir, store) = stored();
    for text in ["{}", NGINX, "layering: {strategy: origin, budget: 9}"] {
        let image = compose(&store, &drafts(), &definition(text));
        let index = image::index(&store, std::slice::from_ref(&image)).unwrap();
        assert_eq!(validate(&store, &[index]).unwrap(), [], "{text}");
    }
}

#[test]
fn the_definition_is_what_runs() {
    let (_dir, store) = stored();
    let image = compose(&store, &drafts(), &definition(NGINX));
    let config = Config::read(&store, &image.config).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&config).unwrap());
    let tree = merged(&store, &image);
    insta::assert_snapshot!(listing(&tree));
    insta::assert_snapshot!(std::str::from_utf8(tree.content(image::database::PLACE).unwrap()).unwrap());
}

#[test]
fn the_same_packages_give_the_same_image_in_one_layer_or_many() {
    let (_dir, store) = stored();
    let trees = ["{}", "layering: {strategy: origin, budget: 1}", "layering: {strategy: origin, budget: 9}"].map(|text| {
        let tree = merged(&store, &compose(&store, &drafts(), &definition(text)));
        tree.entries.into_values().map(|(entry, _)| entry).collect::<Vec<_>>()
    });
    assert_eq!(trees[0], trees[1]);
    assert_eq!(trees[1], trees[2]);
}

#[test]
fn is_the_same_in_another_store_and_when_composed_again() {
    let (_a, first) = stored();
    let (_b, second) = stored();
    let image = compose(&first, &drafts(), &definition(NGINX));
    assert_eq!(compose(&first, &drafts(), &definition(NGINX)), image, "from records");
    assert_eq!(compose(&second, &drafts(), &definition(NGINX)), image, "from nothing");
}

#[test]
fn who_signed_a_package_changes_nothing() {
    let (dir, store) = stored();
    let packages: Vec<_> = drafts().iter().map(|draft| draft.store(&store)).collect();
    let locks = [1, 2].map(|n| {
        let key = attest::key::PrivateKey::generate(2048).unwrap();
        let key = attest::key::Named::new(format!("key{n}"), key).unwrap();
        let signed = packages.iter().enumerate().map(|(place, package)| {
            let file = dir.path().join(format!("{n}-{place}.apk"));
            package.write_signed(&key, &mut fs_err::File::create(&file).unwrap()).unwrap();
            Package::open(&file).unwrap()
        });
        lock(&signed.collect::<Vec<_>>())
    });
    assert_eq!(locks[0], locks[1]);
}

#[test]
fn a_layer_is_shared_by_images_that_share_an_origin() {
    let (_dir, store) = stored();
    let layered = definition("layering: {strategy: origin, budget: 9}");
    let one = compose(&store, &drafts(), &layered);
    let mut with_more = drafts();
    with_more.push(Draft::new("more", vec![file("usr/share/more", "more")]));
    let other = compose(&store, &with_more, &layered);
    let digests = |image: &Composed| image.layers.iter().map(|layer| layer.descriptor.digest).collect::<BTreeSet<Digest>>();
    assert_eq!(digests(&one).intersection(&digests(&other)).count(), 2, "base with library, and program; not the database");
}

#[test]
fn the_time_is_that_of_the_newest_package_and_never_beyond_the_ceiling() {
    let (_dir, store) = stored();
    let with_time = |time: Option<i64>| {
        let mut draft = Draft::new("a", vec![file("a", "a")]);
        draft.info.build_time = time;
        compose(&store, &[draft], &definition("{}")).created
    };
    assert_eq!((with_time(Some(7)), with_time(Some(5000)), with_time(None)), (7, 1000, 10));
}

#[test]
fn the_sbom_holds_every_package_and_what_it_says_of_itself() {
    let (_dir, store) = stored();
    let mut drafts = drafts();
    drafts[2].info.license = "Zlib".into();
    drafts[2] = drafts[2].clone().with_sbom();
    drafts[2].info.license = "MIT".into();
    let image = compose(&store, &drafts, &definition("{}"));
    let document = attest::spdx::Document::from_json(&store.read_blob(&image.sbom).unwrap(), "demo").unwrap();
    let told: Vec<_> = document.packages.iter().map(|one| (one.name.as_str(), one.license_declared.as_str())).collect();
    let none = "NOASSERTION";
    assert_eq!(
        told,
        [
            ("demo", none),
            ("demo-made", none),
            ("undistro", none),
            ("base", "MIT"),
            ("library", "MIT"),
            ("program", "Zlib"),
            ("program-data", "MIT")
        ]
    );
    assert!(document.packages[0].checksums.iter().any(|sum| sum.checksum_value == image.manifest.digest.hex()));
    let depends = document.relationships.iter().filter(|one| one.relationship_type == attest::spdx::Relation::DEPENDS_ON);
    assert_eq!(depends.count(), 2);

    drafts[2].files.pop();
    drafts[2].files.push(file("var/lib/db/sbom/program-1.0-r0.spdx.json", "{}"));
    let packages: Vec<_> = drafts.iter().map(|draft| draft.store(&store)).collect();
    let error = image::compose(&store, "demo", &lock(&packages), &definition("{}"), &distro(), &()).unwrap_err();
    assert!(matches!(error, ImageError::Spdx(_)), "{error}");
}

#[test]
fn refuses_what_does_not_fit() {
    let (_dir, store) = stored();
    let packages: Vec<_> = drafts().iter().map(|draft| draft.store(&store)).collect();
    let fail =
        |lock: &image::Lock, text: &str| image::compose(&store, "demo", lock, &definition(text), &distro(), &()).unwrap_err().to_string();
    let good = lock(&packages);

    let mut swapped = good.clone();
    swapped.packages[0].content = good.packages[1].content;
    assert!(fail(&swapped, "{}").contains("the lock names base-1.0-r0, and the package sha256:"), "{}", fail(&swapped, "{}"));
    let mut missing = good.clone();
    missing.packages[0].content = Digest::of("nowhere");
    assert!(fail(&missing, "{}").starts_with("sha256:"));
    let other = image::Lock { arch: Arch::Aarch64, ..good.clone() };
    assert_eq!(fail(&other, "{}"), "base-1.0-r0 is for x86_64, and the image for aarch64");
    assert_eq!(fail(&good, "format: erofs"), "`format` is not supported yet");
    assert_eq!(
        fail(&good, "paths: [{path: /nowhere, type: permissions, permissions: 0o644}]"),
        "`paths` names `/nowhere`: there is nothing at it"
    );
    let clash = Draft::new("clash", vec![directory("etc", 0o755), file("etc/passwd", "x")]).store(&store);
    let both = lock(&[packages[0].clone(), clash]);
    assert_eq!(
        fail(&both, "{}"),
        "base-1.0-r0 and clash-1.0-r0 both hold `etc/passwd`: the content differs, and neither replaces the other"
    );
}

#[test]
fn nothing_of_a_package_is_lost_or_added() {
    let (_dir, store) = stored();
    let packages: Vec<_> = drafts().iter().map(|draft| draft.store(&store)).collect();
    let tables: Vec<_> = packages.iter().map(|package| package.table().unwrap()).collect();
    let contributions: Vec<_> = packages
        .iter()
        .zip(&tables)
        .map(|(package, table)| table::Contribution { info: package.info(), entries: &table.entries })
        .collect();
    let expected: Vec<_> = table::merge(&contributions).unwrap().entries().filter(|entry| !entry.path.as_str().contains("apk")).collect();
    let image = image::compose(&store, "demo", &lock(&packages), &definition("{}"), &distro(), &()).unwrap();
    let found: Vec<_> =
        merged(&store, &image).entries.into_values().map(|(entry, _)| entry).filter(|entry| !entry.path.as_str().contains("apk")).collect();
    assert_eq!(found, expected);
    assert!(found.iter().any(|entry| entry.path == path("usr/lib/old.so.1") && entry.size() == 3), "the link kept the replaced bytes");
}

/// The records of layer parts in a store: digests of the part as it is, and compressed.
fn parts(store: &Store) -> Vec<(Digest, Digest)> {
    let records = fs_err::read_dir(store.root().join("records/layer-part")).unwrap();
    let read = |entry: std::io::Result<fs_err::DirEntry>| {
        let record: serde_json::Value = serde_json::from_slice(&fs_err::read(entry.unwrap().path()).unwrap()).unwrap();
        let digest = |piece: &str| record["value"][piece]["digest"].as_str().unwrap().parse().unwrap();
        (digest("raw"), digest("packed"))
    };
    records.map(read).collect()
}

fn flip(store: &Store, digest: &Digest) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = store.blob(digest).unwrap();
    let mut bytes = fs_err::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&path, bytes).unwrap();
}

/// What is done to the raw and the packed copy of a part.
type Harm<'a> = &'a dyn Fn(&Store, Digest, Digest);

#[test]
fn a_part_that_rotted_or_went_is_made_again() {
    let layered = definition("layering: {strategy: origin, budget: 9}");
    let (_right, fresh) = stored();
    let right = compose(&fresh, &drafts(), &layered);
    let remove = |store: &Store, digest: &Digest| fs_err::remove_file(store.blob(digest).unwrap()).unwrap();
    let harms: [(&str, Harm<'_>); 5] = [
        ("a flipped bit", &|store, raw, _| flip(store, &raw)),
        ("a flipped bit, compressed", &|store, _, packed| flip(store, &packed)),
        ("no second copy", &|store, raw, _| remove(store, &raw)),
        ("no part", &|store, _, packed| remove(store, &packed)),
        ("the second copy must be unpacked from one with a flipped bit", &|store, raw, packed| {
            remove(store, &raw);
            flip(store, &packed);
        }),
    ];
    for (harm, harmed) in harms {
        let (_dir, store) = stored();
        // In one layer first, so that the layers below are put together from the parts that are harmed.
        compose(&store, &drafts(), &definition("{}"));
        let kept = parts(&store);
        assert!(kept.len() >= 4);
        kept.into_iter().for_each(|(raw, packed)| harmed(&store, raw, packed));
        let image = compose(&store, &drafts(), &layered);
        assert_eq!(image, right, "{harm}");
        let index = image::index(&store, &[image]).unwrap();
        assert_eq!(validate(&store, &[index]).unwrap(), [], "{harm}");
    }
}

#[test]
fn what_an_image_changes_nothing_of_is_compressed_once() {
    let (_dir, store) = stored();
    let mut drafts = drafts();
    compose(&store, &drafts, &definition("{}"));
    let before = parts(&store).len();
    drafts.push(Draft::new("more", vec![file("usr/share/more", "more")]));
    compose(&store, &drafts, &definition("layering: {strategy: origin, budget: 9}"));
    assert_eq!(parts(&store).len(), before + 1, "the new package's");
    let text = "paths: [{path: /usr/share/data, type: permissions, permissions: 0o600}]";
    compose(&store, &drafts, &definition(text));
    assert_eq!(parts(&store).len(), before + 2, "one that the image changes");
}

#[test]
fn zstd_holds_the_same() {
    let (_dir, store) = stored();
    let [gzip, zstd] = ["gzip", "zstd"].map(|name| compose(&store, &drafts(), &definition(&format!("compression: {name}"))));
    assert_eq!(gzip.layers[0].diff_id, zstd.layers[0].diff_id);
    assert_eq!(zstd.layers[0].descriptor.media_type, oci::media::LAYER_ZSTD);
    assert_eq!(merged(&store, &gzip), merged(&store, &zstd));
}

#[test]
fn golden_digests_pin_what_composing_writes() {
    let (_dir, store) = stored();
    let image = compose(&store, &drafts(), &definition(NGINX));
    // Whoever changes them raises a format: that of layers, or that of composing.
    insta::assert_snapshot!(format!("manifest {}\nsbom {}", image.manifest.digest, image.sbom));
}

#[test]
fn a_layer_whose_last_packages_changed_is_hashed_from_there() {
    let (_dir, store) = stored();
    let draft = |name: &str, time: i64, text: &str| {
        let mut draft = Draft::new(name, vec![file(&format!("usr/share/{name}"), &text.repeat(1_000_000))]);
        draft.info.build_time = Some(time);
        draft
    };
    let states = || fs_err::read_dir(store.root().join("records/layer-states")).map_or(0, Iterator::count);
    for (middle, last) in [("middle", "last"), ("middle", "newer"), ("newer", "newer"), ("middle", "last again")] {
        let drafts = [draft("first", 1, "first"), draft("middle", 2, middle), draft("last", 3, last)];
        let fast = compose(&store, &drafts, &definition("{}"));
        let (_elsewhere, fresh) = stored();
        let slow = compose(&fresh, &drafts, &definition("{}"));
        assert_eq!(fast.layers, slow.layers, "{middle}, {last}");
        assert_eq!(states(), 1, "the states of the last layer stand for all that begin alike");
    }
}
