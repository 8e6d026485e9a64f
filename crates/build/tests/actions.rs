//! What the actions promise: nothing is done twice, exactly what must be done again is, and equal inputs give equal bytes.
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use attest::key::{Named, PrivateKey};
use base::Digest;
use build::BuildError;
use common::{Bench, Test, body, chain, holds, say};
use fs_err as fs;

fn main() -> ExitCode {
    let tests: &[Test] = &[
        ("a_second_build_does_nothing", a_second_build_does_nothing),
        ("editing_a_test_runs_and_emits_nothing", editing_a_test_runs_and_emits_nothing),
        ("editing_a_description_emits_and_runs_nothing", editing_a_description_emits_and_runs_nothing),
        ("a_dependency_rebuilt_to_equal_content_rebuilds_nothing_above", a_dependency_rebuilt_to_equal_content_rebuilds_nothing_above),
        ("another_key_changes_no_content", another_key_changes_no_content),
        ("two_stores_give_equal_content", two_stores_give_equal_content),
        ("files_beside_the_definition_are_part_of_the_key", files_beside_the_definition_are_part_of_the_key),
        ("steps_see_constants", steps_see_constants),
        ("owners_and_set_id_bits_are_recorded", owners_and_set_id_bits_are_recorded),
        ("subpackages_get_what_is_split", subpackages_get_what_is_split),
        ("a_failing_step_says_where_to_look", a_failing_step_says_where_to_look),
        ("a_build_that_was_stopped_goes_on", a_build_that_was_stopped_goes_on),
        ("a_test_gets_exactly_the_package_just_built", a_test_gets_exactly_the_package_just_built),
        ("a_test_that_failed_is_run_again", a_test_that_failed_is_run_again),
        ("what_no_package_may_hold_is_refused", what_no_package_may_hold_is_refused),
        ("a_missing_package_is_named", a_missing_package_is_named),
        ("the_sbom_says_which_holes_are_closed", the_sbom_says_which_holes_are_closed),
        ("root_and_an_ordinary_user_give_equal_content", root_and_an_ordinary_user_give_equal_content),
        ("a_build_that_was_killed_goes_on_and_is_right", a_build_that_was_killed_goes_on_and_is_right),
    ];
    common::main(tests, &[("--owners", |folder| say(&owners(folder))), ("--chain", |folder| say(&chain_of_four(folder)))])
}

const INSTALL: &str = "mkdir -p ${{targets.destdir}}/usr/share\necho content > ${{targets.destdir}}/usr/share/NAME";

fn install(name: &str) -> String {
    INSTALL.replace("NAME", name)
}

fn content(bench: &Bench, name: &str) -> Digest {
    bench.build(name).packages().find(|record| record.info.name.as_str() == name).unwrap().content.unwrap()
}

fn a_second_build_does_nothing() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    bench.script("app", "lib", &install("app"));
    assert_eq!(bench.outcomes("app"), "lib built, app built");
    assert_eq!(bench.outcomes("app"), "lib cached, app cached");
}

const TEST: &str = "test:\n  environment:\n    contents:\n      packages: [host-tools]\n  pipeline:\n    - runs: cat /usr/share/lib\n";

fn editing_a_test_runs_and_emits_nothing() {
    let bench = Bench::new();
    bench.define("lib", "", &(body("", &install("lib")) + TEST));
    assert_eq!(bench.outcomes("lib"), "lib built");
    bench.edit("lib", "cat /usr", "ls /usr");
    assert_eq!(bench.outcomes("lib"), "lib cached");
}

fn editing_a_description_emits_and_runs_nothing() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    let before = content(&bench, "lib");
    bench.edit("lib", "A test", "Another text");
    assert_eq!(bench.outcomes("lib"), "lib emitted");
    assert_ne!(content(&bench, "lib"), before);
    bench.edit("lib", "Another text", "A test");
    assert_eq!(bench.outcomes("lib"), "lib cached", "what was made before is still known");
}

const PATCH: &str = "--- a/text\n+++ b/text\n@@ -1 +1 @@\n-with a hole\n+without\n";

/// A definition that pins a file and an archive with a patch for it, and its `fixes.yaml`.
fn patched(bench: &Bench) -> std::path::PathBuf {
    let upstream = common::tar(&[("demo-1/text", "with a hole\n")]);
    let carrier = common::tar(&[("debian/patches/series", "hole.patch\n"), ("debian/patches/hole.patch", PATCH)]);
    let fetch = |name: &str, bytes: &[u8], strip: u8| {
        let digest = bench.store.put(bytes).unwrap().hex();
        format!(
            "  - uses: fetch\n    with:\n      uri: debian:pool/{name}\n      expected-sha256: {digest}\n      strip-components: {strip}\n"
        )
    };
    let steps = fetch("demo_1.orig.tar.gz", &upstream, 1) + &fetch("demo_1-1.debian.tar.xz", &carrier, 0);
    let patch = "  - uses: patch\n    with:\n      patches: debian/patches/hole.patch\n";
    let install = body("", "mkdir -p ${{targets.destdir}}/usr/share\ncp text ${{targets.destdir}}/usr/share/text");
    let folder = bench.define("demo", "", &install.replace("pipeline:\n", &format!("pipeline:\n{steps}{patch}")));
    let fixes = "source: debian:pool/demo_1-1.debian.tar.xz\nfixes:\n  - patch: hole.patch\n    cves: [CVE-2025-1000]\n    applied: 1-r0\n";
    fs::write(folder.join("fixes.yaml"), fixes).unwrap();
    folder
}

fn the_sbom_says_which_holes_are_closed() {
    let bench = Bench::new();
    let folder = patched(&bench);
    assert_eq!(bench.outcomes("demo"), "demo built");
    let sbom = || {
        let package = apk::Package::open_blob(&bench.store, &content(&bench, "demo")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        package.extract(dir.path(), &apk::package::Limits::default()).unwrap();
        assert!(holds(&dir.path().join("usr/share/text"), "without"));
        attest::spdx::Document::from_json(&fs::read(dir.path().join("var/lib/db/sbom/demo-1-r0.spdx.json")).unwrap(), "demo").unwrap()
    };
    let document = sbom();
    let patch = document.packages.iter().find(|element| element.name == "hole.patch").unwrap();
    assert_eq!(patch.comment.as_deref(), Some("a patch; fixes CVE-2025-1000"));
    assert!(patch.source_info.as_ref().unwrap().starts_with("debian/patches/hole.patch in the file with sha256:"));
    let changes = document.relationships.iter().find(|one| one.relationship_type == attest::spdx::Relation::PATCH_FOR).unwrap();
    let changed = document.packages.iter().find(|element| element.id == changes.related_spdx_element).unwrap();
    assert_eq!(changes.spdx_element_id, patch.id);
    assert!(changed.source_info.as_ref().unwrap().ends_with("demo_1.orig.tar.gz"), "not what carries it");
    // To learn the number of a hole later runs no step, and packages say it all the same.
    let path = folder.join("fixes.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[CVE-2025-1000]", "[CVE-2025-1000, CVE-2025-2000]")).unwrap();
    assert_eq!(bench.outcomes("demo"), "demo emitted");
    assert!(sbom().packages.iter().any(|element| element.comment.as_deref() == Some("a patch; fixes CVE-2025-1000, CVE-2025-2000")));
}

fn a_dependency_rebuilt_to_equal_content_rebuilds_nothing_above() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    bench.script("app", "lib", &install("app"));
    bench.build("app");
    bench.edit("lib", "echo content", "echo  content");
    assert_eq!(bench.outcomes("app"), "lib built, app cached");
    bench.edit("lib", "echo  content", "echo other content");
    assert_eq!(bench.outcomes("app"), "lib built, app built");
}

fn another_key_changes_no_content() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    let report = bench.build("lib");
    let index = |name: &str| {
        let key = Named::new(name, PrivateKey::generate(2048).unwrap()).unwrap();
        bench.with(|builder| builder.index(&report, &bench.path(name), &key)).unwrap().remove(0)
    };
    let (one, two) = (index("one"), index("two"));
    assert_eq!(one.content, two.content);
    assert_ne!(one.file, two.file);
    assert_eq!(bench.outcomes("lib"), "lib cached");
}

fn two_stores_give_equal_content() {
    let contents = || {
        let bench = Bench::new();
        bench.script("lib", "", &install("lib"));
        bench.script("app", "lib", "ln -s lib ${{targets.destdir}}/link\nid -u > ${{targets.destdir}}/id\necho $$ > /dev/null");
        (content(&bench, "lib"), content(&bench, "app"))
    };
    assert_eq!(contents(), contents());
}

fn files_beside_the_definition_are_part_of_the_key() {
    let bench = Bench::new();
    let folder = bench.script("app", "", "cp -r sub ${{targets.destdir}}/");
    fs::create_dir_all(folder.join("files/sub")).unwrap();
    fs::write(folder.join("files/sub/file"), "one").unwrap();
    assert_eq!(bench.outcomes("app"), "app built");
    assert_eq!(bench.listed("app"), ["sub/file 644 0:0"]);
    fs::write(folder.join("files/sub/file"), "one").unwrap();
    assert_eq!(bench.outcomes("app"), "app cached", "a new time alone changes nothing");
    fs::write(folder.join("files/sub/file"), "two").unwrap();
    assert_eq!(bench.outcomes("app"), "app built");
}

fn steps_see_constants() {
    let bench = Bench::new();
    let rest = "environment:\n  contents:\n    packages: [host-tools]\n  environment:\n    OWN: of the definition\npipeline:\n  - working-directory: deep/down\n    environment:\n      STEP: of the 'step' $HOME\n    runs: |\n      pwd\n      id -u; id -g\n      umask\n      env\n";
    bench.define("app", "", rest);
    bench.build("app");
    let lines = bench.ear.lines.lock().unwrap().clone();
    for expected in [
        "/home/build/deep/down",
        "0",
        "0022",
        "HOME=/home/build",
        "LC_ALL=C.UTF-8",
        "OWN=of the definition",
        "SOURCE_DATE_EPOCH=1700000000",
        "STEP=of the 'step' $HOME",
        "TZ=UTC",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:#?}");
    }
    let names = lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let mut names: Vec<_> = names.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect();
    names.sort_unstable();
    names.retain(|name| !["", "OLDPWD", "PWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["HOME", "LC_ALL", "OWN", "PATH", "SOURCE_DATE_EPOCH", "STEP", "TZ"]);
}

fn owners_and_set_id_bits_are_recorded() {
    let bench = Bench::new();
    let script = "cd ${{targets.destdir}}\ntouch plain owned su\nchown 33:8 owned\nchmod 4755 su\nln su second\nmkdir -m 1777 sticky\ntouch sticky/x";
    bench.define("app", "checks:\n  disabled: [setuidgid]", &body("", script));
    let listed = bench.listed("app");
    let warnings = bench.ear.warnings.lock().unwrap().clone();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(listed, ["owned 644 33:8", "plain 644 0:0", "second 4755 0:0", "sticky/x 644 0:0", "su 4755 0:0"]);
}

fn subpackages_get_what_is_split() {
    let bench = Bench::new();
    let script = "cd ${{targets.destdir}}\nmkdir -p usr/include usr/lib usr/share/man/man1\ntouch usr/include/x.h usr/lib/libx.a usr/lib/x usr/share/man/man1/x.1";
    let subpackages = "subpackages:\n  - name: app-doc\n    pipeline:\n      - uses: split/manpages\n  - name: app-dev\n    pipeline:\n      - uses: split/dev\n";
    bench.define("app", "", &(body("", script) + subpackages));
    assert_eq!(bench.listed("app"), ["usr/lib/x 644 0:0"]);
    assert_eq!(bench.listed("app-doc"), ["usr/share/man/man1/x.1 644 0:0"]);
    assert_eq!(bench.listed("app-dev"), ["usr/include/x.h 644 0:0", "usr/lib/libx.a 644 0:0"]);
}

fn a_failing_step_says_where_to_look() {
    let bench = Bench::new();
    bench.script("app", "", "echo begun > left\necho before it fails\nfalse | cat\nexit 7");
    let error = bench.try_build("app").unwrap_err();
    let BuildError::Step { log, tail, shell, step, number: 1, of: 1, .. } = &error else { panic!("{}", chain(&error)) };
    assert_eq!((&**step, &**shell), ("the step", "undistro shell app --failed"));
    assert!(tail.contains(&"before it fails".to_owned()) && holds(log, "before it fails"));
    let (failed, plan) = bench.with(|builder| builder.failed_shell("app", false)).unwrap();
    assert_eq!((failed.label.as_str(), plan.terminal), ("the step", true));
    assert_eq!(plan.environment["SOURCE_DATE_EPOCH"], "1700000000");
    assert!(holds(&plan.binds[0].source.join("left"), "begun"), "the workspace is as it was");
    bench.edit("app", "exit 7", "exit 0");
    bench.edit("app", "false | cat", "true | cat");
    assert_eq!(bench.outcomes("app"), "app built");
    assert!(!log.exists(), "what a failure left goes with the next success");
}

fn a_build_that_was_stopped_goes_on() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    bench.script("app", "lib", &install("app"));
    bench.build("lib");
    bench.stop.store(true, Ordering::Relaxed);
    assert!(matches!(bench.try_build("app"), Err(BuildError::Stopped)));
    bench.stop.store(false, Ordering::Relaxed);
    assert_eq!(bench.outcomes("app"), "lib cached, app built");
}

fn a_test_gets_exactly_the_package_just_built() {
    let bench = Bench::new();
    bench.define("lib", "", &(body("", &install("lib")) + TEST));
    let tested = bench.with(|builder| builder.test(&["lib".to_owned()])).unwrap();
    assert_eq!(tested[0].content, Some(content(&bench, "lib")));
    assert!(bench.ear.lines.lock().unwrap().contains(&"content".to_owned()));
    let again = bench.with(|builder| builder.test(&["lib".to_owned()])).unwrap();
    assert_eq!(again[0].outcome, build::Outcome::Cached);
    bench.edit("lib", "echo content", "echo changed");
    bench.with(|builder| builder.test(&["lib".to_owned()])).unwrap();
    assert!(bench.ear.lines.lock().unwrap().contains(&"changed".to_owned()));
}

fn a_test_that_failed_is_run_again() {
    let bench = Bench::new();
    bench.define("lib", "", &(body("", &install("lib")) + &TEST.replace("cat /usr/share/lib", "cat /nowhere")));
    for _ in 0..2 {
        let error = bench.with(|builder| builder.test(&["lib".to_owned()])).unwrap_err();
        assert!(matches!(&error, BuildError::Step { shell, .. } if &**shell == "undistro shell lib --failed --test"), "{}", chain(&error));
    }
}

fn what_no_package_may_hold_is_refused() {
    let bench = Bench::new();
    bench.script("app", "", "mkdir -p ${{targets.destdir}}/run\ntouch ${{targets.destdir}}/run/x");
    let error = bench.try_build("app").unwrap_err();
    assert!(chain(&error).contains("run/x: lies in a directory that is emptied or mounted over (tempdir)"), "{}", chain(&error));
}

fn a_missing_package_is_named() {
    let bench = Bench::new();
    bench.script("app", "no-such-thing", "true");
    let error = bench.try_build("app").unwrap_err();
    assert!(chain(&error).contains("no-such-thing"), "{}", chain(&error));
}

/// Builds in `folder` what owners, modes and users could make different, and returns its content.
fn owners(folder: &Path) -> String {
    let bench = Bench::at(folder);
    let script = "cd ${{targets.destdir}}\nid > who\ntouch owned su\nchown 33:8 owned\nchmod 4755 su\nmkdir -m 1777 sticky\nls -ln /usr/bin/sh > sh\numask > umask\nstat -c %a . > mode";
    bench.define("app", "checks:\n  disabled: [setuidgid]", &body("", script));
    content(&bench, "app").to_string()
}

fn root_and_an_ordinary_user_give_equal_content() {
    let folder = tempfile::tempdir().unwrap();
    let ours = owners(&folder.path().join("ours"));
    // Only root can become another user; an ordinary user compares with itself under another umask.
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [folder.path(), &program] {
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let mut command = Command::new(&program);
    command.arg("--owners").arg(&theirs).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    const NOBODY: u32 = 65534;
    if fs::metadata(&theirs).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap() == 0 {
        std::os::unix::fs::chown(&theirs, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), ours, "{}", String::from_utf8_lossy(&output.stderr));
}

/// Builds four packages, each of the one before, slowly, and returns the content of the last.
fn chain_of_four(folder: &Path) -> String {
    let bench = Bench::at(folder);
    for (name, before) in [("a", ""), ("b", "a"), ("c", "b"), ("d", "c")] {
        let script = format!("for i in 1 2 3 4 5; do sleep 0.02; done\n{}", install(name));
        bench.script(name, before, &script);
    }
    content(&bench, "d").to_string()
}

fn a_build_that_was_killed_goes_on_and_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = chain_of_four(&folder.path().join("undisturbed"));
    let disturbed = folder.path().join("disturbed");
    fs::create_dir(&disturbed).unwrap();
    let start = || {
        let mut command = Command::new("/proc/self/exe");
        command.arg("--chain").arg(&disturbed).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    for round in 0..20 {
        let mut child = start();
        // Steps of a prime, so that the kills fall on ever other places of a build that goes on.
        std::thread::sleep(Duration::from_millis(11 + 37 * round % 241));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(chain_of_four(&disturbed), undisturbed);
    let left = fs::read_dir(disturbed.join("store/work")).unwrap().count() + fs::read_dir(disturbed.join("store/tmp")).unwrap().count();
    assert_eq!(left, 0, "nothing of the killed runs is left");
}
