//! `undistro keygen`: a key pair for signing packages.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use attest::key::PrivateKey;
use fs_err as fs;

use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// Make a key for signing packages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  undistro keygen packager.rsa        writes packager.rsa (secret) and packager.rsa.pub")]
pub(crate) struct Args {
    /// File of the private key; the public half gets `.pub` after it.
    #[arg(default_value = "undistro.rsa")]
    file: PathBuf,
    /// Length of the key in bits: 2048, 3072, 4096 or 8192.
    #[arg(long, default_value_t = 4096)]
    bits: usize,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let public_file = PathBuf::from(format!("{}.pub", args.file.display()));
    for file in [&args.file, &public_file] {
        if file.exists() {
            return Err(Failure::Input(
                Message::text(format!("{} exists already", file.display())).hint("a key is never overwritten; name another file"),
            ));
        }
    }
    printer.talk(format!("making an RSA key of {} bits", args.bits));
    let key = PrivateKey::generate(args.bits).map_err(|error| Failure::input(&error))?;
    let secret = key.to_pem().map_err(|error| Failure::fault(&error))?;
    let public = key.public().map_err(|error| Failure::fault(&error))?.to_pem();
    write(&args.file, &secret, 0o600)?;
    write(&public_file, &public, 0o644)?;
    printer.json(&serde_json::json!({ "private": args.file, "public": public_file, "bits": args.bits }));
    printer.line(format!("{}  private: keep it secret, and keep a copy", args.file.display()));
    printer.line(format!("{}  public: give it to those who install the packages", public_file.display()));
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).options_mut().mode(mode);
    let file = options.open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all())).map_err(|error| Failure::fault(&error))
}
