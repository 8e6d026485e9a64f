//! What is decided next, when nothing follows from what is decided.

use super::request::Flags;
use super::state::{Literal, Rule, Search, Standing, Value};
use super::table::{Name, Package};

impl Search<'_> {
    /// Returns the next decision, or nothing where no name waits for one that may be chosen.
    pub(crate) fn next(&self) -> Option<Literal> {
        let taken = |package| Literal { package, value: Value::In };
        self.by_turn().map(taken).or_else(|| self.absence()).or_else(|| self.way_out())
    }

    /// Among the names that are asked for and not served, and the packages whose `install_if` is true, serves the one whose turn is first.
    fn by_turn(&self) -> Option<Package> {
        let mut first: Option<(u32, Package)> = None;
        let mut consider = |name: Name, choose: &dyn Fn() -> Option<Package>| {
            let turn = self.turns.of(name);
            if first.is_none_or(|(best, _)| turn > best)
                && let Some(package) = choose()
            {
                first = Some((turn, package));
            }
        };
        for name in self.unserved() {
            consider(name, &|| self.select(name));
        }
        for &package in &self.armed {
            if self.values[package] == Value::Open && self.is_triggered(package) && self.is_tag_triggered(package) {
                let name = self.universe.packages[package].name;
                consider(name, &|| self.select_triggered(name));
            }
        }
        first.map(|(_, package)| package)
    }

    /// Returns the names that the world or a package asks for and that nothing serves yet.
    pub(crate) fn unserved(&self) -> impl Iterator<Item = Name> {
        let wants = self.wants.iter().enumerate().filter(|(at, want)| {
            !want.dependency.conflict && !want.candidates.iter().any(|package| self.is_in(*package)) && self.holds(Rule::Want(*at))
        });
        let needed = self.needed.iter().filter(|(_, requirement)| self.held[*requirement] == 0);
        let needed = needed.map(|(_, requirement)| self.universe.requirements[*requirement].name);
        wants.filter_map(|(_, want)| want.name).chain(needed)
    }

    /// Whether every `install_if` of the package is true now.
    pub(crate) fn is_triggered(&self, package: Package) -> bool {
        self.triggers_hold(package, |search, other| search.is_out(other))
    }

    /// Whether its positive triggers are true and no package is in that must be absent; with `absent` saying what counts as absent.
    fn triggers_hold(&self, package: Package, absent: impl Fn(&Self, Package) -> bool) -> bool {
        let entry = &self.universe.packages[package];
        let gone = self.request.flags.has(Flags::AVAILABLE) && !entry.is_available();
        let holds = |requirement: &_| {
            let trigger = &self.universe.requirements[*requirement];
            if trigger.conflict {
                trigger.rejects.iter().all(|other| *other == package || absent(self, *other))
            } else {
                self.held[*requirement] > 0
            }
        };
        !gone && !entry.install_if.is_empty() && entry.install_if.iter().all(holds)
    }

    fn select_triggered(&self, name: Name) -> Option<Package> {
        let triggered = self.universe.names[name].providers.iter().filter(|(package, _)| {
            self.values[*package] == Value::Open
                && self.universe.packages[*package].name == name
                && self.is_triggered(*package)
                && self.is_tag_triggered(*package)
        });
        triggered.copied().reduce(|best, next| self.better(best, next)).map(|(package, _)| package)
    }

    /// When only absences keep an `install_if` from being true, settles them, once nothing else may bring the packages in.
    fn absence(&self) -> Option<Literal> {
        let waiting = self.armed.iter().copied().filter(|&package| {
            self.values[package] == Value::Open
                && self.is_tag_triggered(package)
                && self.triggers_hold(package, |search, other| !search.is_in(other))
        });
        let package = waiting.max_by_key(|package| (self.turns.of(self.universe.packages[*package].name), *package))?;
        let triggers = self.universe.packages[package].install_if.iter();
        let absent = triggers.flat_map(|requirement| &self.universe.requirements[*requirement].rejects);
        let open = absent.copied().find(|other| *other != package && self.values[*other] == Value::Open)?;
        Some(Literal { package: open, value: Value::Out })
    }

    /// Takes one of the ways out that a clause leaves open.
    fn way_out(&self) -> Option<Literal> {
        let met = |literal: &Literal| self.values[literal.package] == literal.value;
        let clause = self.choices.iter().map(|at| &self.clauses[*at].literals).find(|literals| !literals.iter().any(met))?;
        let open = clause.iter().filter(|literal| self.values[literal.package] == Value::Open);
        open.copied().max_by_key(|literal| (self.turns.of(self.universe.packages[literal.package].name), literal.package))
    }

    /// Whether the tag of a package that is installed for its `install_if` is allowed by those that trigger it.
    fn is_tag_triggered(&self, package: Package) -> bool {
        let entry = &self.universe.packages[package];
        self.is_tag_allowed(package) || self.triggering(package).any(|trigger| entry.tags & self.standings[trigger].pins != 0)
    }

    /// Returns the packages that are in and make the `install_if` of the package true.
    fn triggering(&self, package: Package) -> impl Iterator<Item = Package> {
        let triggers = self.universe.packages[package].install_if.iter();
        let candidates = triggers.flat_map(|requirement| &self.universe.requirements[*requirement].candidates);
        candidates.copied().filter(|candidate| self.is_in(*candidate))
    }

    /// Passes on to packages that are in what those allow which make their `install_if` true, until nothing changes.
    pub(crate) fn inherit_from_all_triggers(&mut self) {
        while !self.plain {
            let before = self.standings_changed();
            for at in 0..self.armed.len() {
                let package = self.armed[at];
                if self.is_in(package) && self.triggers_hold(package, |search, other| !search.is_in(other)) {
                    self.inherit_from(package);
                }
            }
            if self.standings_changed() == before {
                return;
            }
        }
    }

    /// Passes on to a package that is to be installed for its `install_if` what its triggers may and should.
    pub(crate) fn inherit_from_triggers(&mut self, package: Package) {
        if !self.plain && self.is_triggered(package) {
            self.inherit_from(package);
        }
    }

    fn inherit_from(&mut self, package: Package) {
        let given: Vec<Standing> = self.triggering(package).map(|trigger| self.standings[trigger]).collect();
        for standing in given {
            self.inherit(package, standing);
        }
    }
}
