//! Opens a package: its members at the front are read whole, its data are hashed or left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use base::{Digest, Store, tarball};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::{Layout, Package, PackageError, Problem, SCRIPT_NAMES, Scripts, doing};
use crate::gzip::{Member, MemberError, read_member};
use crate::info::PackageInfo;
use crate::signature::{self as sign, MAX_MEMBER, Signature, is_signature};
use crate::{Checksum, Record};

/// The most bytes of a control member: `.PKGINFO` and seven scripts. The largest of the field lists some 10,000
/// `provides`, which is below 1 MiB.
const MAX_CONTROL: usize = 16 << 20;

impl Package {
    /// Opens a package file and hashes it whole. Nothing is verified yet but that its front can be read.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        (|| {
            let file = fs::File::open(path).map_err(doing("opening a package"))?;
            let mut reader = BufReader::with_capacity(64 << 10, file);
            let front = Front::read(&mut reader)?;
            let mut digests = Digests::begin(&front);
            let length = digests.read(&mut reader)?;
            let [file, content, data] = digests.finish();
            front.into_package(path, length, content, Some(file), Some(data))
        })()
        .map_err(|problem: Problem| problem.of(path.display().to_string()))
    }

    /// Opens an unsigned package that the store keeps under its content digest. Its bytes are not hashed again.
    pub fn open_blob(store: &Store, content: &Digest) -> Result<Self, PackageError> {
        (|| {
            let file = store.open_blob(content).map_err(Problem::Store)?;
            let path = file.path().to_owned();
            let length = file.metadata().map_err(doing("opening a package"))?.len();
            let mut reader = BufReader::new(file);
            let front = Front::read(&mut reader)?;
            let front_length = (front.signature.len() + front.control.raw.len()) as u64;
            if !front.signatures.is_empty() {
                // The store names packages by content; a signed one has another digest and does not belong there.
                let actual = "a signed package".into();
                return Err(Problem::Expected { what: "content digest", expected: content.to_string(), actual });
            }
            front.into_package(&path, length.saturating_sub(front_length), *content, None, None)
        })()
        .map_err(|problem: Problem| problem.of(content.to_string()))
    }
}

/// The members before the data.
struct Front {
    /// The bytes of all signature members.
    signature: Vec<u8>,
    signatures: Vec<Signature>,
    control: Member,
}

impl Front {
    fn read(reader: &mut impl BufRead) -> Result<Self, Problem> {
        if reader.fill_buf().map_err(doing("reading a package"))?.starts_with(b"ADB") {
            return Err(Problem::Version3);
        }
        let (mut signature, mut signatures) = (Vec::new(), Vec::new());
        loop {
            let offset = signature.len() as u64;
            let member = match read_member(reader, MAX_CONTROL) {
                Ok(Some(member)) => member,
                Ok(None) => return Err(Problem::NoInfo),
                Err(MemberError::Large) => return Err(Problem::MemberSize { member: "control", limit: MAX_CONTROL }),
                Err(MemberError::Broken(source)) => return Err(Problem::Member { offset, source }),
            };
            if !is_signature(&member.unpacked) {
                return Ok(Self { signature, signatures, control: member });
            }
            if signature.len() + member.raw.len().max(member.unpacked.len()) > MAX_MEMBER {
                return Err(Problem::MemberSize { member: "signature", limit: MAX_MEMBER });
            }
            signatures.extend(sign::read(&member.unpacked).map_err(|error| match error {
                sign::ReadError::Archive(source) => Problem::Archive { member: "signature", source },
                sign::ReadError::Name(error) => Problem::Signature(error),
            })?);
            signature.extend(member.raw);
        }
    }

    fn into_package(
        self,
        path: &Path,
        data: u64,
        content: Digest,
        file: Option<Digest>,
        data_found: Option<Digest>,
    ) -> Result<Package, Problem> {
        let Control { info, scripts, others } = Control::read(&self.control.unpacked)?;
        let signature = 0..self.signature.len() as u64;
        let control = signature.end..signature.end + self.control.raw.len() as u64;
        let data = control.end..control.end + data;
        let record = Record {
            info: info.info,
            checksum: Checksum::sha1(&self.control.raw),
            size: data.end,
            content: Some(content),
            file,
            uninstallable: info.uninstallable,
        };
        Ok(Package {
            path: path.to_owned(),
            record,
            content,
            datahash: info.datahash,
            data_found,
            scripts,
            others,
            signatures: self.signatures,
            control: self.control.raw,
            layout: Layout { signature, control, data },
        })
    }
}

/// What the control member holds.
struct Control {
    info: PackageInfo,
    scripts: Scripts,
    others: BTreeMap<String, Vec<u8>>,
}

impl Control {
    fn read(tar: &[u8]) -> Result<Self, Problem> {
        let mut files = BTreeMap::new();
        let mut odd = None;
        tarball::read(tar, |item, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(tarball::ReadError::Format)?;
            let name = String::from(item.entry.path);
            let is_file = matches!(item.entry.kind, base::tree::Kind::File { .. });
            if !is_file || !name.starts_with('.') || name.contains('/') || files.contains_key(&name) {
                odd.get_or_insert(name);
            } else {
                files.insert(name, bytes);
            }
            Ok(())
        })
        .map_err(|source| Problem::Archive { member: "control", source })?;
        if let Some(name) = odd {
            return Err(Problem::ControlEntry { name });
        }
        let info = files.remove(".PKGINFO").ok_or(Problem::NoInfo)?;
        let info = PackageInfo::parse(&info).map_err(Problem::Info)?;
        let (scripts, others) = files.into_iter().partition(|(name, _)| SCRIPT_NAMES.contains(&name.as_str()));
        Ok(Self { info, scripts, others })
    }
}

/// Three digests in one pass: of the file, the content, the data.
struct Digests([Sha256; 3]);

impl Digests {
    fn begin(front: &Front) -> Self {
        let content = Sha256::new_with_prefix(&front.control.raw);
        Self([Sha256::new_with_prefix([&front.signature[..], &front.control.raw].concat()), content, Sha256::new()])
    }

    /// Reads to the end and returns how much there was.
    fn read(&mut self, reader: &mut impl BufRead) -> Result<u64, Problem> {
        let mut length = 0;
        loop {
            let bytes = reader.fill_buf().map_err(doing("reading a package"))?;
            if bytes.is_empty() {
                return Ok(length);
            }
            self.0.iter_mut().for_each(|hasher| hasher.update(bytes));
            let n = bytes.len();
            length += n as u64;
            reader.consume(n);
        }
    }

    fn finish(self) -> [Digest; 3] {
        self.0.map(|hasher| Digest::from_bytes(hasher.finalize().into()))
    }
}
