//! Checks an answer against the rules, from the records alone: it shares nothing with the search.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base::{Constraint, Dependency};

use super::request::{Policy, World};
use crate::Record;

/// A package of the answer and the tags of the repositories that have it; `None` for those without a tag.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The package.
    pub record: &'a Record,
    /// The tags. What is installed counts as having none.
    pub tags: &'a [Option<String>],
}

/// A rule that an answer breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Nothing serves what a package (or, without one, the world) asks for.
    Unserved {
        /// Who asks.
        owner: Option<String>,
        /// For what.
        dependency: String,
    },
    /// A package stands against what another (or the world) asks for.
    Against {
        /// Who asks.
        owner: Option<String>,
        /// For what.
        dependency: String,
        /// Who is against it.
        package: String,
    },
    /// Two packages have one name, or one provides it that another owns.
    Shared {
        /// The name.
        name: String,
        /// The packages.
        packages: [String; 2],
    },
    /// A package can not be installed.
    Uninstallable(String),
    /// Nothing asks for the package.
    Unfounded(String),
    /// What a package asks for is served, but only by what nobody asked for itself.
    ServedByChance {
        /// Who asks.
        owner: Option<String>,
        /// For what.
        dependency: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "the world".to_owned());
        match self {
            Self::Unserved { owner, dependency } => write!(f, "nothing serves `{dependency}` of {}", who(owner)),
            Self::Against { owner, dependency, package } => write!(f, "{package} stands against `{dependency}` of {}", who(owner)),
            Self::Shared { name, packages: [a, b] } => write!(f, "{a} and {b} both have {name}"),
            Self::Uninstallable(package) => write!(f, "{package} can not be installed"),
            Self::Unfounded(package) => write!(f, "nothing asks for {package}"),
            Self::ServedByChance { owner, dependency } => {
                write!(f, "`{dependency}` of {} is served only by what nobody asked for itself", who(owner))
            }
        }
    }
}

/// Finds what is wrong with an answer to a world.
#[must_use]
pub fn check(world: &World, policy: Policy, members: &[Member<'_>]) -> Vec<Violation> {
    let check = Check { world, policy, members };
    let mut found = BTreeSet::new();
    check.constraints(&mut found);
    check.foundation(&mut found);
    found.into_iter().collect()
}

/// Whether the packages make the `install_if` of another one true.
#[must_use]
pub fn is_triggered(record: &Record, members: &[Member<'_>]) -> bool {
    let check = Check { world: &World::default(), policy: Policy::default(), members };
    let met = |trigger: &Dependency| (0..members.len()).any(|at| check.serves(trigger, at).is_some());
    let triggers = &record.info.install_if;
    triggers.iter().any(|trigger| !trigger.conflict) && triggers.iter().all(|trigger| met(trigger) != trigger.conflict)
}

struct Check<'c> {
    world: &'c World,
    policy: Policy,
    members: &'c [Member<'c>],
}

/// In which way a package offers a name.
struct Offer<'c> {
    name: &'c str,
    version: Option<&'c base::Version>,
}

fn offers(record: &Record) -> Vec<Offer<'_>> {
    let info = &record.info;
    let own = Offer { name: info.name.as_str(), version: Some(&info.version) };
    std::iter::once(own)
        .chain(info.provides.iter().map(|provided| Offer { name: &provided.name, version: provided.provided_version() }))
        .collect()
}

/// Whether an offer meets the constraint; `!` is not looked at.
fn meets(dependency: &Dependency, offer: &Offer<'_>, record: &Record) -> bool {
    match &dependency.constraint {
        Constraint::Any => true,
        Constraint::Compare(..) => offer.version.is_some_and(|version| dependency.constraint.accepts(version)),
        Constraint::Checksum(sum) => sum.parse() == Ok(record.checksum),
    }
}

impl Check<'_> {
    /// Whether a member serves a dependency, and whether needing it is a reason to install the member.
    fn serves(&self, dependency: &Dependency, member: usize) -> Option<bool> {
        let record = self.members[member].record;
        let mut strong = None;
        for offer in offers(record).iter().filter(|offer| offer.name == dependency.name && meets(dependency, offer, record)) {
            let reason = offer.version.is_some() || self.policy == Policy::Apko || record.info.provider_priority.unwrap_or(0) > 0;
            strong = Some(strong.unwrap_or(false) || reason);
        }
        strong
    }

    /// All dependencies of the world and the members, with their owners.
    fn dependencies(&self) -> impl Iterator<Item = (Option<usize>, &Dependency)> {
        let world = self.world.wants.iter().map(|want| (None, want));
        let members = self.members.iter().enumerate();
        world.chain(members.flat_map(|(at, member)| member.record.info.depends.iter().map(move |need| (Some(at), need))))
    }

    fn name(&self, owner: Option<usize>) -> Option<String> {
        owner.map(|at| self.members[at].record.info.identity())
    }

    fn constraints(&self, found: &mut BTreeSet<Violation>) {
        for (owner, dependency) in self.dependencies() {
            let text = dependency.to_string();
            let mut served = false;
            for (at, member) in self.members.iter().enumerate() {
                for offer in offers(member.record).iter().filter(|offer| offer.name == dependency.name) {
                    let met = meets(dependency, offer, member.record);
                    served |= met;
                    if met == dependency.conflict && !(dependency.conflict && owner == Some(at)) {
                        let package = member.record.info.identity();
                        found.insert(Violation::Against { owner: self.name(owner), dependency: text.clone(), package });
                    }
                }
            }
            if !served && !dependency.conflict {
                found.insert(Violation::Unserved { owner: self.name(owner), dependency: text });
            }
        }
        let mut owners: BTreeMap<&str, Vec<(usize, Option<&base::Version>)>> = BTreeMap::new();
        for (at, member) in self.members.iter().enumerate() {
            let unreadable = member.record.info.depends.iter().any(|need| need.pin.is_some());
            if member.record.uninstallable.is_some() || unreadable {
                found.insert(Violation::Uninstallable(member.record.info.identity()));
            }
            for offer in offers(member.record) {
                owners.entry(offer.name).or_default().push((at, offer.version));
            }
        }
        for (name, offers) in owners {
            for (first, second) in offers.iter().enumerate().flat_map(|(at, a)| offers[at + 1..].iter().map(move |b| (a, b))) {
                if (first.1.is_some() || second.1.is_some()) && (first.0 != second.0 || first.1 != second.1) {
                    let packages = [first.0, second.0].map(|at| self.members[at].record.info.identity());
                    found.insert(Violation::Shared { name: name.to_owned(), packages });
                }
            }
        }
    }

    /// Everything must be there for a reason that goes back to the world, from a repository that the reason allows.
    fn foundation(&self, found: &mut BTreeSet<Violation>) {
        let count = self.members.len();
        let (mut needed, mut triggered) = (vec![false; count], vec![false; count]);
        let mut pins: Vec<BTreeSet<Option<String>>> = vec![BTreeSet::from([None]); count];
        loop {
            let before = (needed.clone(), triggered.clone(), pins.clone());
            for (owner, dependency) in self.dependencies().filter(|(_, dependency)| !dependency.conflict) {
                if owner.is_some_and(|at| !needed[at] && !triggered[at]) {
                    continue;
                }
                for at in 0..count {
                    let Some(strong) = self.serves(dependency, at) else { continue };
                    let passed = owner.map_or_else(|| BTreeSet::from([dependency.pin.clone()]), |owner| pins[owner].clone());
                    pins[at].extend(passed);
                    needed[at] |= strong && self.is_allowed(at, &pins[at]);
                }
            }
            for at in 0..count {
                let triggers = &self.members[at].record.info.install_if;
                let is_triggered = triggers.iter().any(|trigger| !trigger.conflict)
                    && triggers.iter().all(|trigger| {
                        let mut serving = (0..count).filter(|other| self.serves(trigger, *other).is_some());
                        if trigger.conflict {
                            serving.all(|other| other == at)
                        } else {
                            serving.any(|other| needed[other] || triggered[other])
                        }
                    });
                if is_triggered {
                    let serving = triggers.iter().flat_map(|trigger| (0..count).filter(|other| self.serves(trigger, *other).is_some()));
                    let passed: Vec<_> =
                        serving.filter(|other| needed[*other] || triggered[*other]).map(|other| pins[other].clone()).collect();
                    let passed: BTreeSet<_> = passed.into_iter().flatten().chain(pins[at].clone()).collect();
                    if self.is_allowed(at, &passed) {
                        triggered[at] = true;
                        pins[at] = passed;
                    }
                }
            }
            if before == (needed.clone(), triggered.clone(), pins.clone()) {
                break;
            }
        }
        for at in (0..count).filter(|at| !needed[*at] && !triggered[*at]) {
            found.insert(Violation::Unfounded(self.members[at].record.info.identity()));
        }
        for (owner, dependency) in self.dependencies().filter(|(_, dependency)| !dependency.conflict) {
            let mut serving = (0..count).filter(|at| self.serves(dependency, *at).is_some()).peekable();
            if serving.peek().is_some() && !serving.any(|at| needed[at] || owner == Some(at)) {
                found.insert(Violation::ServedByChance { owner: self.name(owner), dependency: dependency.to_string() });
            }
        }
    }

    fn is_allowed(&self, at: usize, pins: &BTreeSet<Option<String>>) -> bool {
        let member = &self.members[at];
        member.record.info.installed_size == 0 || member.tags.iter().any(|tag| pins.contains(tag))
    }
}
