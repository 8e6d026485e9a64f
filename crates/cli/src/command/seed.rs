//! `undistro seed`: the foreign packages that builds start from.

use base::Arch;
use build::seed::{self, difference};
use source::debian::{Authority, KEYRING, Unchecked};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, size};
use crate::workshop::{FetchArgs, Workshop};

/// Convert and renew the foreign packages that builds start from.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Bring and convert everything that seed.lock pins.
    Convert {
        #[command(flatten)]
        fetch: FetchArgs,
    },
    /// Resolve seed.yaml against the suite as it is now, and write seed.lock.
    Relock {
        /// Show what would change and write nothing; exit 1 if anything would.
        #[arg(long)]
        check: bool,
        /// Leave the seeds as they are; find only the sources of those whose code goes into packages.
        #[arg(long)]
        sources: bool,
        #[command(flatten)]
        fetch: FetchArgs,
    },
    /// List what seed.lock pins.
    List,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    match &args.verb {
        Verb::Convert { fetch } => convert(fetch, global, printer),
        Verb::Relock { check, sources, fetch } => relock(*check, *sources, fetch, global, printer),
        Verb::List => list(global, printer),
    }
}

/// What release files are checked with, if this machine has it.
pub(super) fn authority() -> Result<Authority, Unchecked> {
    let gpgv = ["/usr/bin/gpgv", "/bin/gpgv"].into_iter().find(|path| std::path::Path::new(path).exists());
    let keyring = std::path::Path::new(KEYRING);
    match gpgv {
        Some(gpgv) if keyring.exists() => Ok(Authority { gpgv: gpgv.into(), keyring: keyring.into() }),
        _ => Err(Unchecked::NoGpgv),
    }
}

fn convert(fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, fetch, printer)?;
    let records = workshop.with_builder(|builder| Ok(builder.seeds.to_vec()))?;
    let bytes = records.iter().map(|record| record.size).sum();
    printer.json(&records);
    printer.line(format!("{} seeds in the store, {}", records.len(), size(bytes)));
    Ok(())
}

fn relock(check: bool, sources: bool, fetch: &FetchArgs, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, fetch, printer)?;
    let seed = spec::seed::load(&workshop.folder().join("seed.yaml")).map_err(|error| Failure::input(&error))?;
    let arch = Arch::host().ok_or_else(|| Failure::Input(Message::text("there are no seeds for this machine's architecture")))?;
    let old = workshop.seed_lock()?;
    let authority = authority();
    let fetcher = workshop.fetcher()?;
    let authority = authority.as_ref().map_err(|why| *why);
    let new = match (sources, &old) {
        (true, Some(old)) => seed::relock_sources(old.clone(), &seed, &fetcher, authority, &workshop.progress),
        _ => seed::relock(&seed, arch, &fetcher, authority, &workshop.progress),
    };
    let new = new.map_err(|error| Failure::fault(&error))?;
    let changes = difference(old.as_ref(), &new);
    printer.line(changes.trim_end());
    if check {
        return if old.as_ref() == Some(&new) { Ok(()) } else { Err(Failure::Said) };
    }
    let path = workshop.folder().join("seed.lock");
    let fresh = workshop.folder().join("seed.lock.new");
    fs_err::write(&fresh, new.to_text()).and_then(|()| fs_err::rename(&fresh, &path)).map_err(|error| Failure::fault(&error))?;
    printer.talk(format!("{} written; read the difference before you commit it", path.display()));
    Ok(())
}

fn list(global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &FetchArgs::default(), printer)?;
    let lock = workshop
        .seed_lock()?
        .ok_or_else(|| Failure::Input(Message::text("there is no seed.lock").hint("undistro seed relock writes it")))?;
    for package in &lock.packages {
        printer.line(format!("{:<28} {:<28} {}", package.name, package.version, package.sha256));
    }
    printer.json(&lock);
    Ok(())
}
