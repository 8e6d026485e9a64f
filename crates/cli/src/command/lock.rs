//! `undistro lock`: what every definition and image becomes, to the byte.

use std::path::PathBuf;

use build::locked::{Change, Locked, difference};
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

/// Write or check distro.lock: what every definition and image becomes, to the byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Builds and composes what is not there yet. The file names version, time stamp, action keys and content of every package, and
manifest, configuration, SBOM and layers of every image, for this machine's architecture. It depends on definitions and sources
alone: not on who builds, when, where or with which key. So whoever meets it elsewhere has built the same bytes.

Examples:
  undistro lock                    write it, after a change that is meant to change packages
  undistro lock --check            build, and say what became otherwise than it says
  undistro lock --check zlib       only this definition (or image) and what it needs")]
pub(crate) struct Args {
    /// Say what differs instead of writing it; exit 1 if anything does.
    #[arg(long)]
    check: bool,
    /// Definitions and images to check [default: all].
    #[arg(value_name = "NAME", requires = "check")]
    names: Vec<String>,
    #[command(flatten)]
    fetch: FetchArgs,
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    file: PathBuf,
    definitions: usize,
    images: usize,
    changes: &'a [Change],
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &args.fetch, printer)?;
    let arch = workshop.distro.arch;
    let mut now = locked(&workshop, &args.names, printer)?;
    let file = workshop.folder().join("distro.lock");
    let before = read(&workshop)?;
    let (definitions, images) = (now.packages.len(), now.images.len());
    let changes = match (&before, args.check) {
        (None, true) => {
            return Err(Failure::Input(Message::text(format!("there is no {}", file.display())).hint("write it: undistro lock")));
        }
        (None, false) => Vec::new(),
        (Some(before), _) => difference(&restricted(before.clone(), &now, &args.names).only(arch), &now),
    };
    if !args.check {
        now.keep_others(&before.unwrap_or_default(), arch);
        fs_err::write(&file, now.to_text()).map_err(|error| Failure::fault(&error))?;
    }
    for change in &changes {
        printer.line(change.to_string());
    }
    printer.json(&Outcome { file: file.clone(), definitions, images, changes: &changes });
    let what = format!("{definitions} definitions and {images} images for {arch}");
    match (args.check, changes.is_empty()) {
        (true, true) => printer.talk(format!("{}: met exactly by {what}", file.display())),
        (true, false) => {
            let message = Message::text(format!("{} is not met: {} values differ", file.display(), changes.len()));
            return Err(Failure::No(message.hint("if the change is meant, write it: undistro lock")));
        }
        (false, _) => printer.talk(format!("{}: {what}, {} values changed", file.display(), changes.len())),
    }
    Ok(())
}

/// Reads the lock that is committed, if there is one.
pub(super) fn read(workshop: &Workshop) -> Result<Option<Locked>, Failure> {
    match fs_err::read_to_string(workshop.folder().join("distro.lock")) {
        Ok(text) => Locked::parse(&text).map(Some).map_err(|error| Failure::input(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::fault(&error)),
    }
}

/// Leaves out of `before` what `now` was not asked for.
fn restricted(mut before: Locked, now: &Locked, names: &[String]) -> Locked {
    if !names.is_empty() {
        before.packages.retain(|name, _| now.packages.contains_key(name));
        before.images.retain(|name, _| now.images.contains_key(name));
    }
    before
}

/// Builds and composes what `names` stand for, or everything, and says what it became.
fn locked(workshop: &Workshop, names: &[String], printer: &Printer) -> Result<Locked, Failure> {
    let mut images = super::compose::images(workshop)?;
    let targets = if names.is_empty() { super::build::all(workshop) } else { super::build::targets(workshop, names)? };
    images.retain(|(name, ..)| names.is_empty() || names.contains(name));
    let arch = workshop.distro.arch;
    workshop.with_builder(|builder| {
        let mut locked = Locked::default();
        for built in &super::build::build(builder, &targets, printer)?.built {
            locked.add(built, arch);
        }
        for (name, path, config) in &images {
            let made = super::compose::make(builder, name, path, config, workshop, printer)?;
            locked.add_image(name, &made.lock, &made.composed, made.index.digest);
        }
        Ok(locked)
    })
}
