//! Small packages made in a store, and images of them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a test that can not go on has failed")]

use std::collections::BTreeMap;

use apk::{Info, Package};
use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Dependency, Digest, Store};
use image::{Composed, Lock, Locked};
use spec::distro::Distro;
use spec::image::Config;

/// A package to be made: what it says of itself, and entries with their content.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) info: Info,
    pub(crate) files: Vec<(Entry, Vec<u8>)>,
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub(crate) fn file(at: &str, content: &str) -> (Entry, Vec<u8>) {
    let kind = Kind::File { size: content.len() as u64, digest: Some(Digest::of(content)) };
    (Entry::new(path(at), kind, 0o644, 50), content.as_bytes().to_vec())
}

pub(crate) fn entry(at: &str, kind: Kind, mode: u32) -> (Entry, Vec<u8>) {
    (Entry::new(path(at), kind, mode, 50), Vec::new())
}

pub(crate) fn link(at: &str, target: &str) -> (Entry, Vec<u8>) {
    entry(at, Kind::Symlink { target: target.into() }, 0o777)
}

pub(crate) fn hard(at: &str, target: &str) -> (Entry, Vec<u8>) {
    entry(at, Kind::Hardlink { target: path(target) }, 0o644)
}

pub(crate) fn directory(at: &str, mode: u32) -> (Entry, Vec<u8>) {
    entry(at, Kind::Directory, mode)
}

impl Draft {
    pub(crate) fn new(name: &str, files: Vec<(Entry, Vec<u8>)>) -> Self {
        let info = Info::new(name.parse().unwrap(), "1.0-r0".parse().unwrap(), "x86_64");
        let license = "MIT".to_owned();
        Self { info: Info { build_time: Some(100), origin: Some(name.parse().unwrap()), license, ..info }, files }
    }

    pub(crate) fn depends(mut self, on: &str) -> Self {
        self.info.depends = Dependency::parse_list(on).unwrap();
        self
    }

    /// Puts the package's own SBOM into it.
    pub(crate) fn with_sbom(mut self) -> Self {
        let info = &self.info;
        let component = attest::spdx::Component {
            name: info.name.to_string(),
            version: info.version.to_string(),
            arch: info.arch.clone(),
            distro: "undistro".into(),
            supplier: Some("Undistro".into()),
            license: info.license.clone(),
            origin: info.origin.as_ref().map(ToString::to_string),
            ..attest::spdx::Component::default()
        };
        let text = attest::spdx::package(&component, 100, &image::namespace(&distro())).unwrap().to_json();
        self.files.push(file(&format!("var/lib/db/sbom/{}.spdx.json", info.identity()), &text));
        self
    }

    pub(crate) fn store(&self, store: &Store) -> Package {
        let entries: Vec<_> = self.files.iter().map(|(entry, _)| entry.clone()).collect();
        let mut contents: BTreeMap<TreePath, Vec<u8>> =
            self.files.iter().map(|(entry, content)| (entry.path.clone(), content.clone())).collect();
        for (entry, _) in &self.files {
            // Whichever name comes first in the package becomes the file.
            if let Kind::Hardlink { target } = &entry.kind {
                contents.insert(entry.path.clone(), contents[target].clone());
            }
        }
        let mut open = |entry: &Entry| -> std::io::Result<Box<dyn std::io::Read>> {
            Ok(Box::new(std::io::Cursor::new(contents[&entry.path].clone())))
        };
        apk::package::store_package(store, &self.info, &BTreeMap::new(), &entries, &mut open, 100).unwrap()
    }
}

/// A base like ours, a library that replaces a file of it, and a program of two packages.
pub(crate) fn drafts() -> Vec<Draft> {
    let base = Draft::new(
        "base",
        vec![
            directory("etc", 0o755),
            file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"),
            file("etc/group", "root:x:0:\n"),
            link("etc/os-release", "../usr/lib/os-release"),
            directory("tmp", 0o1777),
            directory("usr", 0o755),
            directory("usr/lib", 0o755),
            link("lib", "usr/lib"),
            file("usr/lib/os-release", "ID=undistro\nVERSION_ID=\"1\"\n"),
            file("usr/lib/old.so", "old"),
            hard("usr/lib/old.so.1", "usr/lib/old.so"),
        ],
    );
    let mut library = Draft::new("library", vec![file("usr/lib/old.so", "newer"), file("lib/library.so", "lib")]).depends("base");
    library.info.replaces = vec!["base".parse().unwrap()];
    library.info.provides = vec!["so:library.so.1=1".parse().unwrap()];
    let program = Draft::new(
        "program",
        vec![(Entry { mode: 0o4755, ..file("usr/bin/program", "run").0 }, b"run".to_vec()), hard("usr/bin/other", "usr/bin/program")],
    )
    .depends("so:library.so.1");
    let mut data = Draft::new("program-data", vec![file("usr/share/data", &"data".repeat(5000))]);
    data.info.origin = Some("program".parse().unwrap());
    vec![base, library, program, data]
}

pub(crate) fn lock(packages: &[Package]) -> Lock {
    let locked = |package: &Package| Locked {
        name: package.info().name.clone(),
        version: package.info().version.clone(),
        content: package.content(),
    };
    Lock { arch: Arch::X86_64, wants: Vec::new(), packages: packages.iter().map(locked).collect() }
}

pub(crate) fn distro() -> Distro {
    let text = "name: Undistro\nid: undistro\nversion-id: \"1\"\nsource-date-epoch: 10\nsource-date-ceiling: 1000\n";
    spec::distro::parse(text).unwrap()
}

pub(crate) fn definition(text: &str) -> Config {
    spec::image::evaluate(&spec::image::parse(text).unwrap(), &(), None).unwrap()
}

pub(crate) fn compose(store: &Store, drafts: &[Draft], definition: &Config) -> Composed {
    let packages: Vec<_> = drafts.iter().map(|draft| draft.store(store)).collect();
    image::compose(store, "demo", &lock(&packages), definition, &distro(), &()).unwrap()
}
