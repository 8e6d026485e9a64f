//! What an image says of itself: layers, sizes, user, entrypoint.

use std::collections::BTreeMap;

use base::Digest;
use serde::Serialize;

use crate::{Blobs, Config, Descriptor, Manifest, OciError, Platform};

/// One image for one platform, as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What it runs on.
    pub platform: Platform,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of its configuration, which docker calls the image id.
    pub config: Digest,
    /// When it was made.
    pub created: Option<String>,
    /// Who runs in it.
    pub user: String,
    /// What is run.
    pub entrypoint: Vec<String>,
    /// Its arguments.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Where it starts.
    pub work_dir: String,
    /// The signal that asks it to end.
    pub stop_signal: String,
    /// Where something may be mounted.
    pub volumes: Vec<String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Labels of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Layers, lowest first.
    pub layers: Vec<LayerInspection>,
    /// Bytes of all layers as they are kept.
    pub size: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerInspection {
    /// Digest of the bytes as they are kept.
    pub digest: Digest,
    /// How many these are.
    pub size: u64,
    /// Its form.
    pub media_type: String,
    /// Digest of the uncompressed bytes, as the configuration states it.
    pub diff_id: Option<Digest>,
    /// What the history says of it.
    pub comment: Option<String>,
}

/// Reads manifest and configuration of an image; no layer is opened.
pub fn inspect(blobs: &dyn Blobs, image: &Descriptor) -> Result<Inspection, OciError> {
    let manifest = Manifest::read(blobs, image)?;
    let config = Config::read(blobs, &manifest.config)?;
    let mut comments =
        config.history.iter().filter(|one| !one.empty_layer).map(|one| one.comment.clone().or_else(|| one.created_by.clone()));
    let layer = |(place, layer): (usize, &Descriptor)| LayerInspection {
        digest: layer.digest,
        size: layer.size,
        media_type: layer.media_type.clone(),
        diff_id: config.rootfs.diff_ids.get(place).copied(),
        comment: comments.next().flatten(),
    };
    let run = &config.config;
    Ok(Inspection {
        layers: manifest.layers.iter().enumerate().map(layer).collect(),
        size: manifest.layers.iter().map(|layer| layer.size).sum(),
        platform: Platform { architecture: config.architecture.clone(), os: config.os.clone(), variant: config.variant.clone() },
        manifest: image.digest,
        config: manifest.config.digest,
        created: config.created.clone(),
        user: run.user.clone(),
        entrypoint: run.entrypoint.clone().unwrap_or_default(),
        cmd: run.cmd.clone().unwrap_or_default(),
        environment: run.env.clone().unwrap_or_default(),
        work_dir: run.working_dir.clone(),
        stop_signal: run.stop_signal.clone(),
        volumes: run.volumes.iter().flatten().map(|(path, _)| path.clone()).collect(),
        annotations: manifest.annotations.clone(),
        labels: run.labels.clone().unwrap_or_default(),
    })
}
