//! Writes what the benches compose: sixty made-up packages in signed repositories, the same bytes each time but for the key.
//!
//! `sixty DIR MEGABYTES GENERATIONS` makes `DIR/0` to `DIR/GENERATIONS`, repositories of which each differs from the one
//! before in one package; `DIR/bench.rsa.pub`, the key that signed them; `DIR/distro.yaml`; and for each generation
//! `DIR/N.yaml` and `DIR/N-one.yaml`, image definitions of ten layers and of one that apko reads too.
#![allow(clippy::unwrap_used, reason = "it ends where it can not go on")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use apk::{Info, Package, repository};
use attest::key::{Named, PrivateKey};
use base::Store;
use base::tree::{Entry, Kind};
use common::{directory, file, link, path};

const PACKAGES: u64 = 60;
/// Seconds since 1970 of the oldest package; each is a day younger than the one before.
const TIME: i64 = 1_700_000_000;

/// Bytes of one file: as much of each kind as an image of programs, data and archives has.
#[derive(Debug, Clone)]
struct Made {
    state: u64,
    kind: u64,
    left: u64,
    /// What was made and not read yet.
    ready: Vec<u8>,
}

const WORDS: [&str; 16] = [
    "the", "license", "software", "of", "define", "return", "value", "error", "function", "include", "without", "warranty", "\n", "static",
    "string", "0x1f",
];

impl Made {
    fn new(seed: u64, size: u64) -> Self {
        let mut made = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, kind: 0, left: size, ready: Vec::new() };
        made.kind = made.next() % 10;
        made
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// Makes a few kilobytes more.
    fn fill(&mut self) {
        while self.ready.len() < 4096 {
            let number = self.next();
            match self.kind {
                // Text.
                0..=4 => {
                    self.ready.extend_from_slice(WORDS[(number % 16) as usize].as_bytes());
                    self.ready.push(b' ');
                }
                // As machine code is: few operations, small numbers, runs of zeros and addresses near each other.
                5..=8 => {
                    self.ready.extend_from_slice(&[
                        0x48,
                        0x8b,
                        [0x45, 0x05, 0x4d, 0xc7][(number % 4) as usize],
                        (number >> 8) as u8 & 0x3f,
                    ]);
                    self.ready.extend_from_slice(&(((number >> 16) & 0xffff) as u32).to_le_bytes());
                    let zeros = if number.is_multiple_of(23) { 24 } else { 0 };
                    self.ready.resize(self.ready.len() + zeros, 0);
                }
                // What is compressed already.
                _ => self.ready.extend_from_slice(&number.to_le_bytes()),
            }
        }
    }
}

impl Read for Made {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            self.fill();
        }
        let n = buffer.len().min(self.ready.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..n].copy_from_slice(&self.ready[..n]);
        self.ready.drain(..n);
        self.left -= n as u64;
        Ok(n)
    }
}

/// Makes the package in this place; `changed` is how often it was changed.
fn package(store: &Store, place: u64, bytes: u64, changed: u64) -> Package {
    let name = format!("bench{place:02}");
    let info = Info::new(name.parse().unwrap(), format!("1.0-r{changed}").parse().unwrap(), "x86_64");
    // Changed packages are the youngest, as they are in life.
    let age = if changed == 0 { place } else { PACKAGES + changed };
    let time = TIME + i64::try_from(age).unwrap() * 86_400;
    let info = Info {
        build_time: Some(time),
        origin: Some(format!("bench{:02}", place / 3 * 3).parse().unwrap()),
        license: "MIT".to_owned(),
        description: format!("Made up, number {place}"),
        ..info
    };
    let mut drafted = common::Draft { info, files: vec![directory("usr", 0o755), directory("usr/lib", 0o755)] }.with_sbom();
    if place == 0 {
        drafted.files.extend([
            file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"),
            file("etc/group", "root:x:0:\n"),
            file("usr/lib/os-release", "ID=bench\nVERSION_ID=\"1\"\n"),
            link("etc/os-release", "../usr/lib/os-release"),
        ]);
    }
    let small: BTreeMap<_, _> = drafted.files.iter().map(|(entry, bytes)| (entry.path.clone(), bytes.clone())).collect();
    let mut entries: Vec<_> = drafted.files.iter().map(|(entry, _)| entry.clone()).collect();
    let mut seeds = BTreeMap::new();
    let mut left = bytes;
    let mut sizes = Made::new(place + 1, u64::MAX);
    for number in 0.. {
        if left == 0 {
            break;
        }
        // Most files are small; most bytes are in large ones.
        let size = (1 << (10 + sizes.next() % 12)) + sizes.next() % 1000;
        let size = size.min(left);
        left -= size;
        let at = path(&format!("usr/{}/{name}/file{number}", ["lib", "share/doc", "libexec"][number as usize % 3]));
        let seed = place * 100_000 + number + if number % 10 == 0 { changed * 7_919 } else { 0 };
        seeds.insert(at.clone(), (seed, size));
        entries.push(Entry::new(at, Kind::File { size, digest: None }, if number % 3 == 0 { 0o755 } else { 0o644 }, TIME));
    }
    let mut open = |entry: &Entry| -> io::Result<Box<dyn Read>> {
        Ok(match seeds.get(&entry.path) {
            Some((seed, size)) => Box::new(Made::new(*seed, *size)),
            None => Box::new(io::Cursor::new(small[&entry.path].clone())),
        })
    };
    apk::package::store_package(store, &drafted.info, &BTreeMap::new(), &entries, &mut open, time).unwrap()
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, dir, megabytes, generations] = arguments.as_slice() else { panic!("sixty DIR MEGABYTES GENERATIONS") };
    let (dir, megabytes, generations): (_, u64, u64) = (Path::new(dir), megabytes.parse().unwrap(), generations.parse().unwrap());
    fs_err::create_dir_all(dir).unwrap();
    let key = Named::new("bench.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
    fs_err::write(dir.join("bench.rsa.pub"), key.public().unwrap().key().to_pem()).unwrap();
    fs_err::write(dir.join("distro.yaml"), "name: Bench\nid: bench\nversion-id: \"1\"\narchs: [x86_64]\nsource-date-epoch: 10\n").unwrap();
    let store = Store::open(&dir.join("store")).unwrap();
    // From 1 to 60 parts of the whole: few packages are large.
    let share = |place: u64| megabytes * 1_000_000 * (place + 1) / (PACKAGES * (PACKAGES + 1) / 2);
    let mut changed = vec![0; PACKAGES as usize];
    let mut packages: Vec<_> = (0..PACKAGES).map(|place| package(&store, place, share(place), 0)).collect();
    for generation in 0..=generations {
        if generation > 0 {
            let place = generation * 17 % PACKAGES;
            changed[place as usize] += generation;
            packages[place as usize] = package(&store, place, share(place), changed[place as usize]);
            before(dir, generation);
        }
        repository::write(&dir.join(generation.to_string()), "x86_64", "bench", &packages, &key).unwrap();
        let names: String = (0..PACKAGES).map(|place| format!("    - bench{place:02}\n")).collect();
        let (place, key) = (dir.join(generation.to_string()), dir.join("bench.rsa.pub"));
        let text = format!(
            "contents:\n  repositories:\n    - {}\n  keyring:\n    - {}\n  packages:\n{names}archs: [x86_64]\n",
            place.display(),
            key.display()
        );
        fs_err::write(dir.join(format!("{generation}-one.yaml")), &text).unwrap();
        fs_err::write(dir.join(format!("{generation}.yaml")), text + "layering:\n  strategy: origin\n  budget: 10\n").unwrap();
    }
    base::store::remove_tree(&dir.join("store")).unwrap();
}

/// Takes over what did not change, so that it is neither signed nor written again.
fn before(dir: &Path, generation: u64) {
    let [from, to] = [generation - 1, generation].map(|generation| dir.join(generation.to_string()).join("x86_64"));
    fs_err::create_dir_all(&to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let at = entry.unwrap().path();
        if at.extension().is_some_and(|end| end == "apk") {
            fs_err::hard_link(&at, to.join(at.file_name().unwrap())).unwrap();
        }
    }
}
