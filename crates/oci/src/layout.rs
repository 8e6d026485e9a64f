//! Writes images as an OCI layout: a folder with `oci-layout`, `index.json` and `blobs/` (image-spec, image-layout.md).

use std::io::Write;
use std::path::{Path, PathBuf};

use base::Hashing;
use fs_err as fs;

use crate::error::doing;
use crate::{Blobs, Descriptor, Index, OciError, closure, media};

/// The text of the file `oci-layout`.
pub(crate) const MARK: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// An image and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// Its index or manifest.
    pub descriptor: Descriptor,
    /// Its name without a tag: `nginx`.
    pub name: String,
    /// Its tag: `latest`; nothing for what is found by its digest alone.
    pub tag: String,
}

impl Tagged {
    /// Returns the descriptor with the name in it by which engines find it.
    pub(crate) fn named(&self, name: String) -> Descriptor {
        let mut descriptor = self.descriptor.clone();
        if !self.tag.is_empty() {
            descriptor.annotations.insert(media::REF_NAME.into(), name);
        }
        descriptor
    }
}

/// Writes `images` to the folder `dir`, found there by their tags. A layout that is there already is replaced as a whole.
///
/// Every blob is hashed on its way; nothing is left at `dir` if one is wrong.
pub fn write(dir: &Path, images: &[Tagged], blobs: &dyn Blobs) -> Result<(), OciError> {
    check_place(dir)?;
    let fresh = beside(dir, "new")?;
    if let Some(parent) = fresh.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(doing("making the folder of a layout"))?;
    }
    let result = fill(&fresh, images, blobs).and_then(|()| replace(dir, &fresh));
    if result.is_err() {
        // The error that led here says more than one of clearing up could.
        let _ = fs::remove_dir_all(&fresh);
    }
    result
}

fn fill(dir: &Path, images: &[Tagged], blobs: &dyn Blobs) -> Result<(), OciError> {
    let place = dir.join("blobs/sha256");
    fs::create_dir_all(&place).map_err(doing("making a layout"))?;
    for image in images {
        for part in closure(blobs, &image.descriptor)? {
            let path = place.join(part.digest.hex());
            if !path.exists() {
                let mut file = fs::File::create(&path).map_err(doing("writing a layout"))?;
                copy(blobs, &part, &mut file)?;
            }
        }
    }
    let index = Index { manifests: images.iter().map(|image| image.named(image.tag.clone())).collect(), ..Index::new(vec![], [].into()) };
    fs::write(dir.join("index.json"), index.to_bytes()).map_err(doing("writing a layout"))?;
    fs::write(dir.join("oci-layout"), MARK).map_err(doing("writing a layout"))
}

/// Copies a blob and refuses it when its bytes are others than its descriptor says.
pub(crate) fn copy(blobs: &dyn Blobs, part: &Descriptor, out: &mut dyn Write) -> Result<(), OciError> {
    let mut reader = Hashing::new(blobs.open(&part.digest)?);
    std::io::copy(&mut reader, out).map_err(doing("copying a blob"))?;
    let (_, actual, _) = reader.finish();
    if actual == part.digest { Ok(()) } else { Err(OciError::Changed { expected: part.digest, actual }) }
}

/// Refuses to overwrite what is no layout.
fn check_place(dir: &Path) -> Result<(), OciError> {
    let is_layout = dir.join("oci-layout").is_file();
    let is_empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if dir.symlink_metadata().is_err() || is_layout || is_empty() { Ok(()) } else { Err(OciError::Occupied { path: dir.to_owned() }) }
}

/// A path beside `path` on the same file system, for this process alone.
pub(crate) fn beside(path: &Path, end: &str) -> Result<PathBuf, OciError> {
    let name = path.file_name().ok_or_else(|| OciError::Occupied { path: path.to_owned() })?;
    Ok(path.with_file_name(format!(".{}.{}.{end}", name.to_string_lossy(), std::process::id())))
}

fn replace(dir: &Path, fresh: &Path) -> Result<(), OciError> {
    let old = beside(dir, "old")?;
    let there = dir.symlink_metadata().is_ok();
    if there {
        fs::rename(dir, &old).map_err(doing("replacing a layout"))?;
    }
    fs::rename(fresh, dir).map_err(doing("putting a layout in its place"))?;
    if there { fs::remove_dir_all(&old).map_err(doing("removing the former layout")) } else { Ok(()) }
}
