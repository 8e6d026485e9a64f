//! Writes random sets of packages as images, composed in the fast and in the slow way: `sets COUNT DIR` makes for each
//! `DIR/N/fast` and `DIR/N/slow`, both OCI layouts, `DIR/N/compression`, and `DIR/N/tree`, what both must unpack to.
#![allow(clippy::unwrap_used, reason = "it ends where it can not go on")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/sets.rs"]
mod sets;

use std::path::Path;

use base::tree::{Entry, Kind};
use base::{Digest, Store};
use common::{definition, distro, lock};
use oci::{Format, Manifest, Tagged, tree};

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, count, dir] = arguments.as_slice() else { panic!("sets COUNT DIR") };
    let dir = Path::new(dir);
    let store = Store::open(&dir.join("store")).unwrap();
    for (n, (set, table)) in sets::fitting(&store, count.parse().unwrap()).enumerate() {
        let place = dir.join(n.to_string());
        let definition = definition(&set.definition(&table));
        let packages: Vec<_> = set.drafts.iter().map(|draft| draft.store(&store)).collect();
        let lock = lock(&packages);
        let fast = image::compose(&store, "random", &lock, &definition, &distro(), &()).unwrap();
        let slow = image::compose_whole(&store, "random", &lock, &definition, &distro()).unwrap();
        for (name, image) in [("fast", &fast), ("slow", &slow)] {
            let tagged = [Tagged { descriptor: image.manifest.clone(), name: "random".into(), tag: "latest".into() }];
            oci::write(Format::Layout, &place.join(name), &tagged, &store).unwrap();
            let layers: String = image.layers.iter().map(|layer| format!("{}\n", layer.descriptor.digest.hex())).collect();
            fs_err::write(place.join(format!("{name}.layers")), layers).unwrap();
        }
        let tree = tree::merged(&store, &Manifest::read(&store, &slow.manifest).unwrap(), &|_| false).unwrap();
        let mut lines: Vec<_> = tree.entries.values().map(|(entry, _)| line(&tree, entry)).collect();
        lines.sort();
        fs_err::write(place.join("tree"), lines.concat()).unwrap();
        fs_err::write(place.join("compression"), if set.is_zstd() { "zstd\n" } else { "gzip\n" }).unwrap();
    }
}

/// One line per entry, as tests/outside/tree.py prints it.
fn line(tree: &tree::Tree, entry: &Entry) -> String {
    let first = match &entry.kind {
        Kind::Hardlink { target } => target,
        _ => &entry.path,
    };
    let file = &tree.entries[first].0;
    let Entry { path, mode, uid, gid, mtime, .. } = entry;
    match &file.kind {
        Kind::Directory => format!("{path} d {mode:o} {uid}:{gid}\n"),
        Kind::Symlink { target } => format!("{path} l {uid}:{gid} {target}\n"),
        Kind::File { size, digest } => {
            let linked = |(other, _): &&(Entry, usize)| matches!(&other.kind, Kind::Hardlink { target } if target == first);
            let names = tree.entries.values().filter(linked).map(|(other, _)| &other.path).chain([first]);
            let first = names.map(|path| path.as_str()).min().unwrap();
            let digest = digest.as_ref().map(Digest::hex).unwrap_or_default();
            let xattrs: Vec<_> = file.xattrs.iter().map(|(name, value)| format!("{name}={}", hex(value))).collect();
            format!("{path} f {mode:o} {uid}:{gid} {mtime} {size} {digest} {first} {}\n", xattrs.join(","))
        }
        other => format!("{path} {other:?}\n"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
