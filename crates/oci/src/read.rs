//! Opens an image wherever it lies: an OCI layout, an OCI archive, a docker archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use base::{Arch, Digest, Hashing};
use fs_err as fs;

use crate::archive::{DockerImage, platforms};
use crate::blobs::{MAX_DEPTH, MAX_JSON};
use crate::error::doing;
use crate::{Blobs, Config, Descriptor, Index, Manifest, OciError, Platform, media};

/// The most members of an archive that are noted: an image has at most 127 layers (overlayfs), an archive some hundred images.
const MAX_MEMBERS: usize = 1 << 16;

/// An image that was opened for reading.
#[derive(Debug)]
pub struct Source {
    index: Index,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A layout's folder.
    Folder(PathBuf),
    /// A tar: where each blob lies in it, and texts that it does not hold but that follow from it.
    Archive { path: PathBuf, members: BTreeMap<Digest, (u64, u64)>, made: BTreeMap<Digest, Vec<u8>> },
}

impl Source {
    /// Opens the image at `path`.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        if path.join("oci-layout").is_file() {
            let file = fs::File::open(path.join("index.json")).map_err(doing("opening a layout"))?;
            let index = parse_index(file)?;
            return Ok(Self { index, place: Place::Folder(path.to_owned()) });
        }
        if path.is_dir() {
            return Err(OciError::NoImage { path: path.to_owned() });
        }
        archive(path)
    }

    /// Returns the index: one descriptor per tagged image.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the descriptors of the manifests of all images.
    pub fn manifests(&self) -> Result<Vec<Descriptor>, OciError> {
        manifests(self, &self.index.manifests)
    }

    /// Returns the manifest for `arch`, or the only one.
    pub fn manifest(&self, arch: Option<Arch>) -> Result<Descriptor, OciError> {
        let mut found = self.manifests()?;
        if let Some(arch) = arch {
            let wanted = Platform::linux(arch);
            found.retain(|one| one.platform.as_ref().is_none_or(|platform| *platform == wanted));
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(OciError::Platforms { found: platforms(&found) }),
        }
    }
}

/// Returns the descriptors of all image manifests that `roots` lead to, each once, with the platform of each.
///
/// Manifests that are no images (attestations, artifacts) are passed over.
pub fn manifests(blobs: &dyn Blobs, roots: &[Descriptor]) -> Result<Vec<Descriptor>, OciError> {
    let mut found: Vec<Descriptor> = Vec::new();
    collect(blobs, roots, 0, &mut found)?;
    Ok(found)
}

fn collect(blobs: &dyn Blobs, roots: &[Descriptor], depth: usize, found: &mut Vec<Descriptor>) -> Result<(), OciError> {
    for one in roots {
        if media::is_index(&one.media_type) {
            if depth >= MAX_DEPTH {
                return Err(OciError::Depth(one.digest));
            }
            collect(blobs, &Index::read(blobs, one)?.manifests, depth + 1, found)?;
        } else if media::is_manifest(&one.media_type) && !found.iter().any(|other| other.digest == one.digest) {
            let manifest = Manifest::read(blobs, one)?;
            if !matches!(manifest.config.media_type.as_str(), media::CONFIG | media::DOCKER_CONFIG) {
                continue;
            }
            let mut one = one.clone();
            if one.platform.is_none() {
                let config = Config::read(blobs, &manifest.config)?;
                one.platform = Some(Platform { architecture: config.architecture, os: config.os, variant: config.variant });
            }
            found.push(one);
        }
    }
    Ok(())
}

fn parse_index(reader: impl Read) -> Result<Index, OciError> {
    let mut bytes = Vec::new();
    reader.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(doing("reading an index"))?;
    if bytes.len() as u64 > MAX_JSON {
        return Err(OciError::Large { what: "index.json".into(), bytes: bytes.len() as u64, most: MAX_JSON });
    }
    serde_json::from_slice(&bytes).map_err(|source| OciError::Json { what: "index.json".into(), source })
}

/// Notes where each member of an archive lies.
fn members(path: &Path) -> Result<BTreeMap<String, (u64, u64)>, OciError> {
    let no_image = || OciError::NoImage { path: path.to_owned() };
    let mut archive = tar::Archive::new(fs::File::open(path).map_err(doing("opening an archive"))?);
    let mut found = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(|_| no_image())? {
        let entry = entry.map_err(|_| no_image())?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() {
            found.insert(name, (entry.raw_file_position(), entry.size()));
        }
        if found.len() > MAX_MEMBERS {
            return Err(no_image());
        }
    }
    Ok(found)
}

fn archive(path: &Path) -> Result<Source, OciError> {
    let named = members(path)?;
    let part = |at: &(u64, u64)| section(path, *at);
    if let Some(at) = named.get("index.json") {
        let index = parse_index(part(at)?)?;
        let blob = |(name, at): (&String, &(u64, u64))| Some((Digest::from_hex(name.strip_prefix("blobs/sha256/")?).ok()?, *at));
        let members = named.iter().filter_map(blob).collect();
        return Ok(Source { index, place: Place::Archive { path: path.to_owned(), members, made: BTreeMap::new() } });
    }
    if let Some(at) = named.get("manifest.json") {
        let mut bytes = Vec::new();
        part(at)?.take(MAX_JSON).read_to_end(&mut bytes).map_err(doing("reading an archive"))?;
        let images: Vec<DockerImage> =
            serde_json::from_slice(&bytes).map_err(|source| OciError::Json { what: "manifest.json".into(), source })?;
        return docker(path, &named, &images);
    }
    Err(OciError::NoImage { path: path.to_owned() })
}

/// Reads a docker archive as if it were an OCI one: its manifests follow from the files that it lists.
fn docker(path: &Path, named: &BTreeMap<String, (u64, u64)>, images: &[DockerImage]) -> Result<Source, OciError> {
    let mut members = BTreeMap::new();
    let mut made = BTreeMap::new();
    let mut describe = |name: &String, media_type: &dyn Fn(&[u8]) -> &'static str| -> Result<Descriptor, OciError> {
        let at = named.get(name).ok_or_else(|| OciError::NoImage { path: path.to_owned() })?;
        let mut reader = section(path, *at)?;
        let mut start = [0; 2];
        let got = reader.read(&mut start).map_err(doing("reading an archive"))?;
        let mut hashing = Hashing::new(start[..got].chain(reader));
        io::copy(&mut hashing, &mut io::sink()).map_err(doing("reading an archive"))?;
        let (_, digest, size) = hashing.finish();
        members.insert(digest, *at);
        Ok(Descriptor::new(media_type(&start), digest, size))
    };
    let mut manifests = Vec::new();
    for image in images {
        let config = describe(&image.config, &|_| media::CONFIG)?;
        let layer = |start: &[u8]| match start {
            [0x1f, 0x8b] => media::LAYER_GZIP,
            // The first half of a frame's magic number (RFC 8878 §3.1.1); no tar of a file system begins with `(` and 0xb5.
            [0x28, 0xb5] => media::LAYER_ZSTD,
            _ => media::LAYER_TAR,
        };
        let layers = image.layers.iter().map(|name| describe(name, &layer)).collect::<Result<_, _>>()?;
        let bytes = Manifest::new(config, layers, BTreeMap::new()).to_bytes();
        let mut descriptor = Descriptor::of(media::MANIFEST, &bytes);
        if let Some(name) = image.repo_tags.iter().flatten().next() {
            descriptor.annotations.insert(media::REF_NAME.into(), name.clone());
        }
        made.insert(descriptor.digest, bytes);
        manifests.push(descriptor);
    }
    let index = Index { manifests, ..Index::new(vec![], BTreeMap::new()) };
    Ok(Source { index, place: Place::Archive { path: path.to_owned(), members, made } })
}

/// Opens a part of a file.
fn section(path: &Path, (start, size): (u64, u64)) -> Result<io::Take<fs::File>, OciError> {
    let mut file = fs::File::open(path).map_err(doing("opening an archive"))?;
    file.seek(SeekFrom::Start(start)).map_err(doing("reading an archive"))?;
    Ok(file.take(size))
}

impl Blobs for Source {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, OciError> {
        match &self.place {
            Place::Folder(dir) => match fs::File::open(dir.join("blobs/sha256").join(digest.hex())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OciError::Missing(*digest)),
                other => Ok(Box::new(other.map_err(doing("opening a blob"))?)),
            },
            Place::Archive { path, members, made } => match (made.get(digest), members.get(digest)) {
                (Some(bytes), _) => Ok(Box::new(bytes.as_slice())),
                (None, Some(at)) => Ok(Box::new(section(path, *at)?)),
                (None, None) => Err(OciError::Missing(*digest)),
            },
        }
    }
}
