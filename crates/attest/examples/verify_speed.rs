//! How fast a signed, logged claim is verified: `cargo run --release -p attest --example verify_speed`. Numbers, not assertions.
#![allow(clippy::print_stdout, reason = "a tool of its own")]
#![allow(clippy::unwrap_used, reason = "a tool that can not go on has failed")]

use std::time::Instant;

use attest::policy::{Policy, Tier};
use attest::signing::{Period, Ring, RingKey};
use attest::trust::TrustRoot;
use attest::verify::{Against, Found, verify};
use base::Digest;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [artifact, key, root, bundles @ ..] = arguments.as_slice() else { panic!("ARTIFACT KEY TRUSTED_ROOT BUNDLE…") };
    let subject = Digest::of(fs_err::read(artifact).unwrap());
    let texts: Vec<_> = bundles.iter().map(|bundle| fs_err::read(bundle).unwrap()).collect();
    let begun = Instant::now();
    let rounds = 100;
    for _ in 0..rounds {
        let key = attest::signing::VerifyingKey::from_pem(&fs_err::read_to_string(key).unwrap()).unwrap();
        let ring = Ring::new(vec![RingKey { name: "key".into(), key, period: Period::default() }]);
        let root = TrustRoot::parse(&fs_err::read_to_string(root).unwrap()).unwrap();
        let policy = Policy::signed_by(ring, Tier::T1);
        let found: Vec<_> = texts.iter().map(|bundle| Found { name: "bundle", bundle }).collect();
        let against = Against { policy: &policy, root: &root, seen: &[], now: "2026-06-01T00:00:00Z".parse().unwrap() };
        assert!(verify(&subject, &found, &against).is_met());
    }
    println!("{} claims verified in {:.3} ms", texts.len(), begun.elapsed().as_secs_f64() * 1000.0 / f64::from(rounds));
}
