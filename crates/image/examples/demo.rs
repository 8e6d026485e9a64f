//! Composes a small image around one program, in every form, for the tools of others to look at:
//! `demo PROGRAM DIR` writes `layout`, `oci.tar`, `docker.tar`, the SBOMs, the layers in order, and `tree`, what they must unpack to.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it ends where it can not go on")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;

use base::Store;
use base::tree::{Entry, Kind};
use common::{Draft, compose, definition, drafts};
use oci::{Format, Manifest, Tagged, tree};

const DEFINITION: &str = "
accounts:
  run-as: nonroot
  users: [{username: nonroot, uid: 65532}]
  groups: [{groupname: nonroot, gid: 65532}]
entrypoint: {command: /usr/bin/hello}
cmd: from the demo
work-dir: /tmp
paths:
  - {path: /srv/own, type: directory, uid: 65532, gid: 65532, permissions: 0o700}
  - {path: /usr/bin/again, type: hardlink, source: /usr/bin/program}
layering: {strategy: origin, budget: 2}
";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, program, dir] = arguments.as_slice() else { panic!("demo PROGRAM DIR") };
    let dir = Path::new(dir);
    let store = Store::open(&dir.join("store")).unwrap();
    let bytes = fs_err::read(program).unwrap();
    let kind = Kind::File { size: bytes.len() as u64, digest: None };
    let mut all = drafts();
    all.push(Draft::new("hello", vec![(Entry::new(common::path("usr/bin/hello"), kind, 0o755, 50), bytes)]));
    let all: Vec<_> = all.into_iter().map(Draft::with_sbom).collect();
    let image = compose(&store, &all, &definition(DEFINITION));
    let index = image::index(&store, std::slice::from_ref(&image)).unwrap();
    let tagged = [Tagged { descriptor: index, name: "undistro-demo".into(), tag: "latest".into() }];
    for (name, format) in [("layout", Format::Layout), ("oci.tar", Format::OciArchive), ("docker.tar", Format::DockerArchive)] {
        oci::write(format, &dir.join(name), &tagged, &store).unwrap();
    }
    let sbom = store.read_blob(&image.sbom).unwrap();
    fs_err::write(dir.join("sbom.spdx.json"), &sbom).unwrap();
    let sbom = attest::spdx::Document::from_json(&sbom, "demo").unwrap();
    fs_err::write(dir.join("sbom.cdx.json"), attest::cyclonedx::Bom::of(&sbom).to_json()).unwrap();
    let manifest = Manifest::read(&store, &image.manifest).unwrap();
    let layers: String = manifest.layers.iter().map(|layer| format!("layout/blobs/sha256/{}\n", layer.digest.hex())).collect();
    fs_err::write(dir.join("layers"), layers).unwrap();
    let tree = tree::merged(&store, &manifest, &|_| false).unwrap();
    fs_err::write(dir.join("tree"), listing(&tree)).unwrap();
}

/// One line per entry, as `find` prints it in tests/outside/engines.sh.
fn listing(tree: &tree::Tree) -> String {
    let mut lines: Vec<_> = tree.entries.values().map(|(entry, _)| line(tree, entry)).collect();
    lines.sort();
    lines.concat()
}

fn line(tree: &tree::Tree, entry: &Entry) -> String {
    let Entry { path, mode, uid, gid, mtime, .. } = entry;
    match &entry.kind {
        Kind::Directory => format!("{path} d {mode:o} {uid}:{gid} {mtime}\n"),
        Kind::Symlink { target } => format!("{path} l {uid}:{gid} {target}\n"),
        Kind::File { size, .. } => format!("{path} f {mode:o} {uid}:{gid} {mtime} {size} {}\n", names(tree, path)),
        Kind::Hardlink { target } => {
            let size = tree.entries[target].0.size();
            format!("{path} f {mode:o} {uid}:{gid} {mtime} {size} {}\n", names(tree, target))
        }
        other => format!("{path} {other:?}\n"),
    }
}

/// How many names a file has.
fn names(tree: &tree::Tree, first: &base::tree::TreePath) -> usize {
    1 + tree.entries.values().filter(|(entry, _)| matches!(&entry.kind, Kind::Hardlink { target } if target == first)).count()
}
