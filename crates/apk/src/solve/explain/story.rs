//! Turns contradicting rules into sentences.

use std::collections::BTreeSet;

use base::{Constraint, Dependency};

use crate::solve::state::{Rule, Search};
use crate::solve::table::{Name, Package, Requirement};
use crate::solve::universe::{Fault, Universe};

/// Versions beyond this many are told as "first to last".
const LISTED: usize = 3;

/// After this many sentences a story only tells what nothing serves: nobody reads a chain of thousands.
const MOST_SENTENCES: usize = 40;

/// Tells the rules, beginning with the world and following what its packages need.
pub(super) fn tell(search: &Search<'_>, core: &[Rule]) -> Vec<String> {
    let mut story = Story { search, universe: search.universe, sentences: Vec::new(), told: BTreeSet::new() };
    for at in core.iter().filter_map(want_of).filter(|at| !search.wants[*at].dependency.conflict) {
        story.tell_want(at);
    }
    let mut pending: Vec<(Package, Requirement)> = core.iter().filter_map(dependency_of).collect();
    while let Some(next) = story.next_group(&mut pending) {
        story.tell_needs(&next);
        if story.sentences.len() > MOST_SENTENCES {
            story.cut_short(&mut pending);
        }
    }
    for at in core.iter().filter_map(want_of).filter(|at| search.wants[*at].dependency.conflict) {
        story.say(format!("your world rules out {}", bare(search.wants[at].dependency)));
    }
    for rule in core {
        match *rule {
            Rule::Name(a, b, name) => story.tell_shared(a, b, name),
            Rule::Fault(package) => story.tell_fault(package),
            Rule::Latest(_, package) => story.say(format!("you asked for the latest, which is {}", story.universe.identity(package))),
            _ => {}
        }
    }
    story.sentences
}

const fn want_of(rule: &Rule) -> Option<usize> {
    if let Rule::Want(at) = rule { Some(*at) } else { None }
}

const fn dependency_of(rule: &Rule) -> Option<(Package, Requirement)> {
    if let Rule::Depends(owner, requirement) = rule { Some((*owner, *requirement)) } else { None }
}

struct Story<'s, 'u> {
    search: &'s Search<'u>,
    universe: &'u Universe<'u>,
    sentences: Vec<String>,
    /// Packages that the story has come across.
    told: BTreeSet<Package>,
}

impl Story<'_, '_> {
    fn say(&mut self, sentence: String) {
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    fn tell_want(&mut self, at: usize) {
        let want = &self.search.wants[at];
        let verb = if want.dependency.constraint == Constraint::Any { "wants" } else { "pins" };
        self.say(format!("your world {verb} {}", want.dependency));
        self.told.extend(&want.candidates);
        let supply = self.supply(want.name, want.dependency, &want.candidates.clone(), Some(at));
        supply.into_iter().for_each(|sentence| self.say(sentence));
    }

    /// Takes the packages of one name that need the same thing; first of those that the story has come across.
    fn next_group(&self, pending: &mut Vec<(Package, Requirement)>) -> Option<Vec<(Package, Requirement)>> {
        let reached = pending.iter().position(|(owner, _)| self.told.contains(owner));
        let (owner, requirement) = *pending.get(reached.unwrap_or(0))?;
        let name = self.universe.packages[owner].name;
        let alike = |(other, asked): &(Package, Requirement)| *asked == requirement && self.universe.packages[*other].name == name;
        let (group, rest) = pending.iter().copied().partition(alike);
        *pending = rest;
        Some(group)
    }

    /// Leaves of what is still to be told what nothing serves.
    fn cut_short(&mut self, pending: &mut Vec<(Package, Requirement)>) {
        let before = pending.len();
        pending.retain(|(_, requirement)| {
            let asked = &self.universe.requirements[*requirement];
            !asked.conflict && asked.candidates.is_empty()
        });
        pending.truncate(LISTED);
        if pending.len() < before {
            self.say(format!("and {} more needs that follow from these", before - pending.len()));
        }
    }

    fn tell_needs(&mut self, group: &[(Package, Requirement)]) {
        let Some(&(first, requirement)) = group.first() else { return };
        let owners: Vec<Package> = group.iter().map(|(owner, _)| *owner).collect();
        self.told.extend(&owners);
        let asked = &self.universe.requirements[requirement];
        let who = self.named(&owners);
        let plural = owners.len() > 1 && !self.is_all(&owners);
        if asked.conflict {
            let verb = if plural { "conflict" } else { "conflicts" };
            let met = |package: &Package| self.told.contains(package) && !owners.contains(package);
            let other_names = asked.rejects.iter().copied().filter(|package| self.universe.packages[*package].name != asked.name);
            let providing: Vec<Package> = other_names.filter(met).collect();
            let provide = if providing.len() == 1 { "provides" } else { "provide" };
            let which = if providing.is_empty() { String::new() } else { format!(", which {} {provide}", self.listed(&providing)) };
            return self.say(format!("{who} {verb} with {}{which}", bare(asked.dependency)));
        }
        self.say(format!("{who} {} {}", if plural { "need" } else { "needs" }, asked.dependency));
        // A package that serves its own need is no news.
        if asked.candidates != [first] {
            self.told.extend(&asked.candidates);
            let supply = self.supply(Some(asked.name), asked.dependency, &asked.candidates, None);
            supply.into_iter().for_each(|sentence| self.say(sentence));
        }
    }

    /// Says who can serve a dependency, where that is not plain from its name.
    fn supply(&self, name: Option<Name>, dependency: &Dependency, candidates: &[Package], want: Option<usize>) -> Option<String> {
        let Some(name) = name.filter(|name| !self.universe.names[*name].providers.is_empty()) else {
            return Some(format!("no package has or provides {}", dependency.name));
        };
        if candidates.is_empty() {
            let there: Vec<Package> = self.universe.names[name].providers.iter().map(|(package, _)| *package).collect();
            return Some(format!("there is only {}", self.listed(&there)));
        }
        let strong =
            |package: &Package| self.universe.packages[*package].offer(name).is_some_and(|offer| self.search.is_strong(*package, offer));
        let listed = self.listed(candidates);
        if !candidates.iter().any(strong) {
            let one = candidates.len() == 1;
            let (provide, choose) = if one { ("provides", "it is not") } else { ("provide", "none of them is") };
            return Some(format!("only {listed} {provide} it, and {choose} chosen unless you name it: add it to your world"));
        }
        if let Some(tags) = self.masking(candidates, want) {
            return Some(format!("{listed} is only in a repository with the tag {tags}: pin it in your world"));
        }
        let own = candidates.iter().all(|package| self.universe.packages[*package].name == name);
        match (own, &dependency.constraint) {
            (true, Constraint::Any) => None,
            (true, _) if self.is_all(candidates) => None,
            (true, _) => Some(format!("only {listed} {}", if candidates.len() == 1 { "fits" } else { "fit" })),
            (false, _) => Some(format!("only {listed} {} it", if candidates.len() == 1 { "provides" } else { "provide" })),
        }
    }

    /// Returns the tags without which none of the candidates can be taken.
    fn masking(&self, candidates: &[Package], want: Option<usize>) -> Option<String> {
        let pin = want.map_or(1, |at| self.search.wants[at].pin | 1);
        let masked = |package: &Package| {
            let entry = &self.universe.packages[*package];
            !entry.is_untagged() && entry.tags & pin == 0
        };
        let tags = candidates.iter().map(|package| self.universe.packages[*package].tags).fold(0, |all, tags| all | tags);
        let names = self.universe.tags.iter().enumerate().skip(1).filter(|(at, _)| tags & (1 << at) != 0);
        candidates.iter().all(masked).then(|| names.map(|(_, tag)| format!("@{tag}")).collect::<Vec<_>>().join(" or "))
    }

    fn tell_shared(&mut self, a: Package, b: Package, name: Name) {
        let [one, other] = [a, b].map(|package| self.universe.packages[package].name);
        let text = self.universe.names[name].text;
        self.say(if one == other {
            format!("only one version of {} can be installed", self.universe.names[one].text)
        } else {
            format!("{} and {} both have the name {text}, which only one package can have", self.named(&[a]), self.named(&[b]))
        });
    }

    fn tell_fault(&mut self, package: Package) {
        if let Some(fault) = &self.universe.packages[package].fault {
            let fault = match fault {
                Fault::Unreachable => "is in no repository that can be reached".to_owned(),
                other => other.to_string(),
            };
            self.say(format!("{} {fault}", self.named(&[package])));
        }
    }

    /// Whether these are all the versions that there are of their package.
    fn is_all(&self, packages: &[Package]) -> bool {
        let Some(&first) = packages.first() else { return false };
        let name = self.universe.packages[first].name;
        let versions = self.universe.names[name].providers.iter().filter(|(package, _)| self.universe.packages[*package].name == name);
        versions.count() == packages.len()
    }

    /// Names versions of one package; all that there are by the name alone.
    fn named(&self, packages: &[Package]) -> String {
        let Some(&first) = packages.first() else { return String::new() };
        let name = self.universe.names[self.universe.packages[first].name].text;
        if self.is_all(packages) { name.to_owned() } else { format!("{name} {}", self.versions(packages)) }
    }

    /// Lists packages by name, with their versions.
    fn listed(&self, packages: &[Package]) -> String {
        let mut groups: Vec<Vec<Package>> = Vec::new();
        for &package in packages {
            let name = self.universe.packages[package].name;
            match groups.iter_mut().find(|group| self.universe.packages[group[0]].name == name) {
                Some(group) => group.push(package),
                None => groups.push(vec![package]),
            }
        }
        join(groups.iter().map(|group| {
            let name = self.universe.names[self.universe.packages[group[0]].name].text;
            format!("{name} {}", self.versions(group))
        }))
    }

    /// Lists versions of one package; many that lie together by the first and the last.
    fn versions(&self, packages: &[Package]) -> String {
        let version = |package: &Package| self.universe.packages[*package].record.info.version.to_string();
        let [first, .., last] = packages else { return packages.iter().map(version).collect() };
        // Packages are numbered by version, so what lies between them has a number between theirs.
        let name = self.universe.packages[*first].name;
        let between = self.universe.names[name].providers.iter().map(|(package, _)| *package);
        let between = between.filter(|package| self.universe.packages[*package].name == name && package >= first && package <= last);
        if packages.len() > LISTED && between.count() == packages.len() {
            return format!("{} to {}", version(first), version(last));
        }
        join(packages.iter().map(version))
    }
}

/// Joins as one would say it.
fn join(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Prints a `!` dependency without its `!`.
fn bare(dependency: &Dependency) -> Dependency {
    Dependency { conflict: false, ..dependency.clone() }
}
