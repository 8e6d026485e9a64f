//! `undistro source bundle`: all sources of what an image ships.

use std::path::Path;

use attest::intoto::Resource;
use build::provenance::{kept, kind};
use fs_err as fs;
use source::{Bundle, Bundled, Expected, Fetcher, Identity, Request};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, size};
use crate::subject::{Image, Prefer, Subject, Thing};
use crate::workshop::{FetchArgs, settings};

pub(super) fn run(image: &str, output: &Path, fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(image, Prefer::Image, global, fetch, printer)?;
    let Thing::Image(found) = &subject.thing else {
        return Err(Failure::Input(Message::text(format!("{image} is no image"))));
    };
    let (sources, epoch) = sources(&subject, found)?;
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

/// The sources of every package of an image, as the provenance of each names them; and the time of the image.
fn sources(subject: &Subject, image: &Image) -> Result<(Vec<Bundled>, i64), Failure> {
    let unknown = |what: &str| {
        let message = Message::text(format!("the provenance of {what} is not in this store"));
        Failure::No(message.hint("compose the image with this store first"))
    };
    let first = |digest: &base::Digest| -> Result<_, Failure> {
        Ok(kept(&subject.store, digest).map_err(|error| Failure::fault(&error))?.into_iter().next())
    };
    let mut composed = None;
    for digest in &image.digests {
        composed = composed.or(first(digest)?);
    }
    let composed = composed.ok_or_else(|| unknown(&subject.name))?;
    let epoch = composed.predicate.build_definition.internal_parameters.get("sourceDateEpoch").and_then(serde_json::Value::as_i64);
    let mut all = Vec::new();
    for package in composed.predicate.taken(kind::PACKAGE) {
        let name = package.name.clone().unwrap_or_default();
        let content = package.digest().ok_or_else(|| unknown(&name))?;
        let statement = first(&content)?.ok_or_else(|| unknown(&name))?;
        all.extend(statement.predicate.taken(kind::SOURCE).filter_map(|source| bundled(&name, source)));
    }
    Ok((all, epoch.unwrap_or_default()))
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
