//! The file of an index, `APKINDEX.tar.gz`: a signature, then a gzip'd tar of `DESCRIPTION` and `APKINDEX`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use attest::key::{Named, PrivateKey};
use base::tarball;
use base::tree::{Entry, Kind, TreePath};
use fs_err as fs;

use super::{Index, IndexError};
use crate::gzip::{Encoder, Member, MemberError, read_member};
use crate::signature::{self, Checked, Keyring, MAX_MEMBER, Outcome, Policy, ReadError as ReadSignature, Signature, is_signature};

/// The most bytes of an index, packed or not. Alpine's community repository has 9 MB of text, Wolfi's 60 MB.
const MAX_INDEX: usize = 512 << 20;

impl Index {
    /// Reads and verifies an index file: one signature by a known key must hold, as `policy` says.
    pub fn load(path: &Path, keys: &Keyring, policy: &Policy) -> Result<(Self, Verified), IndexError> {
        let file = fs::File::open(path).map_err(IndexError::Io)?;
        let mut bytes = Vec::new();
        file.take(MAX_INDEX as u64 + 1).read_to_end(&mut bytes).map_err(IndexError::Io)?;
        Self::read(&bytes, keys, policy)
    }

    /// Reads and verifies the bytes of an index file.
    pub fn read(bytes: &[u8], keys: &Keyring, policy: &Policy) -> Result<(Self, Verified), IndexError> {
        if bytes.len() > MAX_INDEX {
            return Err(IndexError::Size { limit: MAX_INDEX });
        }
        if bytes.starts_with(b"ADB") {
            return Err(IndexError::Version3);
        }
        let parts = Parts::split(bytes)?;
        // Nothing of the body is parsed before its signature holds.
        let signatures = signature::check(parts.signed, &parts.signatures, keys, policy).map_err(IndexError::Signature)?;
        let signed = signatures.iter().any(|checked| checked.outcome == Outcome::Verified);
        let uncovered = 0..if signed { bytes.len() - parts.signed.len() } else { bytes.len() };
        Ok((parts.parse(bytes)?, Verified { signatures, uncovered }))
    }

    /// Packs the index, with a signature before it if there is a key. The same index gives the same bytes.
    pub fn to_archive(&self, key: Option<&Named<PrivateKey>>) -> Result<Vec<u8>, IndexError> {
        let text = self.to_text()?;
        let mut tar = tarball::Writer::new(Encoder::new(Vec::new()));
        for (name, content) in [("DESCRIPTION", self.description.as_bytes()), ("APKINDEX", text.as_bytes())] {
            let path = TreePath::parse(name).map_err(|error| IndexError::Archive(tarball::ReadError::Path(error)))?;
            let entry = Entry::new(path, Kind::File { size: content.len() as u64, digest: None }, 0o644, 0);
            tar.append(&entry, &BTreeMap::new(), &mut &content[..]).map_err(IndexError::Io)?;
        }
        let body = tar.finish().and_then(Encoder::finish).map_err(IndexError::Io)?;
        match key {
            Some(key) => Ok([signature::member(&body, key).map_err(IndexError::Sign)?, body].concat()),
            None => Ok(body),
        }
    }
}

/// What was checked of an index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Each signature, in the order of the file.
    pub signatures: Vec<Checked>,
    /// The bytes of the file that nothing covers; see [`crate::package::Report::uncovered`].
    pub uncovered: Range<usize>,
}

/// An index file, taken apart.
struct Parts<'b> {
    signatures: Vec<Signature>,
    /// All bytes after the signatures.
    signed: &'b [u8],
    /// The first member of them.
    first: Member,
    /// What comes after that.
    rest: &'b [u8],
}

impl<'b> Parts<'b> {
    fn split(bytes: &'b [u8]) -> Result<Self, IndexError> {
        let mut signatures = Vec::new();
        let mut signed = bytes;
        loop {
            let (first, rest) = next(bytes, signed)?.ok_or(IndexError::NoIndex)?;
            if !is_signature(&first.unpacked) {
                return Ok(Self { signatures, signed, first, rest });
            }
            if bytes.len() - rest.len() > MAX_MEMBER {
                return Err(IndexError::Size { limit: MAX_MEMBER });
            }
            signatures.extend(signature::read(&first.unpacked).map_err(|error| match error {
                ReadSignature::Archive(error) => IndexError::Archive(error),
                ReadSignature::Name(error) => IndexError::Signature(error),
            })?);
            signed = rest;
        }
    }

    /// Parses the tar that the members after the signatures hold together.
    fn parse(self, bytes: &'b [u8]) -> Result<Index, IndexError> {
        let Self { first: Member { unpacked: mut tar, .. }, mut rest, .. } = self;
        while let Some((more, after)) = next(bytes, rest)? {
            if tar.len() + more.unpacked.len() > MAX_INDEX {
                return Err(IndexError::Size { limit: MAX_INDEX });
            }
            tar.extend(more.unpacked);
            rest = after;
        }
        let mut files = files(&tar)?;
        let index = Index::parse(&files.remove("APKINDEX").ok_or(IndexError::NoIndex)?)?;
        let description = files.remove("DESCRIPTION").unwrap_or_default();
        Ok(Index { description: String::from_utf8_lossy(&description).trim_end().to_owned(), ..index })
    }
}

/// Reads `DESCRIPTION` and `APKINDEX`, and refuses anything else.
fn files(tar: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, IndexError> {
    let mut files = BTreeMap::new();
    let mut odd = None;
    tarball::read(tar, |item, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(tarball::ReadError::Format)?;
        let name = String::from(item.entry.path);
        if matches!(name.as_str(), "DESCRIPTION" | "APKINDEX") && !files.contains_key(&name) {
            files.insert(name, bytes);
        } else {
            odd.get_or_insert(name);
        }
        Ok(())
    })
    .map_err(IndexError::Archive)?;
    match odd {
        Some(name) => Err(IndexError::Entry { name }),
        None => Ok(files),
    }
}

/// A member that was unpacked, and the bytes after it.
type Unpacked<'b> = (Member, &'b [u8]);

/// Unpacks the member at the front of `rest`; returns it and what comes after.
fn next<'b>(bytes: &'b [u8], rest: &'b [u8]) -> Result<Option<Unpacked<'b>>, IndexError> {
    let mut reader = rest;
    match read_member(&mut reader, MAX_INDEX) {
        Ok(member) => Ok(member.map(|member| (member, reader))),
        Err(MemberError::Large) => Err(IndexError::Size { limit: MAX_INDEX }),
        Err(MemberError::Broken(source)) => Err(IndexError::Member { offset: bytes.len() - rest.len(), source }),
    }
}

#[cfg(test)]
mod tests {
    use attest::key::PrivateKey;

    use super::*;
    use crate::signature::{SignatureError, Unsigned};

    fn key() -> Named<PrivateKey> {
        Named::new("a.rsa.pub", PrivateKey::generate(2048).unwrap()).unwrap()
    }

    fn index() -> Index {
        let mut index = Index::parse(b"P:a\nV:1\nS:0\nI:0\nT:\nU:\nL:\n\nP:b\nV:2\n").unwrap();
        index.description = "test".into();
        index
    }

    #[test]
    fn reads_what_it_writes() {
        let key = key();
        let keys = Keyring::new([key.public().unwrap()]);
        let bytes = index().to_archive(Some(&key)).unwrap();
        assert_eq!(bytes, index().to_archive(Some(&key)).unwrap(), "the same index gives the same bytes");
        let (read, report) = Index::read(&bytes, &keys, &Policy::default()).unwrap();
        assert_eq!(read, index());
        assert_eq!(report.signatures.len(), 1);
    }

    #[test]
    fn refuses_an_index_signed_by_an_unknown_key() {
        let bytes = index().to_archive(Some(&key())).unwrap();
        let error = Index::read(&bytes, &Keyring::default(), &Policy::default()).unwrap_err();
        assert!(matches!(error, IndexError::Signature(SignatureError::UnknownKeys { .. })), "{error}");
        let other = Keyring::new([key().public().unwrap()]);
        let error = Index::read(&bytes, &other, &Policy::default()).unwrap_err();
        assert!(matches!(error, IndexError::Signature(SignatureError::Mismatch { .. })), "{error}");
    }

    #[test]
    fn refuses_an_unsigned_index_unless_that_is_named() {
        let bytes = index().to_archive(None).unwrap();
        let error = Index::read(&bytes, &Keyring::default(), &Policy::default()).unwrap_err();
        assert!(matches!(error, IndexError::Signature(SignatureError::Missing)), "{error}");
        let policy = Policy { unsigned: Unsigned::Accept, ..Policy::default() };
        assert_eq!(Index::read(&bytes, &Keyring::default(), &policy).unwrap().0, index());
    }

    #[test]
    fn refuses_what_is_appended() {
        let key = key();
        let keys = Keyring::new([key.public().unwrap()]);
        let bytes = [index().to_archive(Some(&key)).unwrap(), index().to_archive(None).unwrap()].concat();
        let error = Index::read(&bytes, &keys, &Policy::default()).unwrap_err();
        assert!(matches!(error, IndexError::Signature(SignatureError::Mismatch { .. })), "{error}");
    }
}
