//! `undistro copy`: an image from one place in a registry to another, with everything that refers to it.

use oci::remote::{Plan, Referrers, transfer};

use super::push::{Report, tell};
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::remote::{RegistryArgs, failure, open, reference};

/// Copy an image between registries, with everything that refers to it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The whole graph goes: index, manifests, layers, and what refers to them, both by the referrers API and under cosign's older
tags (.sig, .att, .sbom). Digests stay what they are. Within one registry blobs are mounted, not sent.

Examples:
  undistro copy registry.example.org/team/nginx:1 127.0.0.1:5000/nginx:1
  undistro copy registry.example.org/dev/nginx@sha256:… registry.example.org/prod/nginx:1
  undistro copy --no-referrers registry.example.org/team/nginx:1 127.0.0.1:5000/nginx:1")]
pub(crate) struct Args {
    /// The image.
    from: String,
    /// Where it goes; without a tag, that of the first, or `latest`.
    to: String,
    /// Leave signatures, SBOMs and the like behind.
    #[arg(long)]
    no_referrers: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let from = reference(&args.from)?;
    let mut to = reference(&args.to)?;
    if to.tag.is_none() && to.digest.is_none() {
        to.tag.clone_from(&from.tag);
    }
    let client = args.registry.client()?;
    let origin = open(&client, &from)?;
    let target = open(&client, &to)?;
    let root = origin.manifest(&from.pointer()).map_err(|error| failure(&error))?;
    if to.digest.is_some_and(|digest| digest != root.descriptor.digest) {
        let message = format!("{from} is {}, and {to} says another digest", root.descriptor.digest);
        return Err(Failure::Input(Message::text(message).hint("name a tag alone")));
    }
    let referrers = if args.no_referrers { Referrers::Without } else { Referrers::With };
    let plan = Plan::new(&origin, root, referrers).map_err(|error| failure(&error))?;
    let carried = transfer(&plan, &origin, &target, to.push_tag(), &Progress::new(printer)).map_err(|error| failure(&error))?;
    tell(&Report { reference: to.to_string(), digest: plan.root.descriptor.digest, carried, referrers: plan.referrers }, printer);
    Ok(())
}
