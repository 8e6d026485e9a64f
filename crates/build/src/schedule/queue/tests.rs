//! The schedule of many graphs, played through without building anything.

use proptest::prelude::*;

use super::*;

/// One build that was played: its name, begin and end.
#[derive(Debug, Clone, PartialEq)]
struct Played {
    index: usize,
    begin: f64,
    end: f64,
}

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

fn load(seconds: f64, memory: u64) -> Load {
    Load { seconds, is_known: true, memory, processors: 0 }
}

/// Builds everything in no time; calls `check` whenever something has begun.
fn play(queue: &mut Queue<'_>, mut check: impl FnMut(&Queue<'_>)) -> Vec<Played> {
    let (mut now, mut played, mut ends) = (0.0, Vec::new(), Vec::<(usize, f64)>::new());
    loop {
        while let Some(index) = queue.begin() {
            let end = now + queue.load(index).seconds;
            ends.push((index, end));
            played.push(Played { index, begin: now, end });
            check(queue);
        }
        let Some(first) = (0..ends.len()).min_by(|a, b| ends[*a].1.total_cmp(&ends[*b].1)) else { return played };
        let (index, end) = ends.swap_remove(first);
        now = end;
        queue.done(index);
    }
}

/// A graph written as `name seconds [needs…]`, and what was played of it: `name@begin`.
fn shown(graph: &[(&str, f64, &[&str])], limits: Limits) -> String {
    let order = order(graph);
    let seconds: BTreeMap<PackageName, f64> = graph.iter().map(|(name_, seconds, _)| (name(name_), *seconds)).collect();
    let mut queue = Queue::new(&order, limits, |name| load(seconds[name], 1));
    let expected = queue.remaining(|_| 0.0);
    let played = play(&mut queue, |_| {});
    let last = played.iter().map(|one| one.end).fold(0.0, f64::max);
    assert_eq!(expected, last, "what remains is what it takes");
    assert!(queue.is_over());
    played.iter().map(|one| format!("{}@{}", order.definitions[one.index], one.begin)).collect::<Vec<_>>().join(" ")
}

fn order(graph: &[(&str, f64, &[&str])]) -> Order {
    let needs = |needs: &[&str]| needs.iter().map(|need| name(need)).collect();
    Order {
        definitions: graph.iter().map(|(origin, _, _)| name(origin)).collect(),
        needs: graph.iter().map(|(origin, _, all)| (name(origin), needs(all))).collect(),
    }
}

#[test]
fn the_longest_way_begins_first() {
    // `short` stands first in the order, and the end does not wait for it.
    let graph: [(&str, f64, &[&str]); 4] = [("short", 5.0, &[]), ("cc", 3.0, &[]), ("lib", 4.0, &["cc"]), ("app", 9.0, &["cc", "lib"])];
    for (jobs, expected) in [(1, "cc@0 lib@3 app@7 short@16"), (2, "cc@0 short@0 lib@3 app@7"), (8, "cc@0 short@0 lib@3 app@7")] {
        assert_eq!(shown(&graph, Limits::jobs(jobs)), expected, "{jobs} jobs");
    }
}

#[test]
fn of_equals_the_first_of_the_order_begins_first() {
    let graph: [(&str, f64, &[&str]); 3] = [("b", 1.0, &[]), ("a", 1.0, &[]), ("c", 1.0, &[])];
    assert_eq!(shown(&graph, Limits::jobs(2)), "b@0 a@0 c@1");
}

#[test]
fn what_needs_more_memory_than_there_is_runs_alone_and_is_not_passed_by() {
    let order = order(&[("a", 1.0, &[]), ("huge", 1.0, &[]), ("b", 1.0, &[])]);
    let (seconds, memory) = ([3.0, 2.0, 1.0], [1, 100, 1]);
    let at = |name: &PackageName| order.definitions.iter().position(|one| one == name).unwrap();
    let limits = Limits { jobs: 4, memory: 4, first_cpu: 0 };
    let mut queue = Queue::new(&order, limits, |name| load(seconds[at(name)], memory[at(name)]));
    let begins: Vec<f64> = play(&mut queue, |_| {}).iter().map(|one| one.begin).collect();
    assert_eq!(begins, [0.0, 3.0, 5.0]);
}

#[test]
fn what_needs_a_failure_is_held_and_the_rest_goes_on() {
    let order = order(&[("a", 1.0, &[]), ("b", 1.0, &["a"]), ("c", 1.0, &["b", "a"]), ("d", 1.0, &[])]);
    let mut queue = Queue::new(&order, Limits::jobs(1), |_| load(1.0, 1));
    assert_eq!(queue.begin(), Some(0));
    queue.failed(0);
    assert_eq!(queue.begin(), Some(3));
    queue.done(3);
    assert!(queue.is_over());
    let states: Vec<State> = (0..4).map(|at| queue.state(at)).collect();
    assert_eq!(states, [State::Failed, State::Held(0), State::Held(0), State::Done]);
}

#[test]
fn the_most_urgent_has_all_processors_and_the_others_share() {
    let order = order(&[("long", 9.0, &[]), ("a", 1.0, &[]), ("b", 2.0, &[])]);
    let mut queue = Queue::new(&order, Limits::jobs(8), |name| Load {
        processors: if name.as_str() == "b" { 5 } else { 0 },
        ..load(if name.as_str() == "long" { 9.0 } else { 1.0 }, 1)
    });
    while queue.begin().is_some() {}
    assert_eq!([0, 1, 2].map(|at| queue.processors(at)), [8, 2, 5]);
    queue.done(0);
    assert_eq!([1, 2].map(|at| queue.processors(at)), [8, 5]);
}

/// What a build takes: seconds, memory, and those before it that it needs.
type Taken = (f64, u64, Vec<usize>);

/// Graphs in which each may need those before it, with jobs and memory to build them.
fn graphs() -> impl Strategy<Value = (Vec<Taken>, usize, u64)> {
    let one = (1_u32..50, 1_u64..8, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    (prop::collection::vec(one, 1..24), 1_usize..6, 1_u64..16).prop_map(|(ones, jobs, memory)| {
        let needs = |at: usize, picks: Vec<prop::sample::Index>| match at {
            0 => Vec::new(),
            _ => picks.into_iter().map(|pick| pick.index(at)).collect(),
        };
        let graph = ones.into_iter().enumerate().map(|(at, (seconds, memory, picks))| (f64::from(seconds), memory, needs(at, picks)));
        (graph.collect(), jobs, memory)
    })
}

proptest! {
    #[test]
    fn every_schedule_keeps_the_rules((graph, jobs, memory) in graphs()) {
        let names: Vec<PackageName> = (0..graph.len()).map(|at| name(&format!("p{at}"))).collect();
        let needs = |at: usize| graph[at].2.iter().map(|need| names[*need].clone()).collect();
        let order = Order { definitions: names.clone(), needs: names.iter().enumerate().map(|(at, name)| (name.clone(), needs(at))).collect() };
        let limits = Limits { jobs, memory, first_cpu: 0 };
        let at = |name: &PackageName| names.iter().position(|one| one == name).unwrap();
        let mut queue = Queue::new(&order, limits, |name| load(graph[at(name)].0, graph[at(name)].1));
        let expected = queue.remaining(|_| 0.0);
        let ways = queue.ways.clone();
        let played = play(&mut queue, |queue| {
            let running: Vec<usize> = queue.running().collect();
            assert!(running.len() <= jobs, "more at one time than jobs");
            let used: u64 = running.iter().map(|one| graph[*one].1).sum();
            assert!(running.len() == 1 || used <= memory, "more memory than there is");
            let asked: usize = running.iter().map(|one| queue.processors(*one)).sum();
            assert!(asked < 2 * jobs.max(1) || running.len() == 1, "more processors than twice the jobs");
        });
        prop_assert_eq!(played.len(), graph.len(), "everything is built");
        let place = |index: usize| played.iter().find(|one| one.index == index).unwrap();
        for (index, (_, _, needs)) in graph.iter().enumerate() {
            for need in needs {
                prop_assert!(place(*need).end <= place(index).begin, "p{} began before p{} was done", index, need);
            }
        }
        // Nothing begins while something more urgent is ready.
        for (position, one) in played.iter().enumerate() {
            for later in &played[position + 1..] {
                // What ends at the same moment may end after it.
                let was_ready = graph[later.index].2.iter().all(|need| place(*need).end < one.begin);
                prop_assert!(!was_ready || ways[later.index] <= ways[one.index], "p{} was more urgent than p{}", later.index, one.index);
            }
        }
        prop_assert_eq!(expected, played.iter().map(|one| one.end).fold(0.0, f64::max));
    }
}
