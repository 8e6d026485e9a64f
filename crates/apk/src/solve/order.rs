//! In which order packages are removed, installed and changed.
//!
//! What a package depends on comes before it, cycles broken where they are entered; what stands in its way goes first; what is
//! installed for its `install_if` follows as soon as its last trigger is there. Worked off as a stack of steps instead of by
//! recursion, since an index may hold chains of any length.

use super::table::{Name, Package, Requirement, Table};
use super::universe::{Universe, meets};

/// One package that goes, comes, or is exchanged for another of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) old: Option<Package>,
    pub(crate) new: Option<Package>,
}

enum Step {
    /// Brings the package that serves a name.
    Serve(Name),
    /// Brings the package that serves a name which another stands against in other versions, or takes away what had it.
    ServeBeside(Name),
    /// Takes away what had the name before.
    Clear(Name),
    /// Brings the package that was chosen for a name.
    Choose(Name),
    /// Writes down that the package comes.
    Bring(Package),
    /// Brings a package of the name if all its triggers are there.
    Trigger(Name),
    /// Takes away the installed package of the name if one of its triggers went.
    Untrigger(Name),
    /// Takes away what depends on an installed package, then it.
    Remove(Package),
    /// Writes down that the package goes.
    Drop(Package),
    /// Takes away an installed package that nobody needs.
    RemoveOrphan(Package),
    /// A package that had this dependency goes.
    Release(Requirement),
    /// A package that has these dependencies comes.
    Hold(Package),
}

pub(crate) struct Order<'u> {
    universe: &'u Universe<'u>,
    /// Which package of the answer serves a name.
    chosen: Table<Name, Option<Package>>,
    /// The installed package of a name.
    present: Table<Name, Option<Package>>,
    /// The name of the installed package that owns a name.
    owner: Table<Name, Option<Name>>,
    /// How many dependencies lead to an installed package.
    holders: Table<Name, i64>,
    cleared: Table<Name, bool>,
    removed: Table<Name, bool>,
    /// What is on its way, or gone.
    done: Table<Package, bool>,
    brought: Table<Package, bool>,
    exchanges: Vec<Exchange>,
    stack: Vec<Step>,
}

/// Orders an answer: `packages` in the order in which they were chosen, `installed` as the database lists it, `world` sorted.
pub(crate) fn order(universe: &Universe<'_>, packages: &[Package], installed: &[Package], world: &[Name]) -> Vec<Exchange> {
    let mut order = Order::new(universe, packages, installed);
    for &package in installed {
        order.hold(package);
    }
    for &package in installed {
        order.work(Step::RemoveOrphan(package));
    }
    for &name in world {
        order.work(Step::Serve(name));
    }
    for &package in installed {
        order.work(Step::Serve(universe.packages[package].name));
    }
    for &package in packages {
        order.work(Step::Choose(universe.packages[package].name));
    }
    order.exchanges
}

impl<'u> Order<'u> {
    fn new(universe: &'u Universe<'u>, packages: &[Package], installed: &[Package]) -> Self {
        let names = universe.names.len();
        let mut order = Self {
            universe,
            chosen: Table::filled(None, names),
            present: Table::filled(None, names),
            owner: Table::filled(None, names),
            holders: Table::filled(0, names),
            cleared: Table::filled(false, names),
            removed: Table::filled(false, names),
            done: Table::filled(false, universe.packages.len()),
            brought: Table::filled(false, universe.packages.len()),
            exchanges: Vec::new(),
            stack: Vec::new(),
        };
        for &package in packages {
            for &(name, _) in &universe.packages[package].offers {
                order.chosen[name].get_or_insert(package);
            }
        }
        for &package in installed {
            let entry = &universe.packages[package];
            order.present[entry.name] = Some(package);
            for &(name, _) in entry.offers.iter().filter(|(_, offer)| offer.is_some()) {
                order.owner[name] = Some(entry.name);
            }
        }
        order
    }

    fn work(&mut self, step: Step) {
        self.stack.push(step);
        while let Some(step) = self.stack.pop() {
            let before = self.stack.len();
            self.take(step);
            // Steps are noted in the order in which they are to be taken.
            self.stack[before..].reverse();
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Serve(name) if self.cleared[name] => {}
            Step::Serve(name) => self.stack.extend([Step::Clear(name), Step::Choose(name)]),
            Step::ServeBeside(name) if self.waits(name) => {}
            Step::ServeBeside(name) => self.stack.push(Step::Serve(name)),
            Step::Clear(name) => self.clear(name),
            Step::Choose(name) => self.choose(name),
            Step::Bring(package) => self.bring(package),
            Step::Trigger(name) => self.trigger(name),
            Step::Untrigger(name) => self.untrigger(name),
            Step::Remove(package) => self.remove(package),
            Step::Drop(package) => {
                self.exchanges.push(Exchange { old: Some(package), new: None });
                self.release(package);
            }
            Step::RemoveOrphan(package) => {
                let name = self.universe.packages[package].name;
                if self.holders[name] == 0 && self.chosen[name].is_none() {
                    self.stack.push(Step::Remove(package));
                }
            }
            Step::Release(requirement) => {
                let name = self.universe.requirements[requirement].name;
                let Some(owner) = self.owner[name] else { return };
                self.holders[owner] -= 1;
                if self.holders[owner] <= 0 {
                    self.stack.extend(self.present[name].map(Step::Remove));
                }
            }
            Step::Hold(package) => self.hold(package),
        }
    }

    fn clear(&mut self, name: Name) {
        if std::mem::replace(&mut self.cleared[name], true) {
            return;
        }
        let own = self.chosen[name].map(|package| self.universe.packages[package].name);
        if own != Some(name) {
            self.stack.extend(self.present[name].map(Step::Remove));
        }
        for &(package, _) in &self.universe.names[name].providers {
            let own = self.universe.packages[package].name;
            if self.present[own] == Some(package) && self.chosen[own].is_none() {
                self.stack.push(Step::Remove(package));
            }
        }
    }

    fn choose(&mut self, name: Name) {
        let Some(package) = self.chosen[name] else { return };
        if std::mem::replace(&mut self.done[package], true) {
            return;
        }
        let entry = &self.universe.packages[package];
        self.stack.extend(entry.offers.iter().map(|(name, _)| Step::Clear(*name)));
        if let Some(old) = self.present[entry.name] {
            self.stack.extend(self.triggers(old).map(Step::Untrigger));
        }
        self.stack.extend(entry.depends.iter().map(|requirement| {
            let asked = &self.universe.requirements[*requirement];
            if asked.conflict { Step::ServeBeside(asked.name) } else { Step::Serve(asked.name) }
        }));
        self.stack.push(Step::Bring(package));
    }

    /// Whether the package that serves a name needs one that is just on its way.
    fn waits(&self, name: Name) -> bool {
        let mut seen: Vec<Package> = Vec::new();
        let mut pending: Vec<Package> = self.chosen[name].into_iter().collect();
        while let Some(package) = pending.pop() {
            if self.brought[package] || seen.contains(&package) {
                continue;
            }
            if self.done[package] {
                return true;
            }
            seen.push(package);
            let asked = self.universe.packages[package].depends.iter().map(|requirement| &self.universe.requirements[*requirement]);
            pending.extend(asked.filter(|asked| !asked.conflict).filter_map(|asked| self.chosen[asked.name]));
        }
        false
    }

    /// Returns the names of packages whose `install_if` asks for something that a package offers.
    fn triggers(&self, package: Package) -> impl Iterator<Item = Name> + use<'u> {
        let universe = self.universe;
        let offers = universe.packages[package].offers.iter();
        offers.flat_map(|(name, _)| universe.names[*name].triggers.iter().copied())
    }

    fn bring(&mut self, package: Package) {
        let old = self.present[self.universe.packages[package].name];
        self.brought[package] = true;
        self.exchanges.push(Exchange { old, new: Some(package) });
        self.stack.extend(self.triggers(package).map(Step::Trigger));
        self.stack.push(Step::Hold(package));
        if let Some(old) = old {
            self.release(old);
        }
    }

    fn trigger(&mut self, name: Name) {
        let Some(package) = self.chosen[name] else { return };
        let triggers = &self.universe.packages[package].install_if;
        if self.done[package] || triggers.is_empty() || self.waits(name) {
            return;
        }
        let ready = triggers.iter().all(|requirement| {
            let trigger = &self.universe.requirements[*requirement];
            (trigger.conflict || self.cleared[trigger.name]) && self.is_met(*requirement)
        });
        if ready {
            self.stack.extend([Step::Clear(name), Step::Choose(name)]);
        }
    }

    /// Whether the package that serves the name of a trigger makes it true.
    fn is_met(&self, requirement: Requirement) -> bool {
        let trigger = &self.universe.requirements[requirement];
        let Some(package) = self.chosen[trigger.name] else { return trigger.conflict };
        let entry = &self.universe.packages[package];
        let met = entry.offer(trigger.name).is_some_and(|offer| meets(trigger.dependency, offer, &entry.record.checksum));
        met != trigger.conflict
    }

    fn untrigger(&mut self, name: Name) {
        let Some(package) = self.present[name] else { return };
        if self.chosen[name].is_some() || self.cleared[name] || self.removed[name] {
            return;
        }
        let gone = self.universe.packages[package].install_if.iter().any(|requirement| {
            let trigger = self.universe.requirements[*requirement].name;
            self.removed[trigger] && self.chosen[trigger].is_none()
        });
        if gone {
            self.stack.push(Step::RemoveOrphan(package));
        }
    }

    fn remove(&mut self, package: Package) {
        let universe = self.universe;
        let entry = &universe.packages[package];
        let stays = self.chosen[entry.name].is_some_and(|chosen| universe.packages[chosen].name == entry.name);
        if stays || std::mem::replace(&mut self.done[package], true) {
            return;
        }
        self.removed[entry.name] = true;
        let dependents = entry.offers.iter().flat_map(|(name, _)| &universe.names[*name].requirements).filter(|requirement| {
            let asked = &universe.requirements[**requirement];
            !asked.conflict && asked.candidates.contains(&package)
        });
        for &requirement in dependents {
            let owners = universe.requirements[requirement].owners.iter().copied();
            self.stack.extend(owners.filter(|owner| universe.packages[*owner].installed.is_some()).map(Step::Remove));
        }
        self.stack.extend(self.triggers(package).map(Step::Untrigger));
        self.stack.push(Step::Drop(package));
    }

    /// The dependencies of a package that goes are released one by one, each with its consequences.
    fn release(&mut self, package: Package) {
        let depends = self.universe.packages[package].depends.iter().copied();
        self.stack.extend(depends.filter(|requirement| !self.universe.requirements[*requirement].conflict).map(Step::Release));
    }

    fn hold(&mut self, package: Package) {
        for &requirement in &self.universe.packages[package].depends {
            let entry = &self.universe.requirements[requirement];
            if let Some(owner) = self.owner[entry.name].filter(|_| !entry.conflict) {
                self.holders[owner] += 1;
            }
        }
    }
}
