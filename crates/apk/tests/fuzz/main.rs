//! Feeds every reader of foreign bytes with mutated samples: none may panic, hang, or take much memory.
//!
//! `UNDISTRO_FUZZ_SECONDS` says how long each reader is tried (1 if unset), `UNDISTRO_FUZZ_SEED` where to begin. An input
//! is a function of seed and turn alone; a failure prints both.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by it, and says what it did")]

mod mutate;
mod sample;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use apk::package::Limits;
use apk::signature::Unsigned;
use apk::{Index, Keyring, Package, Policy};
use base::tarball;
use mutate::Source;

/// More than this in use at once and a reader has followed a number in its input: the samples are of some KiB.
const MAX_MEMORY: u64 = 512 << 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Tries `reader` on mutated samples until the time is over.
fn fuzz(name: &str, samples: &[Vec<u8>], mut reader: impl FnMut(&[u8])) {
    let (seconds, seed) = (setting("UNDISTRO_FUZZ_SECONDS", 1), setting("UNDISTRO_FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut turns = 0;
    while Instant::now() < end {
        let mut source = Source::new(seed, turns);
        let input = source.mutated(samples);
        let begun = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| reader(&input))).is_err() {
            panic!("{name}: seed {seed}, turn {turns}: panicked on {} bytes", input.len());
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: seed {seed}, turn {turns}: took {:?}", begun.elapsed());
        turns += 1;
    }
    let peak = peak_memory();
    assert!(peak < MAX_MEMORY, "{name}: {peak} bytes in use");
    eprintln!("fuzz {name}: {turns} inputs in {seconds} s, seed {seed}; no panic, peak memory {} MiB", peak >> 20);
}

/// The most memory this process has used (proc(5), `VmHWM`).
fn peak_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

const ANYONE: Policy = Policy { unsigned: Unsigned::Accept, sha1: apk::signature::Sha1::Refuse };

/// Opens, verifies and extracts, with limits that a mutated sample can reach.
fn read_package(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("package.apk");
    fs_err::write(&path, bytes).unwrap();
    let Ok(package) = Package::open(&path) else { return };
    let tree = dir.path().join("tree");
    fs_err::create_dir(&tree).unwrap();
    let limits = Limits { unpacked: 4 << 20, entries: 1000 };
    let extracted = package.extract(&tree, &limits);
    if let Ok(verified) = package.verify(&Keyring::default(), &ANYONE) {
        let table = extracted.unwrap_or_else(|error| panic!("verified, and not extracted: {error}"));
        assert_eq!(verified.files + verified.files_without_checksum > 0, table.checksums.values().next().is_some());
    }
    let names: Vec<_> = fs_err::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "something was written outside: {names:?}");
}

#[test]
fn packages() {
    fuzz("package", &[sample::signed()], read_package);
}

#[test]
fn packages_whose_hashes_hold() {
    // The bytes are the tar of a data member, put into a package that names its hash.
    fuzz("data", &[sample::data_tar()], |bytes| read_package(&sample::around_data(bytes)));
}

#[test]
fn control_members() {
    fuzz("control", &[sample::control_tar()], |bytes| read_package(&sample::around_control(bytes)));
}

#[test]
fn indexes() {
    fuzz("index", &[sample::index()], |bytes| drop(Index::read(bytes, &Keyring::default(), &ANYONE)));
    fuzz("index-tar", &[sample::index_tar()], |bytes| drop(Index::read(&sample::gzip(bytes), &Keyring::default(), &ANYONE)));
    fuzz("index-text", &[sample::index_text()], |bytes| {
        if let Ok(index) = Index::parse(bytes) {
            // What was read can be written, or is named as what can not; and it is read again as it was written.
            if let Ok(text) = index.to_text() {
                assert_eq!(Index::parse(text.as_bytes()).unwrap().to_text().unwrap(), text);
            }
        }
    });
}

#[test]
fn installed_databases() {
    fuzz("installed", &[sample::installed()], |bytes| {
        if let Ok(database) = apk::installed::Database::parse(bytes)
            && let Ok(text) = database.to_text()
        {
            assert_eq!(apk::installed::Database::parse(text.as_bytes()).unwrap().to_text().unwrap(), text);
        }
    });
    fuzz("scripts", &[sample::scripts()], |bytes| drop(apk::installed::read_scripts(bytes)));
}

#[test]
fn texts() {
    fuzz("pkginfo", &[sample::pkginfo()], |bytes| drop(apk::info::PackageInfo::parse(bytes)));
    fuzz("version", &[b"1.2.3_rc1_p2~ab12-r4".to_vec(), b"6.8.0p2-r4".to_vec()], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
        if let (Ok(left), Ok(right)) = (base::Version::tolerate(left), base::Version::tolerate(right)) {
            assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        }
    });
    fuzz("dependency", &[b"!so:libx.so.1@edge>=1.2-r3".to_vec()], |bytes| {
        if let Ok(dependency) = String::from_utf8_lossy(bytes).parse::<base::Dependency>() {
            assert_eq!(dependency.to_string().parse::<base::Dependency>().unwrap(), dependency);
        }
    });
    fuzz("key", &[sample::public_key()], |bytes| drop(attest::key::PublicKey::from_pem(&String::from_utf8_lossy(bytes))));
    fuzz("key-set", &[sample::key_set()], |bytes| drop(apk::discovery::key_set(bytes)));
}

#[test]
fn archives() {
    fuzz("tar", &[sample::data_tar()], |bytes| {
        let _ = tarball::read(bytes, |_, content| {
            std::io::copy(content, &mut std::io::sink()).map_err(tarball::ReadError::Format)?;
            Ok::<_, tarball::ReadError>(())
        });
    });
}
