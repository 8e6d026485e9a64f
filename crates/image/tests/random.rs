//! Random packages: whatever fits together becomes one tree, the same in one layer or many, and in the hands of GNU tar.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

pub(crate) mod common;
#[path = "common/sets.rs"]
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use base::Store;
use base::tree::{Entry, Kind, TreePath};
use common::{Draft, definition, distro, lock, path};
use fs_err as fs;
use oci::{Blobs as _, Manifest, tree};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sets::{SEED, packages, sets, table};

/// The entries and the package database of the image of these packages.
fn merged(store: &Store, drafts: &[Draft], text: &str) -> (Vec<Entry>, Vec<u8>, Manifest) {
    let packages: Vec<_> = drafts.iter().map(|draft| draft.store(store)).collect();
    let image = image::compose(store, "random", &lock(&packages), &definition(text), &distro(), &()).unwrap();
    let index = image::index(store, std::slice::from_ref(&image)).unwrap();
    assert_eq!(oci::validate(store, &[index]).unwrap(), []);
    let manifest = Manifest::read(store, &image.manifest).unwrap();
    let tree = tree::merged(store, &manifest, &|path| path.as_str() == image::database::PLACE).unwrap();
    let database = tree.content(image::database::PLACE).unwrap().to_vec();
    (tree.entries.into_values().map(|(entry, _)| entry).collect(), database, manifest)
}

/// What GNU tar makes of the layers, and what it should make: path → kind, mode, size, number of names.
fn unpacked(store: &Store, manifest: &Manifest, into: &Path) -> BTreeMap<String, String> {
    for layer in &manifest.layers {
        let file = into.with_extension("layer");
        std::io::copy(&mut store.open(&layer.digest).unwrap(), &mut fs::File::create(&file).unwrap()).unwrap();
        let status = Command::new("tar").args(["--preserve-permissions", "-C"]).arg(into).arg("-xzf").arg(&file).status().unwrap();
        assert!(status.success());
    }
    let mut found = BTreeMap::new();
    walk(into, into, &mut found);
    found
}

fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let at = entry.unwrap().path();
        let meta = fs::symlink_metadata(&at).unwrap();
        let name = at.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = if meta.is_dir() {
            walk(root, &at, found);
            format!("directory {:o}", meta.mode() & 0o7777)
        } else if meta.is_symlink() {
            format!("link {}", fs::read_link(&at).unwrap().display())
        } else {
            format!("file {:o} {} {}", meta.mode() & 0o7777, meta.len(), meta.nlink())
        };
        found.insert(name, text);
    }
}

fn planned(entries: &[Entry]) -> BTreeMap<String, String> {
    let first = |entry: &Entry| match &entry.kind {
        Kind::Hardlink { target } => target.clone(),
        _ => entry.path.clone(),
    };
    let mut names: BTreeMap<TreePath, usize> = BTreeMap::new();
    entries.iter().for_each(|entry| *names.entry(first(entry)).or_default() += 1);
    let size = |path: &TreePath| entries.iter().find(|entry| entry.path == *path).map_or(0, Entry::size);
    let text = |entry: &Entry| match &entry.kind {
        Kind::Directory => format!("directory {:o}", entry.mode),
        Kind::Symlink { target } => format!("link {target}"),
        _ => format!("file {:o} {} {}", entry.mode, size(&first(entry)), names[&first(entry)]),
    };
    entries.iter().map(|entry| (entry.path.to_string(), text(entry))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_layer_or_many_unpack_to_the_table(drafts in packages()) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let table = table(&store, &drafts);
        prop_assume!(table.is_some(), "they fit together");
        let mut table = table.unwrap();
        let (single, database, _) = merged(&store, &drafts, "{}");
        table.put_file(&path(image::database::PLACE), 0o644, 100, database).unwrap();
        let expected: Vec<_> = table.entries().collect();
        prop_assert_eq!(&single, &expected);
        let (layered, _, manifest) = merged(&store, &drafts, "layering: {strategy: origin, budget: 9}");
        prop_assert_eq!(&layered, &expected);
        let into = dir.path().join("root");
        fs::create_dir(&into).unwrap();
        prop_assert_eq!(unpacked(&store, &manifest, &into), planned(&expected));
        base::store::remove_tree(&into).unwrap();
    }

    #[test]
    fn a_merged_table_holds_together(drafts in packages()) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let table = table(&store, &drafts);
        prop_assume!(table.is_some(), "they fit together");
        let table = table.unwrap();
        let entries: BTreeMap<_, _> = table.entries().map(|entry| (entry.path.clone(), entry)).collect();
        for entry in entries.values() {
            for above in entry.path.ancestors() {
                prop_assert!(entries.get(&above).is_some_and(Entry::is_directory), "{} lies in a directory", entry.path);
            }
            if let Kind::Hardlink { target } = &entry.kind {
                let is_file = matches!(entries[target].kind, Kind::File { .. });
                prop_assert!(is_file && *target < entry.path);
                prop_assert_eq!(table.get(target).unwrap().owner, table.get(&entry.path).unwrap().owner);
            }
        }
        let held: BTreeSet<_> = table.rows().filter_map(|row| row.owner).collect();
        prop_assert!(held.iter().all(|owner| *owner < drafts.len()));
    }
}

/// A folder in memory where there is one: a store flushes what it keeps, and here there is nothing to keep.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        max_global_rejects: 20_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(SEED),
        ..ProptestConfig::default()
    })]

    #[test]
    fn layers_of_parts_unpack_to_what_one_stream_does(set in sets()) {
        let dir = scratch();
        let store = Store::open(dir.path()).unwrap();
        let table = table(&store, &set.drafts);
        prop_assume!(table.is_some(), "they fit together");
        let definition = definition(&set.definition(&table.unwrap()));
        let packages: Vec<_> = set.drafts.iter().map(|draft| draft.store(&store)).collect();
        let lock = lock(&packages);
        let fast = image::compose(&store, "random", &lock, &definition, &distro(), &()).unwrap();
        let slow = image::compose_whole(&store, "random", &lock, &definition, &distro()).unwrap();
        let unpacked = |image: &image::Composed| {
            prop_assert_eq!(oci::validate(&store, std::slice::from_ref(&image.manifest)).unwrap(), []);
            let tree = tree::merged(&store, &Manifest::read(&store, &image.manifest).unwrap(), &|_| true).unwrap();
            Ok((image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>(), tree.entries, tree.contents))
        };
        prop_assert_eq!(unpacked(&fast)?, unpacked(&slow)?);
    }
}
