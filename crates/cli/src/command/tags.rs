//! `undistro tags`: the tags of a repository.

use oci::remote::Repository;
use serde::Serialize;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::remote::{RegistryArgs, failure};

/// List the tags of a repository in a registry.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undistro tags 127.0.0.1:5000/nginx\n  undistro tags registry.example.org/team/nginx --json")]
pub(crate) struct Args {
    /// The repository: HOST/PATH.
    repository: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Serialize)]
struct Tags<'a> {
    repository: &'a Repository,
    tags: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let repository: Repository = args.repository.parse().map_err(|error| Failure::input(&error))?;
    let client = args.registry.client()?;
    let remote = client.open(&repository).map_err(|error| failure(&error))?;
    let tags = remote.tags().map_err(|error| failure(&error))?;
    tags.iter().for_each(|tag| printer.line(tag));
    printer.json(&Tags { repository: &repository, tags });
    Ok(())
}
