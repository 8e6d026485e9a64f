//! The slow and exact way: a layer in one stream straight from its packages, one gzip member from front to end.
//!
//! It knows no parts and keeps nothing, so it is what the fast way is measured against: the uncompressed bytes of both
//! are the same for every plan.

use std::collections::BTreeMap;
use std::io::{self, Read};

use apk::gzip::Encoder;
use apk::package::Limits;
use base::store::BlobWriter;
use base::tarball::Writer;
use base::tree::{Entry, TreePath};
use base::{Hashing, Store};
use oci::{Descriptor, media};

use super::plan::Plan;
use super::{Layer, Part};
use crate::ImageError;
use crate::contents::Opened;

type Tar<'a> = Writer<Hashing<Encoder<BlobWriter<'a>>>>;

/// Writes the layer of a plan.
pub(crate) fn write(store: &Store, plan: &Plan, opened: &[Opened]) -> Result<Layer, ImageError> {
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
    Ok(Layer { descriptor: Descriptor::new(media::LAYER_GZIP, digest, size), diff_id, unpacked })
}

fn append(tar: &mut Tar<'_>, entry: &Entry, content: &mut dyn Read) -> Result<(), ImageError> {
    tar.append(entry, &BTreeMap::new(), content).map_err(ImageError::Layer)
}

/// Writes what one package gives. Its data are read once, from front to end, and checked on the way.
fn write_part(tar: &mut Tar<'_>, part: &Part, opened: &Opened) -> Result<(), ImageError> {
    let files: BTreeMap<&TreePath, &Entry> = part.files.iter().map(|file| (&file.member, &file.entry)).collect();
    if !files.is_empty() {
        opened.package.read_data(&Limits::default(), |member, content| match files.get(&member.path) {
            Some(entry) => append(tar, entry, content),
            None => Ok(()),
        })?;
    }
    part.others.iter().try_for_each(|entry| append(tar, entry, &mut io::empty()))
}
