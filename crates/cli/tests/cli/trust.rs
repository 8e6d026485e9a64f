//! Claims from the command line: keys, logs, signatures, policies; and Sigstore's conformance suite where the corpus is there.

use std::path::{Path, PathBuf};
use std::process::Command;

const UNDISTRO: &str = env!("CARGO_BIN_EXE_undistro");

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for line in [
            "keygen --type ecdsa release.key",
            "keygen --type ecdsa other.key",
            "keygen --type ed25519 log.key",
            "log init log --key log.key --name log.example.com",
            "trust export --log-key log.pub --name log.example.com -o root.json",
        ] {
            desk.ok(line);
        }
        fs_err::write(desk.path("image.tar"), "an image").unwrap();
        fs_err::write(desk.path("sbom.json"), r#"{"spdxVersion":"SPDX-2.3"}"#).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `undistro` with these words; returns exit code, stdout and stderr.
    fn run(&self, line: &str) -> (i32, String, String) {
        let output = Command::new(UNDISTRO)
            .args(line.split(' '))
            .current_dir(self.0.path())
            .env("UNDISTRO_STORE", self.path("store"))
            .env("UNDISTRO_KEY_PASSWORD", "secret")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn ok(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, 0, "{line}\n{out}{err}");
        out
    }
}

#[test]
fn what_is_signed_and_logged_is_verified_and_nothing_else() {
    let desk = Desk::new();
    desk.ok("sign image.tar --key release.key --log log --log-key log.key");
    let said = desk.ok("verify image.tar --key release.pub --trusted-root root.json");
    for line in [
        "signature: ECDSA P-256",
        "subject: the statement is about sha256:",
        "log: the entry 0 of `log.example.com`",
        "the signature reaches T1",
        "not checked",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let refused = |line: &str, why: &str| {
        let (code, out, err) = desk.run(line);
        assert_eq!(code, 1, "{line}\n{out}{err}");
        assert!(format!("{out}{err}").contains(why), "{line}\n{out}{err}");
    };
    refused("verify image.tar --key other.pub --trusted-root root.json", "a key that is not trusted");
    refused("verify image.tar --key release.pub", "is not trusted");
    refused("verify sbom.json --key release.pub --trusted-root root.json --bundle image.tar.sigstore.json", "is about sha256:");
    refused("verify image.tar --key release.pub --trusted-root root.json --type spdxjson", "there is no `spdxjson` that counts");
    refused("verify image.tar --key release.pub --trusted-root root.json --tier T2", "reaches T1, T2 is asked");
    desk.ok("attest image.tar --type spdxjson --predicate sbom.json --key release.key --log log --log-key log.key");
    desk.ok("verify image.tar --key release.pub --trusted-root root.json --type spdxjson");
    fs_err::remove_file(desk.path("image.tar.sigstore.json")).unwrap();
    refused("verify image.tar --key release.pub --trusted-root root.json", "the other claim is none");
    let (code, _, err) = desk.run("attest image.tar --type slsaprovenance1 --predicate image.tar --key release.key");
    assert!(code == 2 && err.contains("is no JSON"), "{err}");
}

#[test]
fn a_policy_is_read_and_held_against_claims() {
    let desk = Desk::new();
    desk.ok("sign image.tar --key release.key --log log --log-key log.key");
    let policy = "keys:\n  - {name: release, file: release.pub, from: 2026-01-01T00:00:00Z, until: 2026-12-31T00:00:00Z}\n";
    fs_err::write(desk.path("policy.yaml"), policy).unwrap();
    let said = desk.ok("policy test policy.yaml");
    assert!(said.contains("by the key `release` from 2026-01-01T00:00:00Z until 2026-12-31T00:00:00Z"), "{said}");
    desk.ok("verify image.tar --policy policy.yaml --trusted-root root.json --at 2026-06-01T00:00:00Z");
    let (code, out, _) = desk.run("verify image.tar --policy policy.yaml --trusted-root root.json --at 2027-06-01T00:00:00Z");
    assert!(code == 1 && out.contains("the key `release` does not count at 2027"), "{out}");
    for (text, why) in [
        ("keys: []\n", "names no key and no identity"),
        ("keys:\n  - {name: a}\n", "needs one of `file` and `pem`"),
        ("keys:\n  - {name: a, file: gone.pub}\n", "gone.pub"),
        ("tire: T1\n", "unknown field `tire`"),
        ("tier: T9\n", "unknown variant `T9`"),
        ("a: 1\na: 2\n", "stands here twice"),
        ("signature: optional\nkeys:\n  - {name: a, file: release.pub}\n", "asks neither"),
        ("keys:\n  - {name: a, file: release.pub}\npredicates:\n  - {type: vsa, signers: [b]}\n", "no key of the policy"),
    ] {
        fs_err::write(desk.path("policy.yaml"), text).unwrap();
        let (code, _, err) = desk.run("policy test policy.yaml");
        assert!(code == 2 && err.contains(why), "{text}\n{err}");
    }
}

#[test]
fn a_log_that_was_written_anew_is_found_out_by_who_saw_it_before() {
    let desk = Desk::new();
    desk.ok("sign image.tar --key release.key --log log --log-key log.key");
    let said = desk.ok("log audit log --key log.pub");
    assert!(said.contains("1 entries") && said.contains("was not seen before"), "{said}");
    assert!(desk.ok("log audit log --key log.pub").contains("extends the 1 entries"));
    assert!(desk.ok("log show log --key log.pub --entry 0").contains("in the log"));
    assert_eq!(desk.run("log show log --key log.pub --entry 1").0, 2);
    assert_eq!(desk.run("log init log --key log.key").0, 2, "a log is never begun anew");
    fs_err::rename(desk.path("log"), desk.path("before")).unwrap();
    desk.ok("log init log --key log.key --name log.example.com");
    let (code, _, err) = desk.run("log audit log --key log.pub");
    assert!(code == 1 && err.contains("has 0 entries, and had 1"), "{err}");
    desk.ok("sign sbom.json --key release.key --log log --log-key log.key");
    let (code, _, err) = desk.run("log audit log --key log.pub");
    assert!(code == 1 && err.contains("does not extend"), "{err}");
    // And a signature that only the other history has is refused.
    let (code, out, _) = desk.run("verify sbom.json --key release.pub --trusted-root root.json");
    assert!(code == 1 && out.contains("it was forked"), "{out}");
    assert_eq!(desk.run("log audit log --key other.pub").0, 1);
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let desk = Desk::new();
    desk.ok("keygen --type ecdsa --encrypt secret.key");
    let text = fs_err::read_to_string(desk.path("secret.key")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    desk.ok("sign image.tar --key secret.key");
    desk.ok("verify image.tar --key secret.pub --tier T0");
    let wrong = Command::new(UNDISTRO)
        .args(["sign", "image.tar", "--key", "secret.key"])
        .current_dir(desk.0.path())
        .env("UNDISTRO_KEY_PASSWORD", "wrong")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("does not open the private key"));
    assert_eq!(desk.run("keygen --type ecdsa secret.key").0, 2, "a key is never overwritten");
}

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Every verification case of sigstore-conformance that the corpus holds, by the command line that the suite calls.
#[test]
fn passes_the_conformance_suite() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/sigstore-conformance.tar.gz");
    if !archive.exists() {
        use std::io::Write as _;
        // Past the capture of output: a test that is left out must be seen.
        let _ = std::io::stderr().write_all(b"\nSKIP: the corpus is not there: sigstore-conformance.tar.gz\n");
        return;
    }
    let desk = tempfile::tempdir().unwrap();
    assert!(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(desk.path()).status().unwrap().success());
    let mut cases: Vec<_> = fs_err::read_dir(desk.path().join("bundle-verify")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    let mut wrong = Vec::new();
    for case in &cases {
        let text = |name: &str| fs_err::read_to_string(case.join(name)).ok().map(|text| text.trim().to_owned());
        let mut command = Command::new(UNDISTRO);
        command.args(["sigstore", "verify-bundle", "--bundle"]).arg(case.join("bundle.sigstore.json"));
        if case.join("key.pub").exists() {
            command.arg("--key").arg(case.join("key.pub"));
        } else {
            command.args(["--certificate-identity", &text("identity").unwrap_or(IDENTITY.into())]);
            command.args(["--certificate-oidc-issuer", &text("issuer").unwrap_or(ISSUER.into())]);
        }
        if case.join("trusted_root.json").exists() {
            command.arg("--trusted-root").arg(case.join("trusted_root.json"));
        }
        let artifact = case.join("artifact");
        command.arg(if artifact.exists() { artifact } else { desk.path().join("bundle-verify/a.txt") });
        let output = command.output().unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        // 1 where the answer is no, 2 where a case's own file is no key at all; never 3.
        let (code, must_fail) = (output.status.code(), name.ends_with("_fail"));
        if must_fail != matches!(code, Some(1 | 2)) || !must_fail && code != Some(0) {
            wrong.push(format!("{name}: exit {code:?}\n{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(cases.len() > 50, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
