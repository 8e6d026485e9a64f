//! Everything that a solve may choose from, with names and dependencies resolved to numbers.
//!
//! Made once for a set of repositories and used for many solves. Nothing in it depends on the order of the records: packages are
//! numbered by name, version and checksum.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

use base::{Constraint, Dependency, Operator, Version};

use super::request::display_order;
use super::table::{Id as _, Name, Package, Requirement, Table};
use super::{Present, Repository};
use crate::{Checksum, Record};

/// The packages of some repositories, and those that are installed, ready to be solved over.
#[derive(Debug)]
pub struct Universe<'a> {
    pub(crate) names: Table<Name, NameEntry<'a>>,
    pub(crate) packages: Table<Package, PackageEntry<'a>>,
    pub(crate) requirements: Table<Requirement, RequirementEntry<'a>>,
    /// The tags of repositories; tag `i` is bit `i` of a mask, bit 0 is "no tag".
    pub(crate) tags: Vec<&'a str>,
    by_text: HashMap<&'a str, Name>,
}

/// A name that packages have, provide or ask for.
#[derive(Debug)]
pub(crate) struct NameEntry<'a> {
    pub(crate) text: &'a str,
    /// Who has or provides it.
    pub(crate) providers: Vec<(Package, Offer<'a>)>,
    /// What packages ask of it.
    pub(crate) requirements: Vec<Requirement>,
    /// Names of the packages whose `install_if` asks for it.
    pub(crate) triggers: Vec<Name>,
}

/// The version in which a name is provided; without one it may be provided by several at once.
pub(crate) type Offer<'a> = Option<&'a Version>;

/// Where a package's file may be fetched: a repository and the place of the record in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) rank: u32,
    pub(crate) repository: usize,
    pub(crate) record: usize,
}

/// One package.
#[derive(Debug)]
pub(crate) struct PackageEntry<'a> {
    pub(crate) record: &'a Record,
    pub(crate) name: Name,
    /// Its own name with its version, then what it provides.
    pub(crate) offers: Vec<(Name, Offer<'a>)>,
    /// What it depends on, in its order, `!` ones among them.
    pub(crate) depends: Vec<Requirement>,
    pub(crate) install_if: Vec<Requirement>,
    /// The names in `depends`: the walk over everything reads them in one go.
    pub(crate) depends_on: Vec<Name>,
    /// Requirements that it satisfies.
    pub(crate) satisfies: Vec<Requirement>,
    /// Requirements that it stands against: those it would satisfy but for its version, and `!` ones that name it.
    pub(crate) against: Vec<Requirement>,
    /// Reachable places, the preferred first.
    pub(crate) sources: Vec<Source>,
    /// The tags of the repositories that have it; bit 0 for those without a tag.
    pub(crate) tags: u64,
    /// Whether a repository has it, be it out of reach.
    pub(crate) listed: bool,
    /// The place among the installed packages.
    pub(crate) installed: Option<usize>,
    pub(crate) present: Option<&'a Present>,
    pub(crate) fault: Option<Fault>,
}

/// A name and a constraint on it.
#[derive(Debug)]
pub(crate) struct RequirementEntry<'a> {
    pub(crate) name: Name,
    pub(crate) dependency: &'a Dependency,
    /// Whether it is `!name`.
    pub(crate) conflict: bool,
    /// The packages that satisfy it (for `!name`: none).
    pub(crate) candidates: Vec<Package>,
    /// The packages that may not stand beside one that asks for this.
    pub(crate) rejects: Vec<Package>,
    /// The packages that depend on it.
    pub(crate) owners: Vec<Package>,
    /// The packages that have it in `install_if`.
    pub(crate) triggers: Vec<Package>,
}

/// Why a package can never be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its record can not be understood.
    Unreadable(String),
    /// It is for another architecture.
    Architecture(String),
    /// It depends on a tagged repository, which only the world may.
    Pinned(Dependency),
    /// It provides one name twice, in different versions.
    Twice(String),
    /// It asks for something that it provides itself in another version.
    Itself(Dependency),
    /// No repository that can be reached has it.
    Unreachable,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "can not be installed: {reason}"),
            Self::Architecture(arch) => write!(f, "is for the architecture {arch}"),
            Self::Pinned(dependency) => write!(f, "can not be installed: it depends on `{dependency}`, and only your world may name a tag"),
            Self::Twice(name) => write!(f, "can not be installed: it provides {name} more than once, in different versions"),
            Self::Itself(dependency) => {
                write!(f, "can not be installed: it needs `{dependency}`, which it provides itself in another version")
            }
            Self::Unreachable => f.write_str("is in no repository that can be reached"),
        }
    }
}

/// What distinguishes requirements on one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Bound<'a> {
    Any,
    Compare(Operator, &'a str),
    Checksum(&'a str),
}

impl<'a> Bound<'a> {
    fn of(constraint: &'a Constraint) -> Self {
        match constraint {
            Constraint::Any => Self::Any,
            Constraint::Compare(operator, version) => Self::Compare(*operator, version.as_str()),
            Constraint::Checksum(sum) => Self::Checksum(sum),
        }
    }
}

/// Whether an offer of the dependency's name meets its constraint (a leading `!` is not looked at).
pub(crate) fn meets(dependency: &Dependency, offer: Offer<'_>, checksum: &Checksum) -> bool {
    match (&dependency.constraint, offer) {
        (Constraint::Any, _) => true,
        (Constraint::Checksum(sum), _) => sum.parse() == Ok(*checksum),
        (Constraint::Compare(..), None) => false,
        (constraint, Some(version)) => constraint.accepts(version),
    }
}

impl<'a> Universe<'a> {
    /// Gathers what `repositories` offer and what is `installed`.
    ///
    /// Records with the same checksum are one package. With `arch`, packages of another architecture can not be installed.
    #[must_use]
    pub fn new(repositories: &'a [Repository<'a>], installed: &'a [Present], arch: Option<&str>) -> Self {
        let mut universe =
            Self { names: Table::new(), packages: Table::new(), requirements: Table::new(), tags: vec![""], by_text: HashMap::new() };
        let mut found = universe.merge(repositories, installed);
        found.sort_by(compare);
        for entry in found {
            universe.add(entry, arch);
        }
        universe.connect();
        universe
    }

    /// Merges records with the same checksum; the names are not resolved yet.
    fn merge(&mut self, repositories: &'a [Repository<'a>], installed: &'a [Present]) -> Vec<PackageEntry<'a>> {
        let mut found: Vec<PackageEntry<'a>> = Vec::new();
        let mut by_checksum: HashMap<Checksum, usize> = HashMap::new();
        let mut place = |record: &'a Record, found: &mut Vec<PackageEntry<'a>>| {
            let fresh = found.len();
            let place = if record.checksum.is_stated() { *by_checksum.entry(record.checksum).or_insert(fresh) } else { fresh };
            if place == fresh {
                found.push(PackageEntry::new(record));
            }
            place
        };
        for (at, present) in installed.iter().enumerate() {
            let place = place(&present.record, &mut found);
            found[place].installed = Some(at);
            found[place].present = Some(present);
            found[place].tags |= self.tag(present.tag.as_deref());
        }
        for (at, repository) in repositories.iter().enumerate() {
            let tag = self.tag(repository.tag.as_deref());
            for (record_at, record) in repository.records.iter().enumerate() {
                let place = place(record, &mut found);
                found[place].tags |= tag;
                found[place].listed = true;
                if repository.reachable {
                    found[place].sources.push(Source { rank: repository.rank, repository: at, record: record_at });
                }
            }
        }
        found
    }

    /// Returns the bit of a tag. The 64th tag and those after it share a bit; nobody has so many.
    fn tag(&mut self, tag: Option<&'a str>) -> u64 {
        let tag = tag.unwrap_or_default();
        let at = self.tags.iter().position(|known| *known == tag).unwrap_or_else(|| {
            self.tags.push(tag);
            self.tags.len() - 1
        });
        1 << at.min(63)
    }

    /// Returns the bit of a tag that a repository has.
    pub(crate) fn tag_bit(&self, tag: Option<&str>) -> Option<u64> {
        self.tags.iter().position(|known| *known == tag.unwrap_or_default()).map(|at| 1 << at.min(63))
    }

    fn name(&mut self, text: &'a str) -> Name {
        *self
            .by_text
            .entry(text)
            .or_insert_with(|| self.names.push(NameEntry { text, providers: Vec::new(), requirements: Vec::new(), triggers: Vec::new() }))
    }

    /// Returns the number of a name that is known.
    pub(crate) fn find(&self, text: &str) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    fn add(&mut self, mut entry: PackageEntry<'a>, arch: Option<&str>) {
        let info = &entry.record.info;
        entry.name = self.name(info.name.as_str());
        entry.offers.push((entry.name, Some(&info.version)));
        for provided in &info.provides {
            let offer = (self.name(&provided.name), provided.provided_version());
            if !entry.offers.contains(&offer) {
                entry.offers.push(offer);
            }
        }
        entry.sources.sort_unstable();
        entry.fault = entry.find_fault(arch, &self.names);
        let package = self.packages.push(entry);
        for &(name, offer) in &self.packages[package].offers {
            self.names[name].providers.push((package, offer));
        }
    }

    /// Resolves what the packages ask for.
    fn connect(&mut self) {
        let mut known: HashMap<(Name, bool, Bound<'a>), Requirement> = HashMap::new();
        for package in self.packages.ids() {
            let record = self.packages[package].record;
            let depends = record.info.depends.iter().filter(|dependency| dependency.pin.is_none());
            let depends = depends.map(|dependency| self.require(dependency, &mut known)).collect::<Vec<_>>();
            for &requirement in &depends {
                self.requirements[requirement].owners.push(package);
            }
            // As in apk, a trigger that can not be understood disables the rule, not the package.
            let install_if = Some(&record.info.install_if).filter(|list| list.iter().all(|trigger| trigger.pin.is_none()));
            let install_if = install_if.into_iter().flatten().map(|dependency| self.require(dependency, &mut known)).collect::<Vec<_>>();
            for &requirement in &install_if {
                self.requirements[requirement].triggers.push(package);
                let own = self.packages[package].name;
                let triggers = &mut self.names[self.requirements[requirement].name].triggers;
                if !triggers.contains(&own) {
                    triggers.push(own);
                }
            }
            self.packages[package].depends_on = depends.iter().map(|requirement| self.requirements[*requirement].name).collect();
            self.packages[package].depends = depends;
            self.packages[package].install_if = install_if;
        }
        for (requirement, entry) in self.requirements.iter() {
            for &package in &entry.candidates {
                self.packages[package].satisfies.push(requirement);
            }
            for &package in &entry.rejects {
                self.packages[package].against.push(requirement);
            }
            for &package in entry.owners.iter().filter(|package| !entry.dependency.conflict && entry.rejects.contains(package)) {
                self.packages[package].fault.get_or_insert_with(|| Fault::Itself(entry.dependency.clone()));
            }
        }
    }

    fn require(&mut self, dependency: &'a Dependency, known: &mut HashMap<(Name, bool, Bound<'a>), Requirement>) -> Requirement {
        let name = self.name(&dependency.name);
        let key = (name, dependency.conflict, Bound::of(&dependency.constraint));
        if let Some(&requirement) = known.get(&key) {
            return requirement;
        }
        let (candidates, rejects) = self.divide(name, dependency);
        let (owners, triggers) = (Vec::new(), Vec::new());
        let requirement = self.requirements.push(RequirementEntry {
            name,
            dependency,
            conflict: dependency.conflict,
            candidates,
            rejects,
            owners,
            triggers,
        });
        self.names[name].requirements.push(requirement);
        known.insert(key, requirement);
        requirement
    }

    /// Divides the providers of a name into those that satisfy a dependency and those that it rules out.
    pub(crate) fn divide(&self, name: Name, dependency: &Dependency) -> (Vec<Package>, Vec<Package>) {
        let (mut met, mut unmet) = (Vec::new(), Vec::new());
        for &(package, offer) in &self.names[name].providers {
            let list = if meets(dependency, offer, &self.packages[package].record.checksum) { &mut met } else { &mut unmet };
            if list.last() != Some(&package) {
                list.push(package);
            }
        }
        if dependency.conflict { (Vec::new(), met) } else { (met, unmet) }
    }

    /// Returns `name-version`.
    pub(crate) fn identity(&self, package: Package) -> String {
        self.packages[package].record.info.identity()
    }
}

/// Compares packages in the order in which they are numbered.
fn compare(a: &PackageEntry<'_>, b: &PackageEntry<'_>) -> Ordering {
    let (one, other) = (&a.record.info, &b.record.info);
    display_order(one.name.as_str(), other.name.as_str())
        .then_with(|| one.version.cmp(&other.version))
        .then_with(|| one.version.as_str().cmp(other.version.as_str()))
        .then_with(|| a.record.checksum.cmp(&b.record.checksum))
        .then_with(|| a.sources.first().cmp(&b.sources.first()))
}

impl<'a> PackageEntry<'a> {
    fn new(record: &'a Record) -> Self {
        Self {
            record,
            name: Name::new(0),
            offers: Vec::new(),
            depends: Vec::new(),
            install_if: Vec::new(),
            depends_on: Vec::new(),
            satisfies: Vec::new(),
            against: Vec::new(),
            sources: Vec::new(),
            tags: 0,
            listed: false,
            installed: None,
            present: None,
            fault: None,
        }
    }

    fn find_fault(&self, arch: Option<&str>, names: &Table<Name, NameEntry<'_>>) -> Option<Fault> {
        let info = &self.record.info;
        if let Some(reason) = &self.record.uninstallable {
            return Some(Fault::Unreadable(reason.clone()));
        }
        if arch.is_some_and(|arch| !["", "noarch", arch].contains(&info.arch.as_str())) {
            return Some(Fault::Architecture(info.arch.clone()));
        }
        if let Some(pinned) = info.depends.iter().find(|dependency| dependency.pin.is_some()) {
            return Some(Fault::Pinned(pinned.clone()));
        }
        let mut offered: Vec<Name> = self.offers.iter().map(|(name, _)| *name).collect();
        offered.sort_unstable();
        if let Some(twice) = offered.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(Fault::Twice(names[twice[0]].text.to_owned()));
        }
        if self.sources.is_empty() && self.installed.is_none() && info.installed_size != 0 {
            return Some(Fault::Unreachable);
        }
        None
    }

    /// Whether some repository that can be reached has it.
    pub(crate) fn is_available(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Whether any package may use it, whatever tags that one was asked with.
    ///
    /// What is installed already, and what has no files, needs no tag.
    pub(crate) fn is_untagged(&self) -> bool {
        self.tags & 1 != 0 || self.installed.is_some() || self.record.info.installed_size == 0
    }

    /// Returns the version in which it provides `name`, or `None` where it does not.
    pub(crate) fn offer(&self, name: Name) -> Option<Offer<'a>> {
        self.offers.iter().find(|(offered, _)| *offered == name).map(|(_, offer)| *offer)
    }
}
