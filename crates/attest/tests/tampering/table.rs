//! The cases: what is changed, and the reason for which it must be refused.

use attest::bundle::BundleError;
use attest::intoto::Bytes;
use attest::log::LogError;
use attest::log::entry::Entry;
use attest::policy::SIGNATURE;
use attest::signing::Signer as _;
use attest::verify::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bench::Bench;

pub(crate) type Case = (&'static str, fn(&mut Value, &Bench), fn(&Refusal) -> bool);

/// Makes a matcher of patterns.
macro_rules! is {
    ($pattern:pat) => {
        |refusal| matches!(refusal, $pattern)
    };
}

fn material(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]
}

fn envelope(bundle: &mut Value) -> &mut Value {
    &mut bundle["dsseEnvelope"]
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut material(bundle)["tlogEntries"][0]
}

fn proof(bundle: &mut Value) -> &mut Value {
    &mut entry(bundle)["inclusionProof"]
}

fn note(bundle: &mut Value) -> &mut Value {
    &mut proof(bundle)["checkpoint"]["envelope"]
}

fn remove(value: &mut Value, key: &str) {
    value.as_object_mut().unwrap().remove(key).unwrap();
}

/// Flips a bit of what a text is base64 of.
fn flip(value: &mut Value, at: usize) {
    let mut bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
    bytes[at] ^= 1;
    *value = STANDARD.encode(bytes).into();
}

fn replace(value: &mut Value, from: &str, to: &str) {
    let text = value.as_str().unwrap();
    assert!(text.contains(from), "{from}");
    *value = text.replacen(from, to, 1).into();
}

/// Sets what the log's entry says.
fn body(bundle: &mut Value, change: impl FnOnce(&mut Entry)) {
    let Value::String(text) = &entry(bundle)["canonicalizedBody"] else { unreachable!() };
    let mut read = Entry::parse(&STANDARD.decode(text).unwrap()).unwrap();
    change(&mut read);
    entry(bundle)["canonicalizedBody"] = STANDARD.encode(read.to_body()).into();
}

fn body_text(bundle: &mut Value, from: &str, to: &str) {
    let text = entry(bundle)["canonicalizedBody"].as_str().unwrap().to_owned();
    let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
    assert!(text.contains(from), "{from}");
    entry(bundle)["canonicalizedBody"] = STANDARD.encode(text.replacen(from, to, 1)).into();
}

/// The statement of the good bundle, with some text of it replaced, signed and logged anew.
fn statement(bundle: &mut Value, bench: &Bench, from: &str, to: &str) {
    let text = bench.statement(SIGNATURE, json!({}));
    assert!(text.contains(from), "{from}");
    *bundle = bench.signed(&text.replacen(from, to, 1));
}

pub(crate) const TABLE: &[Case] = &[
    // The bundle.
    ("bundle-version", |b, _| replace(&mut b["mediaType"], "v0.3", "v0.9"), is!(Refusal::Bundle(BundleError::Version { .. }))),
    ("bundle-no-version", |b, _| remove(b, "mediaType"), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("bundle-no-envelope", |b, _| remove(b, "dsseEnvelope"), is!(Refusal::Bundle(BundleError::Content { .. }))),
    (
        "bundle-two-contents",
        |b, _| b["messageSignature"] = json!({ "signature": "AA==" }),
        is!(Refusal::Bundle(BundleError::Content { .. })),
    ),
    ("bundle-no-material", |b, _| remove(b, "verificationMaterial"), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("bundle-no-key", |b, _| remove(material(b), "publicKey"), is!(Refusal::Signer)),
    ("bundle-key-and-certificate", |b, _| material(b)["certificate"] = json!({ "rawBytes": "AA==" }), is!(Refusal::Signer)),
    ("bundle-key-and-chain", |b, _| material(b)["x509CertificateChain"] = json!({ "certificates": [] }), is!(Refusal::Signer)),
    (
        "bundle-hint-of-a-stranger",
        |b, bench| material(b)["publicKey"]["hint"] = bench.stranger.public().hint().into(),
        is!(Refusal::UnknownKey { .. }),
    ),
    ("bundle-hint-changed", |b, _| flip(&mut material(b)["publicKey"]["hint"], 0), is!(Refusal::UnknownKey { .. })),
    (
        "bundle-hint-of-another-trusted-key",
        |b, bench| material(b)["publicKey"]["hint"] = bench.spare.public().hint().into(),
        is!(Refusal::Signature { .. }),
    ),
    // The envelope.
    ("envelope-payload", |b, _| flip(&mut envelope(b)["payload"], 20), is!(Refusal::Signature { .. })),
    ("envelope-payload-no-base64", |b, _| envelope(b)["payload"] = "?".into(), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("envelope-type", |b, _| envelope(b)["payloadType"] = "application/json".into(), is!(Refusal::Signature { .. })),
    ("envelope-no-type", |b, _| remove(envelope(b), "payloadType"), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("envelope-type-signed", of_another_type, is!(Refusal::PayloadType { .. })),
    ("envelope-signature", |b, _| flip(&mut envelope(b)["signatures"][0]["sig"], 40), is!(Refusal::Signature { .. })),
    ("envelope-signature-empty", |b, _| envelope(b)["signatures"][0]["sig"] = "".into(), is!(Refusal::Signature { .. })),
    ("envelope-signature-of-a-stranger", of_a_stranger, is!(Refusal::Signature { .. })),
    ("envelope-signature-replayed", replayed, is!(Refusal::Signature { .. })),
    ("envelope-no-signature", |b, _| envelope(b)["signatures"] = json!([]), is!(Refusal::Bundle(BundleError::Signatures { count: 0 }))),
    ("envelope-two-signatures", twice, is!(Refusal::Bundle(BundleError::Signatures { count: 2 }))),
    ("envelope-stranger-without-hint", stranger_without_hint, is!(Refusal::Signature { .. })),
    // The statement, signed and logged.
    ("statement-type", |b, bench| statement(b, bench, "Statement/v1", "Statement/v2"), is!(Refusal::Statement { .. })),
    ("statement-subject", |b, bench| statement(b, bench, &bench.subject().hex(), &"0".repeat(64)), is!(Refusal::Subject { .. })),
    ("statement-subject-other-hash", |b, bench| statement(b, bench, "\"sha256\"", "\"sha512\""), is!(Refusal::Subject { .. })),
    ("statement-no-predicate-type", |b, bench| statement(b, bench, "predicateType", "predicateKind"), is!(Refusal::Statement { .. })),
    ("statement-no-predicate", |b, bench| statement(b, bench, "\"predicate\"", "\"predicated\""), is!(Refusal::Statement { .. })),
    ("statement-no-json", |b, bench| statement(b, bench, "{", ""), is!(Refusal::Statement { .. })),
    (
        "statement-no-subject",
        |b, bench| {
            *b = bench.signed(r#"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}"#);
        },
        is!(Refusal::Subject { .. }),
    ),
    // The log's entry.
    ("entry-kind", |b, _| entry(b)["kindVersion"]["kind"] = "dsse".into(), is!(Refusal::EntryKind { .. })),
    ("entry-version", |b, _| entry(b)["kindVersion"]["version"] = "0.0.1".into(), is!(Refusal::EntryKind { .. })),
    ("entry-log", |b, _| flip(&mut entry(b)["logId"]["keyId"], 0), is!(Refusal::UnknownLog { .. })),
    ("entry-log-behind-its-hint", |b, _| flip(&mut entry(b)["logId"]["keyId"], 31), is!(Refusal::UnknownLog { .. })),
    ("entry-index", |b, _| entry(b)["logIndex"] = "6".into(), is!(Refusal::ProofIndex { entry: 6, proof: 5 })),
    ("entry-index-negative", |b, _| entry(b)["logIndex"] = "-1".into(), is!(Refusal::Number { .. })),
    ("entry-index-padded", |b, _| entry(b)["logIndex"] = "05".into(), is!(Refusal::Number { .. })),
    ("entry-index-too-large", |b, _| entry(b)["logIndex"] = "18446744073709551616".into(), is!(Refusal::Number { .. })),
    ("entry-time", |b, _| entry(b)["integratedTime"] = "1767225600".into(), is!(Refusal::EntryExtra { field: "integratedTime" })),
    (
        "entry-promise",
        |b, _| entry(b)["inclusionPromise"] = json!({ "signedEntryTimestamp": "AAAA" }),
        is!(Refusal::EntryExtra { field: "inclusionPromise" }),
    ),
    ("entry-no-body", |b, _| remove(entry(b), "canonicalizedBody"), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("entry-body-no-json", |b, _| entry(b)["canonicalizedBody"] = "AAAA".into(), is!(Refusal::EntryBody { .. })),
    ("entry-body-spelled-otherwise", |b, _| body_text(b, "{\"data\"", "{ \"data\""), is!(Refusal::EntryBody { .. })),
    ("entry-body-version", |b, _| body_text(b, "0.0.2", "0.0.1"), is!(Refusal::EntryBody { .. })),
    ("entry-body-hash", |b, _| body_text(b, "SHA2_256", "SHA2_384"), is!(Refusal::EntryBody { .. })),
    ("entry-body-key-kind", |b, _| body_text(b, "P256", "P384"), is!(Refusal::EntryBody { .. })),
    ("entry-body-digest", |b, _| body(b, |entry| entry.digest = base::Digest::of("x")), is!(Refusal::EntryDigest)),
    ("entry-body-signature", |b, _| body(b, |entry| entry.signature[9] ^= 1), is!(Refusal::EntrySignature)),
    ("entry-body-key", |b, bench| body(b, |entry| entry.key = bench.spare.public().clone()), is!(Refusal::EntryKey)),
    ("entry-of-another-claim", |b, bench| *entry(b) = entry(&mut bench.signed("{}")).clone(), is!(Refusal::EntryDigest)),
    ("entry-too-many", |b, _| material(b)["tlogEntries"] = vec![entry(b).clone(); 17].into(), is!(Refusal::Entries { count: 17, .. })),
    ("entry-second-is-wrong", second_is_wrong, is!(Refusal::UnknownLog { .. })),
    // The proof.
    ("proof-none", |b, _| remove(entry(b), "inclusionProof"), is!(Refusal::NoProof)),
    ("proof-index", |b, _| proof(b)["logIndex"] = "6".into(), is!(Refusal::ProofIndex { entry: 5, proof: 6 })),
    (
        "proof-both-indexes",
        |b, _| (entry(b)["logIndex"], proof(b)["logIndex"]) = ("4".into(), "4".into()),
        is!(Refusal::Inclusion { index: 4, .. }),
    ),
    (
        "proof-index-beyond",
        |b, _| (entry(b)["logIndex"], proof(b)["logIndex"]) = ("7".into(), "7".into()),
        is!(Refusal::Inclusion { index: 7, .. }),
    ),
    ("proof-size", |b, _| proof(b)["treeSize"] = "8".into(), is!(Refusal::ProofSize { proof: 8, checkpoint: 7 })),
    ("proof-size-no-number", |b, _| proof(b)["treeSize"] = "x".into(), is!(Refusal::Number { .. })),
    ("proof-root", |b, _| flip(&mut proof(b)["rootHash"], 3), is!(Refusal::ProofRoot)),
    ("proof-hash", |b, _| flip(&mut proof(b)["hashes"][0], 3), is!(Refusal::Inclusion { .. })),
    ("proof-hash-last", |b, _| flip(&mut proof(b)["hashes"][2], 31), is!(Refusal::Inclusion { .. })),
    ("proof-hash-short", |b, _| proof(b)["hashes"][1] = "AAAA".into(), is!(Refusal::ProofHash)),
    ("proof-hashes-swapped", |b, _| proof(b)["hashes"].as_array_mut().unwrap().swap(0, 1), is!(Refusal::Inclusion { .. })),
    ("proof-hashes-fewer", |b, _| drop(proof(b)["hashes"].as_array_mut().unwrap().pop()), is!(Refusal::Inclusion { .. })),
    (
        "proof-hashes-more",
        |b, _| proof(b)["hashes"].as_array_mut().unwrap().push(STANDARD.encode([0; 32]).into()),
        is!(Refusal::Inclusion { .. }),
    ),
    ("proof-hashes-none", |b, _| proof(b)["hashes"] = json!([]), is!(Refusal::Inclusion { .. })),
    // The checkpoint.
    ("checkpoint-none", |b, _| remove(proof(b), "checkpoint"), is!(Refusal::Bundle(BundleError::Shape(_)))),
    ("checkpoint-no-note", |b, _| *note(b) = "x".into(), is!(Refusal::Checkpoint(LogError::Checkpoint { .. }))),
    ("checkpoint-name", |b, _| replace(note(b), "log.example", "log.example.org"), is!(Refusal::Checkpoint(LogError::Origin { .. }))),
    ("checkpoint-size", |b, _| replace(note(b), "\n7\n", "\n9\n"), is!(Refusal::Checkpoint(LogError::Signature { .. }))),
    ("checkpoint-root", checkpoint_root, is!(Refusal::Checkpoint(LogError::Signature { .. }))),
    ("checkpoint-more-said", |b, _| replace(note(b), "\n\n", "\nmore\n\n"), is!(Refusal::Checkpoint(LogError::Signature { .. }))),
    ("checkpoint-signature", |b, _| checkpoint_signature(b, 20), is!(Refusal::Checkpoint(LogError::Signature { .. }))),
    ("checkpoint-key-hint", |b, _| checkpoint_signature(b, 0), is!(Refusal::Checkpoint(LogError::Unsigned { .. }))),
    (
        "checkpoint-signer-name",
        |b, _| replace(note(b), "— log.example", "— other.example"),
        is!(Refusal::Checkpoint(LogError::Unsigned { .. })),
    ),
    ("checkpoint-unsigned", |b, _| unsigned(note(b)), is!(Refusal::Checkpoint(LogError::Unsigned { .. }))),
    ("checkpoint-signed-by-the-signer", by_the_signer, is!(Refusal::Checkpoint(LogError::Unsigned { .. }))),
    ("checkpoint-older", |b, bench| *note(b) = bench.older.clone().into(), is!(Refusal::ProofSize { proof: 7, checkpoint: 5 })),
    ("checkpoint-older-throughout", older_throughout, is!(Refusal::Inclusion { size: 5, .. })),
    // Timestamps.
    (
        "timestamp-nonsense",
        |b, _| material(b)["timestampVerificationData"] = json!({ "rfc3161Timestamps": [{ "signedTimestamp": "AAAA" }] }),
        is!(Refusal::Sigstore(_)),
    ),
    (
        "timestamp-no-base64",
        |b, _| material(b)["timestampVerificationData"] = json!({ "rfc3161Timestamps": [{ "signedTimestamp": "?" }] }),
        is!(Refusal::Sigstore(_)),
    ),
];

fn of_another_type(bundle: &mut Value, bench: &Bench) {
    let payload = bench.statement(SIGNATURE, json!({}));
    let sig = bench.key.sign(&attest::dsse::pae("text/plain", payload.as_bytes())).unwrap();
    let signature = attest::dsse::Signature { keyid: String::new(), sig: Bytes(sig) };
    let envelope =
        attest::dsse::Envelope { payload: Bytes(payload.into_bytes()), payload_type: "text/plain".into(), signatures: vec![signature] };
    *bundle = serde_json::from_str(&bench.bundle(envelope, true)).unwrap();
}

fn of_a_stranger(bundle: &mut Value, bench: &Bench) {
    let sig = bench.envelope(&bench.statement(SIGNATURE, json!({})), &bench.stranger).signatures[0].sig.0.clone();
    envelope(bundle)["signatures"][0]["sig"] = STANDARD.encode(sig).into();
}

fn stranger_without_hint(bundle: &mut Value, bench: &Bench) {
    of_a_stranger(bundle, bench);
    material(bundle)["publicKey"] = json!({});
}

/// The good signature under another claim.
fn replayed(bundle: &mut Value, bench: &Bench) {
    let other = bench.statement("https://slsa.dev/provenance/v1", json!({}));
    envelope(bundle)["payload"] = STANDARD.encode(other).into();
}

fn twice(bundle: &mut Value, _: &Bench) {
    let one = envelope(bundle)["signatures"][0].clone();
    envelope(bundle)["signatures"].as_array_mut().unwrap().push(one);
}

fn second_is_wrong(bundle: &mut Value, _: &Bench) {
    let mut second = entry(bundle).clone();
    flip(&mut second["logId"]["keyId"], 9);
    material(bundle)["tlogEntries"].as_array_mut().unwrap().push(second);
}

fn checkpoint_root(bundle: &mut Value, _: &Bench) {
    let text = note(bundle).as_str().unwrap().to_owned();
    let root = text.lines().nth(2).unwrap();
    replace(note(bundle), root, &STANDARD.encode([1; 32]));
}

fn checkpoint_signature(bundle: &mut Value, at: usize) {
    let text = note(bundle).as_str().unwrap().to_owned();
    let (head, signature) = text.trim_end().rsplit_once(' ').unwrap();
    let mut signature = Value::from(signature);
    flip(&mut signature, at);
    *note(bundle) = format!("{head} {}\n", signature.as_str().unwrap()).into();
}

fn unsigned(note: &mut Value) {
    let text = note.as_str().unwrap();
    *note = text[..text.find("\n\n").unwrap() + 2].to_owned().into();
}

fn by_the_signer(bundle: &mut Value, bench: &Bench) {
    *note(bundle) = bench.checkpoint().sign(&bench.key).unwrap().into();
}

/// An older checkpoint, with size and root to match: the entry was not in yet.
fn older_throughout(bundle: &mut Value, bench: &Bench) {
    let older = attest::log::Checkpoint::of_note(&bench.older).unwrap();
    *note(bundle) = bench.older.clone().into();
    proof(bundle)["treeSize"] = older.size.to_string().into();
    proof(bundle)["rootHash"] = STANDARD.encode(older.root).into();
}
