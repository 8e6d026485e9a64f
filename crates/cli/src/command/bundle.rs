//! `undistro source bundle`: all sources of what an image ships.

use std::collections::BTreeSet;
use std::path::Path;

use attest::intoto::Resource;
use attest::slsa::Provenance;
use base::{Digest, Store};
use build::provenance::{kept, kind};
use build::seed::{Lock, source_requests};
use fs_err as fs;
use source::{Bundle, Bundled, Expected, Fetcher, Identity, Request};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, size};
use crate::project;
use crate::remote::RegistryArgs;
use crate::subject::{Image, Prefer, Subject, Thing};
use crate::workshop::{FetchArgs, seed_lock, settings};

pub(super) fn run(image: &str, output: &Path, fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(image, Prefer::Image, global, fetch, &RegistryArgs::default(), printer)?;
    let Thing::Image(found) = &subject.thing else {
        return Err(Failure::Input(Message::text(format!("{image} is no image"))));
    };
    let lock = project::distro(global).ok().map(|folder| seed_lock(&folder)).transpose()?.flatten();
    let (sources, epoch) = sources(&subject, found, lock.as_ref())?;
    let fetcher = Fetcher::new(&subject.store, settings(fetch)?).map_err(|error| Failure::input(&error))?;
    let bundle = Bundle::collect(&fetcher, sources, &()).map_err(|error| Failure::fault(&error))?;
    if output.extension().is_some_and(|extension| extension == "tar") {
        let mut file = fs::File::create(output).map_err(|error| Failure::fault(&error))?;
        bundle.write_tar(&mut file, epoch).map_err(|error| Failure::fault(&error))?;
    } else {
        bundle.write_folder(output).map_err(|error| Failure::fault(&error))?;
    }
    printer.json(&bundle.sources);
    let bytes = bundle.sources.iter().map(|source| source.size).sum();
    printer.line(format!("{}: {} sources, {}", output.display(), bundle.sources.len(), size(bytes)));
    Ok(())
}

/// The sources of every package of an image, as the provenance of each names them, and of what is linked into them; and the time
/// of the image.
fn sources(subject: &Subject, image: &Image, lock: Option<&Lock>) -> Result<(Vec<Bundled>, i64), Failure> {
    let mut composed = None;
    for digest in &image.digests {
        composed = composed.or(first(&subject.store, digest)?);
    }
    let composed = composed.ok_or_else(|| unknown(&subject.name))?;
    let epoch = composed.predicate.build_definition.internal_parameters.get("sourceDateEpoch").and_then(serde_json::Value::as_i64);
    let (mut all, mut seeds) = (Vec::new(), BTreeSet::new());
    for package in composed.predicate.taken(kind::PACKAGE) {
        let name = package.name.clone().unwrap_or_default();
        let statement = own(&subject.store, &name, package.digest(), &mut all)?;
        for object in build::provenance::linked_objects(&statement).filter(|object| object.package == name) {
            match object.seed {
                true => drop(seeds.insert(object.of)),
                false => drop(own(&subject.store, &object.of, Some(object.content), &mut all)?),
            }
        }
    }
    for seed in seeds {
        all.extend(of_seed(&seed, lock)?);
    }
    Ok((all, epoch.unwrap_or_default()))
}

fn unknown(what: &str) -> Failure {
    Failure::No(Message::text(format!("the provenance of {what} is not in this store")).hint("compose the image with this store first"))
}

fn first(store: &Store, digest: &Digest) -> Result<Option<Provenance>, Failure> {
    Ok(kept(store, digest).map_err(|error| Failure::fault(&error))?.into_iter().next())
}

/// Adds the sources of a package of ours, and returns how it was made.
fn own(store: &Store, name: &str, content: Option<Digest>, all: &mut Vec<Bundled>) -> Result<Provenance, Failure> {
    let content = content.ok_or_else(|| unknown(name))?;
    let statement = first(store, &content)?.ok_or_else(|| unknown(name))?;
    all.extend(statement.predicate.taken(kind::SOURCE).filter_map(|source| bundled(name, source)));
    Ok(statement)
}

/// The sources of a seed, as seed.lock pins them.
fn of_seed(seed: &str, lock: Option<&Lock>) -> Result<Vec<Bundled>, Failure> {
    let sources = lock.into_iter().flat_map(|lock| &lock.sources);
    let requests: Vec<Request> = sources.filter(|one| one.seeds.iter().any(|of| of == seed)).flat_map(source_requests).collect();
    if requests.is_empty() {
        let message = Message::text(format!("code of the seed {seed} is in the image, and seed.lock does not pin its source"));
        return Err(Failure::No(message.hint("state its licence in seed.yaml, then: undistro seed relock --sources")));
    }
    let bundled = |request| Bundled { package: seed.to_owned(), identity: Identity::of(&request), request };
    Ok(requests.into_iter().map(bundled).collect())
}

fn bundled(package: &str, source: &Resource) -> Option<Bundled> {
    let name = source.name.clone()?;
    let request = Request {
        name,
        uris: source.uri.clone().into_iter().collect(),
        expected: Expected::Sha256(source.digest()?),
        size: None,
        relock: None,
    };
    let identity = Identity::of(&request);
    Some(Bundled { package: package.to_owned(), request, identity })
}
