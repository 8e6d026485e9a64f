//! The pinned sources of a build: bringing them into the store, and the time that they give.

use std::io::Read as _;

use base::{Digest, Reporter, Store, StoreError};
use serde::{Deserialize, Serialize};
use source::{FetchError, Fetched, Fetcher, Request};
use spec::Recipe;

use crate::distro::products;
use crate::work::{self, Fetch, Job, Work, WorkError};

/// The kind of record that holds the newest time inside a source.
const TIME: &str = "source-time";

/// The newest time inside a source.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Time {
    /// In seconds since 1970; absent for what is no archive.
    newest: Option<i64>,
}

/// Why a source could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It can not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every source that the jobs pin, in their order.
pub(crate) fn pinned(jobs: &[Job]) -> impl Iterator<Item = &Fetch> {
    jobs.iter().filter_map(|job| match &job.work {
        Work::Fetch(fetch) => Some(fetch),
        _ => None,
    })
}

/// Every source that a definition pins: for its packages and for their tests, each once.
pub fn requests(recipe: &Recipe) -> Result<Vec<Request>, WorkError> {
    let mut jobs = work::jobs(recipe)?;
    for product in products(recipe) {
        if let Some(test) = product.test {
            work::lower(&test.pipeline, product.name, recipe, &mut jobs)?;
        }
    }
    let mut requests: Vec<Request> = Vec::new();
    for fetch in pinned(&jobs) {
        let request = request(fetch, recipe.name.as_str());
        if !requests.contains(&request) {
            requests.push(request);
        }
    }
    Ok(requests)
}

pub(crate) fn request(fetch: &Fetch, package: &str) -> Request {
    Request {
        name: fetch.file_name.clone(),
        uris: vec![fetch.uri.clone()],
        expected: fetch.expected,
        size: None,
        relock: Some(format!("undistro source relock {package}")),
    }
}

/// Brings one source into the store.
pub(crate) fn bring(fetch: &Fetch, package: &str, fetcher: &Fetcher<'_>, reporter: &dyn Reporter) -> Result<Fetched, FetchError> {
    fetcher.fetch(&request(fetch, package), reporter)
}

/// Returns `SOURCE_DATE_EPOCH`: the newest time inside the sources, or `otherwise` where there is none; at most `ceiling`.
///
/// A source is read for this once in its life; then the store remembers.
pub(crate) fn epoch(
    jobs: &[Job],
    package: &str,
    fetcher: &Fetcher<'_>,
    (otherwise, ceiling): (i64, i64),
    reporter: &dyn Reporter,
) -> Result<i64, SourceError> {
    let store = fetcher.store();
    let mut newest = None;
    for fetch in pinned(jobs) {
        let key = Digest::of(fetch.expected.to_string());
        let time = match store.record::<Time>(TIME, &key)? {
            Some(time) => time,
            None => {
                let fetched = bring(fetch, package, fetcher, reporter)?;
                let time = Time { newest: newest_inside(store, &fetched.digest)? };
                store.put_record(TIME, &key, &time)?;
                time
            }
        };
        newest = newest.max(time.newest);
    }
    // A time before 1980 is no date: some tools write 0, and zip can not hold it.
    const FIRST: i64 = 315_532_800;
    Ok(newest.filter(|time| *time >= FIRST).unwrap_or(otherwise).min(ceiling))
}

/// Reads through a tar archive for its newest time; `None` where the source is none.
fn newest_inside(store: &Store, digest: &Digest) -> Result<Option<i64>, StoreError> {
    let file = store.open_blob(digest)?;
    let Ok((_, reader)) = source::decompress(std::io::BufReader::new(file)) else { return Ok(None) };
    let mut newest = None;
    let read = base::tarball::read(reader.take(source::Limits::default().bytes), |item, _| {
        newest = newest.max(Some(item.entry.mtime));
        Ok::<(), base::tarball::ReadError>(())
    });
    // A broken archive fails where it is unpacked, with its name; here it merely tells no time.
    Ok(read.ok().and(newest))
}
