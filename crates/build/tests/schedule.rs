//! What the schedule promises: failures hold up only what needs them, limits are kept, and it is told where the time went.
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

#[allow(dead_code, reason = "other tests use more of the bench")]
mod common;

use std::process::ExitCode;

use base::PackageName;
use build::timeline::{Phase, Timeline, Timings};
use build::{Attempt, Builder, Limits, OnFailure, Report};
use common::{Bench, Test, body, indented};

fn main() -> ExitCode {
    let tests: &[Test] = &[
        ("a_failure_holds_up_only_what_needs_it", a_failure_holds_up_only_what_needs_it),
        ("after_a_failure_nothing_begins_unless_it_is_asked_for", after_a_failure_nothing_begins_unless_it_is_asked_for),
        ("a_failed_test_is_no_reason_to_skip_others", a_failed_test_is_no_reason_to_skip_others),
        ("builds_run_side_by_side_as_far_as_memory_goes", builds_run_side_by_side_as_far_as_memory_goes),
        ("a_step_counts_the_processors_that_it_may_use", a_step_counts_the_processors_that_it_may_use),
        ("what_is_unchanged_by_a_rebuild_is_told", what_is_unchanged_by_a_rebuild_is_told),
        ("timings_tell_every_phase", timings_tell_every_phase),
    ];
    common::main(tests, &[])
}

fn install(name: &str) -> String {
    format!("mkdir -p ${{{{targets.destdir}}}}/usr/share\necho content > ${{{{targets.destdir}}}}/usr/share/{name}")
}

/// Builds with other limits than the bench has, and returns the timings too.
fn attempt(bench: &Bench, limits: Limits, on_failure: OnFailure, targets: &[&str]) -> (Attempt<Report>, Timings) {
    let timeline = Timeline::default();
    let targets: Vec<String> = targets.iter().map(|name| (*name).to_owned()).collect();
    let attempt = bench.with(|builder| Builder { limits, on_failure, timeline: &timeline, ..*builder }.attempt(&targets)).unwrap();
    (attempt, timeline.timings(limits.jobs))
}

fn names<'a>(names: impl IntoIterator<Item = &'a PackageName>) -> String {
    names.into_iter().map(PackageName::as_str).collect::<Vec<_>>().join(" ")
}

/// `bad` fails, `above` needs it, `beside` does not.
fn with_failure() -> Bench {
    let bench = Bench::new();
    bench.script("bad", "", "exit 7");
    bench.script("above", "bad", &install("above"));
    bench.script("beside", "", &install("beside"));
    bench
}

fn a_failure_holds_up_only_what_needs_it() {
    let bench = with_failure();
    let (attempt, timings) = attempt(&bench, Limits::jobs(1), OnFailure::KeepGoing, &["above", "beside"]);
    assert_eq!(names(attempt.report.built.iter().map(|built| &built.origin)), "beside");
    assert_eq!(names(attempt.failed.iter().map(|(name, _)| name)), "bad");
    assert_eq!(attempt.held.into_iter().map(|(name, by)| format!("{name}<{by}")).collect::<Vec<_>>(), ["above<bad"]);
    assert!(attempt.left.is_empty());
    let ended: Vec<String> = timings.pieces.iter().map(|piece| format!("{} {:?}", piece.name, piece.ended)).collect();
    assert_eq!(ended, ["bad Some(Failed)", "beside Some(Done)", "above None"]);
}

fn after_a_failure_nothing_begins_unless_it_is_asked_for() {
    let (attempt, _) = attempt(&with_failure(), Limits::jobs(1), OnFailure::Finish, &["above", "beside"]);
    assert_eq!((names(&attempt.left).as_str(), attempt.report.built.len()), ("beside", 0));
    assert!(attempt.whole().is_err());
}

fn a_failed_test_is_no_reason_to_skip_others() {
    let bench = with_failure();
    let test = |script: &str| {
        format!("test:\n  environment:\n    contents:\n      packages: [host-tools]\n  pipeline:\n    - runs: |\n{}", indented(script, 8))
    };
    for (name, script) in [("fails", "exit 1"), ("passes", "true")] {
        bench.define(name, "", &(body("", &install(name)) + &test(script)));
    }
    bench.define("above", "", &(body("bad", &install("above")) + &test("true")));
    let targets = ["fails", "passes", "above", "beside"].map(str::to_owned);
    let attempt = bench.with(|builder| Builder { on_failure: OnFailure::KeepGoing, ..*builder }.attempt_tests(&targets)).unwrap();
    assert_eq!(names(attempt.report.iter().map(|tested| &tested.package)), "passes");
    assert_eq!(names(attempt.failed.iter().map(|(name, _)| name)), "bad fails");
    assert_eq!(names(attempt.held.keys()), "above");
}

fn builds_run_side_by_side_as_far_as_memory_goes() {
    for (memory, together) in [("100Mi", true), ("700Mi", false)] {
        let bench = Bench::new();
        for name in ["one", "two"] {
            bench.define(name, &format!("resources:\n  memory: {memory}"), &body("", &format!("sleep 1\n{}", install(name))));
        }
        let limits = Limits { memory: 1 << 30, ..Limits::jobs(4) };
        let (attempt, timings) = attempt(&bench, limits, OnFailure::Finish, &["one", "two"]);
        attempt.whole().unwrap();
        assert_eq!(timings.pieces[1].begin < timings.pieces[0].end, together, "{memory}: {timings:?}");
    }
}

fn a_step_counts_the_processors_that_it_may_use() {
    let bench = Bench::new();
    bench.script("app", "", &format!("{}\ncat /proc/self/status", install("app")));
    attempt(&bench, Limits::jobs(1), OnFailure::Finish, &["app"]).0.whole().unwrap();
    let lines = bench.ear.lines.lock().unwrap();
    let cpus = lines.iter().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    assert!(cpus.parse::<usize>().is_ok(), "one, not {cpus}");
}

fn what_is_unchanged_by_a_rebuild_is_told() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    bench.script("app", "lib", &install("app"));
    bench.build("app");
    bench.edit("lib", "echo content", "true; echo content");
    let report = bench.build("app");
    let app = report.built.iter().find(|built| built.origin.as_str() == "app").unwrap();
    assert_eq!(names(report.cut_off(app)), "lib");
    let again = bench.build("app");
    assert!(again.built.iter().all(|built| again.cut_off(built).next().is_none()));
}

fn timings_tell_every_phase() {
    let bench = Bench::new();
    bench.script("lib", "", &install("lib"));
    bench.script("app", "lib", &install("app"));
    let (_, mut timings) = attempt(&bench, Limits::jobs(1), OnFailure::Finish, &["app"]);
    // Whether anything waited for the one worker is a matter of microseconds.
    timings.phases.remove(&Phase::Queue);
    timings.phases.values_mut().for_each(|time| *time = 0.0);
    timings.seconds = 0.0;
    for piece in &mut timings.pieces {
        (piece.begin, piece.end) = (0.0, 0.0);
        piece.spans.retain(|span| span.phase != Phase::Queue);
        piece.spans.iter_mut().for_each(|span| (span.begin, span.end) = (0.0, 0.0));
    }
    let lines = |timings: &Timings| {
        serde_json::to_string(timings).unwrap().replace("{\"name\"", "\n{\"name\"").replace("{\"phase\"", "\n  {\"phase\"")
    };
    insta::assert_snapshot!(lines(&timings), @r#"
    {"format":1,"jobs":1,"seconds":0.0,"phases":{"plan":0.0,"fetch":0.0,"environment":0.0,"step":0.0,"keep":0.0,"analyse":0.0,"emit":0.0,"state":0.0},"critical_path":["lib","app"],"pieces":[
    {"name":"lib","ended":"done","begin":0.0,"end":0.0,"expected":null,"critical":true,"needs":[],"spans":[
      {"phase":"plan","begin":0.0,"end":0.0},
      {"phase":"fetch","begin":0.0,"end":0.0},
      {"phase":"environment","begin":0.0,"end":0.0},
      {"phase":"step","label":"the step","begin":0.0,"end":0.0},
      {"phase":"keep","begin":0.0,"end":0.0},
      {"phase":"analyse","label":"linked","begin":0.0,"end":0.0},
      {"phase":"emit","begin":0.0,"end":0.0},
      {"phase":"analyse","label":"lib","begin":0.0,"end":0.0},
      {"phase":"state","begin":0.0,"end":0.0}]},
    {"name":"app","ended":"done","begin":0.0,"end":0.0,"expected":null,"critical":true,"needs":["lib"],"spans":[
      {"phase":"plan","begin":0.0,"end":0.0},
      {"phase":"fetch","begin":0.0,"end":0.0},
      {"phase":"environment","begin":0.0,"end":0.0},
      {"phase":"step","label":"the step","begin":0.0,"end":0.0},
      {"phase":"keep","begin":0.0,"end":0.0},
      {"phase":"analyse","label":"linked","begin":0.0,"end":0.0},
      {"phase":"emit","begin":0.0,"end":0.0},
      {"phase":"analyse","label":"app","begin":0.0,"end":0.0},
      {"phase":"state","begin":0.0,"end":0.0}]}]}
    "#);
}
