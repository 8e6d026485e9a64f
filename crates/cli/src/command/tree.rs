//! `undistro tree`: an image in a registry, from its index down to its layers, and what refers to each part.

use oci::Descriptor;
use oci::remote::Tree;

use crate::failure::Failure;
use crate::printer::{Printer, size};
use crate::remote::{RegistryArgs, failure, open, reference};

/// Show an image in a registry as a tree: index, manifests, layers, and what refers to them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undistro tree 127.0.0.1:5000/nginx:1
  undistro tree registry.example.org/team/nginx:1 --json")]
pub(crate) struct Args {
    /// The image.
    reference: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let from = reference(&args.reference)?;
    let client = args.registry.client()?;
    let remote = open(&client, &from)?;
    let root = remote.manifest(&from.pointer()).map_err(|error| failure(&error))?;
    let tree = Tree::of(&remote, root).map_err(|error| failure(&error))?;
    printer.line(from.to_string());
    draw(&tree, "", true, "", printer);
    printer.json(&tree);
    Ok(())
}

/// One line, and those below it. `how` says what it is to the one above.
fn draw(tree: &Tree, indent: &str, last: bool, how: &str, printer: &Printer) {
    let platform = tree.platform.as_ref().map(|platform| format!("{platform} ")).unwrap_or_default();
    let what = tree.artifact_type.as_deref().unwrap_or_else(|| short(&tree.media_type));
    let tag = tree.tag.as_ref().map(|tag| format!("  at tag {tag}")).unwrap_or_default();
    printer.line(format!("{indent}{}{how}{platform}{what}  {}  {}{tag}", branch(last), tree.digest, size(tree.size)));
    let below = format!("{indent}{}", if last { "   " } else { "│  " });
    let blobs: Vec<(&str, &Descriptor)> =
        tree.config.iter().map(|one| ("config", one)).chain(tree.layers.iter().map(|one| ("layer", one))).collect();
    let mut left = blobs.len() + tree.manifests.len() + tree.referrers.len();
    let mut is_last = || {
        left -= 1;
        left == 0
    };
    for (kind, one) in blobs {
        printer.line(format!("{below}{}{kind} {}  {}  {}", branch(is_last()), short(&one.media_type), one.digest, size(one.size)));
    }
    for one in &tree.manifests {
        draw(one, &below, is_last(), "", printer);
    }
    for one in &tree.referrers {
        draw(one, &below, is_last(), "referrer: ", printer);
    }
}

fn branch(last: bool) -> &'static str {
    if last { "└─ " } else { "├─ " }
}

/// A media type without what all of them begin with.
fn short(media_type: &str) -> &str {
    let name = media_type.strip_prefix("application/vnd.").unwrap_or(media_type);
    name.strip_suffix("+json").unwrap_or(name)
}
