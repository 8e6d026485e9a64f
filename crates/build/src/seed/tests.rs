//! The promises of seeds, on small packages made here.

use std::collections::BTreeMap;

use base::tarball::Writer;
use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Digest, Store};
use source::debian::{Package, Signature, Unchecked};
use source::{Fetcher, Settings};
use spec::seed::Seed;

use super::{FORMAT, Lock, Locked, Release, Repository, ResolveError, SeedError, Unmet, is_seed, repository, requests, resolve};

enum Item {
    File(&'static str),
    Link(&'static str),
    Hard(&'static str),
}

fn tar(items: &[(&str, Item)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, item) in items {
        let path = TreePath::parse(path).unwrap();
        let (entry, text) = match item {
            Item::File(text) => (Entry::new(path, Kind::File { size: text.len() as u64, digest: None }, 0o4755, 1_700_000_000), *text),
            Item::Link(target) => (Entry::new(path, Kind::Symlink { target: (*target).into() }, 0o777, 1_600_000_000), ""),
            Item::Hard(target) => {
                (Entry::new(path, Kind::Hardlink { target: TreePath::parse(target).unwrap() }, 0o4755, 1_700_000_000), "")
            }
        };
        writer.append(&entry, &BTreeMap::new(), &mut text.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

fn deb(name: &str, data: &[(&str, Item)]) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: 1:2.3-4\nArchitecture: amd64\nSource: src\nMaintainer: M <m@example>\nHomepage: https://up.example/\n\
         Depends: other\nDescription: what {name} does\n more\n"
    );
    let control: &'static str = control.leak();
    let control = tar(&[("control", Item::File(control)), ("postinst", Item::File("#!/bin/sh\ntouch /ran"))]);
    let mut bytes = b"!<arch>\n".to_vec();
    for (member, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", &tar(data))] {
        bytes.extend(format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + bytes.len() % 2, b'\n');
    }
    bytes
}

fn tool() -> Vec<u8> {
    let files =
        [("./bin/tool", Item::File("#!/bin/sh\n")), ("usr/share/man/man1/tool.1", Item::File("x")), ("lib/l", Item::Link("../usr/lib/m"))];
    deb("tool", &files)
}

fn lock(packages: Vec<Locked>) -> Lock {
    let release = Release { version: None, date: None, signature: Signature::Unchecked(Unchecked::Waived) };
    Lock::new(Arch::X86_64, "trixie".into(), "main".into(), release, packages)
}

/// A machine with an archive in a folder.
struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Self { dir, store }
    }

    fn seeds(&self, packages: &[(&str, &[&str], Vec<u8>)], seed: &Seed) -> Result<Repository, SeedError> {
        let locked = packages.iter().map(|(name, depends, bytes)| self.publish(name, depends, bytes));
        let fetcher = Fetcher::new(&self.store, self.settings()).unwrap();
        repository(&lock(locked.collect()), seed, &fetcher, &())
    }

    fn publish(&self, name: &str, depends: &[&str], bytes: &[u8]) -> Locked {
        let path = format!("pool/{name}_2.3-4_amd64.deb");
        let place = self.dir.path().join(&path);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::write(place, bytes).unwrap();
        Locked {
            name: name.into(),
            version: "1:2.3-4".parse().unwrap(),
            arch: "amd64".into(),
            path,
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
            depends: depends.iter().map(|&name| name.into()).collect(),
            dropped: Vec::new(),
        }
    }

    fn settings(&self) -> Settings {
        Settings { debian: Some(self.dir.path().to_str().unwrap().parse().unwrap()), ..Settings::default() }
    }
}

fn seed(text: &str) -> Seed {
    spec::seed::parse(&format!("suite: trixie\npackages: [tool]\n{text}")).unwrap()
}

#[test]
fn a_seed_is_a_package_like_ours_and_says_what_it_is() {
    let place = Place::new();
    let seeds = place.seeds(&[("tool", &[], tool())], &seed("links: {tool: {/usr/bin/t: tool}}\n")).unwrap();
    let info = &seeds.records[0].info;
    assert!(is_seed(info));
    insta::assert_snapshot!(serde_json::to_string_pretty(info).unwrap(), @r#"
    {
      "name": "tool",
      "version": "2.3~931809e51430-r0",
      "arch": "x86_64",
      "description": "what tool does",
      "url": "https://up.example/",
      "license": "NOASSERTION",
      "origin": "src",
      "commit": "debian:tool=1:2.3-4",
      "maintainer": "M <m@example>",
      "packager": null,
      "build_time": 1700000000,
      "installed_size": 10,
      "depends": [],
      "provides": [
        "cmd:t=2.3~931809e51430-r0",
        "cmd:tool=2.3~931809e51430-r0",
        "seed:tool"
      ],
      "replaces": [],
      "install_if": [],
      "provider_priority": null,
      "replaces_priority": null,
      "triggers": []
    }
    "#);
    let package = apk::Package::open_blob(&place.store, &seeds.records[0].content.unwrap()).unwrap();
    assert!(package.scripts().is_empty(), "no maintainer script is kept");
    let table = package.table().unwrap();
    let listed: Vec<_> = table
        .entries
        .iter()
        .map(|entry| match &entry.kind {
            Kind::Symlink { target } => format!("{} -> {target}", entry.path),
            _ => format!("{} {:o}", entry.path, entry.mode),
        })
        .collect();
    assert_eq!(listed, ["usr 755", "usr/bin 755", "usr/bin/t -> tool", "usr/bin/tool 755", "usr/lib 755", "usr/lib/l -> /usr/lib/m",]);
}

#[test]
fn equal_input_gives_equal_bytes_and_is_converted_once() {
    let (first, second) = (Place::new(), Place::new());
    let linked = [("bin/tool", Item::File("#!/bin/sh\n")), ("bin/tool2", Item::Hard("bin/tool")), ("lib/l", Item::Link("../usr/lib/m"))];
    let linked = deb("tool", &linked);
    let packages = || vec![("tool", &[][..], linked.clone())];
    let one = first.seeds(&packages(), &seed("")).unwrap();
    let two = second.seeds(&packages(), &seed("")).unwrap();
    assert_eq!(one.records, two.records);
    assert_eq!((one.converted, first.seeds(&packages(), &seed("")).unwrap().converted), (1, 0));
    let content = one.records[0].content.unwrap().to_string();
    // If this changes, so does every seed: raise FORMAT.
    assert_eq!((FORMAT, content.as_str()), (2, "sha256:47a446eed0b05998c3d7459e30fde318729c7a8182dd9bea7ead71c071889b19"));
}

#[test]
fn seeds_come_from_a_mirror_alone() {
    let place = Place::new();
    let lock = lock(vec![place.publish("tool", &[], &tool())]);
    let mirror = place.dir.path().join("mirror");
    source::mirror(&Fetcher::new(&place.store, place.settings()).unwrap(), &requests(&lock), &mirror, &()).unwrap();
    let elsewhere = Place::new();
    let settings = Settings { mirrors: vec![mirror.to_str().unwrap().parse().unwrap()], offline: true, ..Settings::default() };
    let fetcher = Fetcher::new(&elsewhere.store, settings).unwrap();
    assert_eq!(repository(&lock, &seed(""), &fetcher, &()).unwrap().converted, 1);
}

#[test]
fn a_seed_that_went_says_how_to_relock() {
    let place = Place::new();
    let mut gone = place.publish("tool", &[], &tool());
    gone.path = "pool/main/t/tool/tool_2.2-1_amd64.deb".into();
    let error = repository(&lock(vec![gone]), &seed(""), &Fetcher::new(&place.store, place.settings()).unwrap(), &()).unwrap_err();
    assert!(error.to_string().contains("`undistro seed relock`"), "{error}");
}

#[test]
fn refuses_two_seeds_with_one_file_and_what_no_seed_has() {
    let place = Place::new();
    let other = || deb("other", &[("usr/bin/tool", Item::File("x"))]);
    let clash = place.seeds(&[("tool", &[], tool()), ("other", &[], other())], &seed(""));
    assert!(matches!(clash, Err(SeedError::Conflict { ref path, .. }) if path.as_str() == "usr/bin/tool"), "{clash:?}");
    let link = place.seeds(&[("tool", &[], tool())], &seed("links: {tool: {/usr/bin/tool: x}}\n"));
    assert!(matches!(link, Err(SeedError::Link { .. })), "{link:?}");
    let twice = deb("tool", &[("bin/tool", Item::File("x")), ("usr/bin/tool", Item::File("y"))]);
    let merged = place.seeds(&[("tool", &[], twice)], &seed(""));
    assert!(matches!(merged, Err(SeedError::Merged { .. })), "{merged:?}");
    let lacking = place.seeds(&[("tool", &["gone"], tool())], &seed(""));
    assert!(matches!(lacking, Err(SeedError::Lacking(ref all)) if all == &[("tool".to_owned(), "gone".to_owned())]), "{lacking:?}");
}

#[test]
fn refuses_a_file_that_is_another_package_or_none() {
    let place = Place::new();
    let other = place.seeds(&[("tool", &[], deb("tools", &[]))], &seed(""));
    assert!(matches!(other, Err(SeedError::Other { .. })), "{other:?}");
    let none = place.seeds(&[("tool", &[], b"no package".to_vec())], &seed(""));
    assert!(matches!(none, Err(SeedError::Deb(_))), "{none:?}");
    let cut = place.seeds(&[("tool", &[], tool()[..2_000].to_vec())], &seed(""));
    assert!(matches!(cut, Err(SeedError::Deb(_))), "{cut:?}");
}

fn index(packages: &[(&str, &str, &str)]) -> BTreeMap<String, Package> {
    let package = |&(name, depends, provides): &(&str, &str, &str)| Package {
        name: name.into(),
        version: "2-1".parse().unwrap(),
        architecture: "amd64".into(),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: Digest::of(name),
        depends: depends.into(),
        provides: provides.into(),
    };
    packages.iter().map(|one| (one.0.to_owned(), package(one))).collect()
}

#[test]
fn follows_depends_and_drops_what_is_left_out() {
    let index = index(&[
        ("tool", "libc6 (>= 2), bash | dash, awk, gone-docs | x, base-files", ""),
        ("libc6", "", ""),
        ("bash", "libc6", ""),
        ("dash", "", ""),
        ("mawk", "", "awk"),
        ("base-files", "awk", ""),
    ]);
    let wanted = seed("without: {base-files: ours, gone-docs: docs}\n");
    let locked = resolve(&wanted, &index).unwrap();
    let names: Vec<_> = locked.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["bash", "libc6", "mawk", "tool"]);
    assert_eq!(locked[3].depends, ["bash", "libc6", "mawk"]);
    assert_eq!(locked[3].dropped, ["gone-docs | x", "base-files"]);
}

#[test]
fn names_everything_that_keeps_the_list_open() {
    let index = index(&[("tool", "gone, awk, old (>= 3)", ""), ("mawk", "", "awk"), ("gawk", "", "awk"), ("old", "", "")]);
    let wanted = seed("without: {idle: why}\nlinks: {nobody: {/usr/bin/x: y}}\n");
    let Err(ResolveError::Unmet(unmet)) = resolve(&wanted, &index) else { panic!("the list can not be closed") };
    let package = || "tool".to_owned();
    assert_eq!(
        unmet,
        [
            Unmet::Clause { package: package(), clause: "gone".into() },
            Unmet::Choice { package: package(), clause: "awk".into(), providers: vec!["gawk".into(), "mawk".into()] },
            Unmet::Clause { package: package(), clause: "old (>= 3)".into() },
            Unmet::IdleWithout("idle".into()),
            Unmet::IdleLinks("nobody".into()),
        ]
    );
    let error = resolve(&Seed { packages: ["none".to_owned()].into(), ..wanted }, &index).unwrap_err();
    assert!(error.to_string().contains("wants `none`"), "{error}");
}
