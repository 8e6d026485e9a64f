//! The audit log: who wrote what, a JSON object a line.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fs_err as fs;
use serde::Serialize;

/// A file that lines are added to.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: Mutex<fs::File>,
}

/// A write, or the attempt of one.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) time: String,
    pub(crate) request: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// Who it was, where that is known.
    pub(crate) user: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    /// What was written.
    pub(crate) digest: Option<&'a str>,
}

impl Audit {
    /// Opens the log; it is made where it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }

    /// Opens the file anew, after someone moved it away to rotate it.
    pub fn reopen(&self) -> io::Result<()> {
        let file = append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }

    pub(crate) fn write(&self, event: &Event<'_>) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        // One write for each line, so that lines of several processes do not mix.
        if let Err(error) = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line) {
            tracing::error!(%error, "the audit log can not be written");
        }
    }
}

fn append(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}
