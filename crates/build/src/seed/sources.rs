//! The source packages of seeds whose code goes into packages of ours: their licences ask whoever passes it on for the source.

use std::collections::BTreeMap;

use base::Reporter;
use source::debian::{Archive, Deb, SourcePackage};
use source::{Expected, Fetcher, Request};
use spec::seed::Seed;

use super::{Lock, Locked, LockedFile, LockedSource, RelockError, SeedError, repository};

/// Finds the sources of the seeds that `seed` states a licence of, which are those that are linked into programs.
///
/// Which source a seed is made from is in the seed itself, so these few are fetched.
pub fn sources(
    lock: &Lock,
    seed: &Seed,
    archive: &Archive<'_>,
    fetcher: &Fetcher<'_>,
    reporter: &dyn Reporter,
) -> Result<Vec<LockedSource>, RelockError> {
    let wanted: Vec<&Locked> = lock.packages.iter().filter(|one| seed.licenses.contains_key(&one.name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let index = archive.sources(&lock.component, reporter)?;
    let mut found: BTreeMap<(String, String), LockedSource> = BTreeMap::new();
    for locked in wanted {
        let package = source_of(locked, &index, fetcher, reporter)?;
        let key = (package.name.clone(), package.version.to_string());
        found.entry(key).or_insert_with(|| pinned(package)).seeds.push(locked.name.clone());
    }
    Ok(found.into_values().collect())
}

fn source_of<'a>(
    locked: &Locked,
    index: &'a BTreeMap<String, Vec<SourcePackage>>,
    fetcher: &Fetcher<'_>,
    reporter: &dyn Reporter,
) -> Result<&'a SourcePackage, RelockError> {
    let request = repository::request(locked);
    let fetched = fetcher.fetch(&request, reporter).map_err(|error| SeedError::Fetch(Box::new(error)))?;
    let store = |source| SeedError::Store { package: locked.name.clone(), source };
    let blob = fetcher.store().open_blob(&fetched.digest).map_err(store)?;
    let control = Deb::open(blob, &request.name).map_err(|error| SeedError::Deb(Box::new(error)))?.control;
    let name = control.source.unwrap_or(control.package);
    let version = control.source_version.unwrap_or(control.version);
    let found = index.get(&name).and_then(|versions| versions.iter().find(|one| one.version == version));
    found.ok_or_else(|| RelockError::NoSource { seed: locked.name.clone(), source_package: format!("{name} {version}") })
}

fn pinned(package: &SourcePackage) -> LockedSource {
    let file = |file: &source::debian::SourceFile| LockedFile { path: file.path.clone(), size: file.size, sha256: file.sha256 };
    LockedSource {
        name: package.name.clone(),
        version: package.version.clone(),
        seeds: Vec::new(),
        files: package.files.iter().map(file).collect(),
    }
}

/// What must be fetched to have the source of a seed.
#[must_use]
pub fn source_requests(source: &LockedSource) -> Vec<Request> {
    let request = |file: &LockedFile| Request {
        name: file.path.rsplit('/').next().unwrap_or(&source.name).to_owned(),
        uris: vec![format!("debian:{}", file.path)],
        expected: Expected::Sha256(file.sha256),
        size: Some(file.size),
        relock: Some("undistro seed relock --sources".into()),
    };
    source.files.iter().map(request).collect()
}
