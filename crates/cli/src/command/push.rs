//! `undistro push`: an image that lies here, to a registry.

use std::path::PathBuf;

use oci::remote::{Carried, Local, Origin as _, Plan, Referrer, Referrers, transfer};
use oci::{Descriptor, Source, media};
use serde::Serialize;

use crate::failure::{Failure, Message};
use crate::printer::{Printer, count, size};
use crate::progress::Progress;
use crate::remote::{RegistryArgs, failure, open, reference};

/// Push an image that lies here to a registry.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What refers to the image and lies beside it goes with it: signatures, SBOMs, provenance. What is there already is not sent.

Examples:
  undistro push ./out 127.0.0.1:5000/nginx:1
  undistro push nginx.tar registry.example.org/team/nginx:1.27
  undistro push ./out --image 1.27 registry.example.org/team/nginx:1.27")]
pub(crate) struct Args {
    /// An OCI layout, an OCI archive or a docker archive.
    image: PathBuf,
    /// Where it goes: HOST/PATH:TAG; without a tag, `latest`.
    reference: String,
    /// Which of several images: its tag where it lies.
    #[arg(long = "image", value_name = "TAG")]
    which: Option<String>,
    /// Leave signatures, SBOMs and the like behind.
    #[arg(long)]
    no_referrers: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was pushed or copied.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) reference: String,
    pub(super) digest: base::Digest,
    #[serde(flatten)]
    pub(super) carried: Carried,
    pub(super) referrers: Vec<Referrer>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let source = Source::open(&args.image).map_err(|error| Failure::input(&error))?;
    let to = reference(&args.reference)?;
    let local = Local::of(&source).map_err(|error| failure(&error))?;
    let root = local.manifest(&which(args, &source)?.digest).map_err(|error| failure(&error))?;
    if to.digest.is_some_and(|digest| digest != root.descriptor.digest) {
        let message = format!("the image is {}, and {to} says another digest", root.descriptor.digest);
        return Err(Failure::Input(Message::text(message).hint("name a tag alone")));
    }
    let referrers = if args.no_referrers { Referrers::Without } else { Referrers::With };
    let plan = Plan::new(&local, root, referrers).map_err(|error| failure(&error))?;
    let client = args.registry.client()?;
    let remote = open(&client, &to)?;
    let carried = transfer(&plan, &local, &remote, to.push_tag(), &Progress::new(printer)).map_err(|error| failure(&error))?;
    tell(&Report { reference: to.to_string(), digest: plan.root.descriptor.digest, carried, referrers: plan.referrers }, printer);
    Ok(())
}

/// The image that is meant: the one that is named, or the only one that refers to no other.
fn which(args: &Args, source: &Source) -> Result<Descriptor, Failure> {
    let tag = |one: &Descriptor| {
        let name = one.annotations.get(media::REF_NAME).cloned();
        name.map(|name| name.rsplit(':').next().unwrap_or_default().to_owned())
    };
    let all = &source.index().manifests;
    let is_side = |tag: &str| tag.starts_with("sha256-");
    let named: Vec<&Descriptor> = match &args.which {
        Some(wanted) => all.iter().filter(|one| tag(one).as_ref() == Some(wanted)).collect(),
        None if all.len() == 1 => all.iter().collect(),
        None => all.iter().filter(|one| tag(one).is_some_and(|tag| !is_side(&tag))).collect(),
    };
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        _ => {
            let names: Vec<String> = all.iter().filter_map(tag).filter(|tag| !is_side(tag)).collect();
            let message = Message::text(format!("{} holds {} images, and one is pushed", args.image.display(), names.len()));
            Err(Failure::Input(message.hint(format!("say which with --image: {}", names.join(", ")))))
        }
    }
}

/// Says what was carried.
pub(super) fn tell(report: &Report, printer: &Printer) {
    let Carried { manifests, sent, bytes, mounted, there } = &report.carried;
    printer.line(format!("{}  {}", report.reference, report.digest));
    for one in &report.referrers {
        printer.line(format!("  {:<60} {}", one.artifact_type.as_deref().unwrap_or("unknown"), one.digest));
    }
    let mounted = if *mounted > 0 { format!(", {mounted} mounted") } else { String::new() };
    printer.talk(format!(
        "{}, {} ({}) sent{mounted}, {there} there already; {}",
        count(*manifests, "manifest"),
        count(*sent, "blob"),
        size(*bytes),
        count(report.referrers.len(), "referrer")
    ));
    printer.json(report);
}
