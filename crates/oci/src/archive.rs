//! Writes images as one file: an OCI archive or a docker archive. The same image gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::str::FromStr;

use base::Hashing;
use base::tarball::Writer;
use base::tree::{Entry, Kind, TreePath};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::error::doing;
use crate::layout::{self, MARK, Tagged, beside};
use crate::written::{self, Written};
use crate::{Blobs, Config, Descriptor, Index, Manifest, OciError, closure, manifests};

/// A form in which images are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A folder.
    Layout,
    /// A tar of such a folder, which `podman load` and `skopeo` read.
    OciArchive,
    /// What `docker save` writes and `docker load` reads; one platform.
    DockerArchive,
}

/// The text names no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no form of an image; there are oci, oci-archive and docker-archive")]
pub struct UnknownFormat(pub String);

impl Format {
    /// Every form, with the name that people type.
    pub const ALL: [(&'static str, Self); 3] =
        [("oci", Self::Layout), ("oci-archive", Self::OciArchive), ("docker-archive", Self::DockerArchive)];
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, format)| *format).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// Writes `images` to `path` in the given form. What is there already is replaced once the new is whole.
pub fn write(format: Format, path: &Path, images: &[Tagged], blobs: &dyn Blobs) -> Result<(), OciError> {
    rewrite(format, path, images, blobs, &Written::default()).map(drop)
}

/// Does what [`write()`] does, where `before` was written there the last time: what is there still is left as it is.
/// Returns what to note for the next time.
pub fn rewrite(format: Format, path: &Path, images: &[Tagged], blobs: &dyn Blobs, before: &Written) -> Result<Written, OciError> {
    let what = written::what(format, images);
    if before.is_all(path, &what) {
        return Ok(before.clone());
    }
    let pack = match format {
        Format::Layout => {
            let files = layout::write(path, images, blobs, before)?;
            return Written::note(path, what, files);
        }
        Format::OciArchive => oci,
        Format::DockerArchive => docker,
    };
    if path.is_dir() {
        return Err(OciError::Occupied { path: path.to_owned() });
    }
    let fresh = beside(path, "new")?;
    let result = write_file(&fresh, |out| pack(out, images, blobs))
        .and_then(|()| fs::rename(&fresh, path).map_err(doing("putting an archive in its place")));
    if result.is_err() {
        // The error that led here says more than one of clearing up could.
        let _ = fs::remove_file(&fresh);
    }
    result?;
    Written::note(path, what, [String::new()])
}

fn write_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<(), OciError>) -> Result<(), OciError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(doing("making the folder of an archive"))?;
    }
    let mut out = BufWriter::with_capacity(layout::BUFFER, fs::File::create(path).map_err(doing("writing an archive"))?);
    fill(&mut out)?;
    out.flush().map_err(doing("writing an archive"))
}

/// Writes an OCI archive: a layout in a tar.
pub fn oci(out: &mut dyn Write, images: &[Tagged], blobs: &dyn Blobs) -> Result<(), OciError> {
    let mut members = Members::new(out);
    members.text("oci-layout", MARK.as_bytes())?;
    let name = |image: &Tagged| image.named(format!("{}:{}", image.name, image.tag));
    let index = Index { manifests: images.iter().map(name).collect(), ..Index::new(vec![], [].into()) };
    members.text("index.json", &index.to_bytes())?;
    for image in images {
        for part in closure(blobs, &image.descriptor)? {
            members.blob(&format!("blobs/sha256/{}", part.digest.hex()), &part, blobs)?;
        }
    }
    members.finish()
}

/// One image in the `manifest.json` of a docker archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    pub(crate) layers: Vec<String>,
}

/// Writes a docker archive. Each image must be for one platform.
pub fn docker(out: &mut dyn Write, images: &[Tagged], blobs: &dyn Blobs) -> Result<(), OciError> {
    let mut members = Members::new(out);
    let mut listed = Vec::new();
    for image in images {
        let found = manifests(blobs, std::slice::from_ref(&image.descriptor))?;
        let [one] = found.as_slice() else {
            return Err(OciError::Platforms { found: platforms(&found) });
        };
        let manifest = Manifest::read(blobs, one)?;
        // Read for its form alone: an engine would fail on it later, with less to say.
        Config::read(blobs, &manifest.config)?;
        let config = format!("{}.json", manifest.config.digest.hex());
        members.blob(&config, &manifest.config, blobs)?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            // Engines tell zstd, for which docker's archives have no name, by its first bytes.
            let end = if layer.media_type.ends_with("gzip") { ".tar.gz" } else { ".tar" };
            let name = format!("{}{end}", layer.digest.hex());
            members.blob(&name, layer, blobs)?;
            layers.push(name);
        }
        listed.push(DockerImage { config, repo_tags: Some(vec![format!("{}:{}", image.name, image.tag)]), layers });
    }
    let listed = serde_json::to_vec(&listed).expect("strings and lists are always JSON");
    members.text("manifest.json", &listed)?;
    members.finish()
}

/// Says which platforms there are.
pub(crate) fn platforms(found: &[Descriptor]) -> String {
    let names: BTreeSet<_> = found.iter().filter_map(|one| one.platform.as_ref()).map(ToString::to_string).collect();
    if names.is_empty() { format!("{} images", found.len()) } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}

/// The members of a tar, each written once.
struct Members<'a> {
    tar: Writer<&'a mut dyn Write>,
    written: BTreeSet<String>,
}

impl<'a> Members<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { tar: Writer::new(out), written: BTreeSet::new() }
    }

    fn append(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), OciError> {
        let path = TreePath::parse(name).expect("names of members are made of digests and constants");
        let entry = Entry::new(path, Kind::File { size, digest: None }, 0o644, 0);
        self.tar.append(&entry, &BTreeMap::new(), content).map_err(doing("writing an archive"))
    }

    fn text(&mut self, name: &str, text: &[u8]) -> Result<(), OciError> {
        self.append(name, text.len() as u64, &mut &text[..])
    }

    fn blob(&mut self, name: &str, part: &Descriptor, blobs: &dyn Blobs) -> Result<(), OciError> {
        if !self.written.insert(name.to_owned()) {
            return Ok(());
        }
        let mut reader = BufReader::with_capacity(layout::BUFFER, Hashing::new(blobs.open(&part.digest)?));
        self.append(name, part.size, &mut reader)?;
        let (_, actual, _) = reader.into_inner().finish();
        if actual == part.digest { Ok(()) } else { Err(OciError::Changed { expected: part.digest, actual }) }
    }

    fn finish(self) -> Result<(), OciError> {
        self.tar.finish().map(drop).map_err(doing("writing an archive"))
    }
}
