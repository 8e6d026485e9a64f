//! What an image was written as, noted so that the next writing finds what is there still.
//!
//! A file that was written is told from one that someone has changed by what the file system says of it: length, inode and
//! the time of the last change of its inode, which no program can set. The clock behind that time ticks every few
//! milliseconds; a change of equal length within the tick in which the note was made is not seen.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base::Digest;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::error::doing;
use crate::{Format, OciError, Tagged};

/// What was written to one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The digest of form, names and images; none when nothing was written.
    what: Option<Digest>,
    /// Its files, by their path below the place; an archive is the one with the empty path.
    files: BTreeMap<String, Seal>,
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    size: u64,
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Seal {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self { size: meta.size(), device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) })
    }
}

impl Written {
    /// Notes `files`, which have just been written below `place`.
    pub(crate) fn note(place: &Path, what: Digest, files: impl IntoIterator<Item = String>) -> Result<Self, OciError> {
        let seal = |name: String| match Seal::of(&at(place, &name)) {
            Some(seal) => Ok((name, seal)),
            None => Err(doing("looking at what was written")(std::io::ErrorKind::NotFound.into())),
        };
        Ok(Self { what: Some(what), files: files.into_iter().map(seal).collect::<Result<_, _>>()? })
    }

    /// Whether the file is there as it was written.
    pub(crate) fn has(&self, place: &Path, name: &str) -> bool {
        self.files.get(name).is_some_and(|seal| Seal::of(&at(place, name)) == Some(*seal))
    }

    /// Whether all of this is what was to be written, and is there as it was written.
    pub(crate) fn is_all(&self, place: &Path, what: &Digest) -> bool {
        self.what.as_ref() == Some(what) && self.files.keys().all(|name| self.has(place, name))
    }
}

fn at(place: &Path, name: &str) -> std::path::PathBuf {
    if name.is_empty() { place.to_owned() } else { place.join(name) }
}

/// The digest of what is to be written.
pub(crate) fn what(format: Format, images: &[Tagged]) -> Digest {
    let format = Format::ALL.iter().find(|(_, one)| *one == format).map(|(name, _)| *name);
    let images: Vec<_> = images.iter().map(|image| (&image.descriptor, &image.name, &image.tag)).collect();
    Digest::of(serde_json::to_vec(&(format, images)).expect("descriptors and names are always JSON"))
}
