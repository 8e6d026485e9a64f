//! A key, a log, a trust root and a good bundle.

use attest::bundle::Bundle;
use attest::dsse::Envelope;
use attest::intoto::{Resource, Statement};
use attest::log::{Checkpoint, Folder, Log, LogKey};
use attest::policy::{Policy, SIGNATURE, Tier, Written};
use attest::signing::{Algorithm, Period, Ring, RingKey, Signer as _, SigningKey};
use attest::trust::{TrustRoot, TrustedLog};
use attest::verify::{Against, Found, Report, verify};
use base::Digest;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is signed.
pub(crate) const ARTIFACT: &[u8] = b"an image\n";

pub(crate) const ORIGIN: &str = "log.example";

pub(crate) struct Bench {
    pub(crate) key: SigningKey,
    pub(crate) spare: SigningKey,
    /// A key that nobody trusts.
    pub(crate) stranger: SigningKey,
    pub(crate) log_key: SigningKey,
    folder: Folder,
    dir: tempfile::TempDir,
    pub(crate) root: TrustRoot,
    policy: Policy,
    pub(crate) good: Value,
    /// The note of the log before it had all its entries.
    pub(crate) older: String,
}

pub(crate) fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let [key, spare, stranger] = [(); 3].map(|()| SigningKey::generate(Algorithm::EcdsaP256).unwrap());
        let log_key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        Log::create(&folder, &log_key, ORIGIN).unwrap();
        let mut bench = Self {
            policy: Policy::signed_by(Ring::default(), Tier::T1),
            root: root(&log_key, None),
            key,
            spare,
            stranger,
            log_key,
            folder,
            dir,
            good: Value::Null,
            older: String::new(),
        };
        bench.policy = Policy::signed_by(bench.ring(), Tier::T1);
        for _ in 0..5 {
            bench.claim("urn:other", json!({}), true);
        }
        bench.older = fs_err::read_to_string(bench.dir.path().join("checkpoint")).unwrap();
        // Two entries in one batch: the good one has both a left and a right neighbour on its way to the root.
        let envelope = bench.envelope(&bench.statement(SIGNATURE, json!({})), &bench.key);
        let body = Bundle::expected_entry(&envelope, bench.key.public()).to_body();
        let more = Bundle::expected_entry(&envelope, bench.spare.public()).to_body();
        let appended = bench.log().append(&[body.clone(), more]).unwrap();
        let bundle = Bundle::new(envelope, bench.key.public(), appended.entry(0, &body));
        bench.good = serde_json::from_str(&bundle.to_json()).unwrap();
        bench
    }

    fn log(&self) -> Log<'_> {
        Log::open(&self.folder, &self.log_key, ORIGIN).unwrap()
    }

    pub(crate) fn subject(&self) -> Digest {
        Digest::of(ARTIFACT)
    }

    pub(crate) fn statement(&self, kind: &str, predicate: Value) -> String {
        Statement::new(vec![Resource::sha256("artifact", &self.subject())], kind, predicate).to_json()
    }

    pub(crate) fn envelope(&self, statement: &str, key: &SigningKey) -> Envelope {
        Envelope::sign(statement, key).unwrap()
    }

    /// Bundles a claim of the good key, logged or not.
    pub(crate) fn claim(&self, kind: &str, predicate: Value, logged: bool) -> String {
        self.bundle(self.envelope(&self.statement(kind, predicate), &self.key), logged)
    }

    pub(crate) fn bundle(&self, envelope: Envelope, logged: bool) -> String {
        let body = Bundle::expected_entry(&envelope, self.key.public()).to_body();
        let entry = logged.then(|| self.log().append(std::slice::from_ref(&body)).unwrap().entry(0, &body).unwrap());
        Bundle::new(envelope, self.key.public(), entry).to_json()
    }

    /// A statement of any text that the good key signed, and that is in the log: only its content is wrong.
    pub(crate) fn signed(&self, statement: &str) -> Value {
        serde_json::from_str(&self.bundle(self.envelope(statement, &self.key), true)).unwrap()
    }

    pub(crate) fn ring(&self) -> Ring {
        let period = Period { from: Some(day("2026-01-01")), until: Some(day("2027-01-01")) };
        let key = |name: &str, key: &SigningKey| RingKey { name: name.into(), key: key.public().clone(), period };
        Ring::new(vec![key("release", &self.key), key("spare", &self.spare)])
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy.clone()
    }

    /// A policy as written, with the keys of the ring.
    pub(crate) fn written(&self, mut value: Value) -> Policy {
        value["keys"] = json!([
            { "name": "release", "pem": self.key.public().to_pem() },
            { "name": "spare", "pem": self.spare.public().to_pem() },
        ]);
        Written::parse(value).unwrap().resolve(&mut |_| unreachable!()).unwrap()
    }

    pub(crate) fn root_until(&self, until: &str) -> TrustRoot {
        root(&self.log_key, Some(day(until)))
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of_note(
            self.good["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap(),
        )
        .unwrap()
    }

    pub(crate) fn against(&self) -> Against<'_> {
        Against { policy: &self.policy, root: &self.root, seen: &[], now: day("2026-06-01") }
    }

    pub(crate) fn found<'a>(&self, bundle: &'a [u8]) -> Found<'a> {
        Found { name: "bundle", bundle }
    }

    pub(crate) fn verify(&self, bundles: &[&[u8]]) -> Report {
        self.verify_with(bundles, |_| ())
    }

    pub(crate) fn verify_with<'a>(&'a self, bundles: &[&[u8]], change: impl FnOnce(&mut Against<'a>)) -> Report {
        let mut against = self.against();
        change(&mut against);
        let found: Vec<_> = bundles.iter().map(|bundle| self.found(bundle)).collect();
        verify(&self.subject(), &found, &against)
    }

    /// Writes a case for other verifiers, if they are asked.
    pub(crate) fn write(&self, name: &str, bundle: &str) {
        let Some(dir) = std::env::var_os("TAMPERED") else { return };
        let dir = std::path::Path::new(&dir);
        fs_err::create_dir_all(dir).unwrap();
        fs_err::write(dir.join(format!("{name}.json")), bundle).unwrap();
        fs_err::write(dir.join("artifact"), ARTIFACT).unwrap();
        fs_err::write(dir.join("key.pub"), self.key.public().to_pem()).unwrap();
        fs_err::write(dir.join("trusted_root.json"), self.root.to_json()).unwrap();
    }
}

fn root(log_key: &SigningKey, until: Option<Timestamp>) -> TrustRoot {
    let key = LogKey::new(ORIGIN, log_key.public().clone());
    TrustRoot::new(vec![TrustedLog { key, period: Period { from: Some(day("2026-01-01")), until } }]).unwrap()
}
