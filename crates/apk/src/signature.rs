//! Signatures of packages and indexes: a tar of `.SIGN.<algorithm>.<key>` files before the bytes they sign.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use attest::key::{BadSignature, KeyError, Named, PrivateKey, PublicKey};
use base::tarball;
use base::tree::{Entry, Kind, TreePath};
use fs_err as fs;

use crate::gzip;

/// The most bytes of a signature member. A signature has 1 KiB at most (RSA of 8192 bits), apk-tools takes 64 KiB; an
/// index of many signers stays far below.
pub(crate) const MAX_MEMBER: usize = 1 << 20;

/// How a signature was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `RSA`: over SHA-1.
    RsaSha1,
    /// `RSA256`: over SHA-256.
    RsaSha256,
    /// `RSA512`: over SHA-512.
    RsaSha512,
    /// One that is not known here.
    Unknown(String),
}

/// One signature as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The file name of the public key that verifies it.
    pub key: String,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// The public keys that are trusted, by name.
#[derive(Debug, Clone, Default)]
pub struct Keyring(BTreeMap<String, PublicKey>);

/// What counts as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// What of signatures over SHA-1.
    pub sha1: Sha1,
    /// What of bytes without a signature by a trusted key.
    pub unsigned: Unsigned,
}

/// What of signatures over SHA-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sha1 {
    /// They count as none.
    #[default]
    Refuse,
    /// They count. See [`PublicKey::verify_sha1_legacy`] for what that still says.
    AcceptLegacy,
}

/// What of bytes without a signature by a trusted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unsigned {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, as a package does whose digest a signed index states. A false signature by a known key never passes.
    Accept,
}

/// What became of a signature that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The name of its key.
    pub key: String,
    /// Whether it was verified, or why it says nothing.
    pub outcome: Outcome,
}

/// What a signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is by the key of that name.
    Verified,
    /// The key is not known.
    UnknownKey,
    /// It is over SHA-1, and the policy gives nothing on that. It was not checked.
    Sha1Refused,
    /// Its algorithm is not known.
    UnknownAlgorithm,
}

/// Why bytes do not count as signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("it is not signed")]
    Missing,
    /// A signature is false: the key is known, and it did not sign these bytes.
    #[error("the signature {algorithm} by {key} does not match")]
    Mismatch {
        /// The name of the key.
        key: String,
        /// How it claims to be made.
        algorithm: Algorithm,
    },
    /// Its only signatures by known keys are over SHA-1.
    #[error("it is signed over SHA-1 only, by {}; allow that by name if it must be", keys.join(", "))]
    Sha1Only {
        /// The names of the keys.
        keys: Vec<String>,
    },
    /// None of its signatures is by a known key.
    #[error("it is signed by {}, and none of these keys is known", keys.join(", "))]
    UnknownKeys {
        /// The names of the keys.
        keys: Vec<String>,
    },
    /// A file beside the signatures, or a signature without algorithm or key.
    #[error("`{name}` is no name of a signature")]
    Name {
        /// The name of the file.
        name: String,
    },
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RsaSha1 => "RSA",
            Self::RsaSha256 => "RSA256",
            Self::RsaSha512 => "RSA512",
            Self::Unknown(name) => name,
        })
    }
}

impl Signature {
    /// Reads `.SIGN.<algorithm>.<key>`; `None` if the name does not begin so.
    pub(crate) fn parse(name: &str, bytes: Vec<u8>) -> Option<Self> {
        let (algorithm, key) = name.strip_prefix(".SIGN.")?.split_once('.')?;
        let algorithm = match algorithm {
            "RSA" => Algorithm::RsaSha1,
            "RSA256" => Algorithm::RsaSha256,
            "RSA512" => Algorithm::RsaSha512,
            other => Algorithm::Unknown(other.to_owned()),
        };
        (!key.is_empty()).then(|| Self { algorithm, key: key.to_owned(), bytes })
    }

    fn check(&self, signed: &[u8], keys: &Keyring, policy: &Policy) -> Result<Outcome, BadSignature> {
        let Some(key) = keys.0.get(&self.key) else { return Ok(Outcome::UnknownKey) };
        match self.algorithm {
            Algorithm::RsaSha256 => key.verify_sha256(signed, &self.bytes)?,
            Algorithm::RsaSha512 => key.verify_sha512(signed, &self.bytes)?,
            Algorithm::RsaSha1 if policy.sha1 == Sha1::AcceptLegacy => key.verify_sha1_legacy(signed, &self.bytes)?,
            Algorithm::RsaSha1 => return Ok(Outcome::Sha1Refused),
            Algorithm::Unknown(_) => return Ok(Outcome::UnknownAlgorithm),
        }
        Ok(Outcome::Verified)
    }
}

impl Keyring {
    /// Makes a keyring of keys. Of two keys with one name the later counts.
    pub fn new(keys: impl IntoIterator<Item = Named<PublicKey>>) -> Self {
        Self(keys.into_iter().map(|named| (named.name().to_owned(), named.key().clone())).collect())
    }

    /// Reads every `*.pub` in a directory, as `/etc/apk/keys` holds them.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { doing: "reading a directory of keys", source };
        let mut keys = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "pub") {
                keys.push(Named::<PublicKey>::load(&path)?);
            }
        }
        Ok(Self::new(keys))
    }

    /// Adds a key, in place of one of the same name.
    pub fn insert(&mut self, key: &Named<PublicKey>) {
        self.0.insert(key.name().to_owned(), key.key().clone());
    }

    /// Returns the names of the keys, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Checks every signature over `signed`. One that verifies is enough; a false one by a known key is always refused.
pub(crate) fn check(signed: &[u8], signatures: &[Signature], keys: &Keyring, policy: &Policy) -> Result<Vec<Checked>, SignatureError> {
    let mut report = Vec::new();
    for signature in signatures {
        let Signature { algorithm, key, .. } = signature;
        let outcome = signature
            .check(signed, keys, policy)
            .map_err(|BadSignature| SignatureError::Mismatch { key: key.clone(), algorithm: algorithm.clone() })?;
        report.push(Checked { algorithm: algorithm.clone(), key: key.clone(), outcome });
    }
    let names = |wanted: Outcome| -> Vec<String> {
        report.iter().filter(|checked| checked.outcome == wanted).map(|checked| checked.key.clone()).collect()
    };
    if policy.unsigned == Unsigned::Accept || !names(Outcome::Verified).is_empty() {
        return Ok(report);
    }
    let sha1 = names(Outcome::Sha1Refused);
    match signatures {
        [] => Err(SignatureError::Missing),
        _ if !sha1.is_empty() => Err(SignatureError::Sha1Only { keys: sha1 }),
        all => Err(SignatureError::UnknownKeys { keys: all.iter().map(|signature| signature.key.clone()).collect() }),
    }
}

/// Whether the first name in a tar is that of a signature.
pub(crate) fn is_signature(tar: &[u8]) -> bool {
    let mut first = None;
    let stopped = tarball::read(tar, |item, _| {
        first = Some(item.entry.path);
        Err(tarball::ReadError::Encoding("only the first entry is wanted".into()))
    });
    stopped.is_err() && first.is_some_and(|path| path.as_str().starts_with(".SIGN."))
}

/// Why the signatures of a member can not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Archive(tarball::ReadError),
    Name(SignatureError),
}

/// Reads the signatures of one member, given its tar.
pub(crate) fn read(tar: &[u8]) -> Result<Vec<Signature>, ReadError> {
    let mut found = Vec::new();
    tarball::read(tar, |item, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(tarball::ReadError::Format)?;
        found.push((String::from(item.entry.path), bytes));
        Ok(())
    })
    .map_err(ReadError::Archive)?;
    found.into_iter().map(|(name, bytes)| Signature::parse(&name, bytes).ok_or(ReadError::Name(SignatureError::Name { name }))).collect()
}

/// Signs `signed` and returns the member that goes before it.
pub(crate) fn member(signed: &[u8], key: &Named<PrivateKey>) -> Result<Vec<u8>, KeyError> {
    let bytes = key.key().sign_sha256(signed)?;
    let name = format!(".SIGN.RSA256.{}", key.name());
    // The name of a key is a file name (see `Named::new`), so it is a path here; writing to memory does not fail.
    let path = TreePath::parse(&name).map_err(|_| KeyError::Name { name: key.name().to_owned() })?;
    let entry = Entry::new(path, Kind::File { size: bytes.len() as u64, digest: None }, 0o644, 0);
    let written = (|| {
        let mut tar = tarball::Writer::new(gzip::Encoder::new(Vec::new()));
        tar.append(&entry, &BTreeMap::new(), &mut &bytes[..])?;
        tar.into_inner().finish()
    })();
    written.map_err(|source| KeyError::File { doing: "writing a signature to memory", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        key: Named<PrivateKey>,
        keys: Keyring,
    }

    fn case() -> Case {
        let key = Named::new("a.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap();
        let keys = Keyring::new([key.public().unwrap()]);
        Case { key, keys }
    }

    fn signature(case: &Case, algorithm: Algorithm, key: &str) -> Signature {
        Signature { algorithm, key: key.into(), bytes: case.key.key().sign_sha256(b"text").unwrap() }
    }

    #[test]
    fn one_signature_by_a_known_key_is_enough() {
        let case = case();
        let both = [signature(&case, Algorithm::RsaSha256, "other.rsa.pub"), signature(&case, Algorithm::RsaSha256, "a.rsa.pub")];
        let report = check(b"text", &both, &case.keys, &Policy::default()).unwrap();
        let outcomes: Vec<_> = report.iter().map(|checked| checked.outcome).collect();
        assert_eq!(outcomes, [Outcome::UnknownKey, Outcome::Verified]);
    }

    #[test]
    fn refuses_each_for_its_own_reason() {
        let case = case();
        let keys = vec!["a.rsa.pub".to_owned()];
        let check = |signed: &[u8], algorithm: Algorithm, key: &str| {
            check(signed, &[signature(&case, algorithm, key)], &case.keys, &Policy::default()).unwrap_err()
        };
        let mismatch = |algorithm| SignatureError::Mismatch { key: "a.rsa.pub".into(), algorithm };
        assert_eq!(check(b"texu", Algorithm::RsaSha256, "a.rsa.pub"), mismatch(Algorithm::RsaSha256));
        assert_eq!(check(b"text", Algorithm::RsaSha512, "a.rsa.pub"), mismatch(Algorithm::RsaSha512));
        assert_eq!(check(b"text", Algorithm::RsaSha1, "a.rsa.pub"), SignatureError::Sha1Only { keys });
        assert_eq!(check(b"text", Algorithm::RsaSha256, "b"), SignatureError::UnknownKeys { keys: vec!["b".into()] });
        let unknown = Algorithm::Unknown("MLDSA".into());
        assert!(matches!(check(b"text", unknown, "a.rsa.pub"), SignatureError::UnknownKeys { .. }));
        assert_eq!(super::check(b"", &[], &case.keys, &Policy::default()), Err(SignatureError::Missing));
    }

    #[test]
    fn a_false_signature_is_refused_even_where_none_is_needed() {
        let case = case();
        let policy = Policy { unsigned: Unsigned::Accept, ..Policy::default() };
        let all = [signature(&case, Algorithm::RsaSha256, "a.rsa.pub")];
        assert!(super::check(b"texu", &all, &case.keys, &policy).is_err());
        assert!(super::check(b"", &[], &case.keys, &policy).is_ok());
        let legacy = Policy { sha1: Sha1::AcceptLegacy, ..policy };
        let all = [signature(&case, Algorithm::RsaSha1, "a.rsa.pub")];
        assert!(super::check(b"text", &all, &case.keys, &legacy).is_err(), "a signature over SHA-256 is none over SHA-1");
    }

    #[test]
    fn reads_the_name_of_a_signature() {
        let key = |name| Signature::parse(name, Vec::new()).map(|signature| (signature.algorithm.to_string(), signature.key));
        assert_eq!(key(".SIGN.RSA.a@b-1.rsa.pub"), Some(("RSA".into(), "a@b-1.rsa.pub".into())));
        assert_eq!(key(".SIGN.RSA256.a.rsa.pub"), Some(("RSA256".into(), "a.rsa.pub".into())));
        assert_eq!(key(".SIGN.RSA256."), None);
        assert_eq!(key(".PKGINFO"), None);
    }
}
