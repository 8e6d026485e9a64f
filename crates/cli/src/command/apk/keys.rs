//! Which keys are trusted, and what counts as signed.

use std::path::PathBuf;

use apk::Keyring;
use apk::signature::Sha1;
use attest::key::{Named, PublicKey};

use crate::failure::Failure;

/// Options of verbs that verify.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct KeyArgs {
    /// A public key to trust; its file name is the name that signatures give. May be given more than once.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// A folder of public keys to trust, `*.pub`, such as /etc/apk/keys. May be given more than once.
    #[arg(long, value_name = "DIR")]
    keys_dir: Vec<PathBuf>,
    /// Count signatures over SHA-1 too. Whoever can make two files of one SHA-1 can then have one signed and pass off the other.
    #[arg(long)]
    allow_sha1: bool,
}

impl KeyArgs {
    /// Whether no key was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.keys_dir.is_empty()
    }

    /// Reads the keys.
    pub(crate) fn keyring(&self) -> Result<Keyring, Failure> {
        let mut keys = Vec::new();
        for dir in &self.keys_dir {
            let files = fs_err::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
            let files = files.map_err(|error| Failure::input(&error))?;
            keys.extend(files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "pub")));
        }
        // What is named by itself counts over what a folder holds.
        keys.extend(self.keys.iter().cloned());
        let load = |path: PathBuf| Named::<PublicKey>::load(&path).map_err(|error| Failure::input(&error));
        Ok(Keyring::new(keys.into_iter().map(load).collect::<Result<Vec<_>, _>>()?))
    }

    /// What of signatures over SHA-1.
    pub(crate) fn sha1(&self) -> Sha1 {
        if self.allow_sha1 { Sha1::AcceptLegacy } else { Sha1::Refuse }
    }
}
