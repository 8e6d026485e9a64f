//! What follows at once from what is decided.

use super::state::{Conflict, Literal, Reason, Rule, Search, Value};
use super::table::{Package, Requirement};

impl Search<'_> {
    /// Draws every conclusion from the trail, until nothing new follows or two things contradict each other.
    pub(crate) fn propagate(&mut self) -> Result<(), Conflict> {
        while let Some(&package) = self.trail.get(self.head) {
            self.head += 1;
            self.count(package);
            match self.values[package] {
                Value::In => self.enter(package)?,
                _ => self.leave(package)?,
            }
            self.visit_clauses(package)?;
        }
        Ok(())
    }

    /// A package is in: what it excludes is out, and its dependencies are needed.
    fn enter(&mut self, package: Package) -> Result<(), Conflict> {
        let universe = self.universe;
        let entry = &universe.packages[package];
        for &(name, offer) in &entry.offers {
            for &(other, other_offer) in &universe.names[name].providers {
                if other != package && (offer.is_some() || other_offer.is_some()) {
                    self.assign(other, Value::Out, Reason::Name { by: package, name })?;
                }
            }
        }
        for &requirement in &entry.depends {
            if !self.holds(Rule::Depends(package, requirement)) {
                continue;
            }
            for &other in &universe.requirements[requirement].rejects {
                if other != package {
                    self.assign(other, Value::Out, Reason::Against { by: package, owner: package, requirement })?;
                }
            }
        }
        for &requirement in &entry.against {
            for &owner in &universe.requirements[requirement].owners {
                if owner != package && self.holds(Rule::Depends(owner, requirement)) {
                    self.assign(owner, Value::Out, Reason::Against { by: package, owner, requirement })?;
                }
            }
        }
        for &requirement in &entry.depends {
            if !universe.requirements[requirement].conflict && self.holds(Rule::Depends(package, requirement)) {
                self.narrow(requirement, package)?;
            }
        }
        Ok(())
    }

    /// A package is out: what it alone satisfied can not be satisfied any more.
    fn leave(&mut self, package: Package) -> Result<(), Conflict> {
        let universe = self.universe;
        for &requirement in &universe.packages[package].satisfies {
            if self.alive[requirement] > 1 {
                continue;
            }
            let owners = &universe.requirements[requirement].owners;
            if self.wanted[requirement] > 0 {
                let holds = |owner: &Package| self.is_in(*owner) && self.holds(Rule::Depends(*owner, requirement));
                if let Some(owner) = owners.iter().copied().find(holds) {
                    self.narrow(requirement, owner)?;
                }
            }
            if self.alive[requirement] == 0 {
                for &owner in owners {
                    if self.values[owner] == Value::Open && self.holds(Rule::Depends(owner, requirement)) {
                        self.assign(owner, Value::Out, Reason::Dead(requirement))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A package that is in depends on this: its last candidate is in; without one there is a conflict.
    pub(super) fn narrow(&mut self, requirement: Requirement, owner: Package) -> Result<(), Conflict> {
        if self.held[requirement] > 0 || self.alive[requirement] > 1 {
            return Ok(());
        }
        let candidates = &self.universe.requirements[requirement].candidates;
        match candidates.iter().copied().find(|candidate| !self.is_out(*candidate)) {
            Some(last) if self.tolerant && !self.may_force(requirement, last) => Ok(()),
            Some(last) => self.assign(last, Value::In, Reason::Need { owner, requirement }),
            None if self.tolerant => Ok(()),
            None => {
                let mut packages = candidates.clone();
                packages.push(owner);
                Err(Conflict { packages, rule: Rule::Depends(owner, requirement) })
            }
        }
    }

    /// Looks at the clauses that a package's new value may have brought to one way out.
    fn visit_clauses(&mut self, package: Package) -> Result<(), Conflict> {
        let lost = Literal { package, value: self.values[package].opposite() };
        let Some(watching) = self.watches.remove(&lost) else { return Ok(()) };
        let mut kept = Vec::with_capacity(watching.len());
        let mut outcome = Ok(());
        for clause in watching {
            if outcome.is_err() || !self.move_watch(clause, lost, &mut outcome) {
                kept.push(clause);
            }
        }
        self.watches.entry(lost).or_default().append(&mut kept);
        outcome
    }

    /// Watches another literal of the clause instead of `lost`; where there is none, draws the conclusion and returns false.
    fn move_watch(&mut self, clause: usize, lost: Literal, outcome: &mut Result<(), Conflict>) -> bool {
        let values = &self.values;
        let open = |literal: &Literal| values[literal.package] != literal.value.opposite();
        let literals = &mut self.clauses[clause].literals;
        if literals[0] == lost {
            literals.swap(0, 1);
        }
        let other = literals[0];
        if values[other.package] == other.value {
            return false;
        }
        if let Some(found) = (2..literals.len()).find(|at| open(&literals[*at])) {
            literals.swap(1, found);
            let watched = literals[1];
            self.watches.entry(watched).or_default().push(clause);
            return true;
        }
        *outcome = if open(&other) {
            self.assign(other.package, other.value, Reason::Clause(clause))
        } else if self.tolerant {
            Ok(())
        } else {
            let packages = self.clauses[clause].literals.iter().map(|literal| literal.package).collect();
            Err(Conflict { packages, rule: Rule::Clause(clause) })
        };
        false
    }
}
