//! The log of a run: everything that its steps print, kept whole and told line by line.

use std::io::{self, Write as _};
use std::path::Path;

use base::{Reporter, Task};
use fs_err as fs;

/// The longest log that is kept; the log of a Chromium build has 60 MB. What follows is told, but not kept.
const MAX_LOG: u64 = 256 << 20;

/// The longest line that is told as one.
const MAX_LINE: usize = 16 << 10;

/// A log being written.
#[derive(Debug)]
pub(crate) struct Log {
    file: fs::File,
    written: u64,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: fs::File::create(path)?, written: 0, line: Vec::new() })
    }

    /// Adds what a step printed.
    pub(crate) fn write(&mut self, bytes: &[u8], reporter: &dyn Reporter, task: &Task) {
        self.keep(bytes);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= MAX_LINE {
                self.flush(reporter, task);
            }
        }
    }

    /// Adds a line of our own.
    pub(crate) fn note(&mut self, text: &str, reporter: &dyn Reporter, task: &Task) {
        self.flush(reporter, task);
        self.write(format!("{text}\n").as_bytes(), reporter, task);
    }

    /// Tells a line that was begun.
    pub(crate) fn flush(&mut self, reporter: &dyn Reporter, task: &Task) {
        if !self.line.is_empty() {
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            reporter.line(task, line);
            self.line.clear();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = usize::try_from(MAX_LOG - self.written).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        // A full disk must not hide how the step ends; it will be told when the outputs are kept.
        if self.file.write_all(kept).is_ok() {
            self.written += kept.len() as u64;
        }
    }
}
