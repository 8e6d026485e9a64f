//! Which of several candidates is taken.

use std::cmp::Ordering;

use super::request::{Flags, Policy};
use super::state::{Search, Value};
use super::table::{Name, Package};
use super::universe::{Offer, Source};

impl Search<'_> {
    /// Returns the candidate for `name` that is preferred among those that may be chosen now.
    pub(crate) fn select(&self, name: Name) -> Option<Package> {
        let choosable = |package: Package, offer: Offer<'_>| self.is_strong(package, offer) && self.is_tag_allowed(package);
        let open = self.universe.names[name]
            .providers
            .iter()
            .filter(|(package, offer)| self.values[*package] == Value::Open && choosable(*package, *offer));
        open.copied().reduce(|best, next| self.better(best, next)).map(|(package, _)| package)
    }

    /// Returns the preferred one of two providers of one name; of equals the first.
    pub(crate) fn better<'o>(&self, a: (Package, Offer<'o>), b: (Package, Offer<'o>)) -> (Package, Offer<'o>) {
        if self.prefer(a, b) == Ordering::Less { b } else { a }
    }

    /// Whether needing the name is a reason to install this provider of it.
    ///
    /// What is provided without a version and without a priority is not: somebody has to ask for the package itself.
    pub(crate) fn is_strong(&self, package: Package, offer: Offer<'_>) -> bool {
        let priority = || self.universe.packages[package].record.info.provider_priority.unwrap_or(0);
        offer.is_some() || self.request.policy == Policy::Apko || priority() > 0
    }

    /// Whether those that lead to the package allow the tag of a repository that has it.
    pub(crate) fn is_tag_allowed(&self, package: Package) -> bool {
        let entry = &self.universe.packages[package];
        entry.is_untagged() || entry.tags & self.standings[package].pins != 0
    }

    fn is_tag_preferred(&self, package: Package) -> bool {
        let entry = &self.universe.packages[package];
        let standing = self.standings[package];
        entry.tags & standing.preferred != 0 || (standing.preferred == 1 && entry.record.info.installed_size == 0)
    }

    /// Compares two providers of one name; the greater is preferred.
    pub(crate) fn prefer(&self, a: (Package, Offer<'_>), b: (Package, Offer<'_>)) -> Ordering {
        match self.request.policy {
            Policy::Apk => self.prefer_as_apk(a, b),
            Policy::Ranked => self.rank(b.0).cmp(&self.rank(a.0)).then_with(|| self.prefer_as_apk(a, b)),
            Policy::Apko => self.prefer_as_apko(a, b),
        }
    }

    fn prefer_as_apk(&self, a: (Package, Offer<'_>), b: (Package, Offer<'_>)) -> Ordering {
        let universe = self.universe;
        let (one, other) = (&universe.packages[a.0], &universe.packages[b.0]);
        let (of_a, of_b) = (self.standings[a.0], self.standings[b.0]);
        let flags = of_a.flags | of_b.flags;
        let installed = || one.installed.is_some().cmp(&other.installed.is_some());
        let when = |condition: bool, compare: &dyn Fn() -> Ordering| if condition { compare() } else { Ordering::Equal };
        let latest = flags.has(Flags::LATEST) && of_a.pins == 1 && of_b.pins == 1;
        let keeps = (self.request.preupgrade && !flags.has(Flags::UPGRADE)) || flags.has(Flags::KEEP);
        let stays = !flags.has(Flags::UPGRADE) && !flags.has(Flags::REMOVE) && (one.name == other.name || a.1.is_some() || b.1.is_some());
        let priority = |package: Package| universe.packages[package].record.info.provider_priority.unwrap_or(0);

        when(keeps && !latest, &installed)
            .then_with(|| self.is_tag_allowed(a.0).cmp(&self.is_tag_allowed(b.0)))
            .then_with(|| when(flags.has(Flags::AVAILABLE), &|| one.is_available().cmp(&other.is_available())))
            .then_with(|| when(!latest, &|| self.is_tag_preferred(a.0).cmp(&self.is_tag_preferred(b.0))))
            .then_with(|| when(stays && !latest, &installed))
            .then_with(|| a.1.cmp(&b.1))
            .then_with(|| when(one.name == other.name, &|| one.record.info.version.cmp(&other.record.info.version)))
            .then_with(|| priority(a.0).cmp(&priority(b.0)))
            .then_with(|| when(!flags.has(Flags::REMOVE), &installed))
            .then_with(|| place(other.sources.first()).cmp(&place(one.sources.first())))
    }

    fn prefer_as_apko(&self, a: (Package, Offer<'_>), b: (Package, Offer<'_>)) -> Ordering {
        let universe = self.universe;
        let (one, other) = (&universe.packages[a.0], &universe.packages[b.0]);
        let priority = |package: Package| universe.packages[package].record.info.provider_priority.unwrap_or(0);
        let version = |package: Package| &universe.packages[package].record.info.version;
        let same = one.name == other.name;

        self.is_tag_allowed(a.0)
            .cmp(&self.is_tag_allowed(b.0))
            .then_with(|| self.has_sibling(a.0).cmp(&self.has_sibling(b.0)))
            .then_with(|| self.is_tag_preferred(a.0).cmp(&self.is_tag_preferred(b.0)))
            .then_with(|| a.1.cmp(&b.1))
            .then_with(|| if same { version(a.0).cmp(version(b.0)) } else { Ordering::Equal })
            .then_with(|| priority(a.0).cmp(&priority(b.0)))
            .then_with(|| version(a.0).cmp(version(b.0)))
            .then_with(|| other.record.info.name.cmp(&one.record.info.name))
            .then_with(|| place(other.sources.first()).cmp(&place(one.sources.first())))
    }

    /// Whether a package of the same origin and version is in: apko keeps together what was built together.
    fn has_sibling(&self, package: Package) -> bool {
        let info = |package: Package| &self.universe.packages[package].record.info;
        let Some(origin) = &info(package).origin else { return false };
        let of_one_build = |other: &Package| info(*other).origin.as_ref() == Some(origin) && info(*other).version == info(package).version;
        self.trail.iter().any(|other| *other != package && self.is_in(*other) && of_one_build(other))
    }

    /// The rank of the best repository that has the package; what is installed and nowhere else is ours already.
    fn rank(&self, package: Package) -> u32 {
        self.universe.packages[package].sources.first().map_or(0, |source| source.rank)
    }
}

/// Where a package comes from, to be compared; one that comes from nowhere comes last.
fn place(source: Option<&Source>) -> (u32, usize) {
    source.map_or((u32::MAX, usize::MAX), |source| (source.rank, source.repository))
}
