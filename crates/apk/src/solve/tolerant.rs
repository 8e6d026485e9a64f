//! How far one gets in spite of conflicts: the packages that would be taken, for the report of what breaks.

use super::request::Flags;
use super::state::Search;
use super::table::{Name, Package, Requirement};

impl Search<'_> {
    /// Whether the last candidate for a requirement may be taken without looking at others.
    pub(crate) fn may_force(&self, requirement: Requirement, package: Package) -> bool {
        self.may_force_for(self.universe.requirements[requirement].name, package)
    }

    /// Whether the last candidate for a name may be taken without looking at others: not where only the latest will do.
    pub(crate) fn may_force_for(&self, name: Name, package: Package) -> bool {
        !self.standings[package].flags.has(Flags::LATEST) || self.latest(name) == Some(package)
    }

    /// Returns the provider that is preferred for a name, whether or not it may be taken.
    pub(crate) fn latest(&self, name: Name) -> Option<Package> {
        let strong = self.universe.names[name].providers.iter().filter(|(package, offer)| self.is_strong(*package, *offer));
        strong.copied().reduce(|best, next| self.better(best, next)).map(|(package, _)| package)
    }
}
