//! Recomputes everything that an image states of itself, and lists what is not so.

use std::collections::BTreeSet;
use std::io;

use base::tree::{Kind, TreePath};
use base::{Digest, Hashing};

use crate::blobs::MAX_DEPTH;
use crate::error::doing;
use crate::tree::{LayerBytes, read_layer};
use crate::{Blobs, Config, Descriptor, Index, Manifest, OciError, Platform, media};

/// Something that an image states and that is not so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// There is no image in it.
    #[error("there is no image")]
    Empty,
    /// A blob is named and is not there.
    #[error("the blob {0} is named and is not there")]
    Missing(Digest),
    /// A blob's bytes are others than its name says.
    #[error("the blob {expected} hashes to {actual}")]
    Digest {
        /// Its name.
        expected: Digest,
        /// What it hashes to.
        actual: Digest,
    },
    /// A blob's length is another than its descriptor says.
    #[error("the blob {digest} has {actual} bytes, its descriptor says {expected}")]
    Size {
        /// Its name.
        digest: Digest,
        /// What the descriptor says.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// A blob can not be understood.
    #[error("the blob {digest} can not be understood: {why}")]
    Unreadable {
        /// Its name.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// A manifest calls itself something else than its descriptor does.
    #[error("{digest} is named as {expected} and calls itself {actual}")]
    MediaType {
        /// Its name.
        digest: Digest,
        /// What the descriptor says.
        expected: String,
        /// What it says.
        actual: String,
    },
    /// An index gives an image another platform than its configuration does.
    #[error("the index gives {manifest} the platform {expected}, its configuration says {actual}")]
    Platform {
        /// The manifest.
        manifest: Digest,
        /// What the index says.
        expected: Platform,
        /// What the configuration says.
        actual: Platform,
    },
    /// Layers and diff ids are not of one number.
    #[error("the image {manifest} has {layers} layers and {diff_ids} diff ids")]
    Layers {
        /// The manifest.
        manifest: Digest,
        /// How many layers it has.
        layers: usize,
        /// How many diff ids its configuration has.
        diff_ids: usize,
    },
    /// Layers and entries of the history are not of one number.
    #[error("the image {manifest} has {layers} layers and a history of {history}")]
    History {
        /// The manifest.
        manifest: Digest,
        /// How many layers it has.
        layers: usize,
        /// How many entries of the history made a layer.
        history: usize,
    },
    /// A layer unpacks to other bytes than the configuration says.
    #[error("the layer {layer} unpacks to {actual}, the configuration says {expected}")]
    DiffId {
        /// The layer.
        layer: Digest,
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A layer holds one path twice: what it unpacks to depends on who unpacks it.
    #[error("the layer {layer} holds `{path}` twice")]
    Twice {
        /// The layer.
        layer: Digest,
        /// The path.
        path: TreePath,
    },
    /// A hard link names a file that does not come before it in its layer.
    #[error("in the layer {layer}, `{path}` is a hard link to `{target}`, which does not come before it")]
    Link {
        /// The layer.
        layer: Digest,
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
}

/// Checks all that `roots` lead to. `Err` only when reading itself breaks; what is wrong with the image is a finding.
pub fn validate(blobs: &dyn Blobs, roots: &[Descriptor]) -> Result<Vec<Finding>, OciError> {
    let mut check = Check { blobs, findings: Vec::new(), seen: BTreeSet::new(), images: 0 };
    for root in roots {
        check.any(root, 0)?;
    }
    if check.images == 0 && check.findings.is_empty() {
        check.findings.push(Finding::Empty);
    }
    Ok(check.findings)
}

struct Check<'a> {
    blobs: &'a dyn Blobs,
    findings: Vec<Finding>,
    seen: BTreeSet<Digest>,
    images: usize,
}

impl Check<'_> {
    fn any(&mut self, one: &Descriptor, depth: usize) -> Result<(), OciError> {
        if !self.seen.insert(one.digest) {
            return Ok(());
        }
        if media::is_index(&one.media_type) {
            self.index(one, depth)
        } else if media::is_manifest(&one.media_type) {
            self.manifest(one)
        } else {
            self.blob(one)
        }
    }

    /// Turns what is wrong with the image into findings, and lets what is wrong with the machine through.
    fn note<T>(&mut self, digest: Digest, result: Result<T, OciError>) -> Result<Option<T>, OciError> {
        let finding = match result {
            Ok(value) => return Ok(Some(value)),
            Err(OciError::Missing(digest)) => Finding::Missing(digest),
            Err(OciError::Store(base::StoreError::Missing { digest })) => Finding::Missing(digest),
            Err(OciError::Changed { expected, actual }) => Finding::Digest { expected, actual },
            Err(OciError::Json { source, .. }) => Finding::Unreadable { digest, why: source.to_string() },
            Err(OciError::Layer { source, .. }) => Finding::Unreadable { digest, why: chain(&source) },
            Err(error @ (OciError::Large { .. } | OciError::LayerMedia { .. } | OciError::Depth(_))) => {
                Finding::Unreadable { digest, why: error.to_string() }
            }
            Err(error) => return Err(error),
        };
        self.findings.push(finding);
        Ok(None)
    }

    fn size(&mut self, one: &Descriptor, actual: u64) {
        if actual != one.size {
            self.findings.push(Finding::Size { digest: one.digest, expected: one.size, actual });
        }
    }

    fn media_type(&mut self, one: &Descriptor, actual: Option<&String>) {
        if let Some(actual) = actual.filter(|actual| **actual != one.media_type) {
            self.findings.push(Finding::MediaType { digest: one.digest, expected: one.media_type.clone(), actual: actual.clone() });
        }
    }

    fn blob(&mut self, one: &Descriptor) -> Result<(), OciError> {
        let opened = self.blobs.open(&one.digest);
        let Some(reader) = self.note(one.digest, opened)? else { return Ok(()) };
        let mut hashing = Hashing::new(reader);
        io::copy(&mut hashing, &mut io::sink()).map_err(doing("reading a blob"))?;
        let (_, actual, bytes) = hashing.finish();
        self.size(one, bytes);
        if actual != one.digest {
            self.findings.push(Finding::Digest { expected: one.digest, actual });
        }
        Ok(())
    }

    fn index(&mut self, one: &Descriptor, depth: usize) -> Result<(), OciError> {
        let read = if depth >= MAX_DEPTH { Err(OciError::Depth(one.digest)) } else { Index::read(self.blobs, one) };
        let Some(index) = self.note(one.digest, read)? else { return Ok(()) };
        self.blob(one)?;
        self.media_type(one, index.media_type.as_ref());
        index.manifests.iter().try_for_each(|manifest| self.any(manifest, depth + 1))
    }

    fn manifest(&mut self, one: &Descriptor) -> Result<(), OciError> {
        let read = Manifest::read(self.blobs, one);
        let Some(manifest) = self.note(one.digest, read)? else { return Ok(()) };
        self.blob(one)?;
        self.media_type(one, manifest.media_type.as_ref());
        if !matches!(manifest.config.media_type.as_str(), media::CONFIG | media::DOCKER_CONFIG) {
            return manifest.layers.iter().chain([&manifest.config]).try_for_each(|part| self.blob(part));
        }
        self.images += 1;
        let read = Config::read(self.blobs, &manifest.config);
        let Some(config) = self.note(manifest.config.digest, read)? else { return Ok(()) };
        self.blob(&manifest.config)?;
        self.agreement(one, &manifest, &config);
        for (place, layer) in manifest.layers.iter().enumerate() {
            self.layer(layer, config.rootfs.diff_ids.get(place))?;
        }
        Ok(())
    }

    /// Compares what the manifest and what the configuration say.
    fn agreement(&mut self, one: &Descriptor, manifest: &Manifest, config: &Config) {
        let actual = Platform { architecture: config.architecture.clone(), os: config.os.clone(), variant: config.variant.clone() };
        if let Some(expected) = one.platform.clone().filter(|expected| *expected != actual) {
            self.findings.push(Finding::Platform { manifest: one.digest, expected, actual });
        }
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            self.findings.push(Finding::Layers { manifest: one.digest, layers, diff_ids });
        }
        let history = config.history.iter().filter(|entry| !entry.empty_layer).count();
        if history != layers && !config.history.is_empty() {
            self.findings.push(Finding::History { manifest: one.digest, layers, history });
        }
    }

    fn layer(&mut self, layer: &Descriptor, diff_id: Option<&Digest>) -> Result<(), OciError> {
        let mut paths = BTreeSet::new();
        let mut odd = Vec::new();
        let read = read_layer(self.blobs, layer, |item, _| {
            let entry = item.entry;
            if let Kind::Hardlink { target } = &entry.kind
                && !paths.contains(target)
            {
                odd.push(Finding::Link { layer: layer.digest, path: entry.path.clone(), target: target.clone() });
            }
            if !paths.insert(entry.path.clone()) {
                odd.push(Finding::Twice { layer: layer.digest, path: entry.path });
            }
            Ok(())
        });
        self.findings.append(&mut odd);
        let Some(LayerBytes { digest, size, diff_id: actual, .. }) = self.note(layer.digest, read)? else {
            // The archive could not be read to its end; its bytes are still compared with its name.
            return if self.findings.contains(&Finding::Missing(layer.digest)) { Ok(()) } else { self.blob(layer) };
        };
        self.size(layer, size);
        if digest != layer.digest {
            self.findings.push(Finding::Digest { expected: layer.digest, actual: digest });
        }
        if let Some(expected) = diff_id.copied().filter(|expected| *expected != actual) {
            self.findings.push(Finding::DiffId { layer: layer.digest, expected, actual });
        }
        Ok(())
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
