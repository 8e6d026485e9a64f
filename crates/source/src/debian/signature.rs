//! The signature of a release file, checked by the host's gpgv with the host's keys where it has both.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use base::{Store, StoreError};
use fs_err as fs;
use serde::{Deserialize, Serialize};

/// What a signature is checked with. The caller looks whether the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The program gpgv.
    pub gpgv: PathBuf,
    /// A file of public keys, as [`super::KEYRING`].
    pub keyring: PathBuf,
}

/// What is known of a release file's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// At least one of the keyring's keys signed it, and no signature is false.
    Good(Vec<Signer>),
    /// Nobody looked.
    Unchecked(Unchecked),
}

/// Why a signature was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unchecked {
    /// The host lacks gpgv or the archive's keys.
    NoGpgv,
    /// The caller wished so.
    Waived,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The fingerprint of the key that signed, in hex.
    pub key: String,
    /// Whose key it is, as the key says.
    pub name: String,
}

/// Why a signature was refused.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// gpgv could not be run.
    #[error("{} can not be run", gpgv.display())]
    Run {
        /// The program.
        gpgv: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The signature is false, or no key of the keyring made it.
    #[error("the signature of the release file is not good, by {}: {said}", keyring.display())]
    Bad {
        /// The keys that were tried.
        keyring: PathBuf,
        /// What gpgv said, in a few words.
        said: String,
    },
    /// The store could not hold the files for gpgv.
    #[error("while checking the signature of the release file")]
    Store(#[source] StoreError),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(signers) => {
                f.write_str("signature of the release file: good, by")?;
                signers.iter().enumerate().try_for_each(|(at, one)| {
                    write!(f, "{} {} ({})", if at > 0 { "," } else { "" }, one.name, one.key)
                })
            }
            Self::Unchecked(Unchecked::NoGpgv) => {
                f.write_str("signature of the release file: NOT checked, this machine lacks gpgv or the archive's keys; what follows is only as good as the way to the mirror")
            }
            Self::Unchecked(Unchecked::Waived) => f.write_str("signature of the release file: NOT checked, as was asked for"),
        }
    }
}

/// Checks a cleartext-signed message and returns the text that is signed.
pub(super) fn check(message: &[u8], authority: &Authority, store: &Store) -> Result<(Vec<u8>, Signature), SignatureError> {
    let folder = store.tmp_path("gpgv");
    let failed = |source| SignatureError::Store(StoreError::Io { doing: "writing files for gpgv", source });
    fs::create_dir_all(&folder).map_err(failed)?;
    let (signed, text) = (folder.join("InRelease"), folder.join("Release"));
    fs::write(&signed, message).map_err(failed)?;
    let result = run(&signed, &text, &folder, authority);
    let text = result.and_then(|signature| Ok((fs::read(&text).map_err(failed)?, signature)));
    base::store::remove_tree(&folder).map_err(failed)?;
    text
}

fn run(signed: &Path, text: &Path, home: &Path, authority: &Authority) -> Result<Signature, SignatureError> {
    let output = Command::new(&authority.gpgv)
        .env_clear()
        .args(["--status-fd", "1", "--homedir"])
        .arg(home)
        .arg("--keyring")
        .arg(&authority.keyring)
        .arg("--output")
        .arg(text)
        .arg(signed)
        .output()
        .map_err(|source| SignatureError::Run { gpgv: authority.gpgv.clone(), source })?;
    signature(&String::from_utf8_lossy(&output.stdout)).map_err(|said| {
        let words = String::from_utf8_lossy(&output.stderr);
        let said = if said.is_empty() { words.lines().last().unwrap_or("it says nothing").to_owned() } else { said };
        SignatureError::Bad { keyring: authority.keyring.clone(), said }
    })
}

/// Reads gpgv's status lines (GnuPG's doc/DETAILS): one good and valid signature is enough, none may be false.
///
/// gpgv's exit code is no help: it is bad as soon as one of several signatures is by a key that this host does not have.
fn signature(status: &str) -> Result<Signature, String> {
    let mut signers = Vec::new();
    let mut name = None;
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("BADSIG"), key, _) => return Err(format!("false signature by key {}", key.unwrap_or("?"))),
            (Some("NEWSIG"), ..) => name = None,
            (Some("GOODSIG"), _, user) => name = Some(user.unwrap_or("").to_owned()),
            (Some("VALIDSIG"), Some(key), _) => {
                if let Some(name) = name.take() {
                    signers.push(Signer { key: key.to_owned(), name });
                }
            }
            _ => {}
        }
    }
    if signers.is_empty() { Err(String::new()) } else { Ok(Signature::Good(signers)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6ED0 Archive Key <a@b>\n[GNUPG:] VALIDSIG 4CB5 2026-11-21 1\n";

    #[test]
    fn one_good_signature_is_enough() {
        let missing = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 11 1 8 01 1 9 -\n[GNUPG:] NO_PUBKEY 11\n";
        let expected = Signature::Good(vec![Signer { key: "4CB5".into(), name: "Archive Key <a@b>".into() }]);
        assert_eq!(signature(&format!("{missing}{GOOD}")), Ok(expected));
    }

    #[test]
    fn refuses_false_expired_and_unknown_signatures() {
        assert!(signature(&format!("{GOOD}[GNUPG:] BADSIG 6ED0 Archive Key\n")).is_err());
        for status in ["", "[GNUPG:] NO_PUBKEY 11\n", &GOOD.replace("GOODSIG", "EXPKEYSIG"), &GOOD.replace("GOODSIG", "REVKEYSIG")] {
            assert!(signature(status).is_err(), "{status}");
        }
    }
}
