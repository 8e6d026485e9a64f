//! OpenPGP signatures, checked by the host's gpgv: of an archive's release file by the host's keys, of a source by keys
//! that are pinned like a source.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use base::{Digest, Store, StoreError};
use base64::Engine as _;
use fs_err as fs;
use serde::{Deserialize, Serialize};

/// What a signature is checked with. The caller looks whether the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The program gpgv.
    pub gpgv: PathBuf,
    /// A file of public keys, as [`crate::debian::KEYRING`].
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
    #[error("the signature of {what} is not good: {said}; asked were {keys}")]
    Bad {
        /// What is said to be signed.
        what: String,
        /// What is wrong with it, in a few words.
        said: String,
        /// The keys that were tried.
        keys: String,
    },
    /// The public keys are neither OpenPGP packets nor armoured ones.
    #[error("the public keys for the signature of {what} can not be read")]
    Keys {
        /// What is said to be signed.
        what: String,
    },
    /// The store could not give or hold the files for gpgv.
    #[error("while checking the signature of {what}")]
    Store {
        /// What is said to be signed.
        what: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
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
pub(crate) fn check_cleartext(
    message: &[u8],
    what: &str,
    authority: &Authority,
    store: &Store,
) -> Result<(Vec<u8>, Signature), SignatureError> {
    let folder = Folder::make(store, what)?;
    let (signed, text) = (folder.write("message", message)?, folder.path.join("text"));
    let arguments = [Path::new("--output"), &text, &signed];
    let keys = format!("the keys in {}", authority.keyring.display());
    let signers = run(&arguments, what, &folder.path, authority, keys)?;
    let text = fs::read(&text).map_err(|source| folder.error(source))?;
    Ok((text, Signature::Good(signers)))
}

/// Checks a detached signature over a source, and returns who made it.
///
/// `data` and `signature` are in the store; `keys` are upstream's public keys, armoured or not, from a source that is
/// pinned too. The answer is only as good as the way by which those keys became known.
pub fn check_detached(
    store: &Store,
    what: &str,
    data: &Digest,
    signature: &[u8],
    keys: &[u8],
    gpgv: &Path,
) -> Result<Vec<Signer>, SignatureError> {
    let folder = Folder::make(store, what)?;
    let missing = || SignatureError::Store { what: what.to_owned(), source: StoreError::Missing { digest: *data } };
    let data = store.blob(data).ok_or_else(missing)?;
    let keys = dearmour(keys).ok_or_else(|| SignatureError::Keys { what: what.to_owned() })?;
    let authority = Authority { gpgv: gpgv.to_owned(), keyring: folder.write("keys", &keys)? };
    run(&[&folder.write("signature", signature)?, &data], what, &folder.path, &authority, "the keys that are pinned for it".into())
}

/// A folder for gpgv's files, gone when it is dropped.
struct Folder<'a> {
    path: PathBuf,
    what: &'a str,
}

impl<'a> Folder<'a> {
    fn make(store: &Store, what: &'a str) -> Result<Self, SignatureError> {
        let folder = Self { path: store.tmp_path("gpgv"), what };
        fs::create_dir_all(&folder.path).map_err(|source| folder.error(source))?;
        Ok(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, SignatureError> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(|source| self.error(source))?;
        Ok(path)
    }

    fn error(&self, source: io::Error) -> SignatureError {
        SignatureError::Store { what: self.what.to_owned(), source: StoreError::Io { doing: "keeping files for gpgv", source } }
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        // What can not be removed is swept with the store's `tmp`.
        let _ = base::store::remove_tree(&self.path);
    }
}

fn run(arguments: &[&Path], what: &str, home: &Path, authority: &Authority, keys: String) -> Result<Vec<Signer>, SignatureError> {
    let output = Command::new(&authority.gpgv)
        .env_clear()
        .args(["--status-fd", "1", "--homedir"])
        .arg(home)
        .arg("--keyring")
        .arg(&authority.keyring)
        .args(arguments)
        .output()
        .map_err(|source| SignatureError::Run { gpgv: authority.gpgv.clone(), source })?;
    signers(&String::from_utf8_lossy(&output.stdout)).map_err(|said| SignatureError::Bad { what: what.to_owned(), said, keys })
}

/// The packets of armoured keys (RFC 9580, 6.2), or the keys as they are if they are packets already.
fn dearmour(keys: &[u8]) -> Option<Vec<u8>> {
    // Every packet's first byte has its highest bit set (RFC 9580, 4.2).
    if keys.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Some(keys.to_vec());
    }
    let text = std::str::from_utf8(keys).ok()?;
    let mut packets = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let (body, _) = block.split_once("-----END PGP PUBLIC KEY BLOCK-----")?;
        let body = body.replace('\r', "");
        let (_headers, body) = body.split_once("\n\n")?;
        // A line that begins with `=` is the checksum.
        let base64: String = body.lines().map(str::trim).filter(|line| !line.starts_with('=')).collect();
        packets.extend(base64::engine::general_purpose::STANDARD.decode(base64).ok()?);
    }
    (!packets.is_empty()).then_some(packets)
}

/// Reads gpgv's status lines (GnuPG's doc/DETAILS): one good and valid signature is enough, none may be false.
///
/// gpgv's exit code is no help: it is bad as soon as one of several signatures is by a key that this host does not have.
fn signers(status: &str) -> Result<Vec<Signer>, String> {
    let mut signers = Vec::new();
    let mut name = None;
    let mut said = "it holds no signature".to_owned();
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let mut words = line.splitn(3, ' ');
        let (keyword, key, rest) = (words.next().unwrap_or(""), words.next().unwrap_or("?"), words.next().unwrap_or(""));
        match keyword {
            "BADSIG" => return Err(format!("the one by key {key} is false")),
            "NEWSIG" => name = None,
            "GOODSIG" => name = Some(rest.to_owned()),
            "VALIDSIG" => signers.extend(name.take().map(|name| Signer { key: key.to_owned(), name })),
            "EXPSIG" => said = format!("the one by key {key} has expired"),
            "EXPKEYSIG" => said = format!("the key {key}, which made it, has expired"),
            "REVKEYSIG" => said = format!("the key {key}, which made it, was revoked"),
            "NO_PUBKEY" => said = format!("the key {key}, which made it, is not among them"),
            _ => {}
        }
    }
    if signers.is_empty() { Err(said) } else { Ok(signers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6ED0 Archive Key <a@b>\n[GNUPG:] VALIDSIG 4CB5 2026-11-21 1\n";

    #[test]
    fn one_good_signature_is_enough() {
        let missing = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 11 1 8 01 1 9 -\n[GNUPG:] NO_PUBKEY 11\n";
        let expected = vec![Signer { key: "4CB5".into(), name: "Archive Key <a@b>".into() }];
        assert_eq!(signers(&format!("{missing}{GOOD}")), Ok(expected));
    }

    #[test]
    fn refuses_false_expired_and_unknown_signatures() {
        let refused = |status: &str| signers(status).unwrap_err();
        assert_eq!(refused(&format!("{GOOD}[GNUPG:] BADSIG 6ED0 Archive Key\n")), "the one by key 6ED0 is false");
        assert_eq!(refused(&GOOD.replace("GOODSIG", "EXPKEYSIG")), "the key 6ED0, which made it, has expired");
        assert_eq!(refused(&GOOD.replace("GOODSIG", "REVKEYSIG")), "the key 6ED0, which made it, was revoked");
        assert_eq!(refused("[GNUPG:] NO_PUBKEY 11\n"), "the key 11, which made it, is not among them");
        assert_eq!(refused(""), "it holds no signature");
    }

    #[test]
    fn takes_keys_out_of_their_armour() {
        let armoured = "text\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nmAAB\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmour(armoured.as_bytes()), Some(vec![0x98, 0, 1]));
        assert_eq!(dearmour(&[armoured, armoured].concat().into_bytes()), Some(vec![0x98, 0, 1, 0x98, 0, 1]));
        assert_eq!(dearmour(b"\x98\0"), Some(vec![0x98, 0]));
        for none in ["", "no key", &armoured[..60], &armoured.replace("mAAB", "m!")] {
            assert_eq!(dearmour(none.as_bytes()), None);
        }
    }
}
