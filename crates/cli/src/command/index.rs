//! `undistro index`: a signed repository of what was built.

use std::path::PathBuf;

use attest::key::{Named, PrivateKey};

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

/// Write a signed repository of what was built.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes DIR/ARCH/NAME-VERSION.apk and DIR/ARCH/APKINDEX.tar.gz, as apk, apko and melange read them, and beside each package its
provenance, NAME-VERSION.apk.provenance.json.

Example:
  undistro keygen packager.rsa
  undistro index --key packager.rsa -o packages")]
pub(crate) struct Args {
    /// The private key that signs packages and index (undistro keygen makes one).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The folder to write.
    #[arg(short, long, value_name = "DIR", default_value = "packages")]
    output: PathBuf,
    /// Packages to write [default: every definition].
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    fetch: FetchArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let key = Named::<PrivateKey>::load(&args.key).map_err(|error| Failure::input(&error))?;
    let workshop = Workshop::open(global, &args.fetch, printer)?;
    let targets = if args.names.is_empty() { super::build::all(&workshop) } else { args.names.clone() };
    let written = workshop.with_builder(|builder| {
        let report = super::build::build(builder, &targets, printer)?;
        builder.index(&report, &args.output, &key).map_err(|error| super::build::failure(&error, printer))
    })?;
    let arch = workshop.distro.arch.apk();
    let files = written.iter().map(|record| args.output.join(arch).join(format!("{}.apk", record.info.identity())));
    super::provenance::write_beside(&workshop.store, files)?;
    printer.json(&written);
    printer.line(format!("{}: {} packages, signed by {}", args.output.display(), written.len(), key.name()));
    Ok(())
}
