//! The whole way with Debian's real archive: needs a host whose apt knows a mirror, so it runs only when asked for.
//!
//! `cargo test -p build seed::proof -- --ignored --nocapture` reads `distro/seed.yaml`, resolves and converts; the folder
//! named in `SEED_PROOF` (or a temporary one) keeps the store, the new lock, and a root with all seeds in it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use base::{Arch, Store};
use fs_err as fs;
use source::debian::{Authority, KEYRING, Unchecked, host};
use source::{Fetcher, Settings};

use super::{Lock, difference, relock, repository};

fn apt_sources() -> Vec<String> {
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = folder.chain([PathBuf::from("/etc/apt/sources.list")]).collect();
    files.sort();
    files.into_iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[test]
#[ignore = "needs Debian's archive"]
#[expect(clippy::print_stderr, reason = "a person runs this to see the times")]
fn relocks_converts_and_extracts() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("SEED_PROOF").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let store = Store::open(&folder.join("store")).unwrap();
    let host = apt_sources().iter().find_map(|text| host(text)).expect("the host's apt knows a mirror");
    let settings = Settings { debian: Some(host.mirror.parse().unwrap()), ..Settings::default() };
    let fetcher = Fetcher::new(&store, settings).unwrap();
    let keyring = host.keyring.unwrap_or_else(|| KEYRING.into());
    let authority = Authority { gpgv: "/usr/bin/gpgv".into(), keyring };
    let authority = if authority.gpgv.is_file() { Ok(&authority) } else { Err(Unchecked::NoGpgv) };

    let distro = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../distro");
    let seed = spec::seed::load(&distro.join("seed.yaml")).unwrap();
    let start = Instant::now();
    let lock = relock(&seed, Arch::X86_64, &fetcher, authority, &()).unwrap();
    let bytes: u64 = lock.packages.iter().map(|package| package.size).sum();
    eprintln!("relock {:?}: {} packages, {bytes} bytes; {}", start.elapsed(), lock.packages.len(), lock.release.signature);
    let old = fs::read_to_string(distro.join("seed.lock")).ok().map(|text| Lock::parse(&text).unwrap());
    eprintln!("{}", difference(old.as_ref(), &lock));
    fs::write(folder.join("seed.lock"), lock.to_text()).unwrap();

    let start = Instant::now();
    for request in super::requests(&lock) {
        fetcher.fetch(&request, &()).unwrap();
    }
    eprintln!("fetch one by one {:?}", start.elapsed());
    let start = Instant::now();
    let seeds = repository(&lock, &seed, &fetcher, &()).unwrap();
    eprintln!("convert {:?}: {} of {}", start.elapsed(), seeds.converted, seeds.records.len());
    let start = Instant::now();
    assert_eq!(repository(&lock, &seed, &fetcher, &()).unwrap().converted, 0);
    eprintln!("again {:?}", start.elapsed());

    let start = Instant::now();
    let world = seed.packages.iter().cloned().collect::<Vec<_>>().join(" ");
    let world = apk::solve::World::parse(&world).unwrap();
    let repositories = [apk::solve::Repository { rank: 1, ..apk::solve::Repository::new(&seeds.records) }];
    let solution = apk::solve::solve(&world, &repositories, apk::solve::Policy::Ranked, &[]).unwrap();
    assert_eq!(solution.packages.len(), seeds.records.len(), "a lock holds what is needed and nothing else");
    eprintln!("solve {:?}", start.elapsed());

    let start = Instant::now();
    let root = folder.join("root");
    fs::create_dir(&root).unwrap();
    for record in solution.packages.iter().map(|chosen| chosen.record) {
        let package = apk::Package::open_blob(&store, &record.content.unwrap()).unwrap();
        let part = folder.join("part");
        fs::create_dir(&part).unwrap();
        package.extract(&part, &apk::package::Limits::default()).unwrap();
        let status = std::process::Command::new("cp").arg("-a").arg(part.join(".")).arg(&root).status().unwrap();
        assert!(status.success());
        base::store::remove_tree(&part).unwrap();
    }
    for directory in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{directory}"), root.join(directory)).unwrap();
    }
    eprintln!("extract {:?}", start.elapsed());
}
