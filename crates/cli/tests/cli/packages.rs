//! `undistro apk`: on a package that is built here, and on packages of others where they are at hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base::tarball;
use base::tree::{Entry, Kind, TreePath};
use fs_err as fs;

use super::desk::{DIGEST, Desk, UNDISTRO, skip};

/// Builds a package and its repository, signed by `packager.rsa`; returns the folder of the repository.
fn repository(desk: &Desk) -> PathBuf {
    desk.package("hello", &desk.source(), DIGEST);
    for arguments in [&["keygen", "packager.rsa", "--bits", "2048"][..], &["index", "--key", "packager.rsa", "-o", "packages"]] {
        let output = desk.command(UNDISTRO).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    fs::read_dir(desk.path("packages")).unwrap().next().unwrap().unwrap().path()
}

/// Runs undistro on copies called `hello.apk` and `APKINDEX.tar.gz` in the folder.
fn with_repository() -> Desk {
    let desk = Desk::new();
    let folder = repository(&desk);
    fs::copy(folder.join("hello-1.0-r0.apk"), desk.path("hello.apk")).unwrap();
    fs::copy(folder.join("APKINDEX.tar.gz"), desk.path("APKINDEX.tar.gz")).unwrap();
    desk
}

/// Replaces a digest, with what stands behind it kept.
fn without_digest(word: &str) -> String {
    match word.split_once("sha256:") {
        Some((before, digest)) => format!("{before}<digest>{}", digest.trim_start_matches(|c: char| c.is_ascii_hexdigit())),
        None => word.to_owned(),
    }
}

/// Leaves out what depends on the key, which is another each time, on the machine, and on the size of the SBOM.
fn without_digests(text: &str) -> String {
    let other = ["file ", "content ", "data ", "checksum ", "arch ", "size ", "installed size "];
    let kept = |line: &&str| !other.iter().any(|key| line.starts_with(key));
    text.lines().filter(kept).map(|line| format!("{line}\n")).collect()
}

/// Replaces the size in the line of a file.
fn without_size(line: &str) -> String {
    match line.starts_with('-').then(|| line.split_whitespace().collect::<Vec<_>>()).as_deref() {
        Some([mode, owner, _, path]) => format!("{mode} {owner} <size> {path}\n"),
        _ => format!("{line}\n"),
    }
}

#[test]
fn info_and_files_say_what_a_package_is() {
    let desk = with_repository();
    let info = without_digests(&desk.run(&["apk", "info", "hello.apk"]));
    let files = desk.run(&["apk", "files", "hello.apk"]).lines().map(without_size).collect::<String>();
    insta::assert_snapshot!(format!("{info}\n{files}"));
    let output = desk.command(UNDISTRO).args(["apk", "info", "--json", "hello.apk"]).output().unwrap();
    let about: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(about["info"]["name"], "hello");
    assert_eq!(about["signatures"][0]["key"], "packager.rsa.pub");
}

#[test]
fn verify_passes_what_a_trusted_key_signed() {
    let desk = with_repository();
    fs::create_dir(desk.path("keys")).unwrap();
    fs::copy(desk.path("packager.rsa.pub"), desk.path("keys/packager.rsa.pub")).unwrap();
    let runs = [
        &["apk", "verify", "--key", "packager.rsa.pub", "hello.apk", "APKINDEX.tar.gz"][..],
        &["apk", "verify", "--keys-dir", "keys", "hello.apk"],
        &["apk", "verify", "--allow-unsigned", "hello.apk"],
    ];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}

#[test]
fn verify_refuses_each_for_its_own_reason() {
    let desk = with_repository();
    let whole = fs::read(desk.path("hello.apk")).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    fs::write(desk.path("flipped.apk"), flipped).unwrap();
    fs::write(desk.path("cut.apk"), &whole[..whole.len() / 2]).unwrap();
    fs::write(desk.path("text.apk"), "no package\n").unwrap();
    // Another key under the same name.
    fs::create_dir(desk.path("other")).unwrap();
    let keygen = ["keygen", "other/packager.rsa", "--bits", "2048"];
    assert!(desk.command(UNDISTRO).args(keygen).output().unwrap().status.success());
    let run = |arguments: &[&str]| {
        let arguments: Vec<_> = ["apk", "verify"].into_iter().chain(arguments.iter().copied()).collect();
        // Digests of what is broken depend on the key.
        let seen = desk.run(&arguments);
        seen.split_inclusive([' ', '\n']).map(without_digest).collect::<String>()
    };
    let runs = [
        run(&["hello.apk"]),
        run(&["--key", "other/packager.rsa.pub", "hello.apk"]),
        run(&["--key", "packager.rsa.pub", "cut.apk", "text.apk", "gone.apk"]),
        run(&["--key", "hello.txt", "hello.apk"]),
    ];
    insta::assert_snapshot!(runs.join("\n"));
    let output = desk.command(UNDISTRO).args(["apk", "verify", "--key", "packager.rsa.pub", "flipped.apk"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn sign_replaces_the_signature_and_nothing_else() {
    let desk = with_repository();
    assert!(desk.command(UNDISTRO).args(["keygen", "second.rsa", "--bits", "2048"]).output().unwrap().status.success());
    let runs = [
        &["apk", "sign", "--key", "second.rsa", "hello.apk", "-o", "again.apk"][..],
        &["apk", "verify", "--key", "second.rsa.pub", "again.apk"],
        &["apk", "verify", "--key", "packager.rsa.pub", "again.apk"],
        &["apk", "sign", "--key", "second.rsa", "hello.apk"],
        &["apk", "sign", "--key", "second.rsa.pub", "hello.apk"],
    ];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
    assert_eq!(fs::read(desk.path("again.apk")).unwrap(), fs::read(desk.path("hello.apk")).unwrap());
}

#[test]
fn version_compares_as_apk_does() {
    let desk = Desk::new();
    let runs = [
        &["apk", "version", "-t", "1.2_rc1", "1.2"][..],
        &["apk", "version", "-t", "1.2-r1", "1.2"],
        &["apk", "version", "--test", "1.2", "1.2"],
        &["apk", "version", "-c", "1.2", "1.2-foo"],
        &["apk", "version", "-t", "1.2"],
    ];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}

/// A small world, written by hand.
const INDEX: &str = "\
P:nginx\nV:1.26-r0\nI:9\nD:so:libssl.so.3 !apache\n
P:openssl\nV:3.0-r0\nI:4\np:so:libssl.so.3=3\n
P:openssl\nV:3.4-r0\nI:5\np:so:libssl.so.3=3\n
P:cron-a\nV:1\np:cron\n
P:cron-b\nV:1\np:cron\n";

#[test]
fn solve_prints_what_apk_would_do_or_why_it_can_not() {
    let desk = Desk::new();
    desk.write("index", INDEX);
    desk.write("installed", "P:openssl\nV:3.0-r0\nI:4\np:so:libssl.so.3=3\n\n");
    desk.write("world", "openssl\n");
    let solve = |arguments: &[&str]| {
        let arguments: Vec<_> = ["apk", "solve", "--index", "index"].into_iter().chain(arguments.iter().copied()).collect();
        desk.run(&arguments)
    };
    let runs = [
        solve(&["nginx"]),
        solve(&["nginx", "--installed", "installed"]),
        solve(&["--installed", "installed", "--world", "world", "--command", "upgrade"]),
        solve(&["cron", "--policy", "apko"]),
        solve(&["cron"]),
        solve(&["nginx", "openssl>3.5"]),
        solve(&["ngnix"]),
        solve(&["nginx@edge"]),
        solve(&["nginx=="]),
        solve(&["nginx", "--key", "hello.txt"]),
        desk.run(&["apk", "solve", "--index", "hello.txt", "nginx"]),
        desk.run(&["apk", "solve", "--index", "gone", "nginx"]),
    ];
    insta::assert_snapshot!(runs.join("\n"));
    let output = desk.command(UNDISTRO).args(["apk", "solve", "--json", "--index", "index", "nginx"]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = answer["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["openssl", "nginx"]);
}

#[test]
fn solve_takes_the_options_of_apks_commands() {
    let desk = Desk::new();
    desk.write("index", "P:app\nV:2\nI:1\nD:lib\n\nP:lib\nV:2\nI:1\n\nP:apk-tools\nV:3\nI:1\n\n");
    desk.write("kept", "P:lib\nV:1\nI:1\n\n");
    desk.write("installed", "P:app\nV:1\nI:1\nD:lib\n\nP:lib\nV:1\nI:1\n\nP:apk-tools\nV:2\nI:1\n\nP:old\nV:1\nI:1\n\n");
    desk.write("world", "app apk-tools old\n");
    let on = |arguments: &[&str]| {
        let system = ["apk", "solve", "--index", "index", "--installed", "installed", "--world", "world"];
        desk.run(&system.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
    };
    let runs = [
        on(&["--command", "upgrade"]),
        on(&["--command", "upgrade", "--prune"]),
        on(&["--command", "upgrade", "--ignore", "lib"]),
        on(&["--command", "upgrade", "--self-upgrade-only"]),
        on(&["--command", "upgrade", "--self-upgrade-only", "--preupgrade-depends", "lib"]),
        on(&["--command", "del", "lib"]),
        on(&["--command", "del", "--rdepends", "lib"]),
        on(&["--command", "fix", "app"]),
        on(&["--command", "fix", "--depends", "--reinstall", "app"]),
        on(&["--virtual", ".build", "lib>1"]),
        on(&["--force-broken-world", "nothing", "lib>1"]),
        desk.run(&["apk", "solve", "--index", "index", "--cached", "kept", "--no-network", "lib"]),
        desk.run(&["apk", "solve", "--index", "index", "--cached", "kept", "--no-network", "app"]),
    ];
    insta::assert_snapshot!(runs.join("\n"));
}

/// Signs a package over SHA-1, as abuild did for many years; nothing without openssl, which undistro has no part for.
fn signed_over_sha1(desk: &Desk) -> Option<()> {
    let package = apk::Package::open(&desk.path("hello.apk")).unwrap();
    desk.write("control", "");
    fs::write(desk.path("control"), package.control()).unwrap();
    let signed = desk.command("openssl").args(["dgst", "-sha1", "-sign", "packager.rsa", "-out", "signature", "control"]).output().ok()?;
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let signature = fs::read(desk.path("signature")).unwrap();
    let path = TreePath::parse(".SIGN.RSA.packager.rsa.pub").unwrap();
    let entry = Entry::new(path, Kind::File { size: signature.len() as u64, digest: None }, 0o644, 0);
    let mut tar = tarball::Writer::new(apk::gzip::Encoder::new(Vec::new()));
    tar.append(&entry, &BTreeMap::new(), &mut &signature[..]).unwrap();
    let mut bytes = tar.into_inner().finish().unwrap();
    let whole = fs::read(desk.path("hello.apk")).unwrap();
    bytes.extend(&whole[usize::try_from(package.layout().control.start).unwrap()..]);
    fs::write(desk.path("old.apk"), bytes).unwrap();
    Some(())
}

#[test]
fn sha1_counts_only_where_it_is_allowed() {
    let desk = with_repository();
    if signed_over_sha1(&desk).is_none() {
        return skip("openssl is not here to sign over SHA-1");
    }
    let runs = [
        &["apk", "verify", "--key", "packager.rsa.pub", "old.apk"][..],
        &["apk", "verify", "--key", "packager.rsa.pub", "--allow-sha1", "old.apk"],
    ];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}
