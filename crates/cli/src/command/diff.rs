//! `undistro diff`: what differs between two packages or images.

use base::tree::{Entry, Kind};
use image::diff::{Aspect, Change};

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::{Printer, size};
use crate::remote::RegistryArgs;
use crate::subject::{Prefer, Subject};
use crate::workshop::FetchArgs;

/// Say what differs between two packages or images: packages, files, bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with 1 if anything differs.

Examples:
  undistro diff old/zlib-1.3.1-r0.apk new/zlib-1.3.1-r0.apk
  undistro diff ./before ./after
  undistro diff ./before nginx --json")]
pub(crate) struct Args {
    /// A package's file, an image, its name in a registry, or the name of either in the distribution.
    before: String,
    /// Another.
    after: String,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let snapshot = |text: &str| Subject::find(text, Prefer::Image, global, &args.fetch, &args.registry, printer)?.snapshot(&|_| false);
    let (before, after) = (snapshot(&args.before)?, snapshot(&args.after)?);
    let diff = image::diff(&before, &after);
    printer.json(&diff);
    for change in &diff.packages {
        let version = |one: &Option<image::PackageLine>| one.as_ref().map(|line| format!("{} ({})", line.version, size(line.size)));
        printer.line(line(change, version(&change.before), version(&change.after)));
    }
    for change in &diff.entries {
        printer.line(line(change, change.before.as_ref().map(describe), change.after.as_ref().map(describe)));
    }
    if diff.is_empty() {
        printer.talk("nothing differs");
        return Ok(());
    }
    printer.talk(format!(
        "{} packages and {} files differ; {} before, {} after",
        diff.packages.len(),
        diff.entries.len(),
        size(diff.size_before),
        size(diff.size_after)
    ));
    Err(Failure::Said)
}

fn line<K: ToString, T>(change: &Change<K, T>, before: Option<String>, after: Option<String>) -> String {
    let key = change.key.to_string();
    match (before, after) {
        (None, after) => format!("+ {key}  {}", after.unwrap_or_default()),
        (Some(before), None) => format!("- {key}  {before}"),
        (Some(before), Some(after)) => format!("~ {key}  {before} → {after}  [{}]", aspects(&change.what)),
    }
}

/// The words for what changed.
pub(super) fn aspects(what: &[Aspect]) -> String {
    let word = |aspect: &Aspect| match aspect {
        Aspect::Version => "version",
        Aspect::License => "licence",
        Aspect::Origin => "origin",
        Aspect::Size => "size",
        Aspect::Kind => "kind",
        Aspect::Content => "content",
        Aspect::Mode => "mode",
        Aspect::Owner => "owner",
        Aspect::Time => "time",
        Aspect::Xattrs => "attributes",
    };
    what.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// An entry in a few words: kind, mode, owner, size.
pub(super) fn describe(entry: &Entry) -> String {
    let kind = match &entry.kind {
        Kind::Directory => "directory".to_owned(),
        Kind::Symlink { target } => format!("link to {target}"),
        Kind::Hardlink { target } => format!("hard link to {target}"),
        Kind::File { size: bytes, digest } => {
            let digest = digest.map(|digest| digest.hex()[..12].to_owned()).unwrap_or_default();
            format!("{} {digest}", size(*bytes))
        }
        _ => "special file".to_owned(),
    };
    format!("{kind} {:o} {}:{}", entry.mode, entry.uid, entry.gid)
}
