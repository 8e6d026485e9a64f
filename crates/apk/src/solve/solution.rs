//! An answer: the packages, and what has to be done to have them.

use std::cmp::Ordering;

use super::Unsolvable;
use super::culprit::Inquest;
use super::explain::explain;
use super::order::{Exchange, order};
use super::request::{Flags, Request, World};
use super::state::Search;
use super::table::Package;
use super::universe::Universe;
use crate::Record;

/// One package of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// What the repository, or the installed database, says of it.
    pub record: &'a Record,
    /// The preferred repository that has it and its place there, as they were given; `None` where it is only installed.
    pub source: Option<(usize, usize)>,
    /// Its place among the installed packages.
    pub installed: Option<usize>,
    /// The tag of the repository through which it is allowed.
    pub tag: Option<&'a str>,
    /// Whether no repository has a package of its name any more.
    pub orphaned: bool,
}

/// What is done with one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// What is installed.
    pub old: Option<Chosen<'a>>,
    /// What will be installed.
    pub new: Option<Chosen<'a>>,
    /// What happens.
    pub kind: Kind,
}

/// What happens to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It stays as it is.
    Keep,
    /// It comes.
    Install,
    /// It goes.
    Purge,
    /// The same package is installed again.
    Reinstall,
    /// Only the tag changes.
    Repin,
    /// A higher version takes its place.
    Upgrade,
    /// A lower version takes its place.
    Downgrade,
    /// Another package of the same version takes its place.
    Replace,
}

/// The packages that a world needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Solution<'a> {
    /// All packages, in the order in which they are installed.
    pub packages: Vec<Chosen<'a>>,
    /// What has to be done, in order; what stays is listed too.
    pub changes: Vec<Change<'a>>,
}

impl<'a> Universe<'a> {
    /// Finds the packages that a world needs.
    pub fn solve(&self, request: &Request) -> Result<Solution<'a>, Unsolvable> {
        let mut search = Search::new(self, request);
        match search.run() {
            Ok(packages) => Ok(self.solution(&search, &packages)),
            Err(_) if request.lenient => self.solve(&self.without_broken_wants(request)),
            Err(_) => Err(self.inquire(request)),
        }
    }

    /// Leaves out the wants that can not be met beside those before them.
    fn without_broken_wants(&self, request: &Request) -> Request {
        let mut kept = Request { world: World::default(), lenient: false, ..request.clone() };
        for want in request.world.sorted() {
            kept.world.wants.push(want.clone());
            if Search::new(self, &kept).run().is_err() {
                kept.world.wants.pop();
            }
        }
        kept
    }

    /// Finds out why there is no answer.
    fn inquire(&self, request: &Request) -> Unsolvable {
        let mut search = Search::new(self, request);
        let packages = search.run_in_spite();
        Unsolvable { reasons: explain(self, request), culprits: Inquest::hold(&search, &packages) }
    }

    /// Puts packages in order and says what is to be done with each.
    fn solution(&self, search: &Search<'_>, packages: &[Package]) -> Solution<'a> {
        let world: Vec<_> = search.wants.iter().filter_map(|want| want.name).collect();
        let exchanges = order(self, packages, &self.installed(), &world);
        let changes: Vec<_> = exchanges.into_iter().map(|exchange| self.change(search, exchange)).collect();
        Solution { packages: changes.iter().filter_map(|change| change.new.clone()).collect(), changes }
    }

    /// Returns the installed packages in the order of the database.
    pub(crate) fn installed(&self) -> Vec<Package> {
        let mut installed: Vec<_> = self.packages.iter().filter_map(|(package, entry)| Some((entry.installed?, package))).collect();
        installed.sort_unstable();
        installed.into_iter().map(|(_, package)| package).collect()
    }

    fn change(&self, search: &Search<'_>, exchange: Exchange) -> Change<'a> {
        let old = exchange.old.map(|package| self.chosen(package, self.present_tag(package)));
        let new = exchange.new.map(|package| self.chosen(package, self.allowed_tag(search, package)));
        let kind = match (&old, &new) {
            (None, _) => Kind::Install,
            (_, None) => Kind::Purge,
            (Some(old), Some(new)) if exchange.old == exchange.new => {
                let again = exchange.new.is_some_and(|package| search.standings[package].flags.has(Flags::REINSTALL));
                match () {
                    () if again => Kind::Reinstall,
                    () if old.tag != new.tag => Kind::Repin,
                    () => Kind::Keep,
                }
            }
            (Some(old), Some(new)) => match new.record.info.version.cmp(&old.record.info.version) {
                Ordering::Greater => Kind::Upgrade,
                Ordering::Less => Kind::Downgrade,
                Ordering::Equal => Kind::Replace,
            },
        };
        Change { old, new, kind }
    }

    fn chosen(&self, package: Package, tag: Option<&'a str>) -> Chosen<'a> {
        let entry = &self.packages[package];
        let source = entry.sources.first().map(|source| (source.repository, source.record));
        let orphaned = !self.names[entry.name].providers.iter().any(|(provider, _)| self.packages[*provider].listed);
        Chosen { record: entry.record, source, installed: entry.installed, tag, orphaned }
    }

    fn present_tag(&self, package: Package) -> Option<&'a str> {
        self.packages[package].present.and_then(|present| present.tag.as_deref())
    }

    /// Returns the first allowed tag that has the package; none where one without a tag has it, or nobody.
    fn allowed_tag(&self, search: &Search<'_>, package: Package) -> Option<&'a str> {
        let allowed = self.packages[package].tags & search.standings[package].pins;
        let first = allowed.trailing_zeros() as usize;
        self.tags.get(first).copied().filter(|tag| !tag.is_empty())
    }
}
