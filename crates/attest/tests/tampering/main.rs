//! A good bundle with one thing changed, for every part of it: each is refused, for a reason of its own.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
//!
//! With `TAMPERED=DIR` every case is written there, for the script that asks cosign about the same ones.

mod bench;
mod table;

use attest::log::{Checkpoint, LogError};
use attest::policy::{Policy, SIGNATURE, Tier};
use attest::signing::Signer as _;
use attest::sigstore::{self, Who};
use attest::slsa::PROVENANCE;
use attest::verify::{Refusal, Unmet};
use serde_json::{Value, json};

use bench::{ARTIFACT, Bench, day};
use table::TABLE;

#[test]
fn a_good_bundle_is_accepted_and_says_what_was_checked() {
    let bench = Bench::new();
    let report = bench.verify(&[bench.good.to_string().as_bytes()]);
    assert!(report.is_met(), "{:?}", report.unmet);
    assert_eq!(report.tier, Some(Tier::T1));
    let checks: Vec<String> = report.accepted[0].checks.iter().map(ToString::to_string).collect();
    let subject = report.subject;
    assert_eq!(
        checks,
        [
            "signature: ECDSA P-256 over payload and type, by the key `release`",
            "key: `release` is trusted, and counts at 2026-06-01T00:00:00Z",
            &format!("subject: the statement is about {subject}"),
            "log: the entry 5 of `log.example` is of this payload, this signature and this key",
            "log: 3 hashes lead from it to the root of the log of 7 entries",
            "log: that root is signed by the key of `log.example`",
        ]
    );
    assert!(sigstore::verify(&subject, bench.good.to_string().as_bytes(), &Who::Key(bench.key.public()), bench.root.to_json()).is_ok());
}

#[test]
fn every_part_counts() {
    let bench = Bench::new();
    bench.write("good", &bench.good.to_string());
    bench.write("stripped-log-entry", &without_log(&bench));
    let mut accepted_elsewhere = Vec::new();
    for (name, change, is_expected) in TABLE {
        let mut bundle = bench.good.clone();
        change(&mut bundle, &bench);
        assert_ne!(bundle, bench.good, "{name} changes something");
        let text = bundle.to_string();
        bench.write(name, &text);
        let report = bench.verify(&[text.as_bytes()]);
        assert!(!report.is_met() && report.accepted.is_empty(), "{name}: must be refused");
        let reason = &report.refused[0].reason;
        assert!(is_expected(reason), "{name}: {}", reason.chain());
        let second = sigstore::verify(&bench.subject(), text.as_bytes(), &Who::Key(bench.key.public()), bench.root.to_json());
        if second.is_ok() {
            accepted_elsewhere.push(*name);
        }
    }
    assert!(TABLE.len() >= 60, "{} cases", TABLE.len());
    // What Sigstore's library for Rust accepts of these. Each is harmless in itself, or a matter of policy; none is for us.
    insta::assert_snapshot!(accepted_elsewhere.join("\n"));
}

#[test]
fn a_field_that_stands_twice_or_a_torn_file_is_refused() {
    let bench = Bench::new();
    let text = bench.good.to_string();
    let twice = text.replacen("{\"dsseEnvelope\"", "{\"mediaType\":\"x\",\"dsseEnvelope\"", 1);
    assert_ne!(twice, text);
    for text in [&twice, &text[..text.len() - 1], "", "[]"] {
        let report = bench.verify(&[text.as_bytes()]);
        assert!(matches!(report.refused[0].reason, Refusal::Bundle(attest::bundle::BundleError::Shape(_))), "{text}");
    }
    let long = vec![b' '; attest::bundle::MAX_SIZE + 1];
    assert!(matches!(bench.verify(&[&long]).refused[0].reason, Refusal::Bundle(attest::bundle::BundleError::Size { .. })));
}

#[test]
fn time_decides_which_keys_count() {
    let bench = Bench::new();
    let text = bench.good.to_string();
    let at = |time: &str| bench.verify_with(&[text.as_bytes()], |against| against.now = day(time));
    assert!(at("2026-12-31").is_met());
    assert!(matches!(at("2027-01-02").refused[0].reason, Refusal::KeyPeriod { .. }), "the key is over");
    assert!(matches!(at("2025-12-31").refused[0].reason, Refusal::KeyPeriod { .. }), "the key has not begun");
    let log_over = bench.root_until("2026-03-01");
    let report = bench.verify_with(&[text.as_bytes()], |against| against.root = &log_over);
    assert!(matches!(report.refused[0].reason, Refusal::LogPeriod { .. }));
}

#[test]
fn another_image_another_root_another_log() {
    let bench = Bench::new();
    let text = bench.good.to_string();
    let other = attest::verify::verify(&base::Digest::of("another image"), &[bench.found(text.as_bytes())], &bench.against());
    assert!(matches!(&other.refused[0].reason, Refusal::Subject { found } if *found == bench.subject().to_string()));
    let nothing = attest::trust::TrustRoot::default();
    let report = bench.verify_with(&[text.as_bytes()], |against| against.root = &nothing);
    assert!(matches!(report.refused[0].reason, Refusal::UnknownLog { .. }));
    // Another history of the same log was seen before, at the same size.
    let seen = [Checkpoint { root: [9; 32], size: 7, origin: "log.example".into() }];
    let report = bench.verify_with(&[text.as_bytes()], |against| against.seen = &seen);
    assert!(matches!(report.refused[0].reason, Refusal::Forked { size: 7, .. }));
    let same = [bench.checkpoint()];
    let report = bench.verify_with(&[text.as_bytes()], |against| against.seen = &same);
    assert!(report.is_met() && !report.not_checked.iter().any(|line| line.starts_with("that the log")), "what was seen before is checked");
}

#[test]
fn an_attestation_is_no_signature() {
    let bench = Bench::new();
    let provenance = bench.claim(PROVENANCE, json!({}), true);
    let report = bench.verify(&[provenance.as_bytes()]);
    assert_eq!((report.accepted.len(), report.tier), (1, None), "the claim itself is good");
    assert_eq!(report.unmet, [Unmet::NoSignature { others: 1 }]);
    assert_eq!(report.unmet[0].to_string(), "there is no signature that counts; the other claim is none");
    // And a signature is no provenance.
    let wanted = bench.policy().with("slsaprovenance1");
    let signature = bench.good.to_string();
    let report = bench.verify_with(&[signature.as_bytes()], |against| against.policy = &wanted);
    assert_eq!(report.unmet, [Unmet::NoClaim { predicate: PROVENANCE.into() }]);
    let report = bench.verify_with(&[signature.as_bytes(), provenance.as_bytes()], |against| against.policy = &wanted);
    assert!(report.is_met());
    let claims_alone = wanted.clone().without_signature();
    let report = bench.verify_with(&[provenance.as_bytes()], |against| against.policy = &claims_alone);
    assert!(report.is_met());
    assert!(bench.verify(&[]).unmet == [Unmet::NoSignature { others: 0 }]);
}

fn without_log(bench: &Bench) -> String {
    let mut bundle = bench.good.clone();
    bundle["verificationMaterial"].as_object_mut().unwrap().remove("tlogEntries");
    bundle.to_string()
}

#[test]
fn what_is_not_in_a_log_reaches_no_more_than_t0() {
    let bench = Bench::new();
    let text = without_log(&bench);
    let report = bench.verify(&[text.as_bytes()]);
    assert_eq!(report.unmet, [Unmet::SignatureTier { tier: Tier::T0, wanted: Tier::T1 }]);
    assert!(report.not_checked[0].contains("can sign in secret"));
    let lenient = Policy::signed_by(bench.ring(), Tier::T0);
    let report = bench.verify_with(&[text.as_bytes()], |against| against.policy = &lenient);
    assert!(report.is_met() && report.tier == Some(Tier::T0));
    let strict = Policy::signed_by(bench.ring(), Tier::T2);
    let report = bench.verify_with(&[bench.good.to_string().as_bytes()], |against| against.policy = &strict);
    assert_eq!(report.unmet, [Unmet::SignatureTier { tier: Tier::T1, wanted: Tier::T2 }]);
}

#[test]
fn builders_signers_and_ages_are_asked_for_by_name() {
    let bench = Bench::new();
    let predicate = |finished: &str| json!({ "runDetails": { "builder": { "id": "urn:b" }, "metadata": { "finishedOn": finished } } });
    let provenance = bench.claim(PROVENANCE, predicate("2026-05-20T00:00:00Z"), true);
    let future = bench.claim(PROVENANCE, predicate("2026-06-02T00:00:00Z"), true);
    let untimed = bench.claim(PROVENANCE, json!({}), true);
    let unlogged = bench.claim(PROVENANCE, predicate("2026-05-20T00:00:00Z"), false);
    let hold = |claim: &str, requirement: Value| {
        let policy = bench.written(json!({ "signature": "optional", "predicates": [requirement] }));
        let report = bench.verify_with(&[claim.as_bytes()], |against| against.policy = &policy);
        report.unmet.into_iter().next()
    };
    let wanted = |more: Value| {
        let mut all = json!({ "type": "slsaprovenance1" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    assert_eq!(hold(&provenance, wanted(json!({ "builders": ["urn:a", "urn:b"], "signers": ["release"], "max-age-days": 12 }))), None);
    assert!(
        matches!(hold(&provenance, wanted(json!({ "builders": ["urn:a"] }))), Some(Unmet::Builder { builder, .. }) if builder == "urn:b")
    );
    assert!(
        matches!(hold(&provenance, wanted(json!({ "signers": ["spare"] }))), Some(Unmet::Signer { signer, .. }) if signer == "release")
    );
    assert!(matches!(hold(&provenance, wanted(json!({ "max-age-days": 11 }))), Some(Unmet::Age { .. })));
    assert!(matches!(hold(&future, wanted(json!({ "max-age-days": 11 }))), Some(Unmet::Age { .. })));
    assert!(matches!(hold(&untimed, wanted(json!({ "max-age-days": 11 }))), Some(Unmet::NoTime { .. })));
    assert!(matches!(hold(&unlogged, wanted(json!({}))), Some(Unmet::ClaimTier { tier: Tier::T0, .. })));
    assert_eq!(hold(&unlogged, wanted(json!({ "tier": "T0" }))), None);
}

#[test]
fn the_same_claim_is_the_same_bytes() {
    let bench = Bench::new();
    assert_eq!(bench.claim(SIGNATURE, json!({}), false), bench.claim(SIGNATURE, json!({}), false));
    assert_eq!(ARTIFACT.len(), 9);
    let round = attest::bundle::Bundle::parse(bench.good.to_string().as_bytes()).unwrap();
    assert_eq!(attest::bundle::Bundle::parse(round.to_json().as_bytes()).unwrap(), round);
    assert!(matches!(attest::log::LogKey::new("x", bench.key.public().clone()).open("x"), Err(LogError::Checkpoint { .. })));
}
