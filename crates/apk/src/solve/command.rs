//! What apk's commands change in the world, and what they ask of the solver: `add`, `del`, `fix`, `upgrade`.

use std::fmt;

use base::{Constraint, Dependency, Operator, PackageName, Version};

use super::request::{Flags, Mark, Policy, Request, World};
use super::{Present, Repository, Solution, Universe, Unsolvable};
use crate::info::Info;
use crate::{Checksum, Record};

/// One of apk's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Adds wants to the world.
    Add {
        /// What to add.
        wants: Vec<String>,
        /// Upgrade it and what it depends on.
        upgrade: bool,
        /// Take its latest version or fail.
        latest: bool,
        /// Make a package `name=version` that depends on the wants, and add that instead. apk takes the time for a version that
        /// is not given; here it is 0.
        bundle: Option<String>,
    },
    /// Removes names from the world.
    Del {
        /// What to remove.
        names: Vec<String>,
        /// Remove what depends on it, too.
        dependents: bool,
    },
    /// Installs packages again.
    Fix {
        /// Which packages.
        names: Vec<String>,
        /// And all they depend on.
        depends: bool,
        /// Install again even if another way of fixing is asked for.
        reinstall: bool,
        /// Upgrade them.
        upgrade: bool,
    },
    /// Upgrades all packages, or some.
    Upgrade {
        /// Only these; with `ignore`, all but these.
        names: Vec<String>,
        /// Leave the named packages as they are.
        ignore: bool,
        /// Prefer what repositories have over what is only installed, and forget pinned checksums.
        available: bool,
        /// Take the latest version of everything or fail.
        latest: bool,
        /// Drop wants that no repository has.
        prune: bool,
    },
    /// Upgrades only the packages that have to be upgraded before all others, such as apk itself.
    Preupgrade {
        /// Dependencies on installed packages that come first, `!name` for those that do not.
        depends: Vec<String>,
        /// The package that owns the running apk.
        running: Option<PackageName>,
        /// As for `Upgrade`.
        available: bool,
        /// As for `Upgrade`.
        latest: bool,
    },
}

/// The system on which a command works.
#[derive(Debug, Clone, Default)]
pub struct System<'a> {
    /// What repositories offer.
    pub repositories: Vec<Repository<'a>>,
    /// What is installed.
    pub installed: Vec<Present>,
    /// What the user wants so far.
    pub world: World,
    /// The architecture; packages for others can not be installed.
    pub arch: Option<String>,
    /// How candidates are preferred.
    pub policy: Policy,
    /// Go on without the wants that can not be met (`--force-broken-world`).
    pub lenient: bool,
}

/// Why a command is refused before anything is solved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A want can not be read.
    #[error("'{text}' is not a valid {kind} dependency, format is {format}", kind = if *in_bundle { "package" } else { "world" }, format = if *in_bundle { "name([<>~=]version)" } else { "name(@tag)([<>~=]version)" })]
    Want {
        /// What was given.
        text: String,
        /// Whether it was to be a dependency of a made package, which may not name a tag.
        in_bundle: bool,
    },
    /// A package to be made is not `name=version`.
    #[error("{0}: bad package specifier")]
    Bundle(String),
    /// Nothing has such a name.
    #[error("No such package: {0}")]
    Unknown(String),
    /// Nothing has such a name.
    #[error("Package '{0}' not found")]
    NotFound(String),
    /// The world names tags that no repository has.
    #[error("Not committing changes due to missing repository tags.")]
    Tags(Vec<Dependency>),
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What to solve.
    pub request: Request,
    /// A package that was made for it; to be offered beside the repositories.
    pub bundle: Option<Record>,
    /// Names that the user asked to be gone.
    pub unwanted: Vec<String>,
}

impl Command {
    /// Works out what to solve. Returns nothing where there is nothing to be done.
    pub fn plan(&self, system: &System<'_>) -> Result<Option<Plan>, CommandError> {
        let mut plan = Plan { request: Request::new(system.world.clone(), system.policy), bundle: None, unwanted: Vec::new() };
        plan.request.lenient = system.lenient;
        let some = |condition: bool, flags: Flags| if condition { flags } else { Flags::NONE };
        match self {
            Self::Add { wants, upgrade, latest, bundle } => {
                let flags = some(*upgrade, Flags::UPGRADE) | some(*latest, Flags::LATEST);
                plan.add(wants, flags, bundle.as_deref())?;
            }
            Self::Del { names, dependents } => plan.del(names, *dependents, system)?,
            Self::Fix { names, depends, reinstall, upgrade } => {
                let asked = some(*reinstall, Flags::REINSTALL) | some(*upgrade, Flags::UPGRADE);
                let flags = if asked == Flags::NONE { Flags::REINSTALL } else { asked };
                plan.mark(names, flags, some(*depends, flags), system)?;
            }
            Self::Upgrade { names, ignore, available, latest, prune } => {
                plan.request.flags = Flags::UPGRADE | some(*available, Flags::AVAILABLE) | some(*latest, Flags::LATEST);
                if *available {
                    plan.forget_checksums();
                }
                if *prune {
                    plan.request.world.wants.retain(|want| system.is_offered(&want.name));
                }
                if !names.is_empty() {
                    if !ignore {
                        plan.request.flags = plan.request.flags.without(Flags::UPGRADE);
                    }
                    plan.mark(names, if *ignore { Flags::KEEP } else { Flags::UPGRADE }, Flags::NONE, system)?;
                }
            }
            Self::Preupgrade { depends, running, available, latest } => {
                let flags = Flags::UPGRADE | some(*available, Flags::AVAILABLE) | some(*latest, Flags::LATEST);
                if !plan.preupgrade(depends, running.as_ref(), flags, system)? {
                    return Ok(None);
                }
            }
        }
        let known = |tag: &String| system.repositories.iter().any(|repository| repository.tag.as_ref() == Some(tag));
        let pinned = plan.request.world.wants.iter().filter(|want| want.pin.as_ref().is_some_and(|tag| !known(tag)));
        let missing: Vec<Dependency> = pinned.cloned().collect();
        if missing.is_empty() || system.lenient { Ok(Some(plan)) } else { Err(CommandError::Tags(missing)) }
    }
}

impl Plan {
    fn add(&mut self, wants: &[String], flags: Flags, bundle: Option<&str>) -> Result<(), CommandError> {
        let invalid = |text: &String| CommandError::Want { text: text.clone(), in_bundle: bundle.is_some() };
        let mut parsed = Vec::new();
        let spec = bundle.map(Bundle::parse).transpose()?;
        for text in wants {
            let want: Dependency = text.parse().map_err(|_| invalid(text))?;
            if bundle.is_some() && want.pin.is_some() {
                return Err(invalid(text));
            }
            parsed.push(want);
        }
        if let Some(spec) = spec {
            let want = Dependency::exactly(spec.name.as_str(), spec.version.clone());
            self.bundle = Some(spec.make(parsed));
            parsed = vec![want];
        }
        for want in parsed {
            // Marked even without flags: what is named has its turn first.
            self.request.marks.push(Mark { name: want.name.clone(), flags, inherited: flags });
            let wants = &mut self.request.world.wants;
            match wants.iter_mut().find(|known| known.name == want.name) {
                Some(known) => *known = want,
                None => wants.push(want),
            }
        }
        Ok(())
    }

    fn del(&mut self, names: &[String], dependents: bool, system: &System<'_>) -> Result<(), CommandError> {
        for name in names {
            if !system.knows(name) {
                return Err(CommandError::Unknown(name.clone()));
            }
            match system.installed.iter().find(|present| present.record.info.name.as_str() == name) {
                Some(present) => self.del_present(present, dependents, system),
                None => self.forget(name),
            }
        }
        // A name that the world ruled out so far is not asked to be gone by this.
        let was_conflict = |name: &String| system.world.wants.iter().any(|want| want.conflict && want.name == *name);
        self.unwanted = names.iter().filter(|name| !was_conflict(name)).cloned().collect();
        Ok(())
    }

    fn del_present(&mut self, present: &Present, dependents: bool, system: &System<'_>) {
        let mut pending = vec![present];
        let mut gone: Vec<&PackageName> = Vec::new();
        while let Some(present) = pending.pop() {
            let info = &present.record.info;
            if gone.contains(&&info.name) {
                continue;
            }
            gone.push(&info.name);
            self.forget(info.name.as_str());
            self.request.marks.push(Mark { name: info.name.to_string(), flags: Flags::REMOVE, inherited: Flags::NONE });
            if dependents {
                info.provides.iter().for_each(|provided| self.forget(&provided.name));
                pending.extend(system.installed.iter().filter(|other| other.record.info.depends.iter().any(|need| is_met_by(need, info))));
            }
        }
    }

    fn forget(&mut self, name: &str) {
        self.request.world.wants.retain(|want| want.name != name);
    }

    fn forget_checksums(&mut self) {
        for want in &mut self.request.world.wants {
            if matches!(want.constraint, Constraint::Checksum(_)) {
                want.constraint = Constraint::Any;
            }
        }
    }

    fn mark(&mut self, names: &[String], flags: Flags, inherited: Flags, system: &System<'_>) -> Result<(), CommandError> {
        for name in names {
            if !system.knows(name) {
                return Err(CommandError::NotFound(name.clone()));
            }
            self.request.marks.push(Mark { name: name.clone(), flags, inherited });
        }
        Ok(())
    }

    /// Marks what is to be upgraded first. Returns whether there is anything.
    fn preupgrade(
        &mut self,
        depends: &[String],
        running: Option<&PackageName>,
        flags: Flags,
        system: &System<'_>,
    ) -> Result<bool, CommandError> {
        let mut wanted: Vec<Dependency> = running.map(|name| Dependency::any(name.as_str())).into_iter().collect();
        for text in depends.iter().flat_map(|text| text.split_whitespace()) {
            let dependency: Dependency = text.parse().map_err(|_| CommandError::Want { text: text.to_owned(), in_bundle: true })?;
            wanted.retain(|known| known.name != dependency.name);
            wanted.push(dependency);
        }
        for dependency in wanted.iter().filter(|dependency| !dependency.conflict) {
            let present = system.installed.iter().find(|present| present.record.info.name.as_str() == dependency.name);
            let Some(present) = present.filter(|present| is_met_by(dependency, &present.record.info)) else { continue };
            let mut offered = system.repositories.iter().flat_map(|repository| repository.records);
            if offered.any(|record| record.info.name.as_str() == dependency.name && record.info.version > present.record.info.version) {
                self.request.marks.push(Mark { name: dependency.name.clone(), flags, inherited: Flags::NONE });
            }
        }
        self.request.preupgrade = true;
        Ok(!self.request.marks.is_empty())
    }

    /// Solves the plan over a universe that offers its bundle.
    pub fn solve<'a>(&self, universe: &Universe<'a>) -> Result<Solution<'a>, Unsolvable> {
        universe.solve(&self.request)
    }

    /// Returns, of the names that the user asked to be gone, those that a solution still has, and the wants that keep them.
    #[must_use]
    pub fn kept(&self, solution: &Solution<'_>) -> Vec<Kept> {
        let mut kept = Vec::new();
        let mut names = self.unwanted.clone();
        names.sort_by(|a, b| super::request::display_order(a, b));
        for name in names {
            let mut because: Vec<String> = Vec::new();
            let mut pending: Vec<&Info> =
                solution.packages.iter().map(|chosen| &chosen.record.info).filter(|info| offers(info, &name)).collect();
            if pending.is_empty() {
                continue;
            }
            let mut seen: Vec<&PackageName> = Vec::new();
            pending.reverse();
            while let Some(info) = pending.pop() {
                if seen.contains(&&info.name) {
                    continue;
                }
                seen.push(&info.name);
                let wanted = |name: &str| self.request.world.wants.iter().any(|want| !want.conflict && want.name == name);
                let offered = std::iter::once(info.name.as_str()).chain(info.provides.iter().map(|provided| provided.name.as_str()));
                because.extend(offered.filter(|name| wanted(name)).map(str::to_owned));
                let all = || solution.packages.iter().map(|chosen| &chosen.record.info);
                let dependents = all().filter(|other| other.depends.iter().any(|need| !need.conflict && is_met_by(need, info)));
                let triggers =
                    all().filter(|other| info.install_if.iter().any(|need| is_met_by(need, other)) && wanted(other.name.as_str()));
                let mut next: Vec<&Info> = dependents.chain(triggers).collect();
                next.reverse();
                pending.extend(next);
            }
            kept.push(Kept { name, because });
        }
        kept
    }
}

/// A name that stays although the user asked for it to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The name.
    pub name: String,
    /// The wants that keep it.
    pub because: Vec<String>,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::culprit::indented(&format!("  {}:", self.name), 0, &self.because))
    }
}

impl System<'_> {
    fn records(&self) -> impl Iterator<Item = &Record> {
        let installed = self.installed.iter().map(|present| &present.record);
        self.repositories.iter().flat_map(|repository| repository.records).chain(installed)
    }

    /// Whether anything has, provides or asks for the name.
    fn knows(&self, name: &str) -> bool {
        let asks = |info: &Info| info.depends.iter().chain(&info.install_if).any(|need| need.name == name);
        self.world.wants.iter().any(|want| want.name == name)
            || self.records().any(|record| offers(&record.info, name) || asks(&record.info))
    }

    /// Whether a repository within reach has or provides the name.
    fn is_offered(&self, name: &str) -> bool {
        let reachable = self.repositories.iter().filter(|repository| repository.reachable);
        reachable.flat_map(|repository| repository.records).any(|record| offers(&record.info, name))
    }
}

fn offers(info: &Info, name: &str) -> bool {
    info.name.as_str() == name || info.provides.iter().any(|provided| provided.name == name)
}

/// Whether a package offers what a dependency asks for.
fn is_met_by(need: &Dependency, info: &Info) -> bool {
    if need.name == info.name.as_str() {
        return need.constraint.accepts(&info.version);
    }
    info.provides.iter().filter(|provided| provided.name == need.name).any(|provided| match provided.provided_version() {
        Some(version) => need.constraint.accepts(version),
        None => need.constraint == Constraint::Any,
    })
}

/// The name and version of a package to be made.
struct Bundle {
    name: PackageName,
    version: Version,
}

impl Bundle {
    fn parse(text: &str) -> Result<Self, CommandError> {
        let bad = || CommandError::Bundle(text.to_owned());
        let want: Dependency = text.parse().map_err(|_| bad())?;
        let name = want.name.parse().map_err(|_| bad())?;
        let version = match &want.constraint {
            Constraint::Any => "0".parse().map_err(|_| bad())?,
            Constraint::Compare(Operator::Equal, version) => version.clone(),
            _ => return Err(bad()),
        };
        if want.conflict || want.pin.is_some() { Err(bad()) } else { Ok(Self { name, version }) }
    }

    /// Makes a package without files that depends on `depends`.
    fn make(self, depends: Vec<Dependency>) -> Record {
        let checksum = Checksum::sha1(format!("{}={}", self.name, self.version));
        let info = Info { depends, description: "virtual meta package".to_owned(), ..Info::new(self.name, self.version, "noarch") };
        Record { info, checksum, size: 0, content: None, file: None, uninstallable: None }
    }
}
