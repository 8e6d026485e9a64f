//! `undistro lineage`: which foreign packages something descends from.

use std::collections::BTreeMap;

use apk::Package;
use base::{Digest, Store};
use build::lineage::{Lineage, lineage};
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::subject::{Subject, Thing};
use crate::workshop::FetchArgs;

/// Say which seeds a package descends from, through which packages, and which of their objects are linked into it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The seeds are those in its build root and in the build roots of the packages in there, all the way down, as provenance tells.

Example:
  undistro lineage zlib")]
pub(crate) struct Args {
    /// A package's file, or its name.
    package: String,
    #[command(flatten)]
    fetch: FetchArgs,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    package: String,
    content: Digest,
    #[serde(flatten)]
    lineage: &'a Lineage,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(&args.package, global, &args.fetch, printer)?;
    let Thing::Package(package) = &subject.thing else {
        return Err(Failure::Input(Message::text(format!("{} is no package", subject.name)).hint("an image's packages: undistro inspect")));
    };
    tell(package, &subject.store, printer)
}

fn tell(package: &Package, store: &Store, printer: &Printer) -> Result<(), Failure> {
    let (identity, content) = (package.info().identity(), package.content());
    let lineage = lineage(store, package.info().name.as_str(), &content).map_err(|error| Failure::fault(&error))?;
    printer.json(&Told { package: identity.clone(), content, lineage: &lineage });
    printer.line(format!("{identity}  {content}"));
    printer.line(format!("built with {} packages of ours, directly or not", lineage.packages.len()));
    for (name, content) in &lineage.unknown {
        printer.line(format!("unknown: no provenance of {name} {content} is kept here; what it descends from is not known"));
    }
    if lineage.is_ours_alone() {
        printer.line("no seed: everything that it descends from was built by us");
    }
    let direct: BTreeMap<_, _> = lineage.seeds.iter().filter(|(_, seed)| seed.direct).collect();
    printer.line(format!("seeds in its own build root: {}", direct.len()));
    for (name, seed) in &direct {
        printer.line(format!("  {name}-{}  {}", seed.version, seed.purl.as_deref().unwrap_or_default()));
    }
    let inherited: Vec<_> = lineage.seeds.iter().filter(|(_, seed)| !seed.direct).collect();
    printer.line(format!("seeds that only its packages were built with: {}", inherited.len()));
    for (name, seed) in inherited {
        let through: Vec<_> = seed.through.iter().map(String::as_str).collect();
        printer.line(format!("  {name}-{}  through {}", seed.version, through.join(", ")));
    }
    Ok(())
}
