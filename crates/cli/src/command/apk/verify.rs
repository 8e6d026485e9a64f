//! `undistro apk verify`: whether packages and indexes are whole, and who stands for them.

use std::path::{Path, PathBuf};

use apk::signature::{Checked, Outcome, Policy, Unsigned};
use apk::{Index, IndexError, Keyring, Package};
use serde::Serialize;

use super::keys::KeyArgs;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::printer::{Printer, count};

/// Verify packages and indexes: the signature, the hash of the data, the checksum of every file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file called APKINDEX… or ending in .tar.gz is an index; any other is a package.

Examples:
  undistro apk verify --key packager.rsa.pub nginx-1.26.3-r0.apk
  undistro apk verify --keys-dir /etc/apk/keys x86_64/APKINDEX.tar.gz
  undistro apk verify --allow-unsigned nginx-1.26.3-r0.apk

Exit codes: 0 all are verified, 1 one is not, 2 a file can not be read.")]
pub(crate) struct Args {
    /// Packages and indexes.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Pass what no trusted key signed, too. That says only that a file is whole, and nothing of who made it.
    #[arg(long)]
    allow_unsigned: bool,
}

/// What was verified, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Verified {
    file: PathBuf,
    /// Whether a trusted key signed it.
    signed: bool,
    signatures: Vec<Signature>,
    /// Of a package: how many files and links were compared with their checksum.
    files: Option<usize>,
    /// Of a package: how many have no checksum of their own; the hash of the data covers them.
    files_without_checksum: Option<usize>,
    /// Of an index: how many packages it lists.
    packages: Option<usize>,
    /// sha256 of control and data of a package.
    content: Option<base::Digest>,
    /// The bytes of the file that nothing covers.
    uncovered: Vec<Span>,
}

/// From the first byte to behind the last.
#[derive(Debug, Serialize)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Debug, Serialize)]
struct Signature {
    key: String,
    algorithm: String,
    outcome: &'static str,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    if args.keys.is_empty() && !args.allow_unsigned {
        let message = Message::text("no key is named, so nothing can be verified");
        return Err(Failure::Input(message.hint("name a key with --key or a folder of keys with --keys-dir, or pass --allow-unsigned")));
    }
    let keys = args.keys.keyring()?;
    let policy = Policy { sha1: args.keys.sha1(), unsigned: if args.allow_unsigned { Unsigned::Accept } else { Unsigned::Refuse } };
    let mut verified = Vec::new();
    let mut failures = Vec::new();
    for file in &args.files {
        match verify(file, &keys, &policy) {
            Ok(one) => {
                printer.line(format!("{}: {}", file.display(), sentence(&one)));
                verified.push(one);
            }
            Err(failure) => failures.push(failure),
        }
    }
    printer.json(&verified);
    // The caller tells the last, and its exit code counts: that a file can not be read weighs more than that one is wrong.
    failures.sort_by_key(|failure| matches!(failure, Failure::Input(_)));
    let last = failures.pop();
    failures.iter().for_each(|failure| printer.failure(failure));
    last.map_or(Ok(()), Err)
}

fn verify(file: &Path, keys: &Keyring, policy: &Policy) -> Result<Verified, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("APKINDEX") || name.ends_with(".tar.gz") { index(file, keys, policy) } else { package(file, keys, policy) }
}

fn package(file: &Path, keys: &Keyring, policy: &Policy) -> Result<Verified, Failure> {
    let report = Package::open(file).and_then(|package| package.verify(keys, policy)).map_err(|error| {
        let hint = match &*error.problem {
            apk::Problem::Signature(error) => way_out(error),
            _ => None,
        };
        hinted(super::package_failure(&error), file, hint)
    })?;
    let signed = report.keys().next().is_some();
    Ok(Verified {
        file: file.to_owned(),
        signed,
        signatures: signatures(&report.signatures),
        files: Some(report.files),
        files_without_checksum: Some(report.files_without_checksum),
        packages: None,
        content: Some(report.content),
        uncovered: report.uncovered.into_iter().map(|range| Span { start: range.start, end: range.end }).collect(),
    })
}

fn index(file: &Path, keys: &Keyring, policy: &Policy) -> Result<Verified, Failure> {
    let (index, verified) = Index::load(file, keys, policy).map_err(|error| {
        let message = with_usual_hints(Message::of(&error), &error);
        match &error {
            IndexError::Io(_) => Failure::Input(message),
            IndexError::Signature(signature) => hinted(Failure::No(message), file, way_out(signature)),
            _ => hinted(Failure::No(message), file, None),
        }
    })?;
    Ok(Verified {
        file: file.to_owned(),
        signed: verified.signatures.iter().any(|checked| checked.outcome == Outcome::Verified),
        signatures: signatures(&verified.signatures),
        files: None,
        files_without_checksum: None,
        packages: Some(index.records.len()),
        content: None,
        uncovered: vec![Span { start: verified.uncovered.start as u64, end: verified.uncovered.end as u64 }],
    })
}

/// Names the file in a failure, and the way out.
fn hinted(failure: Failure, file: &Path, hint: Option<&'static str>) -> Failure {
    let Failure::No(mut message) = failure else { return failure };
    message.chain.insert(0, format!("{} is not verified", file.display()));
    Failure::No(match hint {
        Some(hint) => message.hint(hint),
        None => message,
    })
}

fn way_out(error: &apk::signature::SignatureError) -> Option<&'static str> {
    use apk::signature::SignatureError as Error;
    match error {
        Error::Missing => Some("--allow-unsigned checks that it is whole, without saying who made it"),
        Error::Sha1Only { .. } => Some("--allow-sha1 counts it; read `undistro apk verify --help` for what that gives up"),
        Error::UnknownKeys { .. } => {
            Some("name the public key with --key, if you trust it; its file must have the name that the signature gives")
        }
        Error::Mismatch { .. } | Error::Name { .. } => None,
    }
}

fn signatures(checked: &[Checked]) -> Vec<Signature> {
    let outcome = |outcome| match outcome {
        Outcome::Verified => "verified",
        Outcome::UnknownKey => "unknown key",
        Outcome::Sha1Refused => "over SHA-1, not counted",
        Outcome::UnknownAlgorithm => "unknown algorithm",
    };
    let one = |one: &Checked| Signature { key: one.key.clone(), algorithm: one.algorithm.to_string(), outcome: outcome(one.outcome) };
    checked.iter().map(one).collect()
}

fn sentence(verified: &Verified) -> String {
    let by: Vec<_> = verified.signatures.iter().filter(|one| one.outcome == "verified").map(|one| one.key.as_str()).collect();
    let who = if by.is_empty() { "whole, but by nobody who is trusted".to_owned() } else { format!("verified, by {}", by.join(", ")) };
    let what = match verified.packages {
        Some(packages) => count(packages, "package"),
        None => count(verified.files.unwrap_or(0) + verified.files_without_checksum.unwrap_or(0), "file"),
    };
    match verified.files_without_checksum {
        Some(without) if without > 0 => format!("{who}; {what}, of which {without} have no checksum of their own"),
        _ => format!("{who}; {what}"),
    }
}
