//! From what is wanted to the closed list: follows Debian's `Pre-Depends` and `Depends`, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use source::debian::{Alternative, Clause, Package, RelationError};
use spec::seed::Seed;

use super::Locked;

/// Why there is no closed list.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// What a package depends on can not be read.
    #[error("the depends of {package}")]
    Relation {
        /// The package.
        package: String,
        /// What is wrong.
        #[source]
        source: RelationError,
    },
    /// Packages that are not to be had, and names in seed.yaml that mean nothing. All of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unmet(Vec<Unmet>),
}

/// One thing that keeps the list from being closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// `packages` names what the suite does not have.
    #[error("seed.yaml wants `{0}`, which the suite does not have")]
    Wanted(String),
    /// Nothing satisfies a dependency.
    #[error("{package} depends on `{clause}`, which the suite does not have")]
    Clause {
        /// The package.
        package: String,
        /// What it depends on, as Debian writes it.
        clause: String,
    },
    /// Several packages provide a name, and none is wanted.
    #[error("{package} depends on `{clause}`, provided by {}; name one of them in `packages`", providers.join(", "))]
    Choice {
        /// The package.
        package: String,
        /// What it depends on, as Debian writes it.
        clause: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// `without` names what nothing depends on.
    #[error("seed.yaml leaves out `{0}`, which nothing depends on")]
    IdleWithout(String),
    /// `links` names a package that is not in the list.
    #[error("seed.yaml adds links to `{0}`, which is not among the seeds")]
    IdleLinks(String),
}

/// Resolves what is wanted against an index of a suite.
///
/// Of alternatives, one that is taken already serves; else the first that the suite has. If any of them is left out by
/// `without`, and none is taken already, the dependency is dropped and the lock says so. A name that only others provide
/// must be provided by a taken package or by exactly one. `Recommends` are not followed.
pub fn resolve(seed: &Seed, index: &BTreeMap<String, Package>) -> Result<Vec<Locked>, ResolveError> {
    let mut resolver = Resolver::new(seed, index);
    for name in &seed.packages {
        match index.get(name) {
            Some(package) => resolver.take(package),
            None => resolver.unmet.push(Unmet::Wanted(name.clone())),
        }
    }
    while let Some(package) = resolver.waiting.pop_first().and_then(|name| index.get(&name)) {
        resolver.follow(package)?;
    }
    resolver.finish()
}

struct Resolver<'a> {
    seed: &'a Seed,
    index: &'a BTreeMap<String, Package>,
    /// Packages by the names that they provide besides their own.
    providers: BTreeMap<String, BTreeSet<&'a str>>,
    taken: BTreeSet<&'a str>,
    waiting: BTreeSet<String>,
    met: BTreeMap<&'a str, (BTreeSet<String>, Vec<String>)>,
    used_without: BTreeSet<String>,
    unmet: Vec<Unmet>,
}

/// What becomes of one dependency.
enum Choice<'a> {
    Take(&'a Package),
    Drop(String),
    Unmet(Unmet),
}

impl<'a> Resolver<'a> {
    fn new(seed: &'a Seed, index: &'a BTreeMap<String, Package>) -> Self {
        let mut providers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for package in index.values().filter(|package| !package.provides.is_empty()) {
            // A `Provides` that can not be read provides nothing; only a dependency on it would matter.
            for clause in Clause::parse_list(&package.provides).unwrap_or_default() {
                for one in clause.0 {
                    providers.entry(one.name).or_default().insert(&package.name);
                }
            }
        }
        Self {
            seed,
            index,
            providers,
            taken: BTreeSet::new(),
            waiting: BTreeSet::new(),
            met: BTreeMap::new(),
            used_without: BTreeSet::new(),
            unmet: Vec::new(),
        }
    }

    fn take(&mut self, package: &'a Package) {
        if self.taken.insert(&package.name) {
            self.waiting.insert(package.name.clone());
        }
    }

    fn follow(&mut self, package: &'a Package) -> Result<(), ResolveError> {
        let clauses =
            Clause::parse_list(&package.depends).map_err(|source| ResolveError::Relation { package: package.name.clone(), source })?;
        for clause in &clauses {
            match self.choose(package, clause) {
                Choice::Take(chosen) => {
                    self.met.entry(&package.name).or_default().0.insert(chosen.name.clone());
                    self.take(chosen);
                }
                Choice::Drop(left_out) => {
                    self.met.entry(&package.name).or_default().1.push(clause.to_string());
                    self.used_without.insert(left_out);
                }
                Choice::Unmet(unmet) => self.unmet.push(unmet),
            }
        }
        Ok(())
    }

    fn choose(&self, package: &Package, clause: &Clause) -> Choice<'a> {
        let is_taken = |name: &str| self.taken.contains(name);
        let real = |one: &Alternative| self.index.get(&one.name).filter(|package| one.accepts(&package.version));
        if let Some(taken) = clause.0.iter().filter_map(real).find(|package| is_taken(&package.name)) {
            return Choice::Take(taken);
        }
        let virtually = |one: &Alternative| self.providers.get(&one.name).filter(|_| one.version.is_none());
        let provided = clause.0.iter().filter_map(virtually).flatten().find(|name| is_taken(name));
        if let Some(taken) = provided.and_then(|name| self.index.get(*name)) {
            return Choice::Take(taken);
        }
        if let Some(one) = clause.0.iter().find(|one| self.seed.without.contains_key(&one.name)) {
            return Choice::Drop(one.name.clone());
        }
        for one in &clause.0 {
            if let Some(package) = real(one) {
                return Choice::Take(package);
            }
            let providers: Vec<_> = virtually(one).into_iter().flatten().filter_map(|name| self.index.get(*name)).collect();
            match providers[..] {
                [] => {}
                [only] => return Choice::Take(only),
                _ => {
                    let providers = providers.iter().map(|package| package.name.clone()).collect();
                    return Choice::Unmet(Unmet::Choice { package: package.name.clone(), clause: clause.to_string(), providers });
                }
            }
        }
        Choice::Unmet(Unmet::Clause { package: package.name.clone(), clause: clause.to_string() })
    }

    fn finish(mut self) -> Result<Vec<Locked>, ResolveError> {
        let idle = self.seed.without.keys().filter(|name| !self.used_without.contains(*name));
        self.unmet.extend(idle.cloned().map(Unmet::IdleWithout));
        let idle = self.seed.links.keys().filter(|name| !self.taken.contains(name.as_str()));
        self.unmet.extend(idle.cloned().map(Unmet::IdleLinks));
        if !self.unmet.is_empty() {
            return Err(ResolveError::Unmet(self.unmet));
        }
        let packages = self.taken.iter().filter_map(|name| self.index.get(*name)).cloned();
        let locked = |package: Package| {
            let (depends, dropped) = self.met.remove(package.name.as_str()).unwrap_or_default();
            Locked {
                name: package.name,
                version: package.version,
                arch: package.architecture,
                path: package.path,
                size: package.size,
                sha256: package.sha256,
                depends: depends.into_iter().collect(),
                dropped,
            }
        };
        Ok(packages.map(locked).collect())
    }
}
