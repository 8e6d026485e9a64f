//! `undistro apk sign`: puts a signature before a package.

use std::io;
use std::path::PathBuf;

use apk::{Package, PackageError};
use attest::key::{Named, PrivateKey};

use crate::failure::Failure;
use crate::printer::Printer;

/// Sign a package. Signatures that it has are replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Control and data stay as they are, byte for byte.

Examples:
  undistro apk sign --key packager.rsa hello-1.0-r0.apk
  undistro apk sign --key packager.rsa hello-1.0-r0.apk -o signed.apk")]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The private key (undistro keygen makes one). Its file name and `.pub` is the name that the signature gives.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What to write [default: in place of FILE].
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// The file can not be written, or what is signed not be read.
#[derive(Debug, thiserror::Error)]
enum SignError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("while writing the signed package")]
    Write(#[from] io::Error),
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let key = Named::<PrivateKey>::load(&args.key).map_err(|error| Failure::input(&error))?;
    let package = Package::open(&args.file).map_err(|error| super::package_failure(&error))?;
    // Nothing is signed that would not be passed by who verifies it.
    package.table().map_err(|error| super::package_failure(&error))?;
    let output = args.output.as_ref().unwrap_or(&args.file);
    let mut written = None;
    crate::replace::with(output, |file| {
        written = Some(package.write_signed(&key, file)?);
        Ok::<_, SignError>(())
    })
    .map_err(|error| Failure::fault(&error))?;
    if let Some((digest, size)) = written {
        printer.json(&serde_json::json!({ "file": output, "digest": digest, "size": size, "key": key.name() }));
        printer.line(format!("{}: signed by {}", output.display(), key.name()));
    }
    Ok(())
}
