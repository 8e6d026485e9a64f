//! `undistro sigstore`: the client that Sigstore's conformance suite calls.

use std::path::PathBuf;

use attest::sigstore::{SigstoreError, Who, public_root, verify, verify_bytes};
use base::Digest;
use clap::Subcommand;
use fs_err as fs;

use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::secret;

/// Verify Sigstore bundles as its conformance suite asks clients to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The protocol is that of sigstore-conformance: an entrypoint `exec undistro sigstore \"$@\"` is a client of it. Keys, and certificates of the
public instance or of any trusted root, are verified offline. Undistro signs with keys only; so `sign-bundle`, which asks for a
certificate by an identity token, is refused: exit 2.

Example:
  undistro sigstore verify-bundle --bundle a.sigstore.json --certificate-identity me@example.com \\
      --certificate-oidc-issuer https://accounts.example.com a.txt")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Verify a bundle: exit 0 if it holds, 1 if not.
    VerifyBundle(VerifyBundle),
    /// Refused: undistro signs with keys.
    SignBundle {
        /// Whatever the suite says.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct VerifyBundle {
    /// The bundle.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Who the certificate must be of.
    #[arg(long, value_name = "IDENTITY", requires = "certificate_oidc_issuer", required_unless_present = "key")]
    certificate_identity: Option<String>,
    /// Who must say so.
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
    /// In place of a certificate: the public key.
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_identity")]
    key: Option<PathBuf>,
    /// What is trusted from the start [default: Sigstore's public instance, as this program knows it].
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Sigstore's instance for trying out: needs --trusted-root, since nothing is fetched.
    #[arg(long, requires = "trusted_root")]
    staging: bool,
    /// What was signed: a file, or its sha256 as `sha256:…`.
    #[arg(value_name = "FILE|DIGEST")]
    artifact: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let args = match &args.command {
        Verb::VerifyBundle(args) => args,
        Verb::SignBundle { .. } => {
            let message = Message::text("undistro signs with keys, not with a certificate for an identity token");
            return Err(Failure::Input(message.hint("undistro sign FILE --key KEY makes a bundle")));
        }
    };
    let bundle = fs::read(&args.bundle).map_err(|error| Failure::input(&error))?;
    let root = match &args.trusted_root {
        Some(path) => fs::read_to_string(path).map_err(|error| Failure::input(&error))?,
        None => public_root().to_owned(),
    };
    let key = args.key.as_ref().map(|path| secret::public_key(path)).transpose()?;
    let who = match (&key, &args.certificate_identity, &args.certificate_oidc_issuer) {
        (Some(key), ..) => Who::Key(key),
        (None, Some(subject), Some(issuer)) => Who::Identity { subject, issuer },
        _ => return Err(Failure::Input(Message::text("name a key, or an identity and its issuer"))),
    };
    let found = match args.artifact.parse::<Digest>() {
        Ok(digest) if !PathBuf::from(&args.artifact).exists() => verify(&digest, &bundle, &who, &root),
        _ => verify_bytes(&fs::read(&args.artifact).map_err(|error| Failure::input(&error))?, &bundle, &who, &root),
    };
    let evidence = found.map_err(|error: SigstoreError| Failure::No(Message::of(&error)))?;
    printer.json(&evidence.checks);
    printer.line(format!("{}: the bundle holds", args.artifact));
    evidence.checks.iter().for_each(|check| printer.line(format!("  {check}")));
    Ok(())
}
