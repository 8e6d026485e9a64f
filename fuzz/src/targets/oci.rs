//! Image documents, layers, and archives of images.

use std::collections::BTreeMap;
use std::io::{self, Read};

use base::{Arch, Digest};
use oci::{Blobs, Config, Descriptor, History, Index, Manifest, OciError, Platform, RootFs, Tagged, media};

use super::base::sample_tar;
use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "oci-documents", samples: documents, run: document },
    Target { name: "oci-layer", samples: || vec![sample_tar(), whiteouts()], run: layer },
    Target { name: "oci-archive", samples: archives, run: archive },
];

/// Blobs in memory.
#[derive(Debug, Clone, Default)]
struct Memory(BTreeMap<Digest, Vec<u8>>);

impl Memory {
    fn put(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
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

/// An image of two layers: its blobs, its index, and the three documents.
fn image() -> (Memory, Descriptor, Vec<Vec<u8>>) {
    let mut blobs = Memory::default();
    let tars = [sample_tar(), whiteouts()];
    let config = Config {
        architecture: "amd64".into(),
        os: "linux".into(),
        created: oci::rfc3339(1),
        rootfs: RootFs { kind: "layers".into(), diff_ids: tars.iter().map(Digest::of).collect() },
        history: tars.iter().map(|_| History { comment: Some("a layer".into()), ..History::default() }).collect(),
        config: oci::Execution { user: "65532".into(), entrypoint: Some(vec!["/x".into()]), ..oci::Execution::default() },
        ..Config::default()
    }
    .to_bytes();
    let layers = tars.iter().map(|tar| blobs.put(media::LAYER_GZIP, &super::apk::gzip(tar))).collect();
    let manifest = Manifest::new(blobs.put(media::CONFIG, &config), layers, BTreeMap::from([("a".into(), "b".into())])).to_bytes();
    let mut descriptor = blobs.put(media::MANIFEST, &manifest);
    descriptor.platform = Some(Platform::linux(Arch::X86_64));
    let index = Index::new(vec![descriptor], BTreeMap::new()).to_bytes();
    let root = blobs.put(media::INDEX, &index);
    (blobs, root, vec![index, manifest, config])
}

fn whiteouts() -> Vec<u8> {
    use base::tree::{Entry, Kind, TreePath};
    let mut writer = base::tarball::Writer::new(Vec::new());
    for path in ["usr/.wh.bin", "opt/.wh..wh..opq", "etc/new"] {
        let entry = Entry::new(TreePath::parse(path).unwrap(), Kind::File { size: 0, digest: None }, 0o644, 1);
        writer.append(&entry, &BTreeMap::new(), &mut io::empty()).unwrap();
    }
    writer.finish().unwrap()
}

fn documents() -> Vec<Vec<u8>> {
    image().2
}

/// The same text as index, manifest and configuration, beside blobs that samples name.
fn document(bytes: &[u8]) {
    thread_local! { static IMAGE: Memory = image().0; }
    IMAGE.with(|image| {
        let mut blobs = image.clone();
        let config = blobs.put(media::CONFIG, bytes);
        let manifest = Manifest::new(config, vec![], BTreeMap::new()).to_bytes();
        let manifest = blobs.put(media::MANIFEST, &manifest);
        for root in [blobs.put(media::INDEX, bytes), blobs.put(media::MANIFEST, bytes), manifest] {
            read(&blobs, &root);
        }
    });
}

fn read(blobs: &dyn Blobs, root: &Descriptor) {
    let roots = std::slice::from_ref(root);
    let _ = oci::closure(blobs, root);
    let _ = oci::validate(blobs, roots);
    for manifest in oci::manifests(blobs, roots).unwrap_or_default() {
        let _ = oci::inspect(blobs, &manifest);
        if let Ok(manifest) = Manifest::read(blobs, &manifest) {
            let _ = oci::tree::merged(blobs, &manifest, &|_| true);
        }
    }
}

fn layer(bytes: &[u8]) {
    let mut blobs = Memory::default();
    let layers = [
        blobs.put(media::LAYER_TAR, &sample_tar()),
        blobs.put(media::LAYER_GZIP, &super::apk::gzip(bytes)),
        blobs.put(media::LAYER_GZIP, bytes),
    ];
    for layers in [&layers[..2], &layers[2..]] {
        let manifest = Manifest::new(Descriptor::of(media::CONFIG, b"{}"), layers.to_vec(), BTreeMap::new());
        let _ = oci::tree::merged(&blobs, &manifest, &|_| true);
    }
}

fn archives() -> Vec<Vec<u8>> {
    let (blobs, descriptor, _) = image();
    let images = [Tagged { name: "sample".into(), tag: "1".into(), descriptor }];
    let (mut oci, mut docker) = (Vec::new(), Vec::new());
    oci::archive::oci(&mut oci, &images, &blobs).unwrap();
    oci::archive::docker(&mut docker, &images, &blobs).unwrap();
    vec![oci, docker]
}

fn archive(bytes: &[u8]) {
    let dir = super::folder();
    let path = dir.path().join("image.tar");
    fs_err::write(&path, bytes).unwrap();
    let Ok(source) = oci::Source::open(&path) else { return };
    for root in source.index().manifests.clone() {
        read(&source, &root);
    }
    assert_eq!(super::names(dir.path()), 1, "something was written outside");
}
