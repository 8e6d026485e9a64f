//! What is decided so far: which packages are in and which are out, why, and what follows from it for each requirement.

use std::collections::HashMap;

use base::Dependency;

use super::request::{Flags, Request};
use super::table::{Name, Package, Requirement, Table};
use super::turn::Turns;
use super::universe::Universe;

/// Whether a package is part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Open,
    In,
    Out,
}

impl Value {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Open => Self::Open,
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

/// "This package is in", or "is out".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Literal {
    pub(crate) package: Package,
    pub(crate) value: Value,
}

/// Why a package is in or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was chosen.
    Decision,
    /// The world leaves nothing else: in as its last candidate, or out because it is against it.
    Want(usize),
    /// Out: it can never be installed.
    Fault,
    /// In: the last candidate for what `owner` depends on.
    Need { owner: Package, requirement: Requirement },
    /// Out: nothing is left that satisfies this dependency of it.
    Dead(Requirement),
    /// Out: `by` is in, and they can not both have `name`.
    Name { by: Package, name: Name },
    /// Out: `by` is in, and `owner` (one of the two) asks for a requirement that the other stands against.
    Against { by: Package, owner: Package, requirement: Requirement },
    /// A clause leaves nothing else.
    Clause(usize),
}

/// Something that can not be: at least one of these packages would have to be otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    pub(crate) packages: Vec<Package>,
    pub(crate) rule: Rule,
}

/// A rule of the problem, as explanations name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    Want(usize),
    Depends(Package, Requirement),
    Name(Package, Package, Name),
    Fault(Package),
    /// Only the latest provider of the name will do.
    Latest(Name, Package),
    Clause(usize),
}

/// Why a clause holds.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) literals: Vec<Literal>,
    /// The rules that it follows from; kept only while explaining.
    pub(crate) rules: Vec<Rule>,
}

/// One want of the world.
#[derive(Debug)]
pub(crate) struct Want<'u> {
    pub(crate) dependency: &'u Dependency,
    pub(crate) name: Option<Name>,
    pub(crate) candidates: Vec<Package>,
    pub(crate) rejects: Vec<Package>,
    /// The bit of its tag; 0 where no repository has that tag.
    pub(crate) pin: u64,
}

/// What the packages that lead to a package allow and ask of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// From which tags it may come.
    pub(crate) pins: u64,
    /// From which tags it should come.
    pub(crate) preferred: u64,
    pub(crate) flags: Flags,
    pub(crate) inherited: Flags,
}

/// Lengths of the stacks when a decision was made.
#[derive(Debug, Clone, Copy)]
struct Mark {
    trail: usize,
    needed: usize,
    armed: usize,
    standings: usize,
}

/// A search in progress.
pub(crate) struct Search<'u> {
    pub(crate) universe: &'u Universe<'u>,
    pub(crate) request: &'u Request,
    pub(crate) wants: Vec<Want<'u>>,
    pub(crate) turns: Turns,
    pub(crate) values: Table<Package, Value>,
    pub(crate) levels: Table<Package, u32>,
    pub(crate) reasons: Table<Package, Reason>,
    /// How much of the trail had been propagated when a package became in or out: equal where one cause did it.
    pub(crate) causes: Table<Package, usize>,
    /// Packages in the order in which they became in or out.
    pub(crate) trail: Vec<Package>,
    /// How much of the trail has been propagated.
    pub(crate) head: usize,
    marks: Vec<Mark>,
    /// Which packages that are in have been counted for the requirements that they touch.
    counted: Table<Package, bool>,
    /// How many candidates of a requirement are not out.
    pub(crate) alive: Table<Requirement, u32>,
    /// How many candidates of a requirement are in.
    pub(crate) held: Table<Requirement, u32>,
    /// How many packages that are in depend on it.
    pub(crate) wanted: Table<Requirement, u32>,
    /// What the packages that are in depend on.
    pub(crate) needed: Vec<(Package, Requirement)>,
    /// Packages whose `install_if` may have come true.
    pub(crate) armed: Vec<Package>,
    is_armed: Table<Package, bool>,
    pub(crate) standings: Table<Package, Standing>,
    standings_before: Vec<(Package, Standing)>,
    changes: usize,
    /// Whether there are neither tags nor flags, so that every standing is the same.
    pub(crate) plain: bool,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) watches: HashMap<Literal, Vec<usize>>,
    /// Clauses with several ways out, of which one has to be decided.
    pub(crate) choices: Vec<usize>,
    pub(crate) seen: Table<Package, bool>,
    /// Rules that are left out, to see which ones an answer fails on.
    pub(crate) without: Vec<Rule>,
    /// Whether clauses keep the rules that they follow from.
    pub(crate) explaining: bool,
    /// Whether conflicts are passed over, to see how far one gets.
    pub(crate) tolerant: bool,
}

impl<'u> Search<'u> {
    pub(crate) fn new(universe: &'u Universe<'u>, request: &'u Request) -> Self {
        let wants: Vec<Want<'u>> = request.world.sorted().into_iter().map(|dependency| Want::new(universe, dependency)).collect();
        let turns = Turns::new(universe, request, wants.iter().filter_map(|want| want.name));
        let packages = universe.packages.len();
        let requirements = universe.requirements.len();
        let flagged = request.marks.iter().any(|mark| mark.flags != Flags::NONE) || request.flags != Flags::NONE;
        let plain = universe.tags.len() == 1 && !flagged;
        let ordinary = Standing { pins: 1, preferred: 1, flags: Flags::NONE, inherited: Flags::NONE };
        Self {
            universe,
            request,
            wants,
            turns,
            values: Table::filled(Value::Open, packages),
            levels: Table::filled(0, packages),
            reasons: Table::filled(Reason::Decision, packages),
            causes: Table::filled(0, packages),
            trail: Vec::new(),
            head: 0,
            marks: Vec::new(),
            counted: Table::filled(false, packages),
            alive: universe.requirements.iter().map(|(_, entry)| entry.candidates.len() as u32).collect(),
            held: Table::filled(0, requirements),
            wanted: Table::filled(0, requirements),
            needed: Vec::new(),
            armed: Vec::new(),
            is_armed: Table::filled(false, packages),
            standings: Table::filled(ordinary, packages),
            standings_before: Vec::new(),
            changes: 0,
            plain,
            clauses: Vec::new(),
            watches: HashMap::new(),
            choices: Vec::new(),
            seen: Table::filled(false, packages),
            without: Vec::new(),
            explaining: false,
            tolerant: false,
        }
    }

    pub(crate) fn level(&self) -> u32 {
        self.marks.len() as u32
    }

    pub(crate) fn is_in(&self, package: Package) -> bool {
        self.values[package] == Value::In
    }

    pub(crate) fn is_out(&self, package: Package) -> bool {
        self.values[package] == Value::Out
    }

    /// Whether a rule is in force. Rules are only left out while explaining.
    pub(crate) fn holds(&self, rule: Rule) -> bool {
        self.without.is_empty() || !self.without.contains(&rule)
    }

    /// Makes a package in or out, or reports that it is the other already.
    pub(crate) fn assign(&mut self, package: Package, value: Value, reason: Reason) -> Result<(), Conflict> {
        match self.values[package] {
            Value::Open => {
                self.values[package] = value;
                self.levels[package] = self.level();
                self.reasons[package] = reason;
                self.causes[package] = self.head;
                self.trail.push(package);
                Ok(())
            }
            known if known == value || self.tolerant => Ok(()),
            _ => {
                let mut packages = self.premises(package, value, reason);
                packages.push(package);
                Err(Conflict { packages, rule: self.rule(package, reason) })
            }
        }
    }

    /// Returns the packages whose being in or out gives `reason` its force for `package`.
    pub(crate) fn premises(&self, package: Package, value: Value, reason: Reason) -> Vec<Package> {
        let others = |list: &[Package]| list.iter().copied().filter(|other| *other != package).collect::<Vec<_>>();
        match reason {
            Reason::Decision | Reason::Fault => Vec::new(),
            Reason::Want(at) if value == Value::In => others(&self.wants[at].candidates),
            Reason::Want(_) => Vec::new(),
            Reason::Need { owner, requirement } => {
                let mut packages = others(&self.universe.requirements[requirement].candidates);
                packages.push(owner);
                packages
            }
            Reason::Dead(requirement) => others(&self.universe.requirements[requirement].candidates),
            Reason::Name { by, .. } | Reason::Against { by, .. } => vec![by],
            Reason::Clause(at) => {
                self.clauses[at].literals.iter().map(|literal| literal.package).filter(|other| *other != package).collect()
            }
        }
    }

    /// Returns the rule behind a reason.
    pub(crate) fn rule(&self, package: Package, reason: Reason) -> Rule {
        match reason {
            Reason::Decision | Reason::Fault => Rule::Fault(package),
            Reason::Want(at) => Rule::Want(at),
            Reason::Need { owner, requirement } | Reason::Against { owner, requirement, .. } => Rule::Depends(owner, requirement),
            Reason::Dead(requirement) => Rule::Depends(package, requirement),
            Reason::Name { by, name } => Rule::Name(by.min(package), by.max(package), name),
            Reason::Clause(at) => Rule::Clause(at),
        }
    }

    /// Opens a level and makes its decision.
    pub(crate) fn decide(&mut self, literal: Literal) {
        self.marks.push(Mark {
            trail: self.trail.len(),
            needed: self.needed.len(),
            armed: self.armed.len(),
            standings: self.standings_before.len(),
        });
        // Only open packages are decided, so this can not fail.
        let _ = self.assign(literal.package, literal.value, Reason::Decision);
    }

    /// Takes back all that was decided above `level`.
    pub(crate) fn back_to(&mut self, level: u32) {
        let Some(&mark) = self.marks.get(level as usize) else { return };
        self.marks.truncate(level as usize);
        while self.trail.len() > mark.trail {
            let propagated = self.trail.len() <= self.head;
            let Some(package) = self.trail.pop() else { break };
            if propagated {
                self.uncount(package);
            }
            self.values[package] = Value::Open;
        }
        self.head = self.head.min(self.trail.len());
        self.needed.truncate(mark.needed);
        for triggered in self.armed.drain(mark.armed..) {
            self.is_armed[triggered] = false;
        }
        while self.standings_before.len() > mark.standings {
            let Some((package, standing)) = self.standings_before.pop() else { break };
            self.standings[package] = standing;
        }
    }

    /// Counts a package that became in or out for the requirements that it touches.
    pub(crate) fn count(&mut self, package: Package) {
        let universe = self.universe;
        let entry = &universe.packages[package];
        if self.values[package] == Value::Out {
            for &requirement in &entry.satisfies {
                self.alive[requirement] -= 1;
            }
            return;
        }
        for &requirement in &entry.satisfies {
            self.held[requirement] += 1;
        }
        for &requirement in &entry.depends {
            if !universe.requirements[requirement].conflict && self.holds(Rule::Depends(package, requirement)) {
                self.wanted[requirement] += 1;
                self.needed.push((package, requirement));
            }
        }
        for &requirement in &entry.satisfies {
            for &triggered in &universe.requirements[requirement].triggers {
                if !std::mem::replace(&mut self.is_armed[triggered], true) {
                    self.armed.push(triggered);
                }
            }
        }
        self.counted[package] = true;
        if !self.plain {
            self.hand_down(package);
        }
    }

    fn uncount(&mut self, package: Package) {
        let entry = &self.universe.packages[package];
        if self.values[package] == Value::Out {
            for &requirement in &entry.satisfies {
                self.alive[requirement] += 1;
            }
            return;
        }
        self.counted[package] = false;
        for &requirement in &entry.satisfies {
            self.held[requirement] -= 1;
        }
        for &requirement in &entry.depends {
            if !self.universe.requirements[requirement].conflict && self.holds(Rule::Depends(package, requirement)) {
                self.wanted[requirement] -= 1;
            }
        }
    }

    /// A number that grows whenever a standing changes.
    pub(crate) const fn standings_changed(&self) -> usize {
        self.changes
    }

    /// Changes a standing so that it can be taken back.
    pub(crate) fn stand(&mut self, package: Package, change: impl FnOnce(&mut Standing)) {
        let before = self.standings[package];
        change(&mut self.standings[package]);
        if self.standings[package] != before {
            self.changes += 1;
            if !self.marks.is_empty() {
                self.standings_before.push((package, before));
            }
        }
    }

    /// Adds what another package passes on. One that is in passes it on at once, any other when it comes in.
    pub(crate) fn inherit(&mut self, package: Package, given: Standing) {
        let mut pending = vec![(package, given)];
        while let Some((package, given)) = pending.pop() {
            let before = self.standings[package];
            self.stand(package, |standing| {
                standing.pins |= given.pins;
                standing.flags |= given.inherited;
                standing.inherited |= given.inherited;
            });
            if self.standings[package] != before && self.counted[package] {
                self.heirs(package, &mut pending);
            }
        }
    }

    /// Gives what a package may and should to all that it depends on.
    fn hand_down(&mut self, package: Package) {
        let mut pending = Vec::new();
        self.heirs(package, &mut pending);
        for (heir, given) in pending {
            self.inherit(heir, given);
        }
    }

    fn heirs(&self, package: Package, pending: &mut Vec<(Package, Standing)>) {
        let requirements = self.universe.packages[package].depends.iter();
        let candidates = requirements.flat_map(|requirement| &self.universe.requirements[*requirement].candidates);
        pending.extend(candidates.map(|candidate| (*candidate, self.standings[package])));
    }
}

impl<'u> Want<'u> {
    fn new(universe: &Universe<'_>, dependency: &'u Dependency) -> Self {
        let name = universe.find(&dependency.name);
        let (candidates, rejects) = name.map(|name| universe.divide(name, dependency)).unwrap_or_default();
        let pin = universe.tag_bit(dependency.pin.as_deref()).unwrap_or(0);
        Self { dependency, name, candidates, rejects, pin }
    }
}
