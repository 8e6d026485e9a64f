//! Writes a layer to the store: once, streamed from the packages.

use std::collections::BTreeMap;
use std::io::{self, Read};

use apk::gzip::Encoder;
use apk::package::Limits;
use base::store::BlobWriter;
use base::tarball::Writer;
use base::tree::{Entry, TreePath};
use base::{Digest, Hashing, Store};
use oci::{Descriptor, media};
use serde::{Deserialize, Serialize};

use super::plan::{Part, Plan};
use crate::ImageError;
use crate::contents::Opened;

/// The kind of record that tells which blob a plan became.
const LAYERS: &str = "layer";

/// A layer that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its bytes, in gzip.
    pub descriptor: Descriptor,
    /// The digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// How many these are.
    pub unpacked: u64,
}

type Tar<'a> = Writer<Hashing<Encoder<BlobWriter<'a>>>>;

/// Returns the layer of a plan: the one written before, or a new one.
pub(crate) fn write(store: &Store, plan: &Plan, opened: &[Opened]) -> Result<Layer, ImageError> {
    let key = plan.key();
    if let Some(layer) = store.record::<Layer>(LAYERS, &key)?
        && store.blob(&layer.descriptor.digest).is_some()
    {
        return Ok(layer);
    }
    let mut tar: Tar<'_> = Writer::new(Hashing::new(Encoder::new(store.blob_writer()?)));
    for entry in &plan.directories {
        append(&mut tar, entry, &mut io::empty())?;
    }
    for part in &plan.parts {
        write_part(&mut tar, part, &opened[part.package])?;
    }
    for made in &plan.made {
        append(&mut tar, &made.entry, &mut made.bytes.as_slice())?;
    }
    let (encoder, diff_id, unpacked) = tar.finish().map_err(ImageError::Layer)?.finish();
    let (digest, size) = encoder.finish().map_err(ImageError::Layer)?.finish()?;
    let layer = Layer { descriptor: Descriptor::new(media::LAYER_GZIP, digest, size), diff_id, unpacked };
    store.put_record(LAYERS, &key, &layer)?;
    Ok(layer)
}

fn append(tar: &mut Tar<'_>, entry: &Entry, content: &mut dyn Read) -> Result<(), ImageError> {
    tar.append(entry, &BTreeMap::new(), content).map_err(ImageError::Layer)
}

/// Writes what one package gives. Its data are read once, from front to end, and checked on the way.
fn write_part(tar: &mut Tar<'_>, part: &Part, opened: &Opened) -> Result<(), ImageError> {
    for entry in &part.others {
        append(tar, entry, &mut io::empty())?;
    }
    if part.files.is_empty() {
        return Ok(());
    }
    let files: BTreeMap<&TreePath, &Vec<Entry>> = part.files.iter().map(|(member, entries)| (member, entries)).collect();
    opened.package.read_data(&Limits::default(), |member, content| {
        for entry in files.get(&member.path).into_iter().flat_map(|entries| entries.iter()) {
            // Links have no content of their own and leave the file's alone.
            append(tar, entry, &mut *content)?;
        }
        Ok::<_, ImageError>(())
    })?;
    Ok(())
}
