//! `undistro keygen`: a key pair for signing packages, claims or logs.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use attest::key::PrivateKey;
use attest::signing::{Algorithm, Seed, Signer as _, SigningKey, encrypt};
use fs_err as fs;

use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::secret;

/// Make a key for signing packages, claims or logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
RSA signs packages and indexes, since apk reads nothing else. ECDSA P-256 signs claims, and is what cosign makes. Ed25519 signs logs.
The private key is for you alone, and --encrypt puts it under a password, in the form that cosign reads and writes. docs/trust.md says
how keys are kept, replaced and lost.

Examples:
  undistro keygen packager.rsa                      writes packager.rsa (secret) and packager.rsa.pub
  undistro keygen --type ecdsa --encrypt            writes undistro.key (secret) and undistro.pub
  undistro keygen --type ed25519 log.key            writes log.key (secret) and log.pub")]
pub(crate) struct Args {
    /// File of the private key [default: undistro.rsa, or undistro.key for the other kinds]. NAME.key gets NAME.pub beside it, any
    /// other name gets `.pub` after it.
    file: Option<PathBuf>,
    /// The kind of key [default: ecdsa where the file is called NAME.key, else rsa].
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Length of an RSA key in bits: 2048, 3072, 4096 or 8192.
    #[arg(long, default_value_t = 4096)]
    bits: usize,
    /// Put the private key under a password, which is asked for.
    #[arg(long)]
    encrypt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Ecdsa,
    Ed25519,
    Rsa,
}

impl Args {
    fn kind(&self) -> Kind {
        let named_key = self.file.as_ref().is_some_and(|file| file.extension().is_some_and(|ending| ending == "key"));
        self.kind.unwrap_or(if named_key { Kind::Ecdsa } else { Kind::Rsa })
    }

    /// The files of the private and the public key.
    fn files(&self) -> (PathBuf, PathBuf) {
        let default = if self.kind() == Kind::Rsa { "undistro.rsa" } else { "undistro.key" };
        let private = self.file.clone().unwrap_or_else(|| PathBuf::from(default));
        let public = match private.extension() {
            Some(ending) if ending == "key" => private.with_extension("pub"),
            _ => PathBuf::from(format!("{}.pub", private.display())),
        };
        (private, public)
    }
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let (private_file, public_file) = args.files();
    for file in [&private_file, &public_file] {
        if file.exists() {
            return Err(Failure::Input(
                Message::text(format!("{} exists already", file.display())).hint("a key is never overwritten; name another file"),
            ));
        }
    }
    let key = make(args, printer)?;
    let fault = |error| Failure::fault(&error);
    let secret = if args.encrypt {
        let password = secret::password("password for the new key", printer)?;
        encrypt(&key.to_pkcs8().map_err(fault)?, &password, &Seed::draw().map_err(fault)?).map_err(fault)?
    } else {
        key.to_pem().map_err(fault)?
    };
    write(&private_file, &secret, 0o600)?;
    write(&public_file, &key.public().to_pem(), 0o644)?;
    let bits = (args.kind() == Kind::Rsa).then_some(args.bits);
    printer.json(&serde_json::json!({
        "private": private_file, "public": public_file, "bits": bits, "algorithm": key.public().algorithm().to_string(),
        "digest": key.public().digest(), "encrypted": args.encrypt,
    }));
    printer.line(format!("{}  private: keep it secret, and keep a copy", private_file.display()));
    let whom = if args.kind() == Kind::Rsa { "install the packages" } else { "verify what you sign" };
    printer.line(format!("{}  public: give it to those who {whom}", public_file.display()));
    Ok(())
}

fn make(args: &Args, printer: &Printer) -> Result<SigningKey, Failure> {
    let algorithm = match args.kind() {
        Kind::Ecdsa => Algorithm::EcdsaP256,
        Kind::Ed25519 => Algorithm::Ed25519,
        Kind::Rsa => {
            printer.talk(format!("making an RSA key of {} bits", args.bits));
            let key = PrivateKey::generate(args.bits).map_err(|error| Failure::input(&error))?;
            let pem = key.to_pem().map_err(|error| Failure::fault(&error))?;
            return SigningKey::from_pem(&pem, None).map_err(|error| Failure::fault(&error));
        }
    };
    SigningKey::generate(algorithm).map_err(|error| Failure::fault(&error))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).options_mut().mode(mode);
    let file = options.open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())).map_err(|error| Failure::fault(&error))
}
