//! All seeds of a lock together: fetched, converted, and checked to fit one another.

use std::collections::{BTreeMap, BTreeSet};

use apk::{Info, Record};
use base::tree::TreePath;
use base::{Finish, Reporter, Store, Task, TaskKind};
use rayon::prelude::*;
use source::{Expected, Fetcher, Origin, Request};
use spec::seed::Seed;

use super::convert::{Conversion, Converted};
use super::{Lock, Locked, SeedError};

/// The start of the name that every seed provides.
pub(super) const MARK: &str = "seed:";

/// How many seeds are downloaded at once. Most are small, so that the way there and back is what takes time.
const CONNECTIONS: usize = 6;

/// The seeds of a lock, as packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Packages in order of name; the content of each is in the store.
    pub records: Vec<Record>,
    /// How many of them were converted now, and not before.
    pub converted: usize,
}

/// Whether a package is a seed: it was not built by us.
#[must_use]
pub fn is_seed(info: &Info) -> bool {
    info.provides.iter().any(|one| one.name.starts_with(MARK))
}

/// What must be fetched for a lock.
#[must_use]
pub fn requests(lock: &Lock) -> Vec<Request> {
    lock.packages.iter().map(request).collect()
}

pub(super) fn request(locked: &Locked) -> Request {
    Request {
        name: locked.path.rsplit('/').next().unwrap_or(&locked.name).to_owned(),
        uris: vec![format!("debian:{}", locked.path)],
        expected: Expected::Sha256(locked.sha256),
        size: Some(locked.size),
        relock: Some("undistro seed relock".into()),
    }
}

/// Turns a lock into packages in the store. What was converted before is only looked up.
///
/// `seed` gives the links. Two seeds with a file at one path are refused, and so is a seed that needs a library which
/// no seed provides.
pub fn repository(lock: &Lock, seed: &Seed, fetcher: &Fetcher<'_>, reporter: &dyn Reporter) -> Result<Repository, SeedError> {
    let conversions: Vec<_> =
        lock.packages.iter().map(|locked| Conversion { locked, links: seed.links.get(&locked.name), arch: lock.arch }).collect();
    let store = fetcher.store();
    let remembered: Vec<_> = conversions.iter().map(|conversion| conversion.remembered(store)).collect::<Result<_, _>>()?;
    let missing: Vec<_> = conversions.iter().zip(&remembered).filter(|(_, found)| found.is_none()).map(|(one, _)| *one).collect();
    fetch(&missing, fetcher, reporter)?;
    let fresh: Vec<Converted> = missing.par_iter().map(|one| convert(one, store, reporter)).collect::<Result<_, _>>()?;
    let converted = fresh.len();
    let mut fresh = fresh.into_iter();
    let all: Vec<Converted> = remembered.into_iter().filter_map(|found| found.or_else(|| fresh.next())).collect();
    check(&all)?;
    Ok(Repository { records: all.into_iter().map(|one| one.record).collect(), converted })
}

fn fetch(missing: &[Conversion<'_>], fetcher: &Fetcher<'_>, reporter: &dyn Reporter) -> Result<(), SeedError> {
    let next = std::sync::Mutex::new(missing.iter());
    let work = || -> Result<(), SeedError> {
        loop {
            let one = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some(one) = one else { return Ok(()) };
            let _: Origin = fetcher.fetch(&request(one.locked), reporter).map_err(|error| SeedError::Fetch(Box::new(error)))?.from;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS.min(missing.len())).map(|_| scope.spawn(work)).collect();
        let ends: Vec<_> =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        ends.into_iter().collect()
    })
}

fn convert(one: &Conversion<'_>, store: &Store, reporter: &dyn Reporter) -> Result<Converted, SeedError> {
    let task = Task::new(TaskKind::Seed, &one.locked.name);
    reporter.started(&task);
    let result = one.convert(store);
    reporter.finished(&task, if result.is_ok() { Finish::Done } else { Finish::Failed });
    result
}

/// Checks that the seeds fit one another: no path twice, no library missing.
fn check(all: &[Converted]) -> Result<(), SeedError> {
    let mut owners: BTreeMap<&TreePath, &Info> = BTreeMap::new();
    for one in all {
        let info = &one.record.info;
        for path in &one.paths {
            if let Some(first) = owners.insert(path, info) {
                let (first, second) = (first.name.to_string(), info.name.to_string());
                return Err(SeedError::Conflict { path: path.clone(), first, second });
            }
        }
    }
    let infos = || all.iter().map(|one| &one.record.info);
    let provided: BTreeSet<&str> =
        infos().flat_map(|info| info.provides.iter().map(|one| one.name.as_str()).chain([info.name.as_str()])).collect();
    let lacking: Vec<_> = infos()
        .flat_map(|info| info.depends.iter().map(move |need| (info.name.to_string(), need)))
        .filter(|(_, need)| !provided.contains(need.name.as_str()))
        .map(|(package, need)| (package, need.to_string()))
        .collect();
    if lacking.is_empty() { Ok(()) } else { Err(SeedError::Lacking(lacking)) }
}
