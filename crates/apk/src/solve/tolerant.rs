//! How far one gets in spite of conflicts: the packages that would be taken, for the report of what breaks.
//!
//! Decides and concludes as the search does, but passes over what contradicts, and where nothing is left for a name takes the
//! candidate that was ruled out last: the one that came closest.

use super::request::Flags;
use super::state::{Literal, Reason, Search, Value};
use super::table::{Name, Package, Requirement, Table};
use super::universe::Offer;

impl Search<'_> {
    /// Returns the packages that would be taken, in that order.
    pub(crate) fn run_in_spite(&mut self) -> Vec<Package> {
        self.tolerant = true;
        // Nothing is reported while conflicts are passed over.
        let _ = self.start();
        let _ = self.propagate();
        loop {
            if let Some((owner, requirement)) = self.shared() {
                self.wanted[requirement] += 1;
                self.needed.push((owner, requirement));
                let _ = self.narrow(requirement, owner);
            } else if let Some(package) = self.insisted() {
                self.overturn(package);
            } else if let Some(decision) = self.next() {
                self.settle_in_spite(decision);
            } else if let Some(package) = self.closest() {
                self.overturn(package);
            } else {
                break;
            }
            let _ = self.propagate();
        }
        let mut seen = Table::filled(false, self.universe.packages.len());
        let taken = self.trail.iter().copied().filter(|package| self.is_in(*package));
        taken.filter(|package| !std::mem::replace(&mut seen[*package], true)).collect()
    }

    fn settle_in_spite(&mut self, decision: Literal) {
        let _ = self.assign(decision.package, decision.value, Reason::Decision);
        self.inherit_from_triggers(decision.package);
    }

    /// Takes a package that may have been ruled out.
    fn overturn(&mut self, package: Package) {
        if self.is_out(package) {
            for &requirement in &self.universe.packages[package].satisfies {
                self.alive[requirement] += 1;
            }
        }
        self.values[package] = Value::In;
        self.trail.push(package);
    }

    /// Names that wait and that no package that is in has taken.
    fn waiting(&self) -> Vec<Name> {
        let taken = |name: Name| self.universe.names[name].providers.iter().any(|(package, _)| self.is_in(*package));
        let mut names: Vec<Name> = self.unserved().filter(|name| !taken(*name)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(self.turns.of(*name)));
        names
    }

    /// Something that every candidate for a waiting name depends on: it is needed whichever is taken.
    fn shared(&self) -> Option<(Package, Requirement)> {
        self.waiting().into_iter().find_map(|name| {
            let open = self.universe.names[name].providers.iter().map(|(package, _)| *package).filter(|package| !self.is_out(*package));
            let open: Vec<Package> = open.collect();
            let first = *open.first()?;
            let depends = |package: Package| &self.universe.packages[package].depends;
            let shared = depends(first).iter().copied().find(|requirement| {
                !self.universe.requirements[*requirement].dependency.conflict
                    && self.wanted[*requirement] == 0
                    && open.iter().all(|package| depends(*package).contains(requirement))
            })?;
            Some((first, shared))
        })
    }

    /// A package that is ruled out, but of which the latest is insisted on.
    fn insisted(&self) -> Option<Package> {
        self.waiting().into_iter().find_map(|name| {
            let latest = self.latest(name)?;
            (self.is_out(latest) && self.insists(name, latest)).then_some(latest)
        })
    }

    /// The candidate that came closest, for the name whose turn is first: the one that was ruled out last, then by the fewest.
    fn closest(&self) -> Option<Package> {
        self.waiting().into_iter().find_map(|name| {
            let strong = self.universe.names[name].providers.iter().filter(|(package, offer)| self.is_strong(*package, *offer));
            let closeness = |package: Package| {
                let last = if self.is_out(package) { self.causes[package] } else { usize::MAX };
                (last, std::cmp::Reverse(self.objections(package)))
            };
            let closer = |best, next| match closeness(package_of(next)).cmp(&closeness(package_of(best))) {
                std::cmp::Ordering::Less => best,
                std::cmp::Ordering::Greater => next,
                std::cmp::Ordering::Equal => self.better(best, next),
            };
            strong.copied().reduce(closer).map(package_of)
        })
    }

    /// How many wants, and packages that are in, stand against the package.
    fn objections(&self, package: Package) -> usize {
        let wants = self.wants.iter().filter(|want| want.rejects.contains(&package)).count();
        let against = self.universe.packages[package].against.iter();
        let owners = against.flat_map(|requirement| &self.universe.requirements[*requirement].owners);
        wants + owners.filter(|owner| self.is_in(**owner)).count()
    }

    /// Whether the last candidate for a requirement may be taken without looking at others.
    pub(crate) fn may_force(&self, requirement: Requirement, package: Package) -> bool {
        self.may_force_for(self.universe.requirements[requirement].name, package)
    }

    /// Whether the last candidate for a name may be taken at once: not for what it provides only weakly, and not where only the
    /// latest will do.
    pub(crate) fn may_force_for(&self, name: Name, package: Package) -> bool {
        let strong = self.universe.packages[package].offer(name).is_some_and(|offer| self.is_strong(package, offer));
        strong && (self.plain || self.latest(name).is_none_or(|latest| latest == package || !self.insists(name, latest)))
    }

    /// Returns the provider that is preferred for a name, whether or not it may be taken.
    pub(crate) fn latest(&self, name: Name) -> Option<Package> {
        let strong = self.universe.names[name].providers.iter().filter(|(package, offer)| self.is_strong(*package, *offer));
        strong.copied().reduce(|best, next| self.better(best, next)).map(|(package, _)| package)
    }

    /// Whether nothing but the latest provider of a name will do. Tags lift that.
    pub(crate) fn insists(&self, name: Name, latest: Package) -> bool {
        let untagged = |package: Package| self.standings[package].pins == 1;
        let flagged = |package: Package| untagged(package) && self.standings[package].flags.has(Flags::LATEST);
        untagged(latest) && self.universe.names[name].providers.iter().any(|(package, _)| flagged(*package))
    }
}

fn package_of((package, _): (Package, Offer<'_>)) -> Package {
    package
}
