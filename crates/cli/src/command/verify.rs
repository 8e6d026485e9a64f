//! `undistro verify`: what is known of a file or an image from the claims beside it.

use std::path::{Path, PathBuf};

use attest::policy::{Policy, Tier, Written};
use attest::signing::{Period, Ring, RingKey};
use attest::trust::TrustRoot;
use attest::verify::{Against, Found, Report, verify};
use fs_err as fs;
use jiff::Timestamp;
use oci::remote::Reference;

use crate::args::Global;
use crate::claims::{self, About};
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::remote::RegistryArgs;
use crate::{command, images, secret};

/// Say what is known of a file or an image from the claims beside it, and whether a policy is met.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints one line for each check that was made, the tier that the signature reaches, and what was not checked. Of an image the claims
beside it are fetched from its registry; nothing else is, and nothing that a registry says is believed.
Tiers: T0 a key; T1 a key and a transparency log; T2 a timestamp too; T3 a certificate in place of a key. docs/trust.md says what
each proves. An attestation is no signature: each sort of claim is asked for by its name.

Examples:
  undistro verify image.tar --key release.pub --trusted-root trusted_root.json
  undistro verify image.tar --policy policy.yaml --trusted-root trusted_root.json --bundle image.tar.spdxjson.sigstore.json
  undistro verify 127.0.0.1:5000/nginx:1 --policy policy.yaml --trusted-root trusted_root.json")]
pub(crate) struct Args {
    /// A file, the sha256 of one as `sha256:…`, or an image in a registry.
    #[arg(value_name = "FILE|DIGEST|REFERENCE")]
    subject: String,
    /// A bundle to look at [default: every FILE*.sigstore.json beside the file].
    #[arg(short, long = "bundle", value_name = "FILE")]
    bundles: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What is asked, and what is trusted.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// A policy: who must have signed, how it can be seen, which claims there must be, how old they may be.
    #[arg(long, value_name = "FILE", required_unless_present = "keys", conflicts_with = "keys")]
    policy: Option<PathBuf>,
    /// In place of a policy: a public key whose signature is asked for.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// In place of a policy: what the signature must reach: T0, T1, T2 or T3.
    #[arg(long, value_name = "TIER", default_value = "T1", value_parser = tier, conflicts_with = "policy")]
    tier: Tier,
    /// In place of a policy: a sort of claim that there must be.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "policy")]
    types: Vec<String>,
    /// What is trusted from the start: logs, and authorities (undistro trust export writes one; cosign's are read too).
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The time at which keys and ages are looked at, in RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

fn tier(text: &str) -> Result<Tier, String> {
    match text {
        "T0" => Ok(Tier::T0),
        "T1" => Ok(Tier::T1),
        "T2" => Ok(Tier::T2),
        "T3" => Ok(Tier::T3),
        _ => Err("tiers are T0, T1, T2, T3".to_owned()),
    }
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let policy = args.asked.policy()?;
    if Reference::is_meant(&args.subject) {
        let (about, bundles) = images::find(&args.subject, &args.registry)?;
        let found: Vec<_> = bundles.iter().map(|(name, bundle)| Found { name, bundle }).collect();
        return print(&about.name, &args.asked.verify(&about, &found, &policy, global)?, printer);
    }
    let about = About::parse(&args.subject)?;
    let bundles = if args.bundles.is_empty() { beside(&args.subject)? } else { args.bundles.clone() };
    let texts = bundles.iter().map(fs::read).collect::<Result<Vec<_>, _>>().map_err(|error| Failure::input(&error))?;
    let names: Vec<_> = bundles.iter().map(|bundle| bundle.display().to_string()).collect();
    let found: Vec<_> = names.iter().zip(&texts).map(|(name, bundle)| Found { name, bundle }).collect();
    let report = args.asked.verify(&about, &found, &policy, global)?;
    print(&about.name, &report, printer)
}

impl Asked {
    /// Reads the policy, or makes the one that the options mean.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        if let Some(path) = &self.policy {
            return read_policy(path).map(|(_, policy)| policy);
        }
        let key = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(RingKey { name, key: secret::public_key(path)?, period: Period::default() })
        };
        let keys = self.keys.iter().map(key).collect::<Result<_, Failure>>()?;
        let policy = Policy::signed_by(Ring::new(keys), self.tier);
        Ok(self.types.iter().fold(policy, |policy, kind| policy.with(kind)))
    }

    /// Verifies offline, with the checkpoints that this store has seen.
    pub(crate) fn verify(&self, about: &About, found: &[Found<'_>], policy: &Policy, global: &Global) -> Result<Report, Failure> {
        let root = match &self.trusted_root {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| Failure::input(&error))?;
                TrustRoot::parse(&text).map_err(|error| Failure::input(&error))?
            }
            None => TrustRoot::default(),
        };
        let seen = command::log::seen(global, root.logs().iter().map(|log| log.key.origin()))?;
        let against = Against { policy, root: &root, seen: &seen, now: self.at.unwrap_or_else(claims::now) };
        Ok(verify(&about.digest, found, &against))
    }
}

/// Reads a policy, as written and as meant.
pub(crate) fn read_policy(path: &Path) -> Result<(Written, Policy), Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::input(&error))?;
    let mistakes = |found: spec::Diagnostics| {
        Failure::Input(Message::text(format!("{} has mistakes\n{}", path.display(), found.render(&path.display().to_string(), &text))))
    };
    let values = spec::yaml::values(&text).map_err(mistakes)?;
    let of_policy = |error: attest::policy::PolicyError| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("the policy {}", path.display()));
        Failure::Input(message)
    };
    let written = Written::parse(values).map_err(of_policy)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let policy = written.clone().resolve(&mut |file| fs::read_to_string(folder.join(file))).map_err(of_policy)?;
    Ok((written, policy))
}

/// Returns the bundles beside a file, by name.
fn beside(subject: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = Path::new(subject);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_bundle = |name: &str| name.starts_with(&format!("{stem}.")) && name.ends_with(".sigstore.json");
    let entries = fs::read_dir(folder).map_err(|error| Failure::input(&error))?;
    let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.file_name().is_some_and(|name| is_bundle(&name.to_string_lossy())));
    found.sort();
    Ok(found)
}

/// Prints a report. That the policy is not met is the answer "no".
pub(crate) fn print(name: &str, report: &Report, printer: &Printer) -> Result<(), Failure> {
    printer.json(&serde_json::json!({ "met": report.is_met(), "report": report }));
    for claim in &report.accepted {
        let kind = attest::policy::predicate_name(&claim.predicate_type);
        printer.line(format!("{}: {kind}, {:?}, by `{}`", claim.found, claim.tier, claim.signer));
        claim.checks.iter().for_each(|check| printer.line(format!("  holds    {check}")));
    }
    for refused in &report.refused {
        printer.line(format!("{}: refused: {}", refused.found, refused.reason.chain()));
    }
    report.not_checked.iter().for_each(|line| printer.line(format!("  not checked  {line}")));
    match report.tier {
        Some(tier) => printer.line(format!("{name}: the signature reaches {tier:?}")),
        None => printer.line(format!("{name}: no signature")),
    }
    if report.is_met() {
        printer.line(format!("{name}: the policy is met"));
        return Ok(());
    }
    let mut message = Message::text(format!("{name} does not meet the policy"));
    message.chain.push(report.unmet.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    Err(Failure::No(message))
}
