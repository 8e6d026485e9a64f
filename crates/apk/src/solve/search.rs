//! The search: decide, conclude, learn, until everything is served or nothing can be.
//!
//! Decisions are always made in the same order and by the same preference, and what is learned only rules out what can not be. So
//! the answer is the first one in the order of preference: at each decision, no answer with a better candidate agrees with the
//! decisions before.

use super::state::{Clause, Conflict, Literal, Reason, Rule, Search, Value};
use super::table::Package;

/// There is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoAnswer;

impl Search<'_> {
    /// Returns the packages of the answer, in the order in which they were found to be part of it.
    pub(crate) fn run(&mut self) -> Result<Vec<Package>, NoAnswer> {
        if let Err(conflict) = self.start() {
            self.resolve(conflict);
            return Err(NoAnswer);
        }
        loop {
            if let Err(conflict) = self.propagate() {
                if !self.resolve(conflict) {
                    return Err(NoAnswer);
                }
                continue;
            }
            self.inherit_from_all_triggers();
            if let Some(decision) = self.next() {
                self.decide(decision);
                self.inherit_from_triggers(decision.package);
            } else {
                match self.settle() {
                    Ok(packages) => return Ok(packages),
                    Err(clause) => {
                        if !self.impose(clause) {
                            return Err(NoAnswer);
                        }
                    }
                }
            }
        }
    }

    /// Writes down what holds before any decision.
    pub(crate) fn start(&mut self) -> Result<(), Conflict> {
        let universe = self.universe;
        for mark in &self.request.marks {
            for &(package, _) in universe.find(&mark.name).map(|name| universe.names[name].providers.as_slice()).unwrap_or_default() {
                self.stand(package, |standing| {
                    standing.flags |= mark.flags;
                    standing.inherited |= mark.inherited;
                });
            }
        }
        for (package, entry) in universe.packages.iter() {
            if entry.fault.is_some() && self.holds(Rule::Fault(package)) {
                self.assign(package, Value::Out, Reason::Fault)?;
            }
        }
        for at in 0..self.wants.len() {
            if self.holds(Rule::Want(at)) {
                self.start_want(at)?;
            }
        }
        Ok(())
    }

    fn start_want(&mut self, at: usize) -> Result<(), Conflict> {
        let want = &self.wants[at];
        let (candidates, rejects, pin, conflict) = (want.candidates.clone(), want.rejects.clone(), want.pin, want.dependency.conflict);
        for &package in &candidates {
            let flags = self.request.flags;
            self.stand(package, |standing| {
                standing.flags |= flags;
                standing.inherited |= flags;
                standing.pins |= pin;
                standing.preferred = pin;
            });
        }
        for package in rejects {
            self.assign(package, Value::Out, Reason::Want(at))?;
        }
        match *candidates {
            _ if conflict => Ok(()),
            [] if self.tolerant => Ok(()),
            [] => Err(Conflict { packages: Vec::new(), rule: Rule::Want(at) }),
            [only] if self.tolerant => {
                let name = self.wants[at].name;
                if name.is_some_and(|name| self.may_force_for(name, only)) {
                    self.assign(only, Value::In, Reason::Want(at))
                } else {
                    Ok(())
                }
            }
            [only] => self.assign(only, Value::In, Reason::Want(at)),
            _ => {
                let literals = candidates.iter().map(|package| Literal { package: *package, value: Value::In }).collect();
                self.impose_at_start(Clause { literals, rules: vec![Rule::Want(at)] })
            }
        }
    }

    /// Adds a clause before any decision.
    fn impose_at_start(&mut self, mut clause: Clause) -> Result<(), Conflict> {
        clause.literals.sort_by_key(|literal| self.is_out(literal.package));
        if clause.literals.iter().all(|literal| self.is_out(literal.package)) {
            if self.tolerant {
                return Ok(());
            }
            let packages = clause.literals.iter().map(|literal| literal.package).collect();
            let rule = clause.rules[0];
            return Err(Conflict { packages, rule });
        }
        self.add(clause).map(|_| ())
    }

    /// Adds a clause that the present state does not meet, taking back what stands against it. Returns false where that is impossible.
    fn impose(&mut self, mut clause: Clause) -> bool {
        let lost = |search: &Self, literal: &Literal| search.values[literal.package] == literal.value.opposite();
        clause.literals.sort_by_key(|literal| lost(self, literal));
        let open = clause.literals.iter().filter(|literal| !lost(self, literal)).count();
        match open {
            0 => {
                let packages = clause.literals.iter().map(|literal| literal.package).collect();
                let at = self.clauses.len();
                self.clauses.push(clause);
                self.resolve(Conflict { packages, rule: Rule::Clause(at) })
            }
            1 => {
                let levels = clause.literals[1..].iter().map(|literal| self.levels[literal.package]);
                let deepest = levels.max().unwrap_or(0);
                self.back_to(deepest);
                self.add(clause).is_ok()
            }
            _ => match self.add(clause) {
                Ok(at) => {
                    self.choices.push(at);
                    true
                }
                Err(_) => false,
            },
        }
    }
}
