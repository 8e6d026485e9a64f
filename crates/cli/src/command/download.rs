//! `undistro download`: an SBOM, a provenance or a lock from beside an image.

use attest::policy::predicate_type;
use attest::verify::Found;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::images;
use crate::printer::Printer;
use crate::remote::RegistryArgs;

/// Print a claim from beside an image, once it is verified: its SBOM, its provenance, its lock.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  undistro download sbom 127.0.0.1:5000/nginx:1 --key release.pub --trusted-root trusted_root.json > nginx.spdx.json")]
pub(crate) struct Args {
    /// `sbom`, `provenance`, `lock`, or a sort of claim as `undistro attest --type` has it.
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The image.
    #[arg(value_name = "REFERENCE")]
    image: String,
    #[command(flatten)]
    asked: super::verify::Asked,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let kind = match args.kind.as_str() {
        "sbom" => "spdxjson",
        "provenance" => "slsaprovenance1",
        kind => kind,
    };
    let kind = predicate_type(kind);
    let policy = args.asked.policy()?.without_signature().with(kind);
    let (about, bundles) = images::find(&args.image, &args.registry)?;
    let found: Vec<_> = bundles.iter().map(|(name, bundle)| Found { name, bundle }).collect();
    let report = args.asked.verify(&about, &found, &policy, global)?;
    let claim = report.of_type(kind).next().filter(|_| report.is_met());
    match claim {
        Some(claim) => {
            printer.talk(format!("verified: by `{}`, {:?}, about {}", claim.signer, claim.tier, about.digest));
            printer.data(&claim.predicate)
        }
        None => {
            let reasons = report.refused.iter().map(|refused| format!("{}: {}", refused.found, refused.reason.chain()));
            let unmet = report.unmet.iter().map(ToString::to_string);
            let mut message = Message::text(format!("{} has no such claim that counts", about.name));
            message.chain.push(unmet.chain(reasons).collect::<Vec<_>>().join("\n"));
            Err(Failure::No(message))
        }
    }
}
