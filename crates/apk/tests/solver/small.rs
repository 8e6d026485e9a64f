//! On small worlds, every subset can be tried: an answer is one of those that break no rule, and a "no" means that there is none.

use apk::Record;
use apk::solve::check::{Member, Violation, check, is_triggered};
use apk::solve::{Policy, Repository, World, solve};

use super::random::{Dice, Kinds, records, world};

/// How many worlds of each kind are tried.
const WORLDS: u64 = 400;

const UNTAGGED: &[Option<String>] = &[None];

fn members<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Member<'a>> {
    records.into_iter().map(|record| Member { record, tags: UNTAGGED }).collect()
}

fn subset(records: &[Record], mask: u32) -> Vec<&Record> {
    records.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, record)| record).collect()
}

/// Returns the sets that break no rule.
fn answers(world: &World, policy: Policy, records: &[Record]) -> Vec<u32> {
    let apart = apart(world, policy, records);
    let together = |mask: u32| (0..records.len()).all(|at| mask & (1 << at) == 0 || mask & apart[at] == 0);
    (0..1 << records.len()).filter(|mask| together(*mask) && is_answer(world, policy, records, *mask)).collect()
}

fn is_answer(world: &World, policy: Policy, records: &[Record], mask: u32) -> bool {
    check(world, policy, &members(subset(records, mask))).is_empty()
}

/// Returns for each package those that it can never stand beside, itself among them if it can not stand at all.
fn apart(world: &World, policy: Policy, records: &[Record]) -> Vec<u32> {
    let clashes = |mask: u32| {
        let violations = check(world, policy, &members(subset(records, mask)));
        violations
            .iter()
            .any(|violation| matches!(violation, Violation::Against { .. } | Violation::Shared { .. } | Violation::Uninstallable(_)))
    };
    let all = 0..records.len();
    all.clone().map(|a| all.clone().filter(|b| clashes(1 << a | 1 << b)).fold(0, |mask, b| mask | 1 << b)).collect()
}

fn describe(seed: u64, world: &World, records: &[Record]) -> String {
    let list = |dependencies: &[base::Dependency]| dependencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut text = format!("seed {seed}: world {}\n", list(&world.wants));
    for record in records {
        let info = &record.info;
        text += &format!(
            "  {} D:{} p:{} k:{:?} i:{}\n",
            info.identity(),
            list(&info.depends),
            list(&info.provides),
            info.provider_priority,
            list(&info.install_if)
        );
    }
    text
}

fn compare_with_all(kinds: Kinds, policy: Policy) {
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed);
        let records = records(&mut dice, kinds);
        let world = World { wants: world(&mut dice, kinds) };
        let repositories = [Repository::new(&records)];
        let solution = solve(&world, &repositories, policy, &[]);
        match solution {
            Ok(solution) => {
                let chosen: Vec<&Record> = solution.packages.iter().map(|chosen| chosen.record).collect();
                let violations = check(&world, policy, &members(chosen.iter().copied()));
                let names: Vec<_> = chosen.iter().map(|record| record.info.identity()).collect();
                assert!(violations.is_empty(), "{}{names:?}: {violations:?}", describe(seed, &world, &records));
                let mask =
                    records.iter().enumerate().filter(|(_, record)| chosen.contains(record)).fold(0, |mask, (at, _)| mask | (1 << at));
                let left_out = triggered_but_left_out(&world, policy, &records, mask);
                assert!(left_out.is_none(), "{}{names:?}: {left_out:?} is left out", describe(seed, &world, &records));
            }
            Err(_) => {
                let first = answers(&world, policy, &records)
                    .first()
                    .map(|mask| subset(&records, *mask).iter().map(|record| record.info.identity()).collect::<Vec<_>>());
                assert_eq!(first, None, "{}", describe(seed, &world, &records));
            }
        }
    }
}

/// Returns a package that could stand beside the answer as it is, and whose `install_if` the answer makes true.
fn triggered_but_left_out(world: &World, policy: Policy, records: &[Record], mask: u32) -> Option<String> {
    let present = members(subset(records, mask));
    let mut outside = (0..records.len()).filter(|at| mask & (1 << at) == 0 && is_triggered(&records[*at], &present));
    let left_out = outside.find(|at| is_answer(world, policy, records, mask | 1 << at));
    left_out.map(|at| records[at].info.identity())
}

#[test]
fn versions_and_conflicts() {
    compare_with_all(Kinds { conflicts: true, ..Kinds::default() }, Policy::Apk);
}

#[test]
fn provided_names() {
    compare_with_all(Kinds { conflicts: true, virtuals: true, ..Kinds::default() }, Policy::Apk);
    compare_with_all(Kinds { conflicts: true, virtuals: true, weak: true, ..Kinds::default() }, Policy::Apko);
}

#[test]
fn provided_names_that_are_no_reason_to_install() {
    compare_with_all(Kinds { conflicts: true, virtuals: true, weak: true, ..Kinds::default() }, Policy::Apk);
}

#[test]
fn install_if() {
    compare_with_all(Kinds { conflicts: true, virtuals: true, weak: true, triggers: true, ..Kinds::default() }, Policy::Apk);
}

#[test]
fn install_if_something_is_absent() {
    compare_with_all(Kinds { conflicts: true, virtuals: true, weak: true, triggers: true, absences: true }, Policy::Apk);
}

#[test]
fn the_best_version_that_fits_is_taken() {
    let kinds = Kinds { conflicts: true, ..Kinds::default() };
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed);
        let records = records(&mut dice, kinds);
        let world = World::parse("a").unwrap();
        let best = answers(&world, Policy::Apk, &records).into_iter().flat_map(|mask| subset(&records, mask));
        let best = best.filter(|record| record.info.name.as_str() == "a").map(|record| record.info.version.clone()).max();
        let repositories = [Repository::new(&records)];
        let solution = solve(&world, &repositories, Policy::Apk, &[]).ok();
        let taken = solution.and_then(|solution| {
            solution
                .packages
                .iter()
                .map(|chosen| &chosen.record.info)
                .find(|info| info.name.as_str() == "a")
                .map(|info| info.version.clone())
        });
        assert_eq!(taken, best, "{}", describe(seed, &world, &records));
    }
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let kinds = Kinds { conflicts: true, virtuals: true, weak: true, triggers: true, absences: true };
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed);
        let mut records = records(&mut dice, kinds);
        let mut world = World { wants: world(&mut dice, kinds) };
        let answer = |records: &[Record], world: &World| {
            let repositories = [Repository::new(records)];
            let solution = solve(world, &repositories, Policy::Apk, &[]);
            solution
                .map(|solution| solution.packages.iter().map(|chosen| chosen.record.info.identity()).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        let first = answer(&records, &world);
        dice.shuffle(&mut records);
        dice.shuffle(&mut world.wants);
        assert_eq!(answer(&records, &world), first, "{}", describe(seed, &world, &records));
    }
}
