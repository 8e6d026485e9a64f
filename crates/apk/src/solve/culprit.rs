//! The packages and names on which a world fails, in the form in which apk reports them.

use std::fmt::{self, Write as _};

use base::Dependency;

use super::order::order;
use super::state::{Search, Want};
use super::table::{Name, Package, Table};
use super::universe::{Fault, Universe, meets};

/// A package or a name on which a world fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// The package as `name-version`, or the name that nothing serves.
    pub subject: String,
    /// Why nothing serves the name; for a package, what it stands against.
    pub lines: Vec<Line>,
}

/// One line of a report: a label and what it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `breaks`, `satisfies`, `conflicts`, `required by`, `provided by`, `masked in`, `note`, `error`, `arch`.
    pub label: &'static str,
    /// What it lists.
    pub items: Vec<String>,
}

/// Names that nothing serves, and why.
const VIRTUAL: &str = " (virtual)";
const MISSING: &str = " (no such package)";

/// apk breaks its lines here where it does not know the terminal.
const WIDTH: usize = 50;

impl fmt::Display for Culprit {
    /// Prints it as apk does, without the first indentation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:", self.subject)?;
        for line in &self.lines {
            write!(f, "\n{}", indented(&format!("    {}:", line.label), 0, &line.items))?;
        }
        Ok(())
    }
}

/// Joins words behind a label, breaking lines as apk does: later lines begin where the first word does, or at `indent`.
pub(crate) fn indented(label: &str, indent: usize, words: &[String]) -> String {
    let mut text = label.to_owned();
    let indent = if indent == 0 { label.len() + 1 } else { indent };
    let mut column = if label.ends_with('\n') { 0 } else { label.len() };
    for word in words {
        if column <= indent {
            let _ = write!(text, "{:1$}{word}", "", indent - column);
            column = indent + word.len();
        } else if column + word.len() + 1 >= WIDTH {
            let _ = write!(text, "\n{:indent$}{word}", "");
            column = indent + word.len();
        } else {
            let _ = write!(text, " {word}");
            column += 1 + word.len();
        }
    }
    text
}

/// What is known of a name or package from the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reached {
    /// Needed in a way that selects it.
    present: bool,
    /// There for its `install_if` only.
    triggered: bool,
    /// Provided without a version and a priority.
    only_virtual: bool,
}

/// Finds the culprits: what is broken among the packages that are taken in spite of all.
pub(crate) struct Inquest<'s, 'u> {
    search: &'s Search<'u>,
    universe: &'u Universe<'u>,
    taken: Table<Package, bool>,
    names: Table<Name, Reached>,
    packages: Table<Package, Reached>,
    reported: Table<Name, bool>,
    culprits: Vec<Culprit>,
}

impl<'s, 'u> Inquest<'s, 'u> {
    /// Looks into a search that was run in spite of conflicts and took `packages`.
    pub(crate) fn hold(search: &'s Search<'u>, packages: &[Package]) -> Vec<Culprit> {
        let universe = search.universe;
        let world: Vec<_> = search.wants.iter().filter_map(|want| want.name).collect();
        let ordered: Vec<Package> =
            order(universe, packages, &universe.installed(), &world).into_iter().filter_map(|exchange| exchange.new).collect();
        let mut inquest = Self {
            search,
            universe,
            taken: Table::filled(false, universe.packages.len()),
            names: Table::filled(Reached::default(), universe.names.len()),
            packages: Table::filled(Reached::default(), universe.packages.len()),
            reported: Table::filled(false, universe.names.len()),
            culprits: Vec::new(),
        };
        for &package in &ordered {
            inquest.taken[package] = true;
        }
        inquest.reach_from(world);
        for want in search.wants.iter().filter(|want| !want.dependency.conflict) {
            match want.name {
                Some(name) => inquest.report_name(name),
                None => inquest.report_unknown(want),
            }
        }
        for package in ordered {
            inquest.report_package(package);
            for name in inquest.asked(package) {
                inquest.report_name(name);
            }
        }
        inquest.culprits
    }

    /// Follows the dependencies from the world, to see which names are served and how.
    fn reach_from(&mut self, world: Vec<Name>) {
        let wanted = Reached { present: true, ..Reached::default() };
        let mut stack: Vec<(Name, Reached)> = world.into_iter().rev().map(|name| (name, wanted)).collect();
        while let Some((name, how)) = stack.pop() {
            for &(package, offer) in &self.universe.names[name].providers {
                let weak = offer.is_none() && self.universe.packages[package].record.info.provider_priority.unwrap_or(0) == 0;
                let how = if weak { Reached { only_virtual: true, ..Reached::default() } } else { how };
                if !self.taken[package] || self.packages[package].includes(how) {
                    continue;
                }
                self.packages[package].add(how);
                let own = self.universe.packages[package].name;
                for &(offered, offer) in &self.universe.packages[package].offers {
                    let weaker = how.triggered && offer.is_none() && offered != own;
                    self.names[offered].add(if weaker { Reached { only_virtual: true, ..Reached::default() } } else { how });
                }
                stack.extend(self.asked(package).map(|name| (name, wanted)));
                if how.present || how.triggered {
                    let triggered = Reached { triggered: true, ..Reached::default() };
                    stack.extend(self.triggered_by(package).into_iter().map(|name| (name, triggered)));
                }
            }
        }
    }

    /// Returns the names that packages offer which are taken for an `install_if` that the package makes true.
    fn triggered_by(&self, package: Package) -> Vec<Name> {
        let universe = self.universe;
        let names = universe.packages[package].offers.iter().flat_map(|(name, _)| &universe.names[*name].triggers);
        let packages = names.flat_map(|name| &universe.names[*name].providers).map(|(package, _)| *package);
        let ready = packages.filter(|package| {
            let mut triggers = universe.packages[*package].install_if.iter().map(|requirement| &universe.requirements[*requirement]);
            let there = |name: Name| self.names[name].present || self.names[name].triggered;
            self.taken[*package]
                && !universe.packages[*package].install_if.is_empty()
                && triggers.all(|trigger| there(trigger.name) != trigger.dependency.conflict)
        });
        ready.flat_map(|package| universe.packages[package].offers.iter().map(|(name, _)| *name)).collect()
    }

    /// Returns the names that a package depends on.
    fn asked(&self, package: Package) -> impl Iterator<Item = Name> + use<'u> {
        let universe = self.universe;
        let depends = universe.packages[package].depends.iter().map(|requirement| &universe.requirements[*requirement]);
        depends.filter(|requirement| !requirement.dependency.conflict).map(|requirement| requirement.name)
    }

    fn report_name(&mut self, name: Name) {
        let reached = self.names[name];
        if reached.present || reached.triggered || std::mem::replace(&mut self.reported[name], true) {
            return;
        }
        let entry = &self.universe.names[name];
        let mut lines = Vec::new();
        if !entry.providers.is_empty() {
            let note = "please select one of the 'provided by' packages explicitly";
            lines.push(Line { label: "note", items: note.split(' ').map(str::to_owned).collect() });
            lines.push(Line { label: "provided by", items: self.provided_by(name) });
        }
        lines.push(Line { label: "required by", items: self.required_by(name) });
        let why = if entry.providers.is_empty() { MISSING } else { VIRTUAL };
        self.culprits.push(Culprit { subject: format!("{}{why}", entry.text), lines });
    }

    /// Reports a want of which no package has ever heard.
    fn report_unknown(&mut self, want: &Want<'_>) {
        let lines = vec![Line { label: "required by", items: vec![in_world(want.dependency)] }];
        self.culprits.push(Culprit { subject: format!("{}{MISSING}", want.dependency.name), lines });
    }

    /// Lists the providers of a name: by name where all versions provide it, else one by one.
    fn provided_by(&self, name: Name) -> Vec<String> {
        let mut items = Vec::new();
        let mut named: Vec<Name> = Vec::new();
        for &(package, _) in &self.universe.names[name].providers {
            let own = self.universe.packages[package].name;
            let versions = self.universe.names[own].providers.len();
            let providing = self.universe.names[name].providers.iter().filter(|(other, _)| self.universe.packages[*other].name == own);
            if providing.count() < versions {
                items.push(self.universe.identity(package));
            } else if !named.contains(&own) {
                named.push(own);
                items.push(self.universe.names[own].text.to_owned());
            }
        }
        items
    }

    fn required_by(&self, name: Name) -> Vec<String> {
        let wants = self.search.wants.iter().filter(|want| want.name == Some(name) && !want.dependency.conflict);
        let mut items: Vec<String> = wants.map(|want| in_world(want.dependency)).collect();
        let mut owners: Vec<(Package, &Dependency)> = Vec::new();
        for &requirement in &self.universe.names[name].requirements {
            let entry = &self.universe.requirements[requirement];
            if !entry.dependency.conflict {
                owners.extend(entry.owners.iter().filter(|owner| self.taken[**owner]).map(|owner| (*owner, entry.dependency)));
            }
        }
        owners.sort_by_key(|(owner, _)| *owner);
        owners.dedup_by_key(|(owner, _)| *owner);
        items.extend(owners.into_iter().map(|(owner, dependency)| format!("{}[{dependency}]", self.universe.identity(owner))));
        items
    }

    fn report_package(&mut self, package: Package) {
        let mut lines = self.faults(package);
        lines.extend(self.masks(package));
        lines.extend(self.conflicts(package));
        lines.extend(self.asking(package, "breaks", false));
        if !lines.is_empty() {
            lines.extend(self.asking(package, "satisfies", true));
            self.culprits.push(Culprit { subject: self.universe.identity(package), lines });
        }
    }

    fn faults(&self, package: Package) -> Vec<Line> {
        let uninstallable = Line { label: "error", items: vec!["uninstallable".to_owned()] };
        match &self.universe.packages[package].fault {
            Some(Fault::Unreadable(_) | Fault::Pinned(_)) => vec![uninstallable],
            Some(Fault::Architecture(arch)) => vec![uninstallable, Line { label: "arch", items: vec![arch.clone()] }],
            _ => Vec::new(),
        }
    }

    /// Where the package is, but must not be taken from.
    fn masks(&self, package: Package) -> Option<Line> {
        let entry = &self.universe.packages[package];
        let masked = |items| Some(Line { label: "masked in", items });
        if entry.installed.is_some() || self.search.is_tag_allowed(package) && entry.fault != Some(Fault::Unreachable) {
            return None;
        }
        if !entry.is_available() {
            return masked(vec!["--no-network".to_owned()]);
        }
        let tags = self.universe.tags.iter().enumerate().filter(|(at, _)| entry.tags & (1 << at) != 0);
        masked(tags.map(|(_, tag)| format!("@{tag}")).collect())
    }

    /// Other packages that have its name, or a name that it provides.
    fn conflicts(&self, package: Package) -> Option<Line> {
        let universe = self.universe;
        let entry = &universe.packages[package];
        let taken = |name: Name| universe.names[name].providers.iter().filter(|(other, _)| self.taken[*other]);
        let same_name = taken(entry.name).filter(|(other, _)| *other != package).map(|(other, _)| universe.identity(*other));
        let mut items: Vec<String> = same_name.collect();
        for &(name, offer) in &entry.offers[1..] {
            let mut itself = true;
            for &(other, other_offer) in taken(name) {
                if offer.is_none() && other_offer.is_none() {
                    continue;
                }
                if itself && other == package && offer == other_offer {
                    itself = false;
                    continue;
                }
                let text = universe.names[name].text;
                let provided = offer.map_or_else(|| text.to_owned(), |version| format!("{text}={version}"));
                items.push(format!("{}[{provided}]", universe.identity(other)));
            }
        }
        (!items.is_empty()).then_some(Line { label: "conflicts", items })
    }

    /// Who asks for something that the package offers, and is content, or not.
    fn asking(&self, package: Package, label: &'static str, content: bool) -> Option<Line> {
        let universe = self.universe;
        let entry = &universe.packages[package];
        let meets = |owner: Option<Package>, dependency: &Dependency, name: Name| {
            let met = entry.offer(name).is_some_and(|offer| meets(dependency, offer, &entry.record.checksum));
            met != dependency.conflict || (dependency.conflict && owner == Some(package))
        };
        let wants = self.search.wants.iter().filter_map(|want| Some((want, want.name.filter(|name| entry.offer(*name).is_some())?)));
        let wants = wants.filter(|(want, name)| meets(None, want.dependency, *name) == content);
        let mut items: Vec<String> = wants.map(|(want, _)| in_world(want.dependency)).collect();
        let mut owners: Vec<(Package, &Dependency)> = Vec::new();
        for &(name, _) in &entry.offers {
            for &requirement in &universe.names[name].requirements {
                let asked = &universe.requirements[requirement];
                let owning =
                    asked.owners.iter().filter(|owner| self.taken[**owner] && meets(Some(**owner), asked.dependency, name) == content);
                owners.extend(owning.map(|owner| (*owner, asked.dependency)));
            }
        }
        owners.sort_by_key(|(owner, _)| *owner);
        owners.dedup();
        items.extend(owners.into_iter().map(|(owner, dependency)| format!("{}[{dependency}]", universe.identity(owner))));
        (!items.is_empty()).then_some(Line { label, items })
    }
}

/// Prints a want as apk does in a report: the tag last.
fn in_world(dependency: &Dependency) -> String {
    let bare = Dependency { pin: None, ..dependency.clone() };
    let tag = dependency.pin.iter().map(|pin| format!("@{pin}")).collect::<String>();
    format!("world[{bare}{tag}]")
}

impl Reached {
    fn includes(self, other: Self) -> bool {
        (self.present || !other.present) && (self.triggered || !other.triggered) && (self.only_virtual || !other.only_virtual)
    }

    fn add(&mut self, other: Self) {
        self.present |= other.present;
        self.triggered |= other.triggered;
        self.only_virtual |= other.only_virtual;
    }
}
