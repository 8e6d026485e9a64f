//! Blobs: bytes under their digest.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use fs_err as fs;

use super::{Store, StoreError, doing};
use crate::{Digest, Hashing};

/// Writes a blob whose digest is known when it ends. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    path: PathBuf,
    file: Option<Hashing<fs::File>>,
}

impl Store {
    /// Returns where the blob lies, or `None` if the store does not have it.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.blob_path(digest);
        path.is_file().then_some(path)
    }

    /// Opens a blob for reading. Its bytes are not hashed again.
    pub fn open_blob(&self, digest: &Digest) -> Result<fs::File, StoreError> {
        match fs::File::open(self.blob_path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing { digest: *digest }),
            other => other.map_err(doing("opening a blob")),
        }
    }

    /// Reads a blob whole. For small things: records, texts.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open_blob(digest)?.read_to_end(&mut bytes).map_err(doing("reading a blob"))?;
        Ok(bytes)
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

    fn blob_path(&self, digest: &Digest) -> PathBuf {
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
        file.sync_all().map_err(doing("writing a blob"))?;
        fs::set_permissions(&self.path, std::os::unix::fs::PermissionsExt::from_mode(0o444)).map_err(doing("writing a blob"))?;
        let place = self.store.blob_path(&digest);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(doing("writing a blob"))?;
        }
        fs::rename(&self.path, &place).map_err(doing("writing a blob"))?;
        Ok((digest, bytes))
    }
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
