//! Measures how long an index takes to load: `cargo run --release -p apk --example load -- APKINDEX.tar.gz`.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Instant;

use apk::signature::{Sha1, Unsigned};
use apk::{Index, Keyring, Policy};

fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| anyhow::anyhow!("usage: load APKINDEX.tar.gz"))?;
    let policy = Policy { unsigned: Unsigned::Accept, sha1: Sha1::Refuse };
    let mut times = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        let (index, _) = Index::load(path.as_ref(), &Keyring::default(), &policy)?;
        times.push((begun.elapsed(), index.records.len()));
    }
    times.sort();
    let (time, records) = times[times.len() / 2];
    println!("{records} records in {time:?} (median of {})", times.len());
    Ok(())
}
