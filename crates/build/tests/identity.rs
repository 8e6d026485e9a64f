//! Whose bytes these are: provenance is of the real build, a new program builds nothing anew, and what varies is caught.
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

#[allow(dead_code, reason = "another test uses the rest")]
mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use attest::intoto::Resource;
use attest::slsa::{self, Mode, Provenance};
use base::Digest;
use build::provenance::{Host, kept, kind, members};
use build::rebuild::{RebuildError, Workbench, rebuild};
use build::reproduce::{Again, Remade, Variation, compare};
use build::{Builder, Outcome, Report};
use common::{Bench, Bystander, body};

fn main() -> ExitCode {
    common::main(
        &[
            ("provenance_names_what_went_in", provenance_names_what_went_in),
            ("a_look_up_writes_no_provenance", a_look_up_writes_no_provenance),
            ("a_new_program_with_the_same_formats_builds_nothing", a_new_program_with_the_same_formats_builds_nothing),
            ("a_new_description_keeps_the_run_that_it_was", a_new_description_keeps_the_run_that_it_was),
            ("lineage_follows_roots_down_to_the_seed", lineage_follows_roots_down_to_the_seed),
            ("a_package_comes_out_equal_from_its_statements_alone", a_package_comes_out_equal_from_its_statements_alone),
            ("a_statement_that_was_changed_is_refused", a_statement_that_was_changed_is_refused),
            ("what_depends_on_the_order_of_a_directory_is_caught", what_depends_on_the_order_of_a_directory_is_caught),
            ("what_is_random_is_caught_with_its_line", what_is_random_is_caught_with_its_line),
            ("a_second_build_in_another_store_is_equal", a_second_build_in_another_store_is_equal),
            ("the_lock_is_the_same_from_another_store", the_lock_is_the_same_from_another_store),
            ("golden_digests_guard_the_formats", golden_digests_guard_the_formats),
        ],
        &[],
    )
}

/// Another program on another day.
#[derive(Debug)]
struct Newer;

impl Host for Newer {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000)
    }

    fn builder(&self) -> slsa::Builder {
        let program = Resource::sha256("undistro", &Digest::of("newer"));
        slsa::Builder { id: Mode::Local.builder_id().to_owned(), version: BTreeMap::new(), builder_dependencies: vec![program] }
    }

    fn invocation(&self) -> String {
        "another".to_owned()
    }

    fn cpus(&self) -> usize {
        Bystander.cpus()
    }

    fn checkout(&self, _: &Path) -> Option<Resource> {
        None
    }
}

const LIB: &str = "mkdir -p ${{targets.destdir}}/usr/share\necho content > ${{targets.destdir}}/usr/share/lib";
const APP: &str = "mkdir -p ${{targets.destdir}}/usr/share\ncp /usr/share/lib ${{targets.destdir}}/usr/share/app";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.script("lib", "", LIB);
    bench.script("app", "lib", APP);
    bench
}

fn content(report: &Report, name: &str) -> Digest {
    report.packages().find(|record| record.info.name.as_str() == name).unwrap().content.unwrap()
}

fn statements(bench: &Bench, content: &Digest) -> Vec<Provenance> {
    kept(&bench.store, content).unwrap()
}

fn provenance_names_what_went_in() {
    let bench = bench();
    let report = bench.build("app");
    let statement = statements(&bench, &content(&report, "app")).remove(0);
    assert_eq!(statement.subject[0].digest().unwrap(), content(&report, "app"));
    let predicate = &statement.predicate;
    let names = |kind: &str| predicate.taken(kind).map(|one| one.name.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(names(kind::DEFINITION), ["distro.yaml", "packages/app/package.yaml"]);
    assert_eq!((names(kind::PACKAGE), names(kind::SEED)), (vec!["lib".to_owned()], vec!["host-tools".to_owned()]));
    let root = members(predicate).unwrap();
    assert_eq!(root, report.built[1].environment, "the root is told whole and in order");
    assert!(root.iter().any(|member| member.content == content(&report, "lib")));
    assert_eq!(predicate.build_definition.internal_parameters["actions"]["run"], report.built[1].actions.run.to_string());
    assert_eq!(
        predicate.run_details.byproducts.iter().find(|one| one.name.as_deref() == Some("log")).unwrap().digest(),
        report.built[1].log
    );
}

fn a_look_up_writes_no_provenance() {
    let bench = bench();
    let lib = content(&bench.build("app"), "lib");
    bench.build("app");
    assert_eq!(statements(&bench, &lib).len(), 1);
    bench.store.forget("run").unwrap();
    let report = bench.with(|builder| Builder { host: &Newer, ..*builder }.build(&["lib".to_owned()])).unwrap();
    assert_eq!(content(&report, "lib"), lib);
    let all = statements(&bench, &lib);
    assert_eq!(all.len(), 2, "a second real build is told beside the first");
    assert_eq!(all[0].predicate.run_details.metadata.invocation_id, "a test");
}

fn a_new_program_with_the_same_formats_builds_nothing() {
    let bench = bench();
    let before = content(&bench.build("app"), "app");
    let report = bench.with(|builder| Builder { host: &Newer, ..*builder }.build(&["app".to_owned()])).unwrap();
    assert!(report.built.iter().all(|built| built.outcome == Outcome::Cached));
    let all = statements(&bench, &before);
    assert_eq!(all.len(), 1);
    assert!(all[0].predicate.run_details.builder.builder_dependencies.is_empty(), "it still names the program that built");
}

fn a_new_description_keeps_the_run_that_it_was() {
    let bench = bench();
    bench.build("lib");
    bench.edit("lib", "A test", "Another text");
    let report = bench.with(|builder| Builder { host: &Newer, ..*builder }.build(&["lib".to_owned()])).unwrap();
    assert_eq!(report.built[0].outcome, Outcome::Emitted);
    let statement = statements(&bench, &content(&report, "lib")).remove(0);
    assert_eq!(statement.predicate.run_details.metadata.invocation_id, "a test", "its steps ran then");
    let text = statement.predicate.taken(kind::DEFINITION).last().unwrap().content.clone().unwrap();
    assert!(String::from_utf8(text.0).unwrap().contains("Another text"), "its text is the new one");
}

fn lineage_follows_roots_down_to_the_seed() {
    let bench = bench();
    bench.script("top", "app", &APP.replace("share/lib", "share/app"));
    let report = bench.build("top");
    let lineage = build::lineage::lineage(&bench.store, "top", &content(&report, "top")).unwrap();
    assert_eq!(lineage.packages.keys().collect::<Vec<_>>(), ["app", "lib"]);
    let seed = &lineage.seeds["host-tools"];
    assert!(seed.direct && seed.through.iter().eq(["app", "lib", "top"].iter()) && lineage.unknown.is_empty());
    let stranger = build::lineage::lineage(&bench.store, "x", &Digest::of("x")).unwrap();
    assert!(!stranger.is_ours_alone(), "what is not known is not called free of seeds");
}

/// Rebuilds in a store that has the seed and nothing else.
fn rebuilt(statements: &[Provenance]) -> Result<Vec<(String, bool, bool)>, RebuildError> {
    let empty = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let done = empty.with(|builder| {
        let Builder { store, fetcher, launcher, reporter, host, stop, .. } = *builder;
        rebuild(statements, folder.path(), Workbench { store, fetcher, launcher, reporter, host, stop })
    })?;
    Ok(done.into_iter().map(|one| (one.origin.to_string(), one.equal, one.same_actions)).collect())
}

fn a_package_comes_out_equal_from_its_statements_alone() {
    let bench = bench();
    let report = bench.build("app");
    let all = build::lineage::closure(&bench.store, &content(&report, "app")).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(rebuilt(&all).unwrap(), [("lib".to_owned(), true, true), ("app".to_owned(), true, true)]);
    let error = rebuilt(&all[..1]).unwrap_err();
    assert!(matches!(error, RebuildError::Missing { name, .. } if name == "lib"));
}

fn a_statement_that_was_changed_is_refused() {
    let bench = bench();
    let report = bench.build("lib");
    let good = statements(&bench, &content(&report, "lib")).remove(0);
    let mut other = good.clone();
    other.predicate.build_definition.build_type = "https://elsewhere.example/type".into();
    assert!(matches!(rebuilt(&[other]), Err(RebuildError::Type(_))));
    let mut other = good.clone();
    let definition = &mut other.predicate.build_definition.resolved_dependencies[1];
    definition.content.as_mut().unwrap().0.push(b'#');
    assert!(matches!(rebuilt(&[other]), Err(RebuildError::Provenance { .. })), "its bytes are not those of its digest");
    let mut other = good.clone();
    other.predicate.build_definition.resolved_dependencies[1].name = Some("../../escape".into());
    assert!(matches!(rebuilt(&[other]), Err(RebuildError::Provenance { .. })));
    let mut other = good;
    other.subject[0].annotations.insert("content".into(), Digest::of("another").to_string().into());
    assert_eq!(rebuilt(&[other]).unwrap(), [("lib".to_owned(), false, true)], "what comes out is not what is named");
}

/// Builds `name` with a variation, in the store of `second`, in the root that `first` used.
fn again(first: &Bench, second: &Bench, report: &Report, variation: &Variation) -> Remade {
    let built = report.built.last().unwrap();
    Again::furnish(&built.environment, &first.store, &second.store).unwrap();
    let request = Again {
        origin: built.origin.clone(),
        distro: second.path("distro"),
        store: second.path("store"),
        mirror: second.path("mirror"),
        environment: built.environment.clone(),
        variation: variation.clone(),
        umask: 0o022,
    };
    first.with(|builder| builder.copy_definition(&built.origin, &request.distro)).unwrap();
    second.with(|builder| request.carry_out(&Builder { variation, ..*builder })).unwrap()
}

fn difference(script: &str, variation: &Variation) -> Option<(String, String)> {
    let (first, second) = (Bench::new(), Bench::new());
    first.script("planted", "", &format!("mkdir -p ${{{{targets.destdir}}}}/usr/share\n{script} > ${{{{targets.destdir}}}}/usr/share/it"));
    let report = first.build("planted");
    let made = again(&first, &second, &report, variation);
    let (_, before) = &Remade::of(&report.built[0], &first.store).packages["planted"];
    let (_, after) = &made.packages["planted"];
    let found = compare(before, after).unwrap()?;
    Some((found.files[0].path.to_string(), found.files[0].how.clone()))
}

fn what_depends_on_the_order_of_a_directory_is_caught() {
    let reversed = Variation { reverse_directories: true, ..Variation::default() };
    let script = "mkdir many\nfor n in 1 2 3 4 5 6 7 8 9; do touch many/$n; done\nls -f many";
    let (path, how) = difference(script, &reversed).unwrap();
    assert_eq!(path, "usr/share/it");
    assert!(how.starts_with("line "), "{how}");
    assert_eq!(difference(&script.replace("ls -f", "ls"), &reversed), None, "what is sorted is not caught");
}

fn what_is_random_is_caught_with_its_line() {
    let (path, how) = difference("echo same\ncat /proc/sys/kernel/random/uuid", &Variation::default()).unwrap();
    assert_eq!(path, "usr/share/it");
    assert!(how.starts_with("line 1: `"), "{how}");
}

fn a_second_build_in_another_store_is_equal() {
    let (first, second) = (bench(), Bench::new());
    let report = first.build("app");
    let all = Variation { cpus: Some(1), reverse_directories: true, clock: None };
    let made = again(&first, &second, &report, &all);
    assert_eq!(made.packages["app"].0, content(&report, "app"));
    assert_eq!(made.run, Some(report.built[1].actions.run));
}

fn the_lock_is_the_same_from_another_store() {
    let lock = || {
        let bench = bench();
        bench.define("docs", "", &body("", LIB));
        let report = bench.with(|builder| builder.build(&["app".to_owned(), "docs".to_owned()])).unwrap();
        let mut locked = build::locked::Locked::default();
        report.built.iter().for_each(|built| locked.add(built, base::Arch::host().unwrap()));
        locked.to_text()
    };
    assert_eq!(lock(), lock());
}

/// What steps see, and how a package is made of what they leave: only what every shell gives.
const GOLDEN: &str = "d=${{targets.destdir}}/usr/share/golden\nmkdir -p $d\n\
    printf '%s\\n' \"$HOME\" \"$PATH\" \"$PWD\" \"$SOURCE_DATE_EPOCH\" \"$LANG\" \"$TZ\" \"$(umask)\" > $d/seen\n\
    printf '#!/bin/sh\\n' > $d/program\nchmod 755 $d/program\nln -s seen $d/link\nln $d/program $d/hard\nchown 7:8 $d/seen";

/// If this fails, the same inputs give other packages than yesterday's undistro made of them. Where it is the steps that saw
/// something else, raise `RUN_FORMAT`; else `EMIT_FORMAT`. Without that, stores go on with what they made before.
fn golden_digests_guard_the_formats() {
    if base::Arch::host() != Some(base::Arch::X86_64) {
        return;
    }
    let bench = Bench::new();
    bench.script("golden", "", GOLDEN);
    let report = bench.build("golden");
    let package = apk::Package::open_blob(&bench.store, &content(&report, "golden")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    package.extract(dir.path(), &apk::package::Limits::default()).unwrap();
    let seen = fs_err::read_to_string(dir.path().join("usr/share/golden/seen")).unwrap();
    assert_eq!(
        (build::RUN_FORMAT, Digest::of(&seen).to_string().as_str()),
        (2, "sha256:f834e19686c5b13bbef9336782179b624891a42ef334654700c9e477fec30fcb"),
        "{seen}"
    );
    assert_eq!(
        (build::EMIT_FORMAT, content(&report, "golden").to_string().as_str()),
        (2, "sha256:445f8bde3c99bf2ef7a1005a9ada202fc4e90e31141f8c85a33b364a44f0497d")
    );
}
