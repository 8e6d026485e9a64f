//! Whether everything in an answer is there for a reason that goes back to the world.
//!
//! A package is *founded* where the world, or a founded package, needs a name for which it may be chosen, and where a tag that those
//! allow has it. One that is there for its `install_if` is founded, too, but does not count as the choice of anybody for a name that
//! it only provides. (A rule that is left out while explaining is still a reason: so leaving out more never takes an answer away.)
//! What provides a name without version and priority may serve it, but never comes in for that reason: so a need
//! may be served by a package that nothing founds, and then the answer is none.

use super::request::Flags;
use super::state::{Clause, Literal, Rule, Search, Value};
use super::table::{Name, Package, Requirement, Table};

/// Which packages are founded, and by what.
pub(crate) struct Founded {
    /// The world or a founded package needs a name for which it may be chosen.
    asked: Table<Package, bool>,
    /// Asked for, and there, and its tag is allowed.
    needed: Table<Package, bool>,
    /// There for its `install_if`.
    triggered: Table<Package, bool>,
    /// The tags that those allow which lead to a package.
    pins: Table<Package, u64>,
}

/// A need that no founded package serves.
#[derive(Debug, Clone, Copy)]
enum Unserved {
    Want(usize),
    Depends(Package, Requirement),
}

/// Something that would have to hold for a need to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// The package is needed, and its tag allowed.
    Needed(Package),
    /// The package is founded.
    Founded(Package),
    /// Those that lead to the package allow the tag.
    Pin(Package, u64),
}

impl Founded {
    fn has(&self, package: Package) -> bool {
        self.needed[package] || self.triggered[package]
    }
}

impl Search<'_> {
    /// Returns the founded packages where they are an answer, or a clause that every answer meets and this one does not.
    pub(crate) fn settle(&self) -> Result<Vec<Package>, Clause> {
        let founded = self.found();
        match self.first_unserved(&founded) {
            None => match self.first_outdated(&founded) {
                None => Ok(self.trail.iter().copied().filter(|package| self.is_in(*package) && founded.has(*package)).collect()),
                Some(clause) => Err(clause),
            },
            Some(unserved) => Err(self.border(unserved, &founded)),
        }
    }

    /// Follows all that is needed from the world on.
    fn found(&self) -> Founded {
        let packages = self.universe.packages.len();
        let nothing = || Table::filled(false, packages);
        let mut founded = Founded { asked: nothing(), needed: nothing(), triggered: nothing(), pins: Table::filled(1, packages) };
        let mut changed: Vec<Package> = Vec::new();
        for want in &self.wants {
            let Some(name) = want.name.filter(|_| !want.dependency.conflict) else { continue };
            for &candidate in &want.candidates {
                founded.asked[candidate] |= self.may_serve(candidate, name);
                founded.pins[candidate] |= want.pin;
                changed.push(candidate);
            }
        }
        loop {
            while let Some(package) = changed.pop() {
                self.found_one(package, &mut founded, &mut changed);
            }
            let triggered = self.armed.iter().copied().find(|package| self.is_newly_triggered(*package, &founded));
            let Some(package) = triggered else { return founded };
            for pins in self.trigger_pins(package, &founded) {
                founded.pins[package] |= pins;
            }
            founded.triggered[package] = true;
            changed.push(package);
        }
    }

    /// Looks again at a package to which something leads.
    fn found_one(&self, package: Package, founded: &mut Founded, changed: &mut Vec<Package>) {
        if !self.is_in(package) {
            return;
        }
        if founded.asked[package] && self.allows(package, founded) {
            founded.needed[package] = true;
        }
        if founded.has(package) {
            self.pass_on(package, founded, changed);
        }
    }

    /// Looks again at all that a founded package depends on, and at what it triggers.
    fn pass_on(&self, package: Package, founded: &mut Founded, changed: &mut Vec<Package>) {
        for &requirement in &self.universe.packages[package].depends {
            let entry = &self.universe.requirements[requirement];
            for &candidate in &entry.candidates {
                let pins = founded.pins[candidate] | founded.pins[package];
                let fresh = pins != founded.pins[candidate];
                founded.pins[candidate] = pins;
                founded.asked[candidate] |= self.may_serve(candidate, entry.name);
                let newly_needed = founded.asked[candidate] && !founded.needed[candidate] && self.is_in(candidate);
                if fresh || (newly_needed && self.allows(candidate, founded)) {
                    changed.push(candidate);
                }
            }
        }
        for &requirement in &self.universe.packages[package].satisfies {
            for &triggered in &self.universe.requirements[requirement].triggers {
                let pins = founded.pins[triggered] | founded.pins[package];
                if founded.triggered[triggered] && pins != founded.pins[triggered] {
                    founded.pins[triggered] = pins;
                    changed.push(triggered);
                }
            }
        }
    }

    fn allows(&self, package: Package, founded: &Founded) -> bool {
        let entry = &self.universe.packages[package];
        entry.is_untagged() || entry.tags & founded.pins[package] != 0
    }

    /// Whether needing the name is a reason to install the package.
    fn may_serve(&self, package: Package, name: Name) -> bool {
        self.universe.packages[package].offer(name).is_some_and(|offer| self.is_strong(package, offer))
    }

    /// Returns the packages that need a name for which the package may be chosen.
    fn askers(&self, package: Package) -> impl Iterator<Item = Package> {
        let entry = &self.universe.packages[package];
        let strong =
            entry.satisfies.iter().filter(move |requirement| self.may_serve(package, self.universe.requirements[**requirement].name));
        strong.flat_map(|requirement| self.universe.requirements[*requirement].owners.iter().copied())
    }

    fn is_newly_triggered(&self, package: Package, founded: &Founded) -> bool {
        let holds = |requirement: &Requirement| {
            let trigger = &self.universe.requirements[*requirement];
            if trigger.conflict {
                !trigger.rejects.iter().any(|other| *other != package && self.is_in(*other))
            } else {
                trigger.candidates.iter().any(|other| founded.has(*other))
            }
        };
        let entry = &self.universe.packages[package];
        let allowed = || {
            entry.is_untagged()
                || self.trigger_pins(package, founded).into_iter().chain([founded.pins[package]]).any(|pins| entry.tags & pins != 0)
        };
        self.is_in(package) && !founded.triggered[package] && entry.install_if.iter().all(holds) && allowed()
    }

    /// Returns the tags that the founded triggers of a package allow.
    fn trigger_pins(&self, package: Package, founded: &Founded) -> Vec<u64> {
        let triggers = self.universe.packages[package].install_if.iter();
        let candidates = triggers.flat_map(|requirement| &self.universe.requirements[*requirement].candidates);
        candidates.filter(|other| founded.has(**other)).map(|other| founded.pins[*other]).collect()
    }

    fn first_unserved(&self, founded: &Founded) -> Option<Unserved> {
        let served = |candidates: &[Package], owner: Option<Package>| {
            candidates.iter().any(|candidate| founded.needed[*candidate] || (owner == Some(*candidate) && founded.has(*candidate)))
        };
        let want = self
            .wants
            .iter()
            .enumerate()
            .find(|(at, want)| !want.dependency.conflict && self.holds(Rule::Want(*at)) && !served(&want.candidates, None));
        if let Some((at, _)) = want {
            return Some(Unserved::Want(at));
        }
        let needed = self.needed.iter().find(|(owner, requirement)| {
            founded.has(*owner) && !served(&self.universe.requirements[*requirement].candidates, Some(*owner))
        });
        needed.map(|(owner, requirement)| Unserved::Depends(*owner, *requirement))
    }

    /// Where only the latest will do, returns a clause: the latest is in, or what asks for it is out.
    fn first_outdated(&self, founded: &Founded) -> Option<Clause> {
        if self.plain {
            return None;
        }
        let wants = self.wants.iter().filter(|want| !want.dependency.conflict).filter_map(|want| Some((want.name?, None)));
        let needs = self.needed.iter().filter(|(owner, _)| founded.has(*owner));
        let needs = needs.map(|(owner, requirement)| (self.universe.requirements[*requirement].name, Some(*owner)));
        let (name, owner, latest) = wants.chain(needs).find_map(|(name, owner)| {
            let latest = self.latest(name)?;
            let outdated = !self.is_in(latest) && self.insists(name, latest) && self.holds(Rule::Latest(name, latest));
            outdated.then_some((name, owner, latest))
        })?;
        let mut literals = vec![Literal { package: latest, value: Value::In }];
        literals.extend(owner.map(|package| Literal { package, value: Value::Out }));
        if !self.request.flags.has(Flags::LATEST) {
            // The flag came from these; without them the latest may not be asked for.
            let asking =
                self.trail.iter().filter(|package| self.is_in(**package) && self.standings[**package].inherited.has(Flags::LATEST));
            literals
                .extend(asking.filter(|package| owner != Some(**package)).map(|package| Literal { package: *package, value: Value::Out }));
        }
        Some(Clause { literals, rules: vec![Rule::Latest(name, latest)] })
    }

    /// Returns a clause: who has the need is out, or one of those comes in through which alone it could be served.
    ///
    /// Goes backwards from the candidates over all that could found them, as far as that is not founded. In any answer a chain leads
    /// from the world to a candidate; where it enters this region, it does so over one of the packages at the border.
    fn border(&self, unserved: Unserved, founded: &Founded) -> Clause {
        let (candidates, denied, rule) = match unserved {
            Unserved::Want(at) => (&self.wants[at].candidates, None, Rule::Want(at)),
            Unserved::Depends(owner, requirement) => {
                (&self.universe.requirements[requirement].candidates, Some(owner), Rule::Depends(owner, requirement))
            }
        };
        let mut facts: Vec<Fact> = candidates.iter().map(|candidate| Fact::Needed(*candidate)).collect();
        let mut at = 0;
        let mut literals: Vec<Literal> = Vec::new();
        while let Some(&fact) = facts.get(at) {
            at += 1;
            let (more, border) = match fact {
                Fact::Needed(package) => self.lacks_need(package, founded),
                Fact::Founded(package) => self.lacks_foundation(package, founded),
                Fact::Pin(package, tag) => (self.lacks_pin(package, tag, founded), None),
            };
            for fact in more {
                if !facts.contains(&fact) {
                    facts.push(fact);
                }
            }
            literals.extend(border);
        }
        literals.sort_unstable_by_key(|literal| literal.package);
        literals.dedup();
        literals.extend(denied.map(|owner| Literal { package: owner, value: Value::Out }));
        Clause { literals, rules: vec![rule] }
    }

    /// What is missing for a package to be needed with a tag that is allowed.
    fn lacks_need(&self, package: Package, founded: &Founded) -> (Vec<Fact>, Option<Literal>) {
        if !founded.asked[package] {
            return (self.askers(package).map(Fact::Founded).collect(), None);
        }
        if !self.allows(package, founded) {
            return (self.missing_pins(package), None);
        }
        (Vec::new(), (!self.is_in(package)).then_some(Literal { package, value: Value::In }))
    }

    fn missing_pins(&self, package: Package) -> Vec<Fact> {
        let tags = self.universe.packages[package].tags;
        (1..64).map(|bit| 1 << bit).filter(|tag| tags & tag != 0).map(|tag| Fact::Pin(package, tag)).collect()
    }

    /// What is missing for a package to be founded in either way.
    fn lacks_foundation(&self, package: Package, founded: &Founded) -> (Vec<Fact>, Option<Literal>) {
        let (mut facts, mut border) = if founded.has(package) { (Vec::new(), None) } else { (vec![Fact::Needed(package)], None) };
        let entry = &self.universe.packages[package];
        if founded.has(package) || entry.install_if.is_empty() {
            return (facts, border);
        }
        let positive = |requirement: &&Requirement| !self.universe.requirements[**requirement].conflict;
        let dormant = entry
            .install_if
            .iter()
            .filter(positive)
            .find(|requirement| !self.universe.requirements[**requirement].candidates.iter().any(|other| founded.has(*other)));
        if let Some(requirement) = dormant {
            facts.extend(self.universe.requirements[*requirement].candidates.iter().map(|other| Fact::Founded(*other)));
            return (facts, border);
        }
        let negative = entry.install_if.iter().filter(|requirement| !positive(requirement));
        let in_the_way = negative.flat_map(|requirement| &self.universe.requirements[*requirement].rejects);
        let blocking = in_the_way.copied().find(|other| *other != package && self.is_in(*other));
        let allowed = entry.is_untagged() || self.trigger_pins(package, founded).iter().any(|pins| pins & entry.tags != 0);
        if let Some(other) = blocking {
            border = Some(Literal { package: other, value: Value::Out });
        } else if !allowed {
            let triggers = entry.install_if.iter().flat_map(|requirement| &self.universe.requirements[*requirement].candidates);
            let tags = (1..64).map(|bit| 1 << bit).filter(|tag| entry.tags & tag != 0).collect::<Vec<u64>>();
            facts.extend(triggers.flat_map(|trigger| tags.iter().map(|tag| Fact::Pin(*trigger, *tag)).chain([Fact::Founded(*trigger)])));
        } else if !self.is_in(package) {
            border = Some(Literal { package, value: Value::In });
        }
        (facts, border)
    }

    /// What is missing for those that lead to a package to allow a tag.
    fn lacks_pin(&self, package: Package, tag: u64, founded: &Founded) -> Vec<Fact> {
        let mut facts = Vec::new();
        if founded.pins[package] & tag != 0 {
            return facts;
        }
        let entry = &self.universe.packages[package];
        let owners = entry.satisfies.iter().flat_map(|requirement| &self.universe.requirements[*requirement].owners);
        let triggers = entry.install_if.iter().flat_map(|requirement| &self.universe.requirements[*requirement].candidates);
        for &other in owners.chain(triggers) {
            facts.push(if founded.has(other) { Fact::Pin(other, tag) } else { Fact::Founded(other) });
        }
        facts
    }
}
