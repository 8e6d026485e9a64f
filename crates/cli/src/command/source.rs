//! `undistro source`: keeps and renews the sources that definitions pin.

use std::path::PathBuf;

use source::debian::{Archive, Pinned};
use source::{Identity, Request};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, size};
use crate::workshop::{FetchArgs, Workshop};

/// Keep and renew the sources that definitions pin.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Copy everything that is pinned, seeds too, to a folder from which builds work offline.
    #[command(after_help = "Example:\n  undistro source mirror ./mirror && undistro build nginx --mirror ./mirror --offline")]
    Mirror {
        /// The folder.
        dir: PathBuf,
        /// The sources of seeds whose code goes into packages too, for `source bundle`; no build needs them.
        #[arg(long)]
        seed_sources: bool,
        #[command(flatten)]
        fetch: FetchArgs,
    },
    /// Write all sources of what an image ships, as licences ask of who passes it on.
    #[command(after_help = "\
The sources are those that the provenance of the image's packages names, by digest, with a list of what is for which package. With them
are those of what was linked in from other packages: ours, and seeds, whose sources seed.lock pins.

Example:
  undistro source bundle nginx -o nginx-sources.tar")]
    Bundle {
        /// An image, or its name in the distribution.
        image: String,
        /// A folder, or a file that ends with .tar.
        #[arg(short, long, value_name = "PATH")]
        output: PathBuf,
        #[command(flatten)]
        fetch: FetchArgs,
    },
    /// Say which pinned files the archive no longer has, and what took their place.
    Relock {
        /// Definitions [default: all].
        names: Vec<String>,
        #[command(flatten)]
        fetch: FetchArgs,
    },
    /// List what is pinned.
    List {
        /// Definitions [default: all].
        names: Vec<String>,
    },
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    match &args.verb {
        Verb::Mirror { dir, seed_sources, fetch } => mirror(dir, *seed_sources, fetch, global, printer),
        Verb::Bundle { image, output, fetch } => super::bundle::run(image, output, fetch, global, printer),
        Verb::Relock { names, fetch } => relock(names, fetch, global, printer),
        Verb::List { names } => list(names, global, printer),
    }
}

fn mirror(dir: &std::path::Path, seed_sources: bool, fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, fetch, printer)?;
    let mut requests: Vec<Request> = pinned(&workshop, &[])?.into_iter().map(|(_, request)| request).collect();
    if let Some(lock) = workshop.seed_lock()? {
        requests.extend(build::seed::requests(&lock));
        if seed_sources {
            requests.extend(lock.sources.iter().flat_map(build::seed::source_requests));
        }
    }
    let done = source::mirror(&workshop.fetcher()?, &requests, dir, &workshop.progress).map_err(|error| Failure::fault(&error))?;
    printer.json(&done);
    printer.line(format!("{}: {} files added, {} there already, {} in all", dir.display(), done.added, done.kept, size(done.bytes)));
    Ok(())
}

fn relock(names: &[String], fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, fetch, printer)?;
    let seed = spec::seed::load(&workshop.folder().join("seed.yaml")).map_err(|error| Failure::input(&error))?;
    let fetcher = workshop.fetcher()?;
    let authority = super::seed::authority();
    let archive = Archive::open(&fetcher, &seed.suite, authority.as_ref().map_err(|why| *why)).map_err(|error| Failure::fault(&error))?;
    printer.talk(archive.signature.to_string());
    let pinned: Vec<Pinned> = pinned(&workshop, names)?
        .into_iter()
        .flat_map(|(package, request)| {
            let expected = request.expected;
            request.uris.into_iter().map(move |uri| Pinned { package: package.clone(), uri, expected })
        })
        .collect();
    let looked = source::debian::look_after(&archive, &seed.component, &pinned, &fetcher, &workshop.progress)
        .map_err(|error| Failure::fault(&error))?;
    for one in looked.iter().filter(|one| one.needs_change()) {
        printer.line(one.to_string());
    }
    let changes = looked.iter().filter(|one| one.needs_change()).count();
    printer.talk(format!("{} pinned files, {changes} to change", looked.len()));
    if changes > 0 { Err(Failure::Said) } else { Ok(()) }
}

fn list(names: &[String], global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &FetchArgs::default(), printer)?;
    let all = pinned(&workshop, names)?;
    let rows: Vec<_> = all
        .iter()
        .map(|(package, request)| {
            let known = Identity::of(request);
            serde_json::json!({ "package": package, "name": request.name, "uris": request.uris, "expected": request.expected.to_string(), "identity": known })
        })
        .collect();
    for (package, request) in &all {
        printer.line(format!("{package:<24} {}  {}", request.uris.join(" "), request.expected));
    }
    printer.json(&rows);
    Ok(())
}

/// What definitions pin: definition and request.
fn pinned(workshop: &Workshop, names: &[String]) -> Result<Vec<(String, Request)>, Failure> {
    let mut all = Vec::new();
    for definition in workshop.distro.definitions() {
        let name = definition.recipe.name.to_string();
        if names.is_empty() || names.contains(&name) {
            let requests = build::requests(&definition.recipe).map_err(|error| Failure::input(&error))?;
            all.extend(requests.into_iter().map(|request| (name.clone(), request)));
        }
    }
    if all.is_empty() && !names.is_empty() {
        return Err(Failure::Input(Message::text(format!("no definition is called {}", names.join(" or ")))));
    }
    Ok(all)
}
