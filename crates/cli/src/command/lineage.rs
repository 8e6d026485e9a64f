//! `undistro lineage`: which foreign packages something descends from.

use std::collections::{BTreeMap, BTreeSet};

use apk::Package;
use base::{Digest, Store};
use build::lineage::{Lineage, lineage};
use build::linked::{MIN_BYTES, Object, in_package};
use build::provenance::kept;
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::remote::RegistryArgs;
use crate::subject::{Prefer, Subject, Thing};
use crate::workshop::FetchArgs;

/// Say which seeds a package descends from, through which packages, and which of their objects are linked into it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The seeds are those in its build root and in the build roots of the packages in there, all the way down, as provenance tells.
Objects are found by their code: small ones, data, and code that a linker rewrote can not be seen.

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
    /// Objects of its build root whose code is in it; absent where the root is not in this store.
    linked: Option<&'a BTreeSet<Object>>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let subject = Subject::find(&args.package, Prefer::Package, global, &args.fetch, &RegistryArgs::default(), printer)?;
    let Thing::Package(package) = &subject.thing else {
        return Err(Failure::Input(Message::text(format!("{} is no package", subject.name)).hint("an image's packages: undistro inspect")));
    };
    tell(package, &subject.store, printer)
}

fn tell(package: &Package, store: &Store, printer: &Printer) -> Result<(), Failure> {
    let (identity, content) = (package.info().identity(), package.content());
    let lineage = lineage(store, package.info().name.as_str(), &content).map_err(|error| Failure::fault(&error))?;
    let linked = linked(package, store)?;
    printer.json(&Told { package: identity.clone(), content, lineage: &lineage, linked: linked.as_ref() });
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
    match linked {
        Some(objects) => tell_linked(&objects, printer),
        None => printer.line("objects linked in: not known, since its build root is not in this store"),
    }
    Ok(())
}

/// Looks for code of the build root's objects in the package.
fn linked(package: &Package, store: &Store) -> Result<Option<BTreeSet<Object>>, Failure> {
    let statements = kept(store, &package.content()).map_err(|error| Failure::fault(&error))?;
    let Some(statement) = statements.first() else { return Ok(None) };
    let Ok(environment) = build::provenance::members(&statement.predicate) else { return Ok(None) };
    if environment.iter().any(|member| store.blob(&member.content).is_none()) {
        return Ok(None);
    }
    in_package(store, package, &environment).map(Some).map_err(|error| Failure::fault(&error))
}

fn tell_linked(objects: &BTreeSet<Object>, printer: &Printer) {
    let mut by_file: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for one in objects {
        let word = if one.member.seed { "seed" } else { "package" };
        let from = format!("{word} {}-{}", one.member.name, one.member.version);
        by_file.entry((one.file.to_string(), from)).or_default().push(&one.object);
    }
    printer.line(format!("objects linked in, as far as their code is found ({MIN_BYTES} bytes and more): {}", objects.len()));
    for ((file, from), objects) in by_file {
        let shown: Vec<_> = objects.iter().take(SHOWN).map(|object| object.rsplit('/').next().unwrap_or(object)).collect();
        let more = objects.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        printer.line(format!("  /{file}: {from}: {}{more}", shown.join(", ")));
    }
}

/// How many objects a line names.
const SHOWN: usize = 8;
