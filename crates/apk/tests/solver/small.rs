//! On small worlds every subset can be tried: an answer is one of those that break no rule, and a "no" means that there is none.

use std::collections::BTreeSet;

use apk::Record;
use apk::solve::check::{Member, Violation, check, is_triggered};
use apk::solve::{Flags, Policy, Present, Repository, Request, Solution, Universe, World, solve};

use super::random::{Dice, Kinds, TAG, records, tags, world};

/// How many worlds of each kind are tried; `SOLVER_WORLDS` tries more.
const WORLDS: u64 = 300;

fn worlds() -> u64 {
    std::env::var("SOLVER_WORLDS").ok().and_then(|count| count.parse().ok()).unwrap_or(WORLDS)
}

/// A repository that is small enough to try every set of its packages.
pub(crate) struct Small {
    seed: u64,
    kinds: Kinds,
    policy: Policy,
    records: Vec<Record>,
    /// Which repositories have each record.
    tags: Vec<Vec<Option<String>>>,
    installed: Vec<Present>,
    world: World,
}

impl Small {
    pub(crate) fn new(seed: u64, kinds: Kinds, policy: Policy) -> Self {
        let mut dice = Dice::new(seed);
        let records = records(&mut dice, kinds);
        let mut tags: Vec<_> = records.iter().map(|_| tags(&mut dice, kinds)).collect();
        let mut installed = Vec::new();
        for (record, tags) in records.iter().zip(&mut tags) {
            let there = installed.iter().any(|present: &Present| present.record.info.name == record.info.name);
            if kinds.installed && !there && dice.roll(2) == 0 {
                // What is installed may be used whatever repository it came from.
                installed.push(Present { record: record.clone(), tag: None });
                tags.push(None);
            }
        }
        let world = World { wants: world(&mut dice, kinds) };
        Self { seed, kinds, policy, records, tags, installed, world }
    }

    fn members(&self, mask: u32) -> Vec<Member<'_>> {
        let all = self.records.iter().zip(&self.tags).enumerate();
        all.filter(|(at, _)| mask & (1 << at) != 0).map(|(_, (record, tags))| Member { record, tags }).collect()
    }

    fn names(&self, mask: u32) -> Vec<String> {
        self.members(mask).iter().map(|member| member.record.info.identity()).collect()
    }

    fn is_answer(&self, mask: u32) -> bool {
        check(&self.world, self.policy, &self.members(mask)).is_empty()
    }

    /// Returns the sets that break no rule.
    fn answers(&self) -> impl Iterator<Item = u32> {
        let apart = self.apart();
        let together = move |mask: &u32| (0..self.records.len()).all(|at| mask & (1 << at) == 0 || mask & apart[at] == 0);
        (0..1 << self.records.len()).filter(together).filter(|mask| self.is_answer(*mask))
    }

    /// Returns for each package those that it can never stand beside, itself among them if it can not stand at all.
    fn apart(&self) -> Vec<u32> {
        let is_clash =
            |violation: &Violation| matches!(violation, Violation::Against { .. } | Violation::Shared { .. } | Violation::Uninstallable(_));
        let clash = |mask: u32| check(&self.world, self.policy, &self.members(mask)).iter().any(is_clash);
        let all = 0..self.records.len();
        all.clone().map(|a| all.clone().filter(|b| clash(1 << a | 1 << b)).fold(0, |mask, b| mask | 1 << b)).collect()
    }

    fn solve<T>(&self, flags: Flags, look: impl FnOnce(Option<&Solution<'_>>) -> T) -> T {
        let with = |tag: &Option<String>| -> Vec<Record> {
            let having = self.records.iter().zip(&self.tags).filter(|(record, tags)| {
                tags.contains(tag) && (tag.is_some() || !self.installed.iter().any(|present| present.record == **record))
            });
            having.map(|(record, _)| record.clone()).collect()
        };
        let (untagged, tagged) = (with(&None), with(&Some(TAG.to_owned())));
        let repositories = [Repository::new(&untagged), Repository::new(&tagged).tagged(TAG)];
        let request = Request { flags, ..Request::new(self.world.clone(), self.policy) };
        look(Universe::new(&repositories, &self.installed, None).solve(&request).ok().as_ref())
    }

    /// Compares the solver's answer with all sets. Returns what is wrong with it.
    pub(crate) fn trouble(&self) -> Option<String> {
        let flags = if self.seed.is_multiple_of(2) { Flags::NONE } else { Flags::UPGRADE };
        self.solve(flags, |solution| match solution {
            Some(solution) => self.trouble_with(solution),
            None => self.answers().next().map(|mask| format!("{:?} is an answer", self.names(mask))),
        })
        .map(|trouble| format!("{}{trouble}", self.describe()))
    }

    fn trouble_with(&self, solution: &Solution<'_>) -> Option<String> {
        let chosen: Vec<&Record> = solution.packages.iter().map(|chosen| chosen.record).collect();
        let mask = self.records.iter().enumerate().filter(|(_, record)| chosen.contains(record)).fold(0, |mask, (at, _)| mask | (1 << at));
        let names = self.names(mask);
        let violations = check(&self.world, self.policy, &self.members(mask));
        if !violations.is_empty() {
            return Some(format!("{names:?}: {violations:?}"));
        }
        let present = self.members(mask);
        let mut outside = (0..self.records.len()).filter(|at| mask & (1 << at) == 0 && is_triggered(&self.records[*at], &present));
        if let Some(at) = outside.find(|at| self.is_answer(mask | 1 << at)) {
            return Some(format!("{names:?} leaves out {}", self.records[at].info.identity()));
        }
        if let Some(name) = too_early(&chosen) {
            return Some(format!(
                "{:?}: {name} comes before what it needs",
                chosen.iter().map(|record| record.info.identity()).collect::<Vec<_>>()
            ));
        }
        let mut system: BTreeSet<String> = self.installed.iter().map(|present| present.record.info.identity()).collect();
        for change in &solution.changes {
            change.old.iter().for_each(|old| assert!(system.remove(&old.record.info.identity())));
            system.extend(change.new.iter().map(|new| new.record.info.identity()));
        }
        let wanted: BTreeSet<String> = names.iter().cloned().collect();
        (system != wanted).then(|| format!("the changes lead to {system:?}, not to {wanted:?}"))
    }

    fn describe(&self) -> String {
        let list = |dependencies: &[base::Dependency]| dependencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let installed: Vec<_> = self.installed.iter().map(|present| present.record.info.identity()).collect();
        let mut text = format!("seed {} {:?}: world {}; installed {installed:?}\n", self.seed, self.kinds, list(&self.world.wants));
        for (record, tags) in self.records.iter().zip(&self.tags) {
            let info = &record.info;
            let (depends, provides, triggers) = (list(&info.depends), list(&info.provides), list(&info.install_if));
            text += &format!("  {} D:{depends} p:{provides} k:{:?} i:{triggers} {tags:?}\n", info.identity(), info.provider_priority);
        }
        text
    }
}

/// Returns a package that comes before all that serve one of its needs, although none of these needs it in turn.
fn too_early(order: &[&Record]) -> Option<String> {
    let serves = |need: &base::Dependency, record: &Record| {
        let info = &record.info;
        info.name.as_str() == need.name && need.constraint.accepts(&info.version)
            || info.provides.iter().any(|provided| {
                let met = |version| need.constraint.accepts(version);
                provided.name == need.name && provided.provided_version().map_or(need.constraint == base::Constraint::Any, met)
            })
    };
    let needs = |at: usize| -> Vec<usize> {
        let asked = order[at].info.depends.iter().filter(|need| !need.conflict);
        asked.flat_map(|need| (0..order.len()).filter(|other| serves(need, order[*other])).collect::<Vec<_>>()).collect()
    };
    let leads_to = |from: usize, to: usize| {
        let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                stack.extend(needs(at));
            }
        }
        seen.contains(&to)
    };
    (0..order.len()).find_map(|at| {
        let mut asked = order[at].info.depends.iter().filter(|need| !need.conflict);
        let late = asked.any(|need| {
            let serving: Vec<usize> = (0..order.len()).filter(|other| serves(need, order[*other])).collect();
            serving.iter().all(|other| *other > at) && !serving.iter().any(|other| leads_to(*other, at))
        });
        late.then(|| order[at].info.identity())
    })
}

fn compare_with_all(kinds: Kinds, policy: Policy) {
    for seed in 0..worlds() {
        let trouble = Small::new(seed, kinds, policy).trouble();
        assert!(trouble.is_none(), "{}", trouble.unwrap_or_default());
    }
}

const CONFLICTS: Kinds =
    Kinds { conflicts: true, virtuals: false, weak: false, triggers: false, absences: false, tags: false, installed: false };
const WEAK: Kinds = Kinds { virtuals: true, weak: true, ..CONFLICTS };
const ABSENCES: Kinds = Kinds { triggers: true, absences: true, ..WEAK };

#[test]
fn versions_and_conflicts() {
    compare_with_all(CONFLICTS, Policy::Apk);
}

#[test]
fn provided_names() {
    compare_with_all(Kinds { virtuals: true, ..CONFLICTS }, Policy::Apk);
    compare_with_all(WEAK, Policy::Apko);
    compare_with_all(WEAK, Policy::Ranked);
}

#[test]
fn provided_names_that_are_no_reason_to_install() {
    compare_with_all(WEAK, Policy::Apk);
}

#[test]
fn install_if() {
    compare_with_all(Kinds { triggers: true, ..WEAK }, Policy::Apk);
}

#[test]
fn install_if_something_is_absent() {
    compare_with_all(ABSENCES, Policy::Apk);
}

#[test]
fn tagged_repositories() {
    compare_with_all(Kinds { tags: true, ..CONFLICTS }, Policy::Apk);
    compare_with_all(Kinds { tags: true, ..ABSENCES }, Policy::Apk);
}

#[test]
fn installed_packages() {
    compare_with_all(Kinds { installed: true, ..CONFLICTS }, Policy::Apk);
    compare_with_all(Kinds { installed: true, tags: true, ..ABSENCES }, Policy::Apk);
}

#[test]
fn the_best_version_that_fits_is_taken() {
    for seed in 0..worlds() {
        let small = Small { world: World::parse("a").unwrap(), ..Small::new(seed, CONFLICTS, Policy::Apk) };
        let version = |record: &Record| (record.info.name.as_str() == "a").then(|| record.info.version.clone());
        let best = small.answers().flat_map(|mask| small.members(mask)).filter_map(|member| version(member.record)).max();
        let taken = small.solve(Flags::NONE, |solution| {
            solution.and_then(|solution| solution.packages.iter().find_map(|chosen| version(chosen.record)))
        });
        assert_eq!(taken, best, "{}", small.describe());
    }
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    for seed in 0..worlds() {
        let small = Small::new(seed, ABSENCES, Policy::Apk);
        let (mut records, mut world) = (small.records.clone(), small.world.clone());
        let answer = |records: &[Record], world: &World| {
            let repositories = [Repository::new(records)];
            let solution = solve(world, &repositories, Policy::Apk, &[]);
            let names = |solution: Solution<'_>| solution.packages.iter().map(|chosen| chosen.record.info.identity()).collect::<Vec<_>>();
            solution.map(names).map_err(|error| (error.to_string(), error.report()))
        };
        let first = answer(&records, &world);
        let mut dice = Dice::new(seed);
        dice.shuffle(&mut records);
        dice.shuffle(&mut world.wants);
        assert_eq!(answer(&records, &world), first, "{}", small.describe());
    }
}
