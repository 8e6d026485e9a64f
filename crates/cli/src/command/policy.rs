//! `undistro policy`: read a policy, and say what it asks for.

use std::path::PathBuf;

use attest::policy::{Signature, Tier, Written};
use clap::Subcommand;

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::Printer;

/// Read a policy, and say what it asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read a policy and its keys, and say in plain words what it asks for.
    #[command(after_help = "\
A policy:
  tier: T1                      what the signature must reach [default: T1]
  signature: required           or optional, where claims are enough
  keys:
    - {name: release, file: release.pub, from: 2026-01-01T00:00:00Z, until: 2027-06-30T23:59:59Z}
  identities:
    - {subject: me@example.com, issuer: https://accounts.example.com}
  predicates:
    - {type: slsaprovenance1, builders: [urn:undistro:builder:local:1], max-age-days: 30}
    - {type: spdxjson, signers: [release], tier: T1}

Example:
  undistro policy test policy.yaml && undistro verify image.tar --policy policy.yaml --trusted-root trusted_root.json")]
    Test {
        /// The policy.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(crate) fn run(args: &Args, _: &Global, printer: &Printer) -> Result<(), Failure> {
    let Verb::Test { file } = &args.command;
    let (written, _) = super::verify::read_policy(file)?;
    printer.json(&written);
    say(&written).iter().for_each(|line| printer.line(line));
    Ok(())
}

fn say(policy: &Written) -> Vec<String> {
    let tier = policy.tier.unwrap_or(Tier::T1);
    let mut lines = Vec::new();
    if policy.signature == Signature::Required {
        lines.push(format!("a signature that reaches {tier:?}"));
    }
    for key in &policy.keys {
        let from = key.from.map(|time| format!(" from {time}")).unwrap_or_default();
        let until = key.until.map(|time| format!(" until {time}")).unwrap_or_default();
        lines.push(format!("  by the key `{}`{from}{until}", key.name));
    }
    for identity in &policy.identities {
        lines.push(format!("  by `{}`, as `{}` says", identity.subject, identity.issuer));
    }
    for wanted in &policy.predicates {
        let mut line = format!("a `{}` that reaches {:?}", wanted.predicate, wanted.tier.unwrap_or(tier));
        if !wanted.signers.is_empty() {
            line += &format!(", by {}", wanted.signers.join(" or "));
        }
        if !wanted.builders.is_empty() {
            line += &format!(", of {}", wanted.builders.join(" or "));
        }
        if let Some(days) = wanted.max_age_days {
            line += &format!(", at most {days} days old");
        }
        lines.push(line);
    }
    lines
}
