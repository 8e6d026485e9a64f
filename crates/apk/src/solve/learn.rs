//! What a contradiction teaches: a clause that keeps the search from running into it again.

use super::state::{Clause, Conflict, Literal, Reason, Rule, Search};
use super::table::Package;

impl Search<'_> {
    /// Learns from a conflict, goes back as far as it reaches and draws its conclusion. Returns false where nothing is left to take back.
    pub(crate) fn resolve(&mut self, conflict: Conflict) -> bool {
        let deepest = conflict.packages.iter().map(|package| self.levels[*package]).max().unwrap_or(0);
        self.back_to(deepest);
        if deepest == 0 {
            let rules = if self.explaining { self.rules_below(conflict) } else { Vec::new() };
            self.clauses.push(Clause { literals: Vec::new(), rules });
            return false;
        }
        let clause = self.analyse(conflict);
        // The literal of this level comes first; the next deepest is watched beside it.
        let next = clause.literals[1..].iter().map(|literal| self.levels[literal.package]).max().unwrap_or(0);
        self.back_to(next);
        self.add(clause).is_ok()
    }

    /// Adds a clause of which at most the first literal is not lost yet, or several are open.
    pub(crate) fn add(&mut self, mut clause: Clause) -> Result<usize, Conflict> {
        let at = self.clauses.len();
        let lost = |literal: &Literal| self.values[literal.package] == literal.value.opposite();
        clause.literals[1..].sort_by_key(|literal| (lost(literal), std::cmp::Reverse(self.levels[literal.package])));
        let first = clause.literals[0];
        let forced = clause.literals[1..].iter().all(lost);
        if clause.literals.len() > 1 {
            for literal in &clause.literals[..2] {
                self.watches.entry(*literal).or_default().push(at);
            }
        }
        self.clauses.push(clause);
        if forced {
            self.assign(first.package, first.value, Reason::Clause(at))?;
        }
        Ok(at)
    }

    /// Follows the conflict back to the one package of the deepest level through which all of it goes (the first unique implication point).
    fn analyse(&mut self, conflict: Conflict) -> Clause {
        let level = self.level();
        let mut rules = vec![conflict.rule];
        let mut lower: Vec<Package> = Vec::new();
        let mut marked: Vec<Package> = Vec::new();
        let mut settled: Vec<Package> = Vec::new();
        let mut pending = 0;
        let mut at = self.trail.len();
        let mut next = conflict.packages;
        let point = loop {
            for package in next {
                if std::mem::replace(&mut self.seen[package], true) {
                    continue;
                }
                marked.push(package);
                match self.levels[package] {
                    0 => settled.push(package),
                    found if found == level => pending += 1,
                    _ => lower.push(package),
                }
            }
            let package = loop {
                at -= 1;
                let package = self.trail[at];
                if self.seen[package] && self.levels[package] == level {
                    break package;
                }
            };
            pending -= 1;
            if pending == 0 {
                break package;
            }
            let reason = self.reasons[package];
            if self.explaining {
                rules.push(self.rule(package, reason));
            }
            next = self.premises(package, self.values[package], reason);
        };
        for package in marked {
            self.seen[package] = false;
        }
        if self.explaining {
            rules.extend(self.rules_of(settled));
        }
        let denied = |package: Package| Literal { package, value: self.values[package].opposite() };
        let literals = std::iter::once(point).chain(lower).map(denied).collect();
        Clause { literals, rules: self.unfold(rules) }
    }

    /// Returns the rules from which a conflict without any decision follows.
    fn rules_below(&mut self, conflict: Conflict) -> Vec<Rule> {
        let mut rules = vec![conflict.rule];
        rules.extend(self.rules_of(conflict.packages));
        self.unfold(rules)
    }

    /// Returns the rules by which these packages are in or out without any decision.
    fn rules_of(&mut self, packages: Vec<Package>) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut marked = Vec::new();
        let mut stack = packages;
        while let Some(package) = stack.pop() {
            if std::mem::replace(&mut self.seen[package], true) {
                continue;
            }
            marked.push(package);
            let reason = self.reasons[package];
            rules.push(self.rule(package, reason));
            if reason != Reason::Decision {
                stack.extend(self.premises(package, self.values[package], reason));
            }
        }
        for package in marked {
            self.seen[package] = false;
        }
        rules
    }

    /// Replaces clauses by the rules that they follow from.
    fn unfold(&self, rules: Vec<Rule>) -> Vec<Rule> {
        if !self.explaining {
            return Vec::new();
        }
        let mut unfolded: Vec<Rule> = Vec::new();
        for rule in rules {
            match rule {
                Rule::Clause(at) => unfolded.extend_from_slice(&self.clauses[at].rules),
                other => unfolded.push(other),
            }
        }
        unfolded.sort_unstable();
        unfolded.dedup();
        unfolded
    }
}
