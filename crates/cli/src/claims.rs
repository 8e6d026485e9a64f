//! Claims about files: what `sign`, `attest` and `verify` have in common.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use attest::bundle::Bundle;
use attest::dsse::Envelope;
use attest::intoto::{Resource, Statement};
use attest::log::{Checkpoint, Folder, Log, LogError, Storage as _};
use attest::signing::{Signer as _, SigningKey};
use base::{Digest, Hashing};
use fs_err as fs;
use jiff::Timestamp;
use serde_json::Value;

use crate::failure::{Failure, Message, with_usual_hints};
use crate::printer::Printer;
use crate::secret;

/// With which key, and into which log.
#[derive(Debug, clap::Args)]
pub(crate) struct SigningArgs {
    /// The private key that signs (undistro keygen --type ecdsa makes one; cosign's are read too).
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The log that takes the signature in (undistro log init makes one). Without one the claim reaches tier T0 only.
    #[arg(long, value_name = "DIR", requires = "log_key")]
    pub(crate) log: Option<PathBuf>,
    /// The private key of the log.
    #[arg(long, value_name = "FILE", requires = "log")]
    pub(crate) log_key: Option<PathBuf>,
}

/// What a claim is about.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// What it is called.
    pub(crate) name: String,
    pub(crate) digest: Digest,
}

impl SigningArgs {
    /// Signs a claim about a file, enters it into the log and bundles both.
    pub(crate) fn make(&self, about: &About, kind: &str, predicate: Value, printer: &Printer) -> Result<Bundle, Failure> {
        let key = secret::signing_key(&self.key, printer)?;
        let log = self.log_key.as_ref().map(|path| secret::signing_key(path, printer)).transpose()?;
        make(about, kind, predicate, &key, self.log.as_deref().zip(log.as_ref()))
    }
}

impl About {
    /// Takes a file, or `sha256:` and 64 digits.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if let Ok(digest) = text.parse::<Digest>() {
            return Ok(Self { name: text.to_owned(), digest });
        }
        let mut file = Hashing::new(fs::File::open(text).map_err(|error| Failure::input(&error))?);
        std::io::copy(&mut file, &mut std::io::sink()).map_err(|error| Failure::input(&error))?;
        let name = Path::new(text).file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, digest: file.finish().1 })
    }
}

/// Signs a claim, enters it into the log and bundles both.
pub(crate) fn make(
    about: &About,
    kind: &str,
    predicate: Value,
    key: &SigningKey,
    log: Option<(&Path, &SigningKey)>,
) -> Result<Bundle, Failure> {
    let statement = Statement::new(vec![Resource::sha256(&about.name, &about.digest)], kind, predicate);
    let envelope = Envelope::sign(&statement.to_json(), key).map_err(|error| Failure::fault(&error))?;
    let entry = match log {
        Some((log, signer)) => {
            let body = Bundle::expected_entry(&envelope, key.public()).to_body();
            let folder = Folder::new(log);
            let appended = open(&folder, signer)?.append(std::slice::from_ref(&body)).map_err(|error| log_failure(log, &error))?;
            appended.entry(0, &body)
        }
        None => None,
    };
    Ok(Bundle::new(envelope, key.public(), entry))
}

/// Opens the log in a folder, under the name that its checkpoint has; its key must have signed it.
pub(crate) fn open<'a>(folder: &'a Folder, signer: &'a SigningKey) -> Result<Log<'a>, Failure> {
    let failed = |error: LogError| log_failure(folder.root(), &error);
    let origin = checkpoint(folder)?.origin;
    Log::open(folder, signer, &origin).map_err(failed)
}

/// Reads what a log in a folder says of itself. Nothing is verified.
pub(crate) fn checkpoint(folder: &Folder) -> Result<Checkpoint, Failure> {
    let failed = |error: LogError| log_failure(folder.root(), &error);
    let note = folder.get("checkpoint").map_err(|error| failed(error.into()))?.ok_or_else(|| failed(LogError::Missing))?;
    Checkpoint::of_note(&String::from_utf8_lossy(&note)).map_err(failed)
}

/// What went wrong with a log: the answer is no where it is not what it should be.
pub(crate) fn log_failure(path: &Path, error: &LogError) -> Failure {
    let mut message = with_usual_hints(Message::of(error), error);
    message.chain.insert(0, format!("the log {}", path.display()));
    match error {
        LogError::Missing => Failure::Input(message.hint("undistro log init begins one")),
        LogError::Exists { .. } => Failure::Input(message.hint("it is never begun anew; name another folder")),
        LogError::Entry { .. } | LogError::Batch { .. } | LogError::Index { .. } => Failure::Input(message),
        LogError::Storage(_) | LogError::Busy { .. } => Failure::Fault(message),
        LogError::Unsigned { .. } => Failure::No(message.hint("name the key that this log was begun with")),
        LogError::Forked { .. } | LogError::Shrunk { .. } => Failure::No(
            message.hint("do not trust this log until you know why: what it showed before is kept, and it shows something else now"),
        ),
        _ => Failure::No(message),
    }
}

/// Writes a bundle beside what it is about, or where `output` says.
pub(crate) fn write(bundle: &Bundle, output: &Path, printer: &Printer) -> Result<(), Failure> {
    fs::write(output, bundle.to_json()).map_err(|error| Failure::fault(&error))?;
    let entry = bundle.verification_material.tlog_entries.first();
    printer.json(&serde_json::json!({ "bundle": output, "logIndex": entry.map(|entry| &entry.log_index) }));
    printer.line(match entry {
        Some(entry) => format!("{}: signed, and in the log at {}", output.display(), entry.log_index),
        None => format!("{}: signed, in no log", output.display()),
    });
    Ok(())
}

/// Returns the name of a bundle beside its file: `FILE.sigstore.json`, with the sort of claim before it.
pub(crate) fn beside(subject: &str, kind: Option<&str>) -> PathBuf {
    let kind = kind.map(|kind| format!(".{kind}")).unwrap_or_default();
    PathBuf::from(format!("{subject}{kind}.sigstore.json"))
}

/// Now, as keys and ages are looked at.
pub(crate) fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
