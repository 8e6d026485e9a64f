//! `undistro log`: begin, show and audit a transparency log.

use std::path::{Path, PathBuf};

use attest::log::entry::Entry;
use attest::log::{Checkpoint, Folder, Log, LogKey, audit, entry_at, published};
use base::Digest;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::claims::{checkpoint, log_failure};
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::{project, secret};

/// The kind of record that keeps the last checkpoint that was seen of a log.
const SEEN: &str = "log-checkpoint";

/// Begin, show and audit a transparency log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A log is a folder of files that never change, as Rekor v2 serves them: any web server can show it.

Examples:
  undistro keygen --type ed25519 log.key
  undistro log init log --key log.key --name log.example.com
  undistro log show log --key log.pub --entry 0
  undistro log audit log --key log.pub")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin a log without entries.
    Init {
        /// The folder of the log.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The private key of the log: Ed25519, as others' verifiers expect.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The name of the log, as a host name: it is in every checkpoint, and never changes.
        #[arg(long, value_name = "NAME", default_value = "log.undistro.local")]
        name: String,
    },
    /// Say what a log is now, or what one of its entries is.
    Show {
        /// The folder of the log.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The public key of the log.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// An entry to show, with the proof that it is in.
        #[arg(long, value_name = "INDEX")]
        entry: Option<u64>,
    },
    /// Replay a whole log: every entry, tile and root, and that it extends what was seen of it before.
    Audit {
        /// The folder of the log.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The public key of the log.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// A checkpoint as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    origin: String,
    size: u64,
    root: Digest,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    match &args.command {
        Verb::Init { folder, key, name } => {
            let signer = secret::signing_key(key, printer)?;
            if !is_name(name) {
                let message = Message::text(format!("`{name}` is no name for a log"));
                return Err(Failure::Input(message.hint("a log has the name of a host: letters, digits, dots and hyphens")));
            }
            let storage = Folder::new(folder);
            let log = Log::create(&storage, &signer, name).map_err(|error| log_failure(folder, &error))?;
            printer.json(&serde_json::json!({ "log": name, "id": Digest::from_bytes(*log.key().id()), "folder": folder }));
            printer.line(format!("{}: the log `{name}`, without entries", folder.display()));
            Ok(())
        }
        Verb::Show { folder, key, entry } => show(folder, key, *entry, printer),
        Verb::Audit { folder, key } => check(folder, key, global, printer),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 254
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

fn show(folder: &Path, key: &Path, entry: Option<u64>, printer: &Printer) -> Result<(), Failure> {
    let failed = |error| log_failure(folder, &error);
    let storage = Folder::new(folder);
    let key = LogKey::new(checkpoint(&storage)?.origin, secret::public_key(key)?);
    let now = published(&storage, &key).map_err(failed)?;
    let Some(index) = entry else {
        printer.json(&serde_json::json!({ "log": now.origin, "size": now.size, "root": Digest::from_bytes(now.root) }));
        printer.line(format!("{}: {} entries, root {}", now.origin, now.size, Digest::from_bytes(now.root)));
        return Ok(());
    };
    let (body, path) = entry_at(&storage, &now, index).map_err(failed)?;
    let entry = Entry::parse(&body).map_err(|reason| Failure::No(Message::text(format!("the entry {index} can not be read: {reason}"))))?;
    let path: Vec<_> = path.into_iter().map(Digest::from_bytes).collect();
    printer
        .json(&serde_json::json!({ "index": index, "signed": entry.digest, "key": entry.key.digest(), "proof": path, "size": now.size }));
    printer.line(format!("entry {index} of {}, in the log: {} hashes lead to its root", now.size, path.len()));
    printer.line(format!("  signed  {}", entry.digest));
    printer.line(format!("  by      {}", entry.key));
    Ok(())
}

fn check(folder: &Path, key: &Path, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let storage = Folder::new(folder);
    let key = LogKey::new(checkpoint(&storage)?.origin, secret::public_key(key)?);
    let known = seen(global, [key.origin()].into_iter())?;
    let found = audit(&storage, &key, known.first(), &mut |_, _| ()).map_err(|error| log_failure(folder, &error))?;
    let now = &found.checkpoint;
    keep(global, now)?;
    let root = Digest::from_bytes(now.root);
    printer.json(&serde_json::json!({ "log": now.origin, "size": now.size, "root": root, "keys": found.keys, "extends": found.extends }));
    printer.line(format!("{}: {} entries make the root {root}, which is signed; every tile is right", now.origin, now.size));
    found.keys.iter().for_each(|(key, count)| printer.line(format!("  {count} by the key {key}")));
    printer.line(match found.extends {
        Some(known) => format!("  it extends the {known} entries that were seen before"),
        None => "  it was not seen before: the next audit will compare".to_owned(),
    });
    Ok(())
}

/// Returns the checkpoints that were seen of logs.
pub(crate) fn seen<'a>(global: &Global, origins: impl Iterator<Item = &'a str>) -> Result<Vec<Checkpoint>, Failure> {
    let mut origins = origins.peekable();
    if origins.peek().is_none() {
        return Ok(Vec::new());
    }
    let store = project::store(global)?;
    let read = |origin: &str| store.record::<Seen>(SEEN, &Digest::of(origin)).map_err(|error| Failure::fault(&error));
    let found = origins.map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().map(|seen| Checkpoint { origin: seen.origin, size: seen.size, root: *seen.root.as_bytes() }).collect())
}

/// Keeps a checkpoint that was found to extend what was seen before.
fn keep(global: &Global, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let seen = Seen { origin: checkpoint.origin.clone(), size: checkpoint.size, root: Digest::from_bytes(checkpoint.root) };
    project::store(global)?.put_record(SEEN, &Digest::of(&seen.origin), &seen).map_err(|error| Failure::fault(&error))
}
