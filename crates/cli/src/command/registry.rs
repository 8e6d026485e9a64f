//! `undistro registry`: sweeping, checking and counting what a registry keeps.

use std::path::PathBuf;
use std::time::Duration;

use registry::sweep::{self, Damage, Sweep, Swept};
use registry::{Store, StoreError};

use super::serve::{Setup, runtime};
use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, count, size};

/// Look after what a registry keeps: sweep garbage, check every byte, count.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
These work on the store itself, while servers run or not: the folder `registry` of the store, or the bucket.

Examples:
  undistro registry gc --dry-run                       say what would go
  undistro registry gc --config serve.yaml             sweep, with the rules of the server
  undistro registry verify --store s3://images/prod    hash everything, look for what dangles")]
pub(crate) struct Args {
    /// The server's configuration: its store, grace period and rules.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Delete what no tag, manifest or subject needs any more; pushes and pulls go on.
    Gc {
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
        /// Nobody pushes meanwhile: garbage goes whatever its age. With a server running, pushes can fail.
        #[arg(long)]
        offline: bool,
    },
    /// Hash every blob and look for what dangles. Exit 1 when something is wrong.
    Verify {
        /// Mend what can be: take away what leads nowhere, list again what is not listed.
        #[arg(long)]
        repair: bool,
    },
    /// Say which tags and manifests go by the rules of the configuration. Deletes nothing: `gc` does.
    Retention {
        /// There is no other way; written so that scripts say what they mean.
        #[arg(long, default_value_t = true)]
        dry_run: bool,
    },
    /// Say how much each repository takes.
    Du,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let setup = Setup::load(args.config.as_deref(), global)?;
    runtime()?.block_on(async {
        match &args.verb {
            Verb::Gc { dry_run, offline } => gc(setup, *dry_run, *offline, printer).await,
            Verb::Verify { repair } => verify(&open(&setup).await?, *repair, printer).await,
            Verb::Retention { .. } => gc(setup, true, false, printer).await,
            Verb::Du => du(&open(&setup).await?, printer).await,
        }
    })
}

async fn open(setup: &Setup) -> Result<Store, Failure> {
    Store::open(&setup.store, &setup.opening).await.map_err(|error| failure(&error))
}

fn failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Address(_) => Failure::input(error),
        _ => Failure::fault(error),
    }
}

async fn gc(mut setup: Setup, dry_run: bool, offline: bool, printer: &Printer) -> Result<(), Failure> {
    if offline {
        setup.sweep.grace = Duration::ZERO;
    }
    let store = open(&setup).await?;
    let plan = Sweep { dry_run, ..setup.sweep };
    let swept = sweep::sweep(&store, &plan).await.map_err(|error| match &error {
        sweep::SweepError::Lease(sweep::LeaseError::NoConditions) => {
            Failure::No(Message::of(&error).hint("where this is the only process that sweeps, say `single-writer: true` in serve.yaml"))
        }
        sweep::SweepError::Lease(_) => Failure::No(Message::of(&error)),
        sweep::SweepError::Store(_) => Failure::fault(&error),
    })?;
    printer.json(&swept);
    tell(&swept, printer);
    Ok(())
}

fn tell(swept: &Swept, printer: &Printer) {
    let verb = if swept.dry_run { "would go" } else { "went" };
    for (name, tags) in &swept.removed_tags {
        tags.iter().for_each(|tag| printer.line(format!("{name}:{tag}")));
    }
    for (name, manifests) in &swept.removed_manifests {
        manifests.iter().for_each(|digest| printer.line(format!("{name}@{digest}")));
    }
    printer.line(format!(
        "{} in {}, {}; {} ({}) {verb}, {} too young",
        count(swept.manifests, "manifest"),
        if swept.repositories == 1 { "1 repository".to_owned() } else { format!("{} repositories", swept.repositories) },
        count(swept.tags, "tag"),
        count(swept.removed_blobs, "blob"),
        size(swept.freed),
        swept.young,
    ));
}

async fn verify(store: &Store, repair: bool, printer: &Printer) -> Result<(), Failure> {
    let verified = sweep::verify(store, repair).await.map_err(|error| failure(&error))?;
    printer.json(&verified);
    for damage in &verified.damage {
        printer.line(match damage {
            Damage::Changed { digest } => format!("changed     {digest}: the bytes are not what their name says"),
            Damage::Lost { name, digest } => format!("lost        {name}@{digest}: the bytes are not there"),
            Damage::Incomplete { name, manifest, missing } => format!("incomplete  {name}@{manifest}: without {missing}"),
            Damage::Dangling { name, tag } => format!("dangling    {name}:{tag} leads nowhere"),
            Damage::Unlisted { name, manifest } => format!("unlisted    {name}@{manifest} is not among the referrers of its subject"),
            Damage::Phantom { name, digest } => format!("phantom     {name}: {digest} is listed as a referrer and not there"),
        });
    }
    let (blobs, bytes) = (count(verified.blobs, "blob"), size(verified.bytes));
    let named = format!("{}, {}", count(verified.manifests, "manifest"), count(verified.tags, "tag"));
    printer.line(format!("{blobs} ({bytes}) hashed; {named}; {}", count(verified.damage.len(), "finding")));
    if verified.damage.len() > verified.mended { Err(Failure::Said) } else { Ok(()) }
}

async fn du(store: &Store, printer: &Printer) -> Result<(), Failure> {
    let usage = sweep::usage(store).await.map_err(|error| failure(&error))?;
    printer.json(&usage);
    for (name, held) in &usage.repositories {
        let alone = size(held.alone);
        printer.line(format!("{:>12}  {:>12} alone  {:>6} manifests  {name}", size(held.bytes), alone, held.manifests));
    }
    printer.line(format!("{:>12}  in {}, {} held by nobody", size(usage.bytes), count(usage.blobs, "blob"), size(usage.unheld)));
    Ok(())
}
