//! Unfinished downloads, and how their bytes enter the store: hashed while they are copied, kept only if the hash is right.
//!
//! A download lies in the store's `work/fetch-<hex>/part` until it is whole, so that a later process can go on with it.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base::store::remove_tree;
use base::{Digest, Reporter, StoreError, Task};
use fs_err as fs;

use super::http::Broken;
use super::{Failure, FetchError, Fetcher, MAX_SOURCE, Place, Request};
use crate::expected::{Expected, Sha512Writer};

/// What became of one place: the outer error ends the fetch, the inner one goes on to the next place.
type Outcome = Result<Result<(Digest, u64), Failure>, FetchError>;

impl Fetcher<'_> {
    /// Brings the bytes from one place into the store.
    pub(super) fn bring(&self, request: &Request, place: &Place, task: &Task, reporter: &dyn Reporter) -> Outcome {
        match place {
            Place::File(path) => self.bring_file(request, path),
            Place::Web(url) => {
                let part = Part::open(self, request)?;
                let resumed = part.len()?;
                let outcome = self.bring_web(request, url, &part, task, reporter)?;
                match outcome {
                    // What was there before may have come from elsewhere: once more, from the first byte.
                    Err(Failure::Checksum { .. } | Failure::TooLarge { .. }) if resumed > 0 => {
                        part.remove()?;
                        self.bring_web(request, url, &Part::open(self, request)?, task, reporter)
                    }
                    other => Ok(other),
                }
            }
        }
    }

    fn bring_web(&self, request: &Request, url: &url::Url, part: &Part, task: &Task, reporter: &dyn Reporter) -> Outcome {
        let mut file = part.file()?;
        let advanced = |done, total: Option<u64>| reporter.advanced(task, done, request.size.or(total));
        match self.web.download(url, &mut file, limit(request), &advanced) {
            Ok(()) => {}
            Err(Broken::Write(error)) => return Err(part.error(error)),
            Err(Broken::Place(failure)) => {
                if matches!(failure, Failure::TooLarge { .. }) || part.len()? == 0 {
                    part.remove()?;
                }
                return Ok(Err(failure));
            }
        }
        drop(file);
        let admitted = self.bring_file(request, &part.path())?;
        // Right bytes are in the store, wrong ones are of no use.
        part.remove()?;
        Ok(admitted)
    }

    fn bring_file(&self, request: &Request, path: &Path) -> Outcome {
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Failure::NotThere)),
            Err(error) => return Ok(Err(Failure::File(error))),
        };
        if file.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Ok(Err(Failure::File(io::Error::other(format!("{} is not a file", path.display())))));
        }
        let store_error = |source| FetchError::Store { name: request.name.clone(), source };
        let write = |source| store_error(StoreError::Io { doing: "writing a blob", source });
        let mut blob = self.store.blob_writer().map_err(store_error)?;
        match &request.expected {
            Expected::Sha256(expected) => {
                if let Err(end) = copy(&mut file, &mut blob, limit(request)) {
                    return end.outcome(write);
                }
                match blob.finish_expecting(expected, &request.name) {
                    Ok(size) => Ok(Ok((*expected, size))),
                    Err(StoreError::Checksum { actual, .. }) => Ok(Err(Failure::Checksum { actual: Box::new(actual.into()) })),
                    Err(error) => Err(store_error(error)),
                }
            }
            Expected::Sha512(expected) => {
                let mut hashing = Sha512Writer::new(blob);
                if let Err(end) = copy(&mut file, &mut hashing, limit(request)) {
                    return end.outcome(write);
                }
                let (blob, actual) = hashing.finish();
                if actual != *expected {
                    return Ok(Err(Failure::Checksum { actual: Box::new(Expected::Sha512(actual)) }));
                }
                blob.finish().map(Ok).map_err(store_error)
            }
        }
    }
}

fn limit(request: &Request) -> u64 {
    request.size.unwrap_or(MAX_SOURCE)
}

/// Reads a small file whole.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(Failure::File)?;
    if bytes.len() as u64 > limit { Err(Failure::TooLarge { limit }) } else { Ok(bytes) }
}

/// Why a copy ended before its end.
enum CopyEnd {
    Read(io::Error),
    Write(io::Error),
    TooLarge(u64),
}

impl CopyEnd {
    fn outcome(self, write: impl FnOnce(io::Error) -> FetchError) -> Outcome {
        match self {
            Self::Read(error) => Ok(Err(Failure::File(error))),
            Self::Write(error) => Err(write(error)),
            Self::TooLarge(limit) => Ok(Err(Failure::TooLarge { limit })),
        }
    }
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, limit: u64) -> Result<(), CopyEnd> {
    let mut chunk = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let n = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyEnd::Read(error)),
        };
        bytes += n as u64;
        if bytes > limit {
            return Err(CopyEnd::TooLarge(limit));
        }
        to.write_all(&chunk[..n]).map_err(CopyEnd::Write)?;
    }
}

/// The file of an unfinished download. The caller holds the lock of its source.
struct Part {
    folder: PathBuf,
    name: String,
}

impl Part {
    fn open(fetcher: &Fetcher<'_>, request: &Request) -> Result<Self, FetchError> {
        let folder = fetcher.store.work_path(&format!("fetch-{}", request.expected.hex()));
        let part = Self { folder, name: request.name.clone() };
        fs::create_dir_all(&part.folder).map_err(|error| part.error(error))?;
        Ok(part)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("part")
    }

    fn file(&self) -> Result<fs::File, FetchError> {
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.path()).map_err(|error| self.error(error))
    }

    fn len(&self) -> Result<u64, FetchError> {
        match fs::metadata(self.path()) {
            Ok(meta) => Ok(meta.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.error(error)),
        }
    }

    fn remove(&self) -> Result<(), FetchError> {
        match remove_tree(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error(error)),
            _ => Ok(()),
        }
    }

    fn error(&self, source: io::Error) -> FetchError {
        FetchError::Write { name: self.name.clone(), source }
    }
}
