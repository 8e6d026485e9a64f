//! What comparing `fixes.yaml` promises: no patch that a pinned source carries is passed over, and none is claimed in vain.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::collections::BTreeMap;

use base::tarball::Writer;
use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Digest, Store};
use build::Distro;
use build::fixes::{Review, Unchecked, review, secfixes};
use fs_err as fs;
use source::{Fetcher, Settings};
use tempfile::TempDir;

const SERIES: &str = "# comment\nCVE-2025-1000.patch -p1\n\nfeature/tests.patch # and why\nCVE-2025-2000.patch\n";

const FIXES: &str = "\
source: debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz
fixes:
  - patch: CVE-2025-1000.patch
    cves: [CVE-2025-1000]
    applied: 1.0-r0
  - patch: feature/tests.patch
    waived: only a test, and tests are not built
  - patch: CVE-2025-2000.patch
    cves: [CVE-2025-2000, CVE-2025-2001]
    applied: 1.0-r1
";

/// One definition, its fixes, and a store that has what it pins.
struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new(fixes: &str) -> Self {
        Self::with("demo_1.0-1.debian.tar.xz", &tar(SERIES), fixes)
    }

    /// A definition that pins a source and the carrier `name`, and applies two patches of it.
    fn with(name: &str, carrier: &[u8], fixes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let demo = folder.path().join("packages/demo");
        fs::create_dir_all(&demo).unwrap();
        let settings = "name: Test\nid: test\narchs: [x86_64]\nsource-date-epoch: 1700000000\n";
        fs::write(folder.path().join("distro.yaml"), settings).unwrap();
        let text = format!(
            "package:\n  name: demo\n  version: \"1.0\"\n  epoch: 1\n  description: A test\n  copyright:\n    - license: MIT\n\
             pipeline:\n  - uses: fetch\n    with:\n      uri: debian:pool/main/d/demo/demo_${{{{package.version}}}}.orig.tar.gz\n      expected-sha256: {}\n\
             \x20 - uses: fetch\n    with:\n      uri: debian:pool/main/d/demo/{}\n      expected-sha256: {}\n      strip-components: 0\n\
             \x20 - uses: patch\n    with:\n      patches: |\n        debian/patches/CVE-2025-1000.patch\n        debian/patches/CVE-2025-2000.patch\n",
            Digest::of("upstream").hex(),
            name.replace("1.0", "${{package.version}}"),
            store.put(carrier).unwrap().hex(),
        );
        fs::write(demo.join("package.yaml"), text).unwrap();
        if !fixes.is_empty() {
            fs::write(demo.join("fixes.yaml"), fixes).unwrap();
        }
        Self { folder, store }
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.folder.path().join("packages/demo/package.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn distro(&self) -> Distro {
        Distro::load(self.folder.path(), Arch::X86_64).unwrap()
    }

    fn review(&self) -> Option<Review> {
        let fetcher = Fetcher::new(&self.store, Settings { offline: true, ..Settings::default() }).unwrap();
        self.review_in(Some(&fetcher))
    }

    fn review_in(&self, fetcher: Option<&Fetcher<'_>>) -> Option<Review> {
        let demo = self.folder.path().join("packages/demo");
        let text = fs::read_to_string(demo.join("package.yaml")).unwrap();
        let recipe = spec::check(&text, &spec::Context::new(Arch::X86_64, &())).unwrap();
        review(&recipe, &demo, fetcher).unwrap()
    }

    /// What is found: codes and messages.
    fn found(&self) -> Vec<String> {
        let review = self.review().unwrap();
        assert_eq!(review.unchecked, []);
        review.found.iter().map(|one| format!("{}: {}", one.code, one.message)).collect()
    }
}

/// An archive as Debian's format 3.0 has it, with this series.
fn tar(series: &str) -> Vec<u8> {
    let mut tar = Writer::new(Vec::new());
    for (path, text) in [("debian/changelog", "demo (1.0-1)\n"), ("debian/patches/series", series)] {
        let kind = Kind::File { size: text.len() as u64, digest: None };
        tar.append(&Entry::new(TreePath::parse(path).unwrap(), kind, 0o644, 0), &BTreeMap::new(), &mut text.as_bytes()).unwrap();
    }
    tar.finish().unwrap()
}

#[test]
fn a_series_of_which_every_patch_is_listed_is_clean() {
    assert_eq!(Bench::new(FIXES).found(), [""; 0]);
    // Named or not, the series is the same.
    assert_eq!(Bench::new(&FIXES.replace("fixes:", "series: debian/patches/series\nfixes:")).found(), [""; 0]);
}

#[test]
fn every_difference_is_found() {
    let cases = [
        (
            "  - patch: feature/tests.patch\n    waived: only a test, and tests are not built\n",
            "",
            "unlisted-fix: `feature/tests.patch` is carried and neither applied nor waived",
        ),
        (
            "  - patch: feature/tests.patch\n",
            "  - patch: feature/test.patch\n",
            "unlisted-fix: `feature/tests.patch` is carried and neither applied nor waived\nuntrue-fix: `feature/test.patch` is not carried by `debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz`",
        ),
        (
            "waived: only a test, and tests are not built",
            "applied: 1.0-r0",
            "untrue-fix: `feature/tests.patch` is said to be applied, and no `patch` step names it",
        ),
        (
            "applied: 1.0-r1",
            "waived: we do not feel like it",
            "untrue-fix: `CVE-2025-2000.patch` is said to be waived, and a `patch` step applies it",
        ),
        ("1.0-r1", "1.0-r2", "untrue-fix: 1.0-r2 is later than the version of the definition, 1.0-r1"),
        (
            "fixes:",
            "series: patches/list\nfixes:",
            "untrue-fix: `debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz` holds no `patches/list`",
        ),
        (
            "demo_1.0-1",
            "demo_0.9-7",
            "untrue-fix: `package.yaml` does not fetch `debian:pool/main/d/demo/demo_0.9-7.debian.tar.xz`\nunlisted-fix: `debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz` carries patches, and no `fixes.yaml` says what became of them",
        ),
        ("CVE-2025-2001", "CVE-2025-x", "bad-cve: `CVE-2025-x` is not a CVE number, such as CVE-2025-26519"),
    ];
    for (from, to, wanted) in cases {
        assert!(FIXES.contains(from), "{from}");
        let found = Bench::new(&FIXES.replace(from, to)).found().join("\n");
        assert!(found.starts_with(wanted), "{from} → {to}: {found}");
    }
}

#[test]
fn a_patch_that_the_recipe_no_longer_applies_is_found() {
    let bench = Bench::new(FIXES);
    bench.edit("        debian/patches/CVE-2025-2000.patch\n", "");
    assert_eq!(bench.found(), ["untrue-fix: `CVE-2025-2000.patch` is said to be applied, and no `patch` step names it"]);
    // The end of another name is not its name.
    bench.edit("debian/patches/CVE-2025-1000.patch", "debian/patches/not-CVE-2025-1000.patch");
    assert_eq!(bench.found().len(), 2);
}

#[test]
fn a_whole_series_that_is_applied_applies_each_patch() {
    let bench = Bench::new(&FIXES.replace("waived: only a test, and tests are not built", "applied: 1.0-r0"));
    let patches = "patches: |\n        debian/patches/CVE-2025-1000.patch\n        debian/patches/CVE-2025-2000.patch\n";
    bench.edit(patches, "series: debian/patches/series\n");
    assert_eq!(bench.found(), [""; 0]);
}

#[test]
fn patches_that_no_file_tells_of_are_found() {
    let bench = Bench::new("");
    let review = bench.review().unwrap();
    assert!(review.path.ends_with("packages/demo/package.yaml"));
    assert_eq!(
        review.found.to_string(),
        "`debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz` carries patches, and no `fixes.yaml` says what became of them [unlisted-fix]"
    );
}

#[test]
fn what_can_not_be_compared_is_said() {
    let bench = Bench::new(FIXES);
    let review = bench.review_in(None).unwrap();
    assert!(review.found.is_empty());
    assert_eq!(review.unchecked, [Unchecked::NotStored { uri: "debian:pool/main/d/demo/demo_1.0-1.debian.tar.xz".into() }]);
    // What needs no source is compared all the same.
    bench.edit("        debian/patches/CVE-2025-2000.patch\n", "");
    assert_eq!(bench.review_in(None).unwrap().found.len(), 1);

    let unpinned = Bench::with("demo-docs_1.0.tar.gz", b"", "");
    assert_eq!(unpinned.review().unwrap().unchecked, [Unchecked::NotPinned]);
    unpinned.edit("debian:pool", "https://example.org/pool");
    assert!(unpinned.review().is_none(), "nobody carries anything for it");
}

#[test]
fn an_archive_that_breaks_off_is_an_error_and_not_an_empty_series() {
    let whole = tar(SERIES);
    let bench = Bench::with("demo_1.0-1.debian.tar.xz", &whole[..700], FIXES);
    let demo = bench.folder.path().join("packages/demo");
    let text = fs::read_to_string(demo.join("package.yaml")).unwrap();
    let recipe = spec::check(&text, &spec::Context::new(Arch::X86_64, &())).unwrap();
    let fetcher = Fetcher::new(&bench.store, Settings { offline: true, ..Settings::default() }).unwrap();
    assert!(review(&recipe, &demo, Some(&fetcher)).is_err());
}

const DIFF: &str = "\
--- demo-1.0.orig/main.c
+++ demo-1.0/main.c
@@ -1 +1 @@
-old
+new
";

const DIFF_WITH_SERIES: &str = "\
--- /dev/null
+++ demo-1.0/debian/patches/series
@@ -0,0 +1,2 @@
+CVE-2025-1000.patch
+CVE-2025-2000.patch
";

#[test]
fn a_diff_of_format_1_is_itself_a_patch_and_may_carry_more() {
    let name = "demo_1.0-1.diff.gz";
    let fixes = "source: debian:pool/main/d/demo/demo_1.0-1.diff.gz\nfixes:\n  - patch: CVE-2025-1000.patch\n    applied: 1.0-r0\n";
    assert_eq!(Bench::with(name, DIFF.as_bytes(), fixes).found(), [""; 0], "its name is what the steps call it");
    let none = "source: debian:pool/main/d/demo/demo_1.0-1.diff.gz\n";
    assert_eq!(
        Bench::with(name, DIFF.as_bytes(), none).found(),
        ["unlisted-fix: `debian:pool/main/d/demo/demo_1.0-1.diff.gz` is itself a patch, neither applied nor waived"]
    );
    let both = format!("{DIFF}{DIFF_WITH_SERIES}");
    assert_eq!(
        Bench::with(name, both.as_bytes(), fixes).found(),
        [
            "unlisted-fix: `CVE-2025-2000.patch` is carried and neither applied nor waived",
            "unlisted-fix: `debian:pool/main/d/demo/demo_1.0-1.diff.gz` is itself a patch, neither applied nor waived",
        ]
    );
}

#[test]
fn a_definition_that_claims_a_fix_in_vain_can_not_be_built() {
    let bench = Bench::new(&FIXES.replace("waived: only a test, and tests are not built", "applied: 1.0-r0"));
    let distro = bench.distro();
    assert!(distro.definitions().next().is_none());
    let mistaken = distro.mistakes_of("demo").unwrap();
    assert!(mistaken.path.ends_with("demo/fixes.yaml"));
    insta::assert_snapshot!(mistaken.diagnostics.render("fixes.yaml", &mistaken.text), @"
    untrue-fix

      × `feature/tests.patch` is said to be applied, and no `patch` step names it
       ╭─[fixes.yaml:6:12]
     5 │     applied: 1.0-r0
     6 │   - patch: feature/tests.patch
       ·            ───────────────────
     7 │     applied: 1.0-r0
       ╰────
      help: name it in a `patch` step, or write `waived:` with the reason
    ");
}

#[test]
fn lists_the_holes_that_are_closed_by_our_versions() {
    let again = "  - patch: CVE-2025-1000-2.patch\n    source: https://example.org/CVE-2025-1000-2.patch\n    cves: [CVE-2025-1000]\n    applied: 1.0-r1\n";
    let shown = |fixes: &str, edit: bool| {
        let bench = Bench::new(fixes);
        if edit {
            let fetch = format!(
                "pipeline:\n  - uses: fetch\n    with:\n      uri: https://example.org/CVE-2025-1000-2.patch\n      expected-sha256: {}\n      extract: false\n  - uses: patch\n    with:\n      patches: CVE-2025-1000-2.patch\n",
                Digest::of("patch").hex()
            );
            bench.edit("pipeline:\n", &fetch);
        }
        let all = secfixes(&bench.distro());
        let demo = &all["demo"];
        demo.iter()
            .map(|(version, cves)| format!("{version}: {}", cves.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(FIXES, false), ["1.0-r0: CVE-2025-1000", "1.0-r1: CVE-2025-2000 CVE-2025-2001"]);
    // A hole that takes two patches is closed by the later one.
    assert_eq!(shown(&format!("{FIXES}{again}"), true), ["1.0-r1: CVE-2025-1000 CVE-2025-2000 CVE-2025-2001"]);
}
