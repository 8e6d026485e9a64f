//! Packages and their members, indexes, installed databases, what key discovery reads, the worlds of the solver.

mod sample;

pub(super) use sample::gzip;

use apk::installed::{Database, parse_triggers, read_scripts};
use apk::package::Limits;
use apk::signature::{Sha1, Unsigned};
use apk::solve::check::{Member, check};
use apk::solve::{self, Repository, Request, Universe, World};
use apk::{Index, Keyring, Package, Policy, discovery};

use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "apk-package", samples: || vec![sample::signed(), sample::unsigned()], run: package },
    // The input is the tar of a data member; the package around it names its hash.
    Target { name: "apk-data", samples: || vec![super::base::sample_tar()], run: |bytes| package(&sample::around_data(bytes)) },
    Target { name: "apk-control", samples: || vec![sample::control_tar()], run: |bytes| package(&sample::around_control(bytes)) },
    Target { name: "apk-pkginfo", samples: || vec![sample::pkginfo()], run: |bytes| drop(apk::info::PackageInfo::parse(bytes)) },
    Target { name: "apk-index", samples: || vec![sample::index_tar(), sample::index()], run: index },
    Target { name: "apk-index-text", samples: || vec![sample::index_text()], run: index_text },
    Target { name: "apk-installed", samples: || vec![sample::installed()], run: installed },
    Target {
        name: "apk-scripts",
        samples: || vec![sample::scripts(), b"Q1qKcZ+j23xssAXmgQhkOO8dHnbWw= /usr/lib/*".to_vec()],
        run: scripts,
    },
    Target { name: "apk-discovery", samples: || vec![sample::key_set(), RELEASES.into(), CONFIGURATION.into()], run: keys },
    Target { name: "apk-solve", samples: || vec![WORLD.into()], run: world },
];

const ANYONE: Policy = Policy { unsigned: Unsigned::Accept, sha1: Sha1::Refuse };

/// Opens, verifies and extracts, with limits that a changed sample can reach.
fn package(bytes: &[u8]) {
    let dir = super::folder();
    let path = dir.path().join("package.apk");
    fs_err::write(&path, bytes).unwrap();
    let Ok(package) = Package::open(&path) else { return };
    let tree = dir.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    let extracted = package.extract(&tree, &Limits { unpacked: 4 << 20, entries: 1000 });
    if let Ok(verified) = package.verify(&Keyring::default(), &ANYONE) {
        let table = match extracted {
            Ok(table) => table,
            Err(error) => panic!("verified, and not extracted: {error}"),
        };
        assert_eq!(verified.files + verified.files_without_checksum > 0, table.checksums.values().next().is_some());
    }
    assert_eq!(super::names(dir.path()), 2, "something was written outside");
}

fn index(bytes: &[u8]) {
    for archive in [bytes, &sample::gzip(bytes)] {
        let _ = Index::read(archive, &Keyring::default(), &ANYONE);
    }
}

/// What was read can be written, or is named as what can not; and it is read again as it was written.
fn index_text(bytes: &[u8]) {
    if let Ok(text) = Index::parse(bytes).and_then(|index| index.to_text()) {
        assert_eq!(Index::parse(text.as_bytes()).unwrap().to_text().unwrap(), text);
    }
}

fn installed(bytes: &[u8]) {
    if let Ok(text) = Database::parse(bytes).and_then(|database| database.to_text()) {
        assert_eq!(Database::parse(text.as_bytes()).unwrap().to_text().unwrap(), text);
    }
}

fn scripts(bytes: &[u8]) {
    let _ = read_scripts(bytes);
    let _ = parse_triggers(&String::from_utf8_lossy(bytes));
}

fn keys(bytes: &[u8]) {
    let _ = discovery::key_set(bytes);
    let _ = discovery::key_set_address(bytes);
    let _ = discovery::alpine_keys(bytes, "v3.22", "x86_64", "2026-11-24");
}

/// The first line is a world, the rest an index: an answer must satisfy every constraint.
fn world(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((world, records)) = text.split_once('\n') else { return };
    let (Ok(world), Ok(index)) = (World::parse(world), Index::parse(records.as_bytes())) else { return };
    if index.records.len() > 12 {
        return;
    }
    let repositories = [Repository::new(&index.records)];
    for policy in [solve::Policy::Apk, solve::Policy::Apko] {
        let universe = Universe::new(&repositories, &[], Some("x86_64"));
        let request = Request::new(World { wants: world.wants.clone() }, policy);
        match universe.solve(&request) {
            Ok(solution) => {
                let members: Vec<_> = solution.packages.iter().map(|chosen| Member { record: chosen.record, tags: &[None] }).collect();
                assert_eq!(check(&world, policy, &members), [], "the answer to {world:?} is none");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

const RELEASES: &str = r#"{"architectures":["x86_64"],"release_branches":[{"rel_branch":"v3.22","keys":{"x86_64":[{"url":"https://example.org/k.rsa.pub","deprecated_since":"2027-01-01"}]}}]}"#;
const CONFIGURATION: &str = r#"{"jwks_uri":"https://example.org/keys"}"#;
const WORLD: &str = "a !d b>1\nP:a\nV:1-r0\nA:x86_64\nD:so:b e\np:c=1 f\n\nP:b\nV:2-r0\nA:x86_64\np:so:b=1\ni:a c\n\nP:b\nV:1-r0\nA:x86_64\np:so:b=1\nk:10\n\nP:e\nV:1-r0\nA:x86_64\nD:!d b~2\n";
