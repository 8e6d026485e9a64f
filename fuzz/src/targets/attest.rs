//! Keys, SPDX documents, provenance.

use attest::key::{PrivateKey, PublicKey};
use attest::slsa::Provenance;
use attest::spdx::Document;

use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "attest-key", samples: key_samples, run: key },
    Target { name: "attest-spdx", samples: || vec![SPDX.into()], run: spdx },
    Target { name: "attest-claims", samples: claims, run: claim },
    Target { name: "attest-provenance", samples: || vec![STATEMENT.into()], run: provenance },
];

fn key_samples() -> Vec<Vec<u8>> {
    let private = PrivateKey::generate(2048).unwrap();
    vec![
        private.public().unwrap().to_pem().into_bytes(),
        private.to_pem().unwrap().into_bytes(),
        private.public().unwrap().to_der().to_vec(),
    ]
}

fn key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for key in [PublicKey::from_pem(&text), PublicKey::from_der(bytes)].into_iter().flatten() {
        assert!(key.verify_sha256(b"message", bytes).is_err(), "noise verified");
        assert_eq!(PublicKey::from_pem(&key.to_pem()).unwrap().to_der(), key.to_der());
    }
    let _ = PrivateKey::from_pem(&text);
    let half = bytes.len() / 2;
    let _ = PublicKey::from_components(&bytes[..half], &bytes[half..]);
}

fn spdx(bytes: &[u8]) {
    if let Ok(document) = Document::from_json(bytes, "sample") {
        let text = document.to_json();
        assert_eq!(Document::from_json(text.as_bytes(), "sample").unwrap().to_json(), text);
        let _ = attest::cyclonedx::Bom::of(&document).to_json();
    }
}

fn provenance(bytes: &[u8]) {
    if let Ok(statement) = serde_json::from_slice::<Provenance>(bytes) {
        let text = statement.to_json();
        assert_eq!(serde_json::from_str::<Provenance>(&text).unwrap().to_json(), text);
        let _ = build::provenance::members(&statement.predicate);
    }
}

fn claims() -> Vec<Vec<u8>> {
    [BUNDLE, ROOT, ENTRY, NOTE, POLICY].map(Into::into).to_vec()
}

/// One text as everything that comes with a claim: bundle, trust root, entry and checkpoint of a log, policy, key.
fn claim(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = attest::bundle::Bundle::parse(bytes);
    let _ = attest::trust::TrustRoot::parse(&text);
    let _ = attest::log::entry::Entry::parse(bytes);
    let _ = attest::log::Checkpoint::of_note(&text);
    let _ = attest::signing::VerifyingKey::from_pem(&text);
    if let Ok(value) = serde_json::from_slice(bytes) {
        let _ = attest::policy::Written::parse(value);
    }
}

const BUNDLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[{"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"dsse","version":"0.0.2"},"integratedTime":"0","inclusionProof":{"logIndex":"1","rootHash":"AAAA","treeSize":"2","hashes":["AAAA"],"checkpoint":{"envelope":"x\n2\nAAAA\n\n"}},"canonicalizedBody":"e30="}]},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA","keyid":""}]}}"#;
const ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"baseUrl":"https://example.org","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":"AAAA","keyDetails":"PKIX_ED25519","validFor":{"start":"2026-01-01T00:00:00Z"}},"logId":{"keyId":"AAAA"}}],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}"#;
const ENTRY: &str = r#"{"apiVersion":"0.0.2","kind":"dsse","spec":{"dsseV002":{"payloadHash":{"algorithm":"SHA2_256","digest":"AAAA"},"signatures":[{"content":"AAAA","verifier":{"keyDetails":"PKIX_ED25519","publicKey":{"rawBytes":"AAAA"}}}]}}}"#;
const NOTE: &str = "example.org/log\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} example.org/log AAAAAAAA\n";
const POLICY: &str = r#"{"name":"x","images":["a/*"],"identities":[{"key":"x"}],"predicates":[{"type":"https://slsa.dev/provenance/v1"}]}"#;

const SPDX: &str = r#"{"SPDXID":"SPDXRef-DOCUMENT","spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","name":"sample","documentNamespace":"https://example.org/1","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: undistro","Organization: sample"],"licenseListVersion":"3.25"},"documentDescribes":["SPDXRef-Package-a"],"packages":[{"SPDXID":"SPDXRef-Package-a","name":"a","versionInfo":"1-r0","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"MIT","copyrightText":"NOASSERTION","primaryPackagePurpose":"APPLICATION","checksums":[{"algorithm":"SHA256","checksumValue":"ab"}],"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:apk/x/a@1"}]}],"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-Package-a"}]}"#;

const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a-1-r0.apk","digest":{"sha256":"00"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{"buildType":"x","externalParameters":{"a":1},"internalParameters":{},"resolvedDependencies":[{"name":"musl","uri":"pkg:apk/musl","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"annotations":{"kind":"package","version":"1-r0"}}]},"runDetails":{"builder":{"id":"x","version":{}},"metadata":{"invocationId":"1","startedOn":"2026-01-01T00:00:00Z","finishedOn":"2026-01-01T00:00:00Z"},"byproducts":[]}}}"#;
