//! `undistro sign`: a signature of a file, and its entry in a log.

use std::path::PathBuf;

use attest::policy::SIGNATURE;

use crate::claims::{self, About, SigningArgs};
use crate::failure::Failure;
use crate::printer::Printer;

/// Sign a file by its digest, and enter the signature into a log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes a Sigstore bundle of version 0.3, which cosign verifies too. The same file and key give the same signature.

Examples:
  undistro keygen --type ecdsa release.key
  undistro sign image.tar --key release.key
  undistro sign image.tar --key release.key --log log --log-key log.key -o image.sigstore.json")]
pub(crate) struct Args {
    /// A file, or the sha256 of one as `sha256:…`.
    #[arg(value_name = "FILE|DIGEST")]
    subject: String,
    #[command(flatten)]
    signing: SigningArgs,
    /// The bundle to write [default: FILE.sigstore.json].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let about = About::parse(&args.subject)?;
    let bundle = claims::make(&about, SIGNATURE, serde_json::json!({}), &args.signing, printer)?;
    let output = args.output.clone().unwrap_or_else(|| claims::beside(&args.subject, None));
    claims::write(&bundle, &output, printer)
}
