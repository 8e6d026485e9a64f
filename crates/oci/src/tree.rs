//! What a container sees: the layers of an image laid over each other (image-spec, layer.md).

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::ops::Bound;

use base::tarball::{self, Item, ReadError};
use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Hashing};
use flate2::bufread::MultiGzDecoder;

use crate::error::doing;
use crate::{Blobs, Descriptor, Manifest, OciError, media};

/// The longest file whose content is kept in memory: an installed database of ten thousand packages is a tenth of it.
const MAX_KEPT: u64 = 256 << 20;

/// The start of the name of an entry that takes away what lower layers hold.
const WHITEOUT: &str = ".wh.";
/// The name of an entry that hides all of a directory in lower layers.
const OPAQUE: &str = ".wh..wh..opq";

/// The merged file system of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Every entry, with the place of the layer it comes from. Files carry their digests.
    pub entries: BTreeMap<TreePath, (Entry, usize)>,
    /// The content of the files that were asked for.
    pub contents: BTreeMap<TreePath, Vec<u8>>,
}

/// What the bytes of a layer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerBytes {
    /// Digest of the bytes as they are kept.
    pub digest: Digest,
    /// How many these are.
    pub size: u64,
    /// Digest of the uncompressed bytes.
    pub diff_id: Digest,
    /// How many these are.
    pub unpacked: u64,
}

/// Why reading a layer ended early: the archive, or whoever read it.
enum Stop {
    Read(ReadError),
    Reader(OciError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Calls `each` for every entry of a layer and returns what its bytes are.
pub fn read_layer(
    blobs: &dyn Blobs,
    layer: &Descriptor,
    mut each: impl FnMut(Item, &mut dyn Read) -> Result<(), OciError>,
) -> Result<LayerBytes, OciError> {
    let mut kept = Hashing::new(blobs.open(&layer.digest)?);
    let unpacked: Box<dyn Read + '_> = match layer.media_type.as_str() {
        media::LAYER_GZIP | media::DOCKER_LAYER => Box::new(MultiGzDecoder::new(BufReader::new(&mut kept))),
        media::LAYER_ZSTD => {
            let decoder = zstd::stream::read::Decoder::new(&mut kept).map_err(doing("reading a layer"))?;
            Box::new(decoder)
        }
        media::LAYER_TAR => Box::new(&mut kept),
        other => return Err(OciError::LayerMedia { layer: layer.digest, media_type: other.to_owned() }),
    };
    let mut unpacked = Hashing::new(unpacked);
    let result = tarball::read(&mut unpacked, |item, content| each(item, content).map_err(Stop::Reader));
    let format = |source| OciError::Layer { layer: layer.digest, source };
    match result {
        Err(Stop::Reader(error)) => return Err(error),
        Err(Stop::Read(source)) => return Err(format(source)),
        Ok(()) => {}
    }
    io::copy(&mut unpacked, &mut io::sink()).map_err(|error| format(ReadError::Format(error)))?;
    let (decoder, diff_id, length) = unpacked.finish();
    drop(decoder);
    io::copy(&mut kept, &mut io::sink()).map_err(doing("reading a layer"))?;
    let (_, digest, size) = kept.finish();
    Ok(LayerBytes { digest, size, diff_id, unpacked: length })
}

/// Lays the layers of an image over each other, and keeps the content of the files that `keep` names.
pub fn merged(blobs: &dyn Blobs, manifest: &Manifest, keep: &dyn Fn(&TreePath) -> bool) -> Result<Tree, OciError> {
    let mut tree = Tree::default();
    for (place, layer) in manifest.layers.iter().enumerate() {
        read_layer(blobs, layer, |item, content| tree.put(item.entry, content, place, keep))?;
    }
    Ok(tree)
}

impl Tree {
    /// Returns the content of a file that was asked for, through symbolic links of the last part of its path.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.contents.get(&TreePath::parse(path).ok()?).map(Vec::as_slice)
    }

    fn put(&mut self, mut entry: Entry, content: &mut dyn Read, place: usize, keep: &dyn Fn(&TreePath) -> bool) -> Result<(), OciError> {
        if let Some(hidden) = entry.path.file_name().strip_prefix(WHITEOUT) {
            let parent = entry.path.parent();
            if entry.path.file_name() == OPAQUE {
                self.remove_below(parent.as_ref(), place);
            } else {
                let hidden = parent.map_or_else(|| TreePath::parse(hidden), |parent| parent.join(hidden));
                // A name that is no path hides nothing.
                if let Ok(hidden) = hidden {
                    self.remove(&hidden);
                }
            }
            return Ok(());
        }
        if !entry.is_directory() {
            self.remove(&entry.path);
        }
        self.contents.remove(&entry.path);
        if let Kind::File { size, digest } = &mut entry.kind {
            let mut hashing = Hashing::new(content);
            if keep(&entry.path) && *size <= MAX_KEPT {
                let mut bytes = Vec::new();
                hashing.read_to_end(&mut bytes).map_err(doing("reading a file of a layer"))?;
                self.contents.insert(entry.path.clone(), bytes);
            } else {
                io::copy(&mut hashing, &mut io::sink()).map_err(doing("reading a file of a layer"))?;
            }
            *digest = Some(hashing.finish().1);
        }
        self.entries.insert(entry.path.clone(), (entry, place));
        Ok(())
    }

    fn remove(&mut self, path: &TreePath) {
        self.entries.remove(path);
        self.contents.remove(path);
        self.remove_below(Some(path), usize::MAX);
    }

    /// Removes all below a directory that comes from layers under `above`.
    fn remove_below(&mut self, directory: Option<&TreePath>, above: usize) {
        let start = directory.map_or(Bound::Unbounded, |path| Bound::Excluded(path.clone()));
        let is_below = |path: &TreePath| directory.is_none_or(|directory| is_inside(path, directory));
        let below: Vec<_> = self
            .entries
            .range((start, Bound::Unbounded))
            .take_while(|(path, _)| is_below(path))
            .filter(|(_, (_, place))| *place < above)
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.entries.remove(&path);
            self.contents.remove(&path);
        }
    }
}

/// Whether `path` lies in `directory`, at any depth.
fn is_inside(path: &TreePath, directory: &TreePath) -> bool {
    path.as_str().strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
