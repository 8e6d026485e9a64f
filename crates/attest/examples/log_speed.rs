//! How fast the log is: `cargo run --release -p attest --example log_speed -- DIR [ENTRIES]`. Numbers, not assertions.
#![allow(clippy::print_stdout, reason = "a tool of its own")]
#![allow(clippy::unwrap_used, reason = "a tool that can not go on has failed")]

use std::time::Instant;

use attest::log::entry::Entry;
use attest::log::{Folder, Log, LogKey, audit};
use attest::signing::{Algorithm, Signer as _, SigningKey};
use base::Digest;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().expect("a folder that is not there yet");
    let total: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let (log_key, key) = (SigningKey::generate(Algorithm::Ed25519).unwrap(), SigningKey::generate(Algorithm::EcdsaP256).unwrap());
    // A real signature once: signing is not what is measured.
    let signature = key.sign(b"x").unwrap();
    let body = |at: u64| Entry { digest: Digest::of(at.to_be_bytes()), signature: signature.clone(), key: key.public().clone() }.to_body();
    let folder = Folder::new(dir);
    let log = Log::create(&folder, &log_key, "log.example").unwrap();

    let mut next = 0;
    for batch in [1, 16, 256] {
        let bodies: Vec<Vec<_>> = (0..8).map(|round| (0..batch).map(|at| body(next + round * batch + at)).collect()).collect();
        let begun = Instant::now();
        bodies.iter().for_each(|bodies| drop(log.append(bodies).unwrap()));
        println!(
            "append, batches of {batch}: {:.0} durable entries/s, each with its proof",
            (8 * batch) as f64 / begun.elapsed().as_secs_f64()
        );
        next += 8 * batch;
    }
    let begun = Instant::now();
    while next < total {
        let count = (total - next).min(4096);
        log.append(&(next..next + count).map(body).collect::<Vec<_>>()).unwrap();
        next += count;
    }
    println!("the rest, batches of 4096: {total} entries after {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let found = audit(&folder, &LogKey::new("log.example", log_key.public().clone()), None, &mut |_, _| ()).unwrap();
    println!("audit of {} entries: {:.1} s", found.checkpoint.size, begun.elapsed().as_secs_f64());
}
