//! Blobs: bytes under their digest.
//!
//! A blob that was kept has a time of change that no ordinary write leaves: a blob with another was written to since (or
//! restored by a tool that drops times), and is hashed again before it counts. One with other bytes counts as not there.

use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::{NOW, Store, StoreError, doing, used};
use crate::{Digest, Hashing};

/// The time of change of a kept blob: one second into 1970. Zero would be taken for "no time" by some tools.
const SEALED: i64 = 1;

/// Writes a blob whose digest is known when it ends. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    path: PathBuf,
    file: Option<Hashing<fs::File>>,
}

impl Store {
    /// Returns where the blob lies, or `None` if the store does not have it whole.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.blob_path(digest);
        let metadata = fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        if !is_sealed(&metadata) && !reseal(&path, digest).unwrap_or(false) {
            return None;
        }
        let _ = rustix::fs::utimensat(CWD, &path, &sealed(), AtFlags::SYMLINK_NOFOLLOW); // see `used`
        Some(path)
    }

    /// Opens a blob for reading. Its bytes are hashed again only if it was written to since it was kept.
    pub fn open_blob(&self, digest: &Digest) -> Result<fs::File, StoreError> {
        let path = self.blob_path(digest);
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing { digest: *digest }),
            other => other.map_err(doing("opening a blob"))?,
        };
        let metadata = file.metadata().map_err(doing("opening a blob"))?;
        if !is_sealed(&metadata) && !reseal(&path, digest).map_err(doing("hashing a blob"))? {
            return Err(StoreError::Damaged { path });
        }
        used(&file);
        Ok(file)
    }

    /// Reads a blob whole and hashes it. For small things: tables, texts.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open_blob(digest)?.read_to_end(&mut bytes).map_err(doing("reading a blob"))?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(StoreError::Damaged { path: self.blob_path(digest) }) }
    }

    /// Begins a new blob.
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        let path = self.tmp_path("blob");
        let file = fs::File::create(&path).map_err(doing("writing a blob"))?;
        Ok(BlobWriter { store: self, path, file: Some(Hashing::new(file)) })
    }

    /// Keeps bytes and returns their digest.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.blob(&digest).is_some() {
            return Ok(digest);
        }
        let mut writer = self.blob_writer()?;
        writer.write_all(bytes).map_err(doing("writing a blob"))?;
        writer.finish().map(|(digest, _)| digest)
    }

    /// Keeps all that `reader` gives, and returns digest and length.
    pub fn put_from(&self, reader: &mut dyn Read) -> Result<(Digest, u64), StoreError> {
        let mut writer = self.blob_writer()?;
        io::copy(reader, &mut writer).map_err(doing("writing a blob"))?;
        writer.finish()
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs/sha256").join(&hex[..2]).join(hex)
    }
}

impl BlobWriter<'_> {
    /// Ends the blob: flushed to disk, then renamed to its digest.
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        self.end(None)
    }

    /// Ends the blob if it is the one that was asked for; otherwise nothing is kept. `what` names it in the error.
    pub fn finish_expecting(self, expected: &Digest, what: &str) -> Result<u64, StoreError> {
        self.end(Some((expected, what))).map(|(_, bytes)| bytes)
    }

    fn end(mut self, expected: Option<(&Digest, &str)>) -> Result<(Digest, u64), StoreError> {
        let Some(file) = self.file.take() else { unreachable!("a writer ends once: `end` takes it by value") };
        let (file, digest, bytes) = file.finish();
        if let Some((expected, what)) = expected
            && *expected != digest
        {
            return Err(StoreError::Checksum { what: what.to_owned(), expected: *expected, actual: digest });
        }
        seal(&file).and_then(|()| file.sync_all()).map_err(doing("writing a blob"))?;
        let place = self.store.blob_path(&digest);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(doing("writing a blob"))?;
        }
        fs::rename(&self.path, &place).map_err(doing("writing a blob"))?;
        Ok((digest, bytes))
    }
}

fn is_sealed(metadata: &std::fs::Metadata) -> bool {
    (metadata.mtime(), metadata.mtime_nsec()) == (SEALED, 0)
}

fn sealed() -> Timestamps {
    Timestamps { last_access: NOW, last_modification: Timespec { tv_sec: SEALED, tv_nsec: 0 } }
}

fn seal(file: &fs::File) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(0o444))?;
    Ok(rustix::fs::futimens(file, &sealed())?)
}

/// Hashes the file and, if it is what its name says, seals it again; says which.
fn reseal(path: &Path, digest: &Digest) -> io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let before = file.metadata()?;
    let is_right = hash(&mut file)? == *digest;
    // What is written while it is hashed must not be sealed.
    let changed = |m: &std::fs::Metadata| (m.mtime(), m.mtime_nsec());
    if is_right && changed(&file.metadata()?) == changed(&before) {
        seal(&file)?;
    }
    Ok(is_right)
}

/// Hashes what a file holds from where it stands.
pub(super) fn hash(file: &mut fs::File) -> io::Result<Digest> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(file, &mut hashing)?;
    Ok(hashing.finish().1)
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        // Gone already after `finish`; left by an error, it would only wait for the sweep.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_under_their_digest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let digest = store.put(b"abc").unwrap();
        assert_eq!(digest, Digest::of(b"abc"));
        assert_eq!(store.read_blob(&digest).unwrap(), b"abc");
        assert!(matches!(store.read_blob(&Digest::of(b"other")), Err(StoreError::Missing { .. })));
    }

    #[test]
    fn a_blob_that_was_written_to_is_not_there_until_it_is_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let digest = store.put(b"good").unwrap();
        let path = store.blob(&digest).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, "evil").unwrap();
        assert_eq!(store.blob(&digest), None);
        assert!(matches!(store.open_blob(&digest), Err(StoreError::Damaged { .. })));
        assert_eq!(store.put(b"good").unwrap(), digest);
        assert_eq!(store.read_blob(&digest).unwrap(), b"good");
    }

    #[test]
    fn a_blob_that_lost_its_times_is_hashed_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let digest = store.put(b"good").unwrap();
        let path = store.blob(&digest).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, "good").unwrap();
        assert!(!is_sealed(&fs::metadata(&path).unwrap()));
        assert!(store.blob(&digest).is_some());
        assert!(is_sealed(&fs::metadata(&path).unwrap()));
    }

    #[test]
    fn keeps_nothing_when_the_digest_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut writer = store.blob_writer().unwrap();
        writer.write_all(b"evil").unwrap();
        let expected = Digest::of(b"good");
        assert!(matches!(writer.finish_expecting(&expected, "x"), Err(StoreError::Checksum { .. })));
        assert!(store.blob(&expected).is_none() && store.blob(&Digest::of(b"evil")).is_none());
    }
}
