//! From a lock and a definition to an image in the store.

use std::collections::{BTreeMap, BTreeSet};

use base::tree::TreePath;
use base::{Arch, Digest, Finish, Reporter, Store, Task, TaskKind};
use oci::{Descriptor, Index, Manifest, Platform, media};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spec::distro::Distro;
use spec::image::{Config, Entrypoint, Format};

use crate::contents::{Opened, contributions, open};
use crate::layer::{Plan, groups, keep, plan, stitch, whole};
use crate::table::{Table, merge};
use crate::{Files, ImageError, Layer, Lock, accounts, database, execution, layer, mutate, sbom};

/// How many packages the history of a layer names.
const NAMED: usize = 8;

/// Raised when the same lock and definition would give another image: whatever composing writes beside the layers' own
/// bytes. A test holds the digest of a small image.
const FORMAT: u32 = 1;

/// The kind of record that tells what a lock and a definition became.
const COMPOSED: &str = "composed";

/// An image for one architecture. All its blobs lie in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composed {
    /// For which machines.
    pub arch: Arch,
    /// Its manifest, with the platform.
    pub manifest: Descriptor,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// Its SBOM, SPDX 2.3 in JSON.
    pub sbom: Digest,
    /// The time of its newest package, in seconds since 1970.
    pub created: i64,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Composes the image `name` from the packages of a lock. The result depends on what is given here and on nothing else.
///
/// What was composed before from the same is a look-up, as long as the store has all of it.
pub fn compose(
    store: &Store,
    name: &str,
    lock: &Lock,
    definition: &Config,
    distro: &Distro,
    reporter: &dyn Reporter,
) -> Result<Composed, ImageError> {
    let task = Task::new(TaskKind::Compose, format!("{name} ({})", lock.arch));
    reporter.started(&task);
    let result = look_up_or_compose(store, name, lock, definition, distro);
    reporter.finished(&task, if result.is_ok() { Finish::Done } else { Finish::Failed });
    result
}

fn look_up_or_compose(store: &Store, name: &str, lock: &Lock, definition: &Config, distro: &Distro) -> Result<Composed, ImageError> {
    let all = (FORMAT, layer::FORMAT, name, lock, definition, distro);
    let key = Digest::of(serde_json::to_vec(&all).expect("a lock and definitions are always JSON"));
    if let Some(composed) = store.record::<Composed>(COMPOSED, &key)?
        && composed.blobs().all(|digest| store.blob(&digest).is_some())
    {
        return Ok(composed);
    }
    let compression = definition.compression;
    let composed = compose_with(store, name, lock, definition, distro, &|plans, opened| {
        let parts: Vec<_> = plans.iter().flat_map(|plan| &plan.parts).collect();
        let kept: Vec<_> = parts.par_iter().map(|part| keep(store, part, &opened[part.package], compression)).collect();
        kept.into_iter().try_for_each(|kept| kept.map(drop))?;
        plans.par_iter().map(|plan| stitch(store, plan, opened, compression)).collect()
    })?;
    store.put_record(COMPOSED, &key, &composed)?;
    Ok(composed)
}

/// Composes in the slow and exact way: each layer in one stream straight from the packages, as one gzip member.
///
/// Its layers unpack to the same bytes as those of [`compose`]; it is there to be compared with.
pub fn compose_whole(store: &Store, name: &str, lock: &Lock, definition: &Config, distro: &Distro) -> Result<Composed, ImageError> {
    compose_with(store, name, lock, definition, distro, &|plans, opened| plans.iter().map(|plan| whole(store, plan, opened)).collect())
}

/// Writes the layers of plans, in their order.
type WriteLayers<'w> = dyn Fn(&[Plan], &[Opened]) -> Result<Vec<Layer>, ImageError> + 'w;

fn compose_with(
    store: &Store,
    name: &str,
    lock: &Lock,
    definition: &Config,
    distro: &Distro,
    write: &WriteLayers<'_>,
) -> Result<Composed, ImageError> {
    supported(definition)?;
    let opened = open(store, lock, definition.compression)?;
    let epoch = epoch(&opened, distro);
    let created = oci::rfc3339(epoch).ok_or(ImageError::Time(epoch))?;
    let table = root(store, &opened, definition, epoch)?;
    let plans = plans(&table, &opened, definition);
    let layers = write(&plans, &opened)?;

    let annotations = execution::annotations(definition, &created);
    let told: Vec<_> = plans.iter().zip(&layers).map(|(plan, layer)| (layer.diff_id, comment(plan, &opened))).collect();
    let config = execution::config(definition, lock.arch, &created, &told, annotations.clone());
    let config = keep_bytes(store, media::CONFIG, &config.to_bytes())?;
    let blobs = layers.iter().map(|layer| layer.descriptor.clone()).collect();
    let manifest = Manifest::new(config.clone(), blobs, annotations.clone());
    let mut manifest = keep_bytes(store, media::MANIFEST, &manifest.to_bytes())?;
    manifest.platform = Some(Platform::linux(lock.arch));
    let sbom = sbom::make(store, name, (lock.arch, epoch), manifest.digest, distro, &table, &opened)?;
    let sbom = store.put(sbom.to_json().as_bytes())?;
    Ok(Composed { arch: lock.arch, manifest, config, layers, sbom, created: epoch, annotations })
}

impl Composed {
    /// Every blob of it.
    fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        let layers = self.layers.iter().map(|layer| layer.descriptor.digest);
        layers.chain([self.manifest.digest, self.config.digest, self.sbom])
    }
}

/// Makes the index of an image: one manifest per architecture. Its digest is what people pin.
pub fn index(store: &Store, images: &[Composed]) -> Result<Descriptor, ImageError> {
    let mut annotations = images.first().map(|image| image.annotations.clone()).unwrap_or_default();
    annotations.retain(|key, value| images.iter().all(|image| image.annotations.get(key) == Some(value)));
    if let Some(newest) = images.iter().map(|image| image.created).max() {
        annotations.insert(media::CREATED.into(), oci::rfc3339(newest).ok_or(ImageError::Time(newest))?);
    }
    let index = Index::new(images.iter().map(|image| image.manifest.clone()).collect(), annotations);
    keep_bytes(store, media::INDEX, &index.to_bytes())
}

fn keep_bytes(store: &Store, media_type: &str, bytes: &[u8]) -> Result<Descriptor, ImageError> {
    store.put(bytes)?;
    Ok(Descriptor::of(media_type, bytes))
}

/// Refuses what a definition can say and nothing here carries out: an image must not silently lack it.
fn supported(definition: &Config) -> Result<(), ImageError> {
    let refused = [
        (matches!(definition.entrypoint, Entrypoint::ServiceBundle(_)), "entrypoint.services"),
        (!definition.certificates.additional.is_empty(), "certificates.additional"),
        (!definition.contents.runtime_keyring.is_empty(), "contents.runtime_keyring"),
        (definition.contents.baseimage.is_some(), "contents.baseimage"),
        (definition.format != Format::Tar, "format"),
    ];
    match refused.into_iter().find(|(refused, _)| *refused) {
        Some((_, key)) => Err(ImageError::Unsupported { key }),
        None => Ok(()),
    }
}

/// The time of an image: that of its newest package, and never later than the distribution's ceiling.
fn epoch(opened: &[Opened], distro: &Distro) -> i64 {
    let newest = opened.iter().filter_map(|one| one.package.info().build_time).max();
    newest.unwrap_or(distro.source_date_epoch).min(distro.source_date_ceiling)
}

/// Makes the file table of the image: packages, accounts, the mutations that were asked for, then the database of all that.
fn root(store: &Store, opened: &[Opened], definition: &Config, epoch: i64) -> Result<Table, ImageError> {
    let mut table = merge(&contributions(opened))?;
    let wanted: BTreeSet<_> = accounts::FILES.iter().filter_map(|path| TreePath::parse(path).ok()).collect();
    let files = Files::read(store, opened, &table, &wanted)?;
    accounts::add(&mut table, &files, &definition.accounts, epoch)?;
    for mutation in &definition.paths {
        mutate::apply(&mut table, mutation, epoch)?;
    }
    database::add(&mut table, opened, epoch)?;
    Ok(table)
}

fn plans(table: &Table, opened: &[Opened], definition: &Config) -> Vec<Plan> {
    let infos: Vec<_> = opened.iter().map(|one| one.package.info()).collect();
    match definition.layering {
        Some(layering) => plan(table, opened, &groups(&infos, layering.budget), false),
        None => plan(table, opened, &[], true),
    }
}

/// What the history says of a layer.
fn comment(plan: &Plan, opened: &[Opened]) -> String {
    let mut names: Vec<_> = plan.packages.iter().map(|place| opened[*place].name()).collect();
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.is_empty(), more) {
        (true, _) => "accounts, package database, configuration".into(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
