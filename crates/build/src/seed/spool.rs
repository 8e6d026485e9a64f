//! The unpacked files of one seed, one after another in one temporary file that goes when nobody reads it any more.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use base::{Digest, Hashing};
use fs_err as fs;

/// Where a file's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u64,
    length: u64,
}

/// A spool that is being filled.
#[derive(Debug)]
pub(super) struct Writer {
    file: fs::File,
    length: u64,
}

/// A filled spool.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<File>);

/// The bytes of one file, read from a spool.
#[derive(Debug)]
pub(super) struct Content {
    spool: Spool,
    span: Span,
    at: u64,
}

impl Writer {
    /// Makes the file at `path` and takes its name away at once.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        fs::remove_file(path)?;
        Ok(Self { file, length: 0 })
    }

    /// Appends what `reader` gives.
    pub(super) fn append(&mut self, reader: &mut dyn Read) -> io::Result<(Span, Digest)> {
        let mut hashing = Hashing::new(&mut self.file);
        io::copy(reader, &mut hashing)?;
        let (_, digest, length) = hashing.finish();
        let span = Span { start: self.length, length };
        self.length += length;
        Ok((span, digest))
    }

    /// Ends writing.
    pub(super) fn finish(mut self) -> io::Result<Spool> {
        self.file.flush()?;
        Ok(Spool(Arc::new(self.file.into_parts().0)))
    }
}

impl Spool {
    /// Opens one file.
    pub(super) fn open(&self, span: Span) -> Content {
        Content { spool: self.clone(), span, at: 0 }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.span.length.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.spool.0.read_at(&mut buffer[..most], self.span.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.span.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_file_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&dir.path().join("spool")).unwrap();
        let (first, digest) = writer.append(&mut &b"hello"[..]).unwrap();
        let (second, _) = writer.append(&mut &b"world!"[..]).unwrap();
        assert_eq!(digest, Digest::of(b"hello"));
        let spool = writer.finish().unwrap();
        let text = |mut content: Content| io::read_to_string(&mut content).unwrap();
        assert_eq!((text(spool.open(first)), text(spool.open(second))), ("hello".into(), "world!".into()));
        let mut content = spool.open(second);
        content.seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(text(content), "!");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no name is left behind");
    }
}
