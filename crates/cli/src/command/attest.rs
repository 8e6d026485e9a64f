//! `undistro attest`: a signed claim about a file or an image.

use std::path::PathBuf;

use attest::policy::predicate_type;
use fs_err as fs;
use oci::remote::Reference;

use crate::claims::{self, About, SigningArgs};
use crate::failure::{Failure, Message};
use crate::images::{self, BesideArgs, Claim};
use crate::printer::Printer;

/// Claim something about a file or an image: its SBOM, its provenance, or anything else that has a type.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Types: slsaprovenance1, spdxjson, cyclonedx, lock, vsa, openvex, vuln, or any URI.

Examples:
  undistro sbom nginx > sbom.json
  undistro attest image.tar --type spdxjson --predicate sbom.json --key release.key --log log --log-key log.key
  undistro attest 127.0.0.1:5000/nginx:1 --type spdxjson --predicate sbom.json --key release.key --log log --log-key log.key")]
pub(crate) struct Args {
    /// A file, the sha256 of one as `sha256:…`, or an image in a registry.
    #[arg(value_name = "FILE|DIGEST|REFERENCE")]
    subject: String,
    /// What sort of claim it is.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// The claim, as JSON. Of an in-toto statement its predicate is taken.
    #[arg(long, value_name = "FILE")]
    predicate: PathBuf,
    #[command(flatten)]
    signing: SigningArgs,
    /// The bundle to write [default: FILE.TYPE.sigstore.json].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    beside: BesideArgs,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let kind = predicate_type(&args.kind);
    let text = fs::read(&args.predicate).map_err(|error| Failure::input(&error))?;
    let mut predicate: serde_json::Value = serde_json::from_slice(&text).map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{} is no JSON", args.predicate.display()));
        Failure::Input(message)
    })?;
    if let Some(stated) = predicate.get("predicateType").and_then(|stated| stated.as_str()) {
        if stated != kind {
            return Err(Failure::Input(Message::text(format!("{} is a `{stated}`, not a `{kind}`", args.predicate.display()))));
        }
        predicate = predicate["predicate"].take();
    }
    if Reference::is_meant(&args.subject) {
        return images::put(&args.subject, Claim { kind, predicate: &predicate }, &args.signing, &args.beside, printer);
    }
    let about = About::parse(&args.subject)?;
    let bundle = args.signing.make(&about, kind, predicate, printer)?;
    let short: String = args.kind.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let output = args.output.clone().unwrap_or_else(|| claims::beside(&args.subject, Some(&short)));
    claims::write(&bundle, &output, printer)
}
