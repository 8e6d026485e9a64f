//! The workers, with work that takes no time.

use super::*;

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

fn order(needs: &[(&str, &[&str])]) -> Order {
    Order {
        definitions: needs.iter().map(|(origin, _)| name(origin)).collect(),
        needs: needs.iter().map(|(origin, needs)| (name(origin), needs.iter().map(|need| name(need)).collect())).collect(),
    }
}

fn pace(jobs: usize, on_failure: OnFailure, stop: &AtomicBool) -> Pace<'_> {
    Pace { limits: Limits::jobs(jobs), on_failure, stop, reporter: &() }
}

fn load(_: &PackageName) -> Load {
    Load { seconds: 1.0, is_known: true, memory: 1, processors: 0 }
}

#[test]
fn each_gets_what_came_of_its_needs() {
    let order = order(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["a", "b", "c"])]);
    for jobs in [1, 2, 8] {
        let work = |origin: &PackageName, needs: &[String], _: Processors<'_>| Ok(format!("{origin}({})", needs.join(" ")));
        let stop = AtomicBool::new(false);
        let ran = run(&order, pace(jobs, OnFailure::Finish, &stop), load, &work);
        assert_eq!(ran.done[&name("d")], "d(a() b(a()) c(a()))");
        assert!(ran.failed.is_empty() && ran.held.is_empty() && ran.left.is_empty());
    }
}

/// What came of a graph in which `bad` fails: done, failed, held, left.
fn with_failure(on_failure: OnFailure) -> [String; 4] {
    let order = order(&[("bad", &[]), ("above", &["bad"]), ("beside", &[]), ("top", &["bad", "above"])]);
    let work = |origin: &PackageName, _: &[()], _: Processors<'_>| match origin.as_str() {
        "bad" => Err(BuildError::NoDefinition(origin.clone())),
        _ => Ok(()),
    };
    let ran = run(&order, pace(1, on_failure, &AtomicBool::new(false)), load, &work);
    let names = |names: Vec<&PackageName>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    [
        names(ran.done.keys().collect()),
        names(ran.failed.iter().map(|(name, _)| name).collect()),
        ran.held.iter().map(|(name, by)| format!("{name}<{by}")).collect::<Vec<_>>().join(" "),
        names(ran.left.iter().collect()),
    ]
}

#[test]
fn after_a_failure_nothing_begins() {
    assert_eq!(with_failure(OnFailure::Finish), ["", "bad", "above<bad top<bad", "beside"]);
}

#[test]
fn kept_going_builds_what_does_not_need_the_failure() {
    assert_eq!(with_failure(OnFailure::KeepGoing), ["beside", "bad", "above<bad top<bad", ""]);
}

#[test]
fn a_wish_to_stop_leaves_the_rest() {
    let order = order(&[("a", &[]), ("b", &["a"])]);
    let stop = AtomicBool::new(false);
    let work = |_: &PackageName, _: &[()], _: Processors<'_>| {
        stop.store(true, Ordering::Relaxed);
        Err::<(), _>(BuildError::Stopped)
    };
    let ran = run(&order, pace(2, OnFailure::KeepGoing, &stop), load, &work);
    assert!(ran.failed.is_empty() && ran.done.is_empty(), "to be stopped is no failure");
    assert_eq!(ran.left, [name("a"), name("b")]);
}
