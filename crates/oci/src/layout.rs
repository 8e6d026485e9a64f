//! Writes images as an OCI layout: a folder with `oci-layout`, `index.json` and `blobs/` (image-spec, image-layout.md).

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use base::{Digest, Hashing};
use fs_err as fs;

use crate::error::doing;
use crate::written::Written;
use crate::{Blobs, Descriptor, Index, OciError, closure, media};

/// The text of the file `oci-layout`.
pub(crate) const MARK: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// Where blobs lie in a layout.
const BLOBS: &str = "blobs/sha256";

/// How much of a blob is read and written at once.
pub(crate) const BUFFER: usize = 256 << 10;

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

/// Writes `images` to the folder `dir`, found there by their tags, and returns the paths of its files.
///
/// A new layout is made beside its place. One that is there already is led over: new blobs are put beside the old ones,
/// then `index.json` is replaced, then what it does not lead to any more is removed. So a reader finds the old images or
/// the new, and an error or a kill leaves the old. Every blob is hashed on its way.
pub(crate) fn write(dir: &Path, images: &[Tagged], blobs: &dyn Blobs, before: &Written) -> Result<Vec<String>, OciError> {
    check_place(dir)?;
    let mut parts: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    for image in images {
        parts.extend(closure(blobs, &image.descriptor)?.into_iter().map(|part| (part.digest, part)));
    }
    if dir.join("oci-layout").is_file() {
        lead_over(dir, images, &parts, blobs, before)?;
    } else {
        make(dir, images, &parts, blobs)?;
    }
    Ok(parts.keys().map(blob_name).chain(["index.json".into(), "oci-layout".into()]).collect())
}

fn blob_name(digest: &Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

fn make(dir: &Path, images: &[Tagged], parts: &BTreeMap<Digest, Descriptor>, blobs: &dyn Blobs) -> Result<(), OciError> {
    let fresh = beside(dir, "new")?;
    let result = fill(&fresh, images, parts, blobs).and_then(|()| {
        // An empty folder may be there; it gives way.
        fs::rename(&fresh, dir).map_err(doing("putting a layout in its place"))
    });
    if result.is_err() {
        // The error that led here says more than one of clearing up could.
        let _ = fs::remove_dir_all(&fresh);
    }
    result
}

fn fill(dir: &Path, images: &[Tagged], parts: &BTreeMap<Digest, Descriptor>, blobs: &dyn Blobs) -> Result<(), OciError> {
    fs::create_dir_all(dir.join(BLOBS)).map_err(doing("making a layout"))?;
    for part in parts.values() {
        copy(blobs, part, &dir.join(blob_name(&part.digest)))?;
    }
    fs::write(dir.join("index.json"), index(images)).map_err(doing("writing a layout"))?;
    fs::write(dir.join("oci-layout"), MARK).map_err(doing("writing a layout"))
}

fn index(images: &[Tagged]) -> Vec<u8> {
    let manifests = images.iter().map(|image| image.named(image.tag.clone())).collect();
    Index { manifests, ..Index::new(vec![], [].into()) }.to_bytes()
}

/// Makes the layout that is there into that of `images`.
fn lead_over(
    dir: &Path,
    images: &[Tagged],
    parts: &BTreeMap<Digest, Descriptor>,
    blobs: &dyn Blobs,
    before: &Written,
) -> Result<(), OciError> {
    let place = dir.join(BLOBS);
    fs::create_dir_all(&place).map_err(doing("writing a layout"))?;
    for part in parts.values() {
        let name = blob_name(&part.digest);
        let path = dir.join(&name);
        if !before.has(dir, &name) && !holds(&path, part) {
            replace(&path, |fresh| copy(blobs, part, fresh))?;
        }
    }
    let text = |fresh: &Path, text: &[u8]| fs::write(fresh, text).map_err(doing("writing a layout"));
    replace(&dir.join("index.json"), |fresh| text(fresh, &index(images)))?;
    replace(&dir.join("oci-layout"), |fresh| text(fresh, MARK.as_bytes()))?;
    for entry in fs::read_dir(&place).map_err(doing("clearing a layout"))? {
        let entry = entry.map_err(doing("clearing a layout"))?;
        let is_part = Digest::from_hex(&entry.file_name().to_string_lossy()).is_ok_and(|digest| parts.contains_key(&digest));
        if !is_part {
            fs::remove_file(entry.path()).map_err(doing("clearing a layout"))?;
        }
    }
    Ok(())
}

/// Whether a file is the blob that it should be.
fn holds(path: &Path, part: &Descriptor) -> bool {
    let hash = || {
        let mut reader = BufReader::with_capacity(BUFFER, Hashing::new(fs::File::open(path)?));
        io::copy(&mut reader, &mut io::sink())?;
        Ok::<_, io::Error>(reader.into_inner().finish().1)
    };
    path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() == part.size) && hash().is_ok_and(|actual| actual == part.digest)
}

/// Writes a file beside its place and then puts it there.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<(), OciError>) -> Result<(), OciError> {
    let fresh = beside(path, "new")?;
    let result = write(&fresh).and_then(|()| fs::rename(&fresh, path).map_err(doing("writing a layout")));
    if result.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    result
}

/// Copies a blob to a file and refuses it when its bytes are others than its descriptor says.
fn copy(blobs: &dyn Blobs, part: &Descriptor, path: &Path) -> Result<(), OciError> {
    let mut file = fs::File::create(path).map_err(doing("writing a layout"))?;
    let mut reader = BufReader::with_capacity(BUFFER, Hashing::new(blobs.open(&part.digest)?));
    io::copy(&mut reader, &mut file).map_err(doing("copying a blob"))?;
    let (_, actual, _) = reader.into_inner().finish();
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
