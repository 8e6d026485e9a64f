//! The same image in every form: what is written is sound, is read back, and is the same each time.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod common;

use base::tree::Kind;
use common::two_layers;
use fs_err as fs;
use oci::{Blobs as _, Format, Manifest, OciError, Source, Tagged, Written, inspect, rewrite, tree, validate, write};

fn tagged(descriptor: oci::Descriptor) -> [Tagged; 1] {
    [Tagged { descriptor, name: "demo".into(), tag: "latest".into() }]
}

#[test]
fn every_form_holds_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, index) = two_layers();
    for (name, format) in Format::ALL {
        let path = dir.path().join(name);
        write(format, &path, &tagged(index.clone()), &blobs).unwrap();
        let source = Source::open(&path).unwrap();
        assert_eq!(validate(&source, &source.index().manifests).unwrap(), [], "{name}");
        let manifest = source.manifest(Some(base::Arch::X86_64)).unwrap();
        let seen = inspect(&source, &manifest).unwrap();
        assert_eq!((seen.user.as_str(), seen.layers.len(), seen.entrypoint), ("65532", 2, vec!["/x".to_owned()]), "{name}");
        assert!(matches!(source.manifest(Some(base::Arch::S390x)), Err(OciError::Platforms { .. })), "{name}");
    }
}

#[test]
fn is_written_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, index) = two_layers();
    for (name, format) in &Format::ALL[1..] {
        let paths = [1, 2].map(|n| dir.path().join(format!("{name}{n}")));
        for path in &paths {
            write(*format, path, &tagged(index.clone()), &blobs).unwrap();
        }
        assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap(), "{name}");
    }
}

#[test]
fn a_layout_is_replaced_and_anything_else_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, index) = two_layers();
    let place = dir.path().join("out");
    for _ in 0..2 {
        write(Format::Layout, &place, &tagged(index.clone()), &blobs).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter"), "dear").unwrap();
    for format in [Format::Layout, Format::OciArchive] {
        assert!(matches!(write(format, &home, &tagged(index.clone()), &blobs), Err(OciError::Occupied { .. })));
    }
    assert!(home.join("letter").exists());
}

#[test]
fn a_wrong_blob_is_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let (mut blobs, index) = two_layers();
    let manifest = oci::Index::read(&blobs, &index).unwrap().manifests.remove(0);
    let layer = Manifest::read(&blobs, &manifest).unwrap().layers.remove(0);
    let length = blobs.0[&layer.digest].len();
    blobs.0.insert(layer.digest, vec![0; length]);
    for (name, format) in Format::ALL {
        let error = write(format, &dir.path().join(name), &tagged(index.clone()), &blobs).unwrap_err();
        assert!(matches!(error, OciError::Changed { expected, .. } if expected == layer.digest), "{name}: {error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_there_still_is_left_as_it_is() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (first, other) = (
        common::image(&[vec![common::file("a", "1")], vec![common::file("b", "2")]]),
        common::image(&[vec![common::file("a", "1")], vec![common::file("c", "3")]]),
    );
    let layers = |(blobs, index): &(common::Memory, oci::Descriptor)| {
        let manifest = oci::Index::read(blobs, index).unwrap().manifests.remove(0);
        Manifest::read(blobs, &manifest).unwrap().layers
    };
    let (shared, gone) = (layers(&first)[0].digest, layers(&first)[1].digest);
    for (name, format) in Format::ALL {
        let place = dir.path().join(name);
        let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
        let write = |image: &(common::Memory, oci::Descriptor), before: &Written| {
            rewrite(format, &place, &tagged(image.1.clone()), &image.0, before).unwrap()
        };
        let sound = || validate(&Source::open(&place).unwrap(), &Source::open(&place).unwrap().index().manifests).unwrap();
        let looked_at = if format == Format::Layout { place.join("blobs/sha256").join(shared.hex()) } else { place.clone() };

        let written = write(&first, &Written::default());
        let at_first = inode(&looked_at);
        assert_eq!(write(&first, &written), written, "{name}: nothing to do");
        assert_eq!(inode(&looked_at), at_first, "{name}");

        let now = write(&other, &written);
        assert_ne!(now, written);
        assert_eq!(inode(&looked_at) == at_first, format == Format::Layout, "{name}: a layout keeps its blobs, an archive is new");
        assert!(format != Format::Layout || !place.join("blobs/sha256").join(gone.hex()).exists(), "what nothing leads to is removed");
        assert_eq!(sound(), [], "{name}");

        let length = fs::metadata(&looked_at).unwrap().len();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&looked_at, vec![0; usize::try_from(length).unwrap()]).unwrap();
        write(&other, &now);
        assert_eq!(sound(), [], "{name}: what someone changed is written again");
    }
}

#[test]
fn an_error_leaves_the_layout_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (blobs, index) = common::image(&[vec![common::file("a", "1")]]);
    let place = dir.path().join("out");
    write(Format::Layout, &place, &tagged(index), &blobs).unwrap();
    let (mut other, index) = common::image(&[vec![common::file("a", "1")], vec![common::file("b", "2")]]);
    let manifest = oci::Index::read(&other, &index).unwrap().manifests.remove(0);
    let broken = Manifest::read(&other, &manifest).unwrap().layers.remove(1).digest;
    other.0.insert(broken, b"others".to_vec());
    assert!(matches!(write(Format::Layout, &place, &tagged(index), &other), Err(OciError::Changed { .. })));
    let source = Source::open(&place).unwrap();
    assert_eq!(validate(&source, &source.index().manifests).unwrap(), []);
}

#[test]
fn says_when_it_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "hello").unwrap();
    for path in [dir.path(), file.as_path()] {
        assert!(matches!(Source::open(path), Err(OciError::NoImage { .. })), "{}", path.display());
    }
}

#[test]
fn layers_lie_over_each_other_as_a_container_sees_them() {
    let (blobs, index) = two_layers();
    let manifest = oci::Index::read(&blobs, &index).unwrap().manifests.remove(0);
    let manifest = Manifest::read(&blobs, &manifest).unwrap();
    let merged = tree::merged(&blobs, &manifest, &|path| path.as_str() == "etc/new").unwrap();
    let seen: Vec<_> = merged.entries.iter().map(|(path, (_, layer))| (path.as_str(), *layer)).collect();
    assert_eq!(
        seen,
        [("etc", 1), ("etc/kept", 0), ("etc/kept2", 0), ("etc/new", 1), ("opt", 1), ("opt/fresh", 1), ("var", 1)],
        "gone is whited out, old is behind an opaque directory, what was below var went with it"
    );
    assert_eq!(merged.content("/etc/new"), Some(&b"4444"[..]));
    let Kind::File { digest, .. } = merged.entries[&common::path("etc/kept")].0.kind else { panic!("a file") };
    assert_eq!(digest, Some(base::Digest::of("22")));
    assert!(blobs.read(&index.digest).is_ok());
}
