//! `undistro pull`: an image from a registry, written here.

use std::path::PathBuf;

use base::Store;
use oci::remote::{Carried, Fetched, Keep, Plan, Reference, Referrer, Referrers, Remote, transfer};
use oci::{Format, Tagged};
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::printer::{Printer, count, size};
use crate::progress::Progress;
use crate::project;
use crate::remote::{PARALLEL, RegistryArgs, failure, open, reference};

/// Pull an image from a registry.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every byte is checked against its digest. Blobs go through the store: what it has is not fetched again, and a pull that was
broken off goes on from there.

Examples:
  undistro pull 127.0.0.1:5000/nginx:1 -o ./nginx
  undistro pull registry.example.org/team/nginx@sha256:… -o nginx.tar --format oci-archive
  undistro pull registry.example.org/team/nginx:1 -o ./nginx --referrers     with its signatures and SBOMs")]
pub(crate) struct Args {
    /// The image: HOST/PATH:TAG or HOST/PATH@DIGEST.
    reference: String,
    /// What to write.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Its form: oci (a folder), oci-archive or docker-archive.
    #[arg(long, default_value = "oci")]
    format: Format,
    /// Write what refers to the image beside it: signatures, SBOMs, provenance.
    #[arg(long)]
    referrers: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Serialize)]
struct Pulled {
    reference: String,
    output: PathBuf,
    digest: base::Digest,
    #[serde(flatten)]
    carried: Carried,
    referrers: Vec<Referrer>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let from = reference(&args.reference)?;
    let client = args.registry.client()?;
    let remote = open(&client, &from)?;
    let store = project::store(global)?;
    let referrers = if args.referrers { Referrers::With } else { Referrers::Without };
    let (plan, carried) = fetch(&remote, &from, referrers, &store, printer)?;
    let name = from.repository.path().rsplit('/').next().unwrap_or_default().to_owned();
    let tagged =
        |descriptor: &oci::Descriptor, tag: &str| Tagged { descriptor: descriptor.clone(), name: name.clone(), tag: tag.to_owned() };
    let mut images = vec![tagged(&plan.root.descriptor, from.tag.as_deref().unwrap_or("latest"))];
    for one in &plan.referrers {
        if let Some(descriptor) = plan.descriptor(&one.digest) {
            images.push(tagged(descriptor, one.tag.as_deref().unwrap_or_default()));
        }
    }
    oci::write(args.format, &args.output, &images, &store)
        .map_err(|error| Failure::Fault(with_usual_hints(Message::of(&error), &error)))?;
    printer.line(format!("{}  {}", args.output.display(), plan.root.descriptor.digest));
    printer.talk(format!("{} ({}) fetched, {} in the store already", count(carried.sent, "blob"), size(carried.bytes), carried.there));
    printer.json(&Pulled {
        reference: from.to_string(),
        output: args.output.clone(),
        digest: plan.root.descriptor.digest,
        carried,
        referrers: plan.referrers,
    });
    Ok(())
}

/// Brings an image into the store.
pub(crate) fn fetch(
    remote: &Remote<'_>,
    from: &Reference,
    referrers: Referrers,
    store: &Store,
    printer: &Printer,
) -> Result<(Plan, Carried), Failure> {
    let root: Fetched = remote.manifest(&from.pointer()).map_err(|error| failure(&error))?;
    let plan = Plan::new(remote, root, referrers).map_err(|error| failure(&error))?;
    let keep = Keep { store, parallel: PARALLEL };
    let carried = transfer(&plan, remote, &keep, None, &Progress::new(printer)).map_err(|error| failure(&error))?;
    Ok((plan, carried))
}
