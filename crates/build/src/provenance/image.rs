//! How an image came to be: composed from exact packages, by a definition.

use std::collections::BTreeMap;

use attest::intoto::{Bytes, Resource};
use attest::slsa::{BuildDefinition, IMAGE_BUILD, Metadata, Predicate, Provenance, RunDetails, timestamp};
use attest::spdx::Purl;
use base::{Digest, Store};
use image::{Composed, Lock};
use serde_json::json;

use super::host::{Host, seconds};
use super::{ProvenanceError, keep, kept};

/// An image that was composed, and of what.
#[derive(Debug)]
pub struct Composition<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The definition: where it lies below the folder of definitions, or its file name; and its text.
    pub definition: (&'a str, &'a str),
    /// The distribution that its packages are of.
    pub distro: &'a spec::distro::Distro,
    /// Its packages.
    pub lock: &'a Lock,
    /// What came of it.
    pub composed: &'a Composed,
    /// The digest of its index.
    pub index: Digest,
    /// When composing began, in seconds since 1970.
    pub started: i64,
    /// Where the definitions were checked out from.
    pub checkout: Option<Resource>,
}

/// States how an image came to be and keeps that, unless it was stated when the same image was first composed.
pub fn image(composition: Composition<'_>, host: &dyn Host, store: &Store) -> Result<(), ProvenanceError> {
    let subjects = [composition.index, composition.composed.manifest.digest];
    let is_stated = subjects.iter().map(|one| kept(store, one)).collect::<Result<Vec<_>, _>>()?.iter().all(|found| !found.is_empty());
    if is_stated {
        return Ok(());
    }
    let statement = statement(composition, host)?;
    keep(store, &subjects, &statement)?;
    Ok(())
}

fn statement(of: Composition<'_>, host: &dyn Host) -> Result<Provenance, ProvenanceError> {
    let time = |seconds| timestamp(seconds).ok_or(ProvenanceError::Time(seconds));
    let (path, text) = of.definition;
    let definition = Resource::sha256(path, &Digest::of(text)).annotate("kind", super::kind::DEFINITION);
    let definition = Resource { content: Some(Bytes(text.as_bytes().to_vec())), ..definition };
    let package = |one: &image::lock::Locked| {
        let purl = Purl::apk(&of.distro.id, one.name.as_str(), one.version.as_str(), of.lock.arch.apk(), None);
        let resource = Resource::sha256(one.name.as_str(), &one.content).uri(purl.to_string());
        resource.annotate("kind", super::kind::PACKAGE).annotate("version", one.version.as_str())
    };
    let mut resolved: Vec<Resource> = of.checkout.into_iter().collect();
    resolved.push(definition);
    resolved.extend(of.lock.packages.iter().map(package));
    let lock = serde_json::to_vec(of.lock).unwrap_or_else(|error| unreachable!("a lock becomes JSON: {error}"));
    let byproducts = vec![
        Resource::sha256("sbom", &of.composed.sbom).media_type("application/spdx+json"),
        Resource::sha256("lock", &Digest::of(lock)).media_type("application/json"),
    ];
    let manifest = &of.composed.manifest;
    let platform = format!("{} ({})", of.name, of.lock.arch);
    let subjects = vec![
        Resource::sha256(of.name, &of.index).media_type(oci::media::INDEX),
        Resource::sha256(platform, &manifest.digest).media_type(&manifest.media_type),
    ];
    let predicate = Predicate {
        build_definition: BuildDefinition {
            build_type: IMAGE_BUILD.into(),
            external_parameters: BTreeMap::from([
                ("definition".to_owned(), json!(path)),
                ("image".to_owned(), json!(of.name)),
                ("arch".to_owned(), json!(of.lock.arch)),
                ("wants".to_owned(), json!(of.lock.wants)),
            ]),
            internal_parameters: BTreeMap::from([
                ("sourceDateEpoch".to_owned(), json!(of.composed.created)),
                ("layers".to_owned(), json!(of.composed.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>())),
            ]),
            resolved_dependencies: resolved,
        },
        run_details: RunDetails {
            builder: host.builder(),
            metadata: Metadata { invocation_id: host.invocation(), started_on: time(of.started)?, finished_on: time(seconds(host.now()))? },
            byproducts,
        },
    };
    Ok(predicate.about(subjects))
}
