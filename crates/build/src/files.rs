//! The files beside a definition: every build finds them in its workspace.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base::Digest;
use base::tree::{Entry, Kind};
use fs_err as fs;
use sandbox::Ownership;

use crate::output::{OutputError, walk};

/// The folder beside `package.yaml` that is copied.
const FOLDER: &str = "files";

/// The files of one definition.
#[derive(Debug)]
pub(crate) struct Files {
    entries: Vec<Entry>,
    /// Names and contents, without what a checkout decides: times, owners, all of the mode but whether it is executable.
    pub(crate) digest: Digest,
}

impl Files {
    /// Reads those of the definition in `folder`; `None` where it has none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, OutputError> {
        let folder = folder.join(FOLDER);
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut entries = walk(&folder, 0, &Ownership::new())?;
        for entry in &mut entries {
            entry.mode = if entry.is_directory() || entry.mode & 0o100 != 0 { 0o755 } else { 0o644 };
        }
        let text = serde_json::to_vec(&entries).unwrap_or_else(|_| unreachable!("a table has text keys only"));
        Ok(Some(Self { entries, digest: Digest::of(text) }))
    }

    /// Copies them from the definition in `folder` to `into`, with the time `epoch`.
    pub(crate) fn copy(&self, folder: &Path, into: &Path, epoch: i64) -> io::Result<()> {
        let folder = folder.join(FOLDER);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch.unsigned_abs());
        for entry in &self.entries {
            let (from, to) = (folder.join(&entry.path), into.join(&entry.path));
            match &entry.kind {
                Kind::Directory => fs::create_dir(&to)?,
                Kind::Symlink { target } => {
                    std::os::unix::fs::symlink(target, &to)?;
                    continue;
                }
                _ => drop(fs::copy(&from, &to)?),
            }
            fs::set_permissions(&to, std::fs::Permissions::from_mode(entry.mode))?;
            if !entry.is_directory() {
                fs::File::options().write(true).open(&to)?.set_modified(time)?;
            }
        }
        Ok(())
    }
}
