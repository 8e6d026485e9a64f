//! Random packages: whatever fits together becomes one tree, the same in one layer or many, and in the hands of GNU tar.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use base::Store;
use base::tree::{Entry, Kind, TreePath};
use common::{Draft, definition, directory, distro, file, hard, link, lock, path};
use fs_err as fs;
use image::table::{Contribution, Table, merge};
use oci::{Blobs as _, Manifest, tree};
use proptest::prelude::*;

/// Paths that meet often, some of them below a link to a directory.
const PATHS: [&str; 9] = ["bin/a", "bin/b", "usr/bin/a", "usr/bin/b", "usr/lib/c", "lib/c", "lib/d/e", "etc/f", "usr/share/g/h"];
const DIRECTORIES: [&str; 5] = ["usr", "usr/bin", "usr/lib", "usr/share/g", "var/empty"];
const LINKS: [(&str, &str); 3] = [("bin", "usr/bin"), ("lib", "/usr/lib"), ("etc/link", "f")];

type Files = Vec<(Entry, Vec<u8>)>;

fn one_entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    prop_oneof![
        4 => (0..PATHS.len(), "[xy]{0,2}").prop_map(|(at, content)| file(PATHS[at], &content)),
        2 => (0..DIRECTORIES.len(), prop_oneof![Just(0o755), Just(0o1777), Just(0o500)]).prop_map(|(at, mode)| directory(DIRECTORIES[at], mode)),
        1 => (0..LINKS.len()).prop_map(|at| link(LINKS[at].0, LINKS[at].1)),
    ]
}

/// Entries of one package that apk would take: each path once, nothing below a link or file.
fn sound(entries: Files, links: &[(usize, usize)]) -> Files {
    let mut taken: BTreeMap<TreePath, (Entry, Vec<u8>)> = BTreeMap::new();
    for (entry, content) in entries {
        let above_is_directory = entry.path.ancestors().all(|above| taken.get(&above).is_none_or(|(there, _)| there.is_directory()));
        let is_above = taken.keys().any(|other| other.ancestors().any(|above| above == entry.path));
        if above_is_directory && (entry.is_directory() || !is_above) {
            taken.entry(entry.path.clone()).or_insert((entry, content));
        }
    }
    let files: Vec<_> =
        taken.values().filter(|(entry, _)| matches!(entry.kind, Kind::File { .. })).map(|(entry, _)| entry.path.clone()).collect();
    for (n, (from, _)) in links.iter().enumerate().filter(|_| !files.is_empty()) {
        let at = format!("opt/link{n}-{from}");
        taken.insert(path(&at), hard(&at, files[from % files.len()].as_str()));
    }
    taken.into_values().collect()
}

fn packages() -> impl Strategy<Value = Vec<Draft>> {
    let package =
        (prop::collection::vec(one_entry(), 0..8), prop::collection::vec((0..5usize, 0..5usize), 0..3), any::<bool>(), any::<bool>());
    prop::collection::vec(package, 1..4).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(n, (entries, links, replaces, shares_origin))| {
            let mut draft = Draft::new(&format!("p{n}"), sound(entries, &links));
            if replaces {
                draft.info.replaces = (0..n).map(|other| format!("p{other}").parse().unwrap()).collect();
            }
            if shares_origin {
                draft.info.origin = Some("shared".parse().unwrap());
            }
            draft
        })
        .collect()
    })
}

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

fn table(store: &Store, drafts: &[Draft]) -> Option<Table> {
    let packages: Vec<_> = drafts.iter().map(|draft| draft.store(store)).collect();
    let tables: Vec<_> = packages.iter().map(|package| package.table().unwrap()).collect();
    let contributions: Vec<_> =
        packages.iter().zip(&tables).map(|(package, table)| Contribution { info: package.info(), entries: &table.entries }).collect();
    merge(&contributions).ok()
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
