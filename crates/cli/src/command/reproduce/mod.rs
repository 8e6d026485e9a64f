//! `undistro reproduce`: builds again, with everything varied that can be, and compares.

mod again;
mod cause;
mod second;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use apk::solve::{Policy, Repository};
use base::{Digest, PackageName, Store};
use build::reproduce::{Differing, Remade, Variation, compare};
use build::{Builder, Built};
use serde::Serialize;
use spec::image::Config;

use self::cause::Cause;
use self::second::Second;
use crate::args::Global;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

pub(crate) use again::if_asked;

/// Build packages and images again, with everything varied that can be, and compare them byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first build is the one that this store holds, or is made now. The second runs in another process, with a fresh store, and
prints what was varied and what was not. Packages that differ are compared file by file. For an image, every package in it is built
again and the image composed again. It is a self-check of one machine; `undistro lock --check` elsewhere is the other half.

Examples:
  undistro reproduce zlib
  undistro reproduce nginx              the image nginx and every package in it
  undistro reproduce --all
  undistro reproduce zlib --why         where something differs, find out by which circumstance

Exits with 1 if anything differs.")]
pub(crate) struct Args {
    /// Packages or images.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Every definition and every image.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Where something differs, build some more times to find which circumstance makes it differ.
    #[arg(long)]
    why: bool,
    /// Where the second builds work; with files of other users and overlays.
    #[arg(long = "in", value_name = "DIR")]
    place: Option<PathBuf>,
    /// Leave what the second builds made.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// What came of it, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    varied: Vec<String>,
    not_varied: Vec<String>,
    definitions: Vec<Reproduced>,
    images: Vec<ReproducedImage>,
    /// Packages whose content is not the one in distro.lock; absent where there is no lock.
    not_as_locked: Option<Vec<String>>,
}

/// A definition that was built twice.
#[derive(Debug, Serialize)]
struct Reproduced {
    name: PackageName,
    equal: bool,
    packages: BTreeMap<PackageName, Digest>,
    seconds: f64,
    differing: Vec<Differing>,
    cause: Option<Cause>,
    /// Why the second build did not end well, if it did not.
    failed: Vec<String>,
}

/// An image that was composed twice.
#[derive(Debug, Serialize)]
struct ReproducedImage {
    name: String,
    equal: bool,
    first: Digest,
    /// Absent where a package of it differs, so that it was not composed again.
    second: Option<Digest>,
}

type Image = (String, PathBuf, Config);

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &args.fetch, printer)?;
    let report = workshop.with_builder(|builder| reproduce(args, builder, &workshop, printer))?;
    report.definitions.iter().for_each(|one| tell(one, printer));
    for image in &report.images {
        let word = if image.equal { "equal" } else { "DIFFERS" };
        printer.line(format!("{word:<9} image {}  {}", image.name, image.first));
    }
    printer.talk(format!("varied: {}", report.varied.join("; ")));
    printer.talk(format!("not varied: {}", report.not_varied.join("; ")));
    match &report.not_as_locked {
        None => {}
        Some(others) if others.is_empty() => printer.talk("distro.lock: met"),
        Some(others) => printer.warn(&format!("distro.lock names another content of {}", others.join(", "))),
    }
    let failed = report.definitions.iter().any(|one| !one.equal) || report.images.iter().any(|one| !one.equal);
    printer.json(&report);
    if failed { Err(Failure::Said) } else { Ok(()) }
}

fn reproduce(args: &Args, builder: &Builder<'_>, workshop: &Workshop, printer: &Printer) -> Result<Report, Failure> {
    let images = super::compose::images(workshop)?;
    let images: Vec<Image> = images.into_iter().filter(|(name, ..)| args.all || args.names.contains(name)).collect();
    let (first, origins) = first(args, &images, builder, workshop, printer)?;
    let second = Second::open(args.place.as_deref(), args.keep, builder)?;
    let variation = second.all_varied();
    let mut definitions = Vec::new();
    let mut remade = BTreeMap::new();
    for built in first.values().filter(|built| origins.contains(&built.origin)) {
        printer.talk(format!("again: {}", built.origin));
        let made = match second.build(built, &variation, builder) {
            Ok(made) => made,
            Err(Failure::No(message)) => {
                definitions.push(Reproduced { failed: message.chain, ..reproduced(built, &Remade::default(), Vec::new(), None) });
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let differing = differing(built, &made, workshop)?;
        let cause = match differing.is_empty() || !args.why {
            true => None,
            false => Some(cause::find(built, &second, builder, printer)?),
        };
        definitions.push(reproduced(built, &made, differing, cause));
        remade.extend(made.packages);
    }
    let mut composed = Vec::new();
    for image in &images {
        composed.push(compose_again(image, &remade, &second, builder, workshop, printer)?);
    }
    let not_as_locked = not_as_locked(workshop, &definitions)?;
    let (varied, not_varied) = second.told(&variation);
    Ok(Report { varied, not_varied, definitions, images: composed, not_as_locked })
}

/// What is built for the first time, and the definitions among it that are to be built again.
fn first(
    args: &Args,
    images: &[Image],
    builder: &Builder<'_>,
    workshop: &Workshop,
    printer: &Printer,
) -> Result<(BTreeMap<PackageName, Built>, BTreeSet<PackageName>), Failure> {
    let targets = if args.all { super::build::all(workshop) } else { super::build::targets(workshop, &args.names)? };
    let report = super::build::build(builder, &targets, printer)?;
    let mut origins = BTreeSet::new();
    let mut wanted: BTreeSet<String> = targets.iter().filter(|name| args.all || args.names.contains(name)).cloned().collect();
    for (name, path, config) in images {
        let made = super::compose::make(builder, name, path, config, workshop, printer)?;
        wanted.extend(made.lock.packages.iter().map(|one| one.name.to_string()));
    }
    for built in &report.built {
        if built.packages.iter().any(|record| wanted.contains(record.info.name.as_str())) || wanted.contains(built.origin.as_str()) {
            origins.insert(built.origin.clone());
        }
    }
    Ok((report.built.into_iter().map(|built| (built.origin.clone(), built)).collect(), origins))
}

fn differing(built: &Built, made: &Remade, workshop: &Workshop) -> Result<Vec<Differing>, Failure> {
    let mut found = Vec::new();
    for (name, (_, first)) in Remade::of(built, &workshop.store).packages {
        let Some((_, second)) = made.packages.get(&name) else { continue };
        found.extend(compare(&first, second).map_err(|error| Failure::fault(&error))?);
    }
    Ok(found)
}

fn reproduced(built: &Built, made: &Remade, differing: Vec<Differing>, cause: Option<Cause>) -> Reproduced {
    let contents =
        |remade: &Remade| remade.packages.iter().map(|(name, (content, _))| (name.clone(), *content)).collect::<BTreeMap<_, _>>();
    let packages: BTreeMap<_, _> = built.packages.iter().filter_map(|record| Some((record.info.name.clone(), record.content?))).collect();
    Reproduced {
        name: built.origin.clone(),
        equal: contents(made) == packages,
        packages,
        seconds: made.seconds,
        differing,
        cause,
        failed: Vec::new(),
    }
}

/// Composes an image in a store of its own, of the packages that were built again.
fn compose_again(
    (name, path, config): &Image,
    remade: &BTreeMap<PackageName, (Digest, PathBuf)>,
    second: &Second,
    builder: &Builder<'_>,
    workshop: &Workshop,
    printer: &Printer,
) -> Result<ReproducedImage, Failure> {
    let made = super::compose::make(builder, name, path, config, workshop, printer)?;
    let mut image = ReproducedImage { name: name.clone(), equal: false, first: made.index.digest, second: None };
    let store = Store::open(&second.folder(&format!("image-{name}"))).map_err(|error| Failure::fault(&error))?;
    let mut records = Vec::new();
    for locked in &made.lock.packages {
        let Some((content, file)) = remade.get(&locked.name).filter(|(content, _)| *content == locked.content) else { return Ok(image) };
        let mut file = fs_err::File::open(file).map_err(|error| Failure::fault(&error))?;
        store.put_from(&mut file).map_err(|error| Failure::fault(&error))?;
        let package = apk::Package::open_blob(&store, content).map_err(|error| Failure::fault(&error))?;
        records.push(package.record().clone());
    }
    let distro = &workshop.distro;
    let lock = image::lock(config, &[Repository::new(&records)], distro.arch, Policy::Apk).map_err(|error| Failure::input(&error))?;
    let told = |error: image::ImageError| Failure::fault(&error);
    let composed = image::compose(&store, name, &lock, config, &distro.settings, &()).map_err(told)?;
    let index = image::index(&store, std::slice::from_ref(&composed)).map_err(told)?;
    image.second = Some(index.digest);
    image.equal = index.digest == made.index.digest && composed.sbom == made.composed.sbom;
    Ok(image)
}

/// Packages whose content is another than distro.lock names.
fn not_as_locked(workshop: &Workshop, definitions: &[Reproduced]) -> Result<Option<Vec<String>>, Failure> {
    let Some(locked) = super::lock::read(workshop)? else { return Ok(None) };
    let arch = workshop.distro.arch;
    let mut others = Vec::new();
    for one in definitions {
        let known = locked.packages.get(&one.name).and_then(|by_arch| by_arch.get(&arch));
        let is_other = |(name, content): &(&PackageName, &Digest)| known.and_then(|known| known.contents.get(*name)) != Some(*content);
        others.extend(one.packages.iter().filter(is_other).map(|(name, _)| name.to_string()));
    }
    Ok(Some(others))
}

fn tell(one: &Reproduced, printer: &Printer) {
    let word = if one.equal { "equal" } else { "DIFFERS" };
    printer.line(format!("{word:<9} {}: {} packages, {:.1} s", one.name, one.packages.len(), one.seconds));
    one.failed.iter().for_each(|line| printer.line(format!("  {line}")));
    for package in &one.differing {
        printer.line(format!("  {}: {} and {}", package.package, package.first, package.second));
        for (field, first, second) in &package.fields {
            printer.line(format!("    {field}: {first} and {second}"));
        }
        for file in &package.files {
            let what = super::diff::aspects(&file.what);
            printer.line(format!("    /{}  [{what}]  {}", file.path, file.how));
        }
    }
    if let Some(cause) = &one.cause {
        printer.line(format!("  cause: {cause}"));
    }
}

impl Second {
    /// Builds a definition again.
    fn build(&self, built: &Built, variation: &Variation, builder: &Builder<'_>) -> Result<Remade, Failure> {
        let again = self.request(built, variation, builder)?;
        self.carry_out(&again).map_err(|message| {
            let message = message.hint(format!("the second build of {} failed where the first did not", again.origin));
            Failure::No(message)
        })
    }
}
