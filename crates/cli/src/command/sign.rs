//! `undistro sign`: a signature of a file or an image, and its entry in a log.

use std::path::PathBuf;

use attest::policy::SIGNATURE;
use oci::remote::Reference;

use crate::claims::{self, About, SigningArgs};
use crate::failure::Failure;
use crate::images::{self, BesideArgs, Claim};
use crate::printer::Printer;

/// Sign a file or an image by its digest, and enter the signature into a log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes a Sigstore bundle of version 0.3, which cosign verifies too. The same file and key give the same signature. That of an image is
put beside it in its registry, as a referrer and under the older tag `sha256-….sig`; if it is there already, nothing is done.

Examples:
  undistro keygen --type ecdsa release.key
  undistro sign image.tar --key release.key
  undistro sign image.tar --key release.key --log log --log-key log.key -o image.sigstore.json
  undistro sign 127.0.0.1:5000/nginx:1 --key release.key --log log --log-key log.key")]
pub(crate) struct Args {
    /// A file, the sha256 of one as `sha256:…`, or an image in a registry.
    #[arg(value_name = "FILE|DIGEST|REFERENCE")]
    subject: String,
    #[command(flatten)]
    signing: SigningArgs,
    /// The bundle to write [default: FILE.sigstore.json].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    beside: BesideArgs,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    if Reference::is_meant(&args.subject) {
        let claim = Claim { kind: SIGNATURE, predicate: &serde_json::json!({}) };
        return images::put(&args.subject, claim, &args.signing, &args.beside, printer);
    }
    let about = About::parse(&args.subject)?;
    let bundle = args.signing.make(&about, SIGNATURE, serde_json::json!({}), printer)?;
    let output = args.output.clone().unwrap_or_else(|| claims::beside(&args.subject, None));
    claims::write(&bundle, &output, printer)
}
