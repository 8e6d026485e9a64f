//! A small image made by hand, in memory.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::io::{Read, Write as _};

use base::Digest;
use base::tarball::Writer;
use base::tree::{Entry, Kind, TreePath};
use oci::{Blobs, Config, Descriptor, History, Index, Manifest, OciError, Platform, RootFs, media};

/// Blobs in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<Digest, Vec<u8>>);

impl Memory {
    pub(crate) fn put(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.0.insert(descriptor.digest, bytes.to_vec());
        descriptor
    }
}

impl Blobs for Memory {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, OciError> {
        self.0.get(digest).map(|bytes| Box::new(bytes.as_slice()) as Box<dyn Read>).ok_or(OciError::Missing(*digest))
    }
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub(crate) fn file(at: &str, content: &str) -> (Entry, String) {
    let kind = Kind::File { size: content.len() as u64, digest: None };
    (Entry::new(path(at), kind, 0o644, 1), content.to_owned())
}

pub(crate) fn entry(at: &str, kind: Kind) -> (Entry, String) {
    (Entry::new(path(at), kind, 0o755, 1), String::new())
}

pub(crate) fn tar(entries: &[(Entry, String)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.append(entry, &BTreeMap::new(), &mut content.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image of these layers; the index is what is returned.
pub(crate) fn image(layers: &[Vec<(Entry, String)>]) -> (Memory, Descriptor) {
    let mut blobs = Memory::default();
    let tars: Vec<_> = layers.iter().map(|entries| tar(entries)).collect();
    let config = Config {
        architecture: "amd64".into(),
        os: "linux".into(),
        created: oci::rfc3339(1),
        rootfs: RootFs { kind: "layers".into(), diff_ids: tars.iter().map(Digest::of).collect() },
        history: tars.iter().map(|_| History { comment: Some("a layer".into()), ..History::default() }).collect(),
        config: oci::Execution { user: "65532".into(), entrypoint: Some(vec!["/x".into()]), ..oci::Execution::default() },
        ..Config::default()
    };
    let layers = tars.iter().map(|tar| blobs.put(media::LAYER_GZIP, &gzip(tar))).collect();
    let config = blobs.put(media::CONFIG, &config.to_bytes());
    let manifest = Manifest::new(config, layers, BTreeMap::new());
    let mut manifest = blobs.put(media::MANIFEST, &manifest.to_bytes());
    manifest.platform = Some(Platform::linux(base::Arch::X86_64));
    let index = blobs.put(media::INDEX, &Index::new(vec![manifest], BTreeMap::new()).to_bytes());
    (blobs, index)
}

/// Two layers that use everything a second layer can do to a first.
pub(crate) fn two_layers() -> (Memory, Descriptor) {
    let lower = vec![
        entry("etc", Kind::Directory),
        file("etc/gone", "1"),
        file("etc/kept", "22"),
        entry("etc/kept2", Kind::Hardlink { target: path("etc/kept") }),
        entry("opt", Kind::Directory),
        file("opt/old", "333"),
        entry("var", Kind::Directory),
        file("var/inner", "x"),
    ];
    let upper = vec![
        entry("etc", Kind::Directory),
        file("etc/.wh.gone", ""),
        file("etc/new", "4444"),
        entry("opt", Kind::Directory),
        file("opt/.wh..wh..opq", ""),
        file("opt/fresh", "5"),
        entry("var", Kind::Symlink { target: "etc".into() }),
    ];
    image(&[lower, upper])
}
