//! `undistro trust`: the file of what verifiers trust from the start.

use std::path::PathBuf;

use attest::log::LogKey;
use attest::signing::Period;
use attest::trust::{TrustRoot, TrustedLog};
use clap::Subcommand;
use fs_err as fs;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::secret;

/// Write the file of what verifiers trust from the start.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write trusted_root.json for a log, as undistro, cosign and Sigstore's libraries read it.
    #[command(after_help = "\
Example:
  undistro trust export --log-key log.pub --name log.example.com -o trusted_root.json
  cosign verify-blob-attestation --key release.pub --trusted-root trusted_root.json --type slsaprovenance1 --bundle FILE.sigstore.json FILE")]
    Export {
        /// The public key of the log.
        #[arg(long, value_name = "FILE")]
        log_key: PathBuf,
        /// The name of the log.
        #[arg(long, value_name = "NAME", default_value = "log.undistro.local")]
        name: String,
        /// From when the log's key counts, in RFC 3339.
        #[arg(long, value_name = "TIME", default_value = "2020-01-01T00:00:00Z")]
        from: Timestamp,
        /// Until when it counts [default: for ever].
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
        /// The file to write [default: standard output].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let Verb::Export { log_key, name, from, until, output } = &args.command;
    let key = LogKey::new(name.as_str(), secret::public_key(log_key)?);
    let log = TrustedLog { key, period: Period { from: Some(*from), until: *until } };
    let root = TrustRoot::new(vec![log]).map_err(|error| Failure::input(&error))?;
    match output {
        Some(path) => {
            fs::write(path, root.to_json()).map_err(|error| Failure::fault(&error))?;
            printer.json(&serde_json::json!({ "trustedRoot": path }));
            printer.line(format!("{}: trusts the log `{name}`", path.display()));
        }
        None => printer.raw(root.to_json().as_bytes()),
    }
    Ok(())
}
