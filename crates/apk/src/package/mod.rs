//! The .apk file, version 2: gzip members one after another.
//!
//! ```text
//! signature  tar without end: `.SIGN.RSA256.<key>`        none in an unsigned package, else one or more members
//! control    tar without end: `.PKGINFO`, then scripts    what a signature covers
//! data       tar with end: the files                      its sha256 is `datahash` in `.PKGINFO`
//! ```
//!
//! Every file and symbolic link of the data carries its SHA-1 in a PAX record, `APK-TOOLS.checksum.SHA1`. `content` is
//! the sha256 of control and data; `file` of all.

mod extract;
mod open;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use base::tree::{Entry, TreePath};
use base::{Digest, StoreError, tarball};
use serde::{Deserialize, Serialize};

use crate::info::InfoError;
use crate::signature::{Signature, SignatureError};
use crate::{Checksum, Info, Record};

pub use verify::{Expected, Report};
pub use write::{Data, Opener, sign, store_package, write_control, write_data};

/// The PAX record that holds a file's checksum.
pub(crate) const CHECKSUM_RECORD: &str = "APK-TOOLS.checksum.SHA1";

/// Scripts by their name in the control member, such as `.post-install`.
pub type Scripts = BTreeMap<String, Vec<u8>>;

/// The names that a script may have.
pub const SCRIPT_NAMES: [&str; 7] =
    [".pre-install", ".post-install", ".pre-upgrade", ".post-upgrade", ".pre-deinstall", ".post-deinstall", ".trigger"];

/// Bounds on what a package may make its reader do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the data member, unpacked.
    pub unpacked: u64,
    /// Entries of the data member.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // The largest packages of the field (CUDA, language models) unpack to some 10 GiB; the most files, near 300,000,
        // are in firmware and TeX. An entry takes about 300 bytes of memory.
        Self { unpacked: 64 << 30, entries: 1 << 20 }
    }
}

/// A package that lies somewhere as a file.
#[derive(Debug, Clone)]
pub struct Package {
    path: PathBuf,
    record: Record,
    content: Digest,
    datahash: Option<Digest>,
    /// The sha256 of the data member, where opening it has read it.
    data_found: Option<Digest>,
    scripts: Scripts,
    others: BTreeMap<String, Vec<u8>>,
    signatures: Vec<Signature>,
    control: Vec<u8>,
    layout: Layout,
}

/// Where the members lie in the file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Signature members; empty if it is not signed.
    pub signature: Range<u64>,
    /// The control member.
    pub control: Range<u64>,
    /// The data member.
    pub data: Range<u64>,
}

/// What a package holds, and the checksums that an installed database keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Table {
    /// Every entry, in the order of the package; files with their sha256.
    pub entries: Vec<Entry>,
    /// The SHA-1 of every file and hard link, and of every symbolic link's target.
    pub checksums: BTreeMap<TreePath, Checksum>,
}

/// What is wrong with which package.
#[derive(Debug, thiserror::Error)]
#[error("{package}: {problem}")]
pub struct PackageError {
    /// The package: its file, or name and version.
    pub package: String,
    /// What is wrong.
    #[source]
    pub problem: Box<Problem>,
}

/// What can be wrong with a package.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file can not be read, or what is extracted not be written.
    #[error("while {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error, with the path.
        #[source]
        source: io::Error,
    },
    /// The store refused.
    #[error("the store")]
    Store(#[source] StoreError),
    /// It is of apk's version 3.
    #[error("it is a package of apk version 3 (ADB); only version 2 is read")]
    Version3,
    /// A member at the front is no sound gzip.
    #[error("the gzip member at byte {offset} can not be read")]
    Member {
        /// Where it begins.
        offset: u64,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// A member at the front is larger than is sane.
    #[error("the {member} member has more than {limit} bytes")]
    MemberSize {
        /// Which.
        member: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The archive in a member at the front is not sound.
    #[error("the {member} member")]
    Archive {
        /// Which.
        member: &'static str,
        /// What is wrong.
        #[source]
        source: tarball::ReadError,
    },
    /// The control member holds something else than files with names that begin with a dot.
    #[error("the control member holds `{name}`; all of its names begin with a dot, and none comes twice")]
    ControlEntry {
        /// The name.
        name: String,
    },
    /// There is no control member, or it lacks `.PKGINFO`.
    #[error("there is no .PKGINFO")]
    NoInfo,
    /// `.PKGINFO` is not sound.
    #[error("its .PKGINFO")]
    Info(#[source] InfoError),
    /// It does not count as signed.
    #[error("{0}")]
    Signature(SignatureError),
    /// It can not be signed.
    #[error("it can not be signed")]
    Sign(#[source] attest::key::KeyError),
    /// It is not the package that was asked for.
    #[error("it is not the package that was asked for: {what} should be {expected} and is {actual}")]
    Expected {
        /// What differs: `control checksum`, `size`, `content digest`, `file digest`, `name`.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// `.PKGINFO` has no `datahash`: nothing says what the data should be.
    #[error("its .PKGINFO has no datahash")]
    NoDatahash,
    /// The data are not those that `.PKGINFO` names.
    #[error("its data: .PKGINFO says {expected}, they have {actual}")]
    Datahash {
        /// The `datahash`.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The archive of the data is not sound.
    #[error("its data")]
    Data(#[source] tarball::ReadError),
    /// The data unpack to more than the limit.
    #[error("its data unpack to more than {limit} bytes")]
    Unpacked {
        /// The limit.
        limit: u64,
    },
    /// The data hold more entries than the limit.
    #[error("its data hold more than {limit} entries")]
    Entries {
        /// The limit.
        limit: usize,
    },
    /// A path comes twice.
    #[error("`{path}` comes twice")]
    Duplicate {
        /// The path.
        path: TreePath,
    },
    /// A path lies below a file or a link.
    #[error("`{path}` lies below `{above}`, which is no directory")]
    BelowFile {
        /// The path.
        path: TreePath,
        /// What is above it.
        above: TreePath,
    },
    /// A path at the top begins with a dot: apk would take it for a script or pass over it.
    #[error("`{path}` begins with a dot; apk takes such names for its own scripts")]
    Hidden {
        /// The path.
        path: TreePath,
    },
    /// A hard link to something that is no file earlier in the package.
    #[error("`{path}` is a hard link to `{target}`, which is no file that comes before it in the package")]
    LinkTarget {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// A symbolic link whose target is empty, longer than a path can be, or holds a NUL.
    #[error("the target of the symbolic link `{path}` is empty, too long, or holds a NUL")]
    LinkText {
        /// The link.
        path: TreePath,
    },
    /// A checksum record is not a checksum.
    #[error("the checksum record of `{path}` is no SHA-1 in hex")]
    ChecksumText {
        /// The file.
        path: TreePath,
    },
    /// A file is not what its checksum says.
    #[error("`{path}`: its checksum record says {expected}, it has {actual}")]
    Checksum {
        /// The file.
        path: TreePath,
        /// What is recorded.
        expected: Checksum,
        /// What it is.
        actual: Checksum,
    },
    /// A script has a name that apk does not know.
    #[error("`{name}` is no name of a script; there are {}", SCRIPT_NAMES.join(", "))]
    ScriptName {
        /// The name.
        name: String,
    },
    /// A file changed between being hashed and being written.
    #[error("`{path}` changed while it was being packed")]
    Changed {
        /// The file.
        path: TreePath,
    },
    /// A file of the tree can not be packed.
    #[error("packing `{path}`")]
    Pack {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An entry can not be made where the package is extracted.
    #[error("extracting `{path}`")]
    Extract {
        /// The entry.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Problem {
    pub(crate) fn of(self, package: impl Into<String>) -> PackageError {
        PackageError { package: package.into(), problem: Box::new(self) }
    }
}

/// Puts what was being done to an I/O error.
fn doing(doing: &'static str) -> impl Fn(io::Error) -> Problem {
    move |source| Problem::Io { doing, source }
}

impl Package {
    /// Returns where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the record that an index would hold. `file` is known only of a package that was opened as a file.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns what it says of itself.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.record.info
    }

    /// Returns the sha256 of control and data member: its identity.
    #[must_use]
    pub fn content(&self) -> Digest {
        self.content
    }

    /// Returns the sha256 of the data member as `.PKGINFO` states it.
    #[must_use]
    pub fn datahash(&self) -> Option<Digest> {
        self.datahash
    }

    /// Returns its scripts.
    #[must_use]
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// Returns the other files of its control member, such as `.melange.yaml`.
    #[must_use]
    pub fn others(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.others
    }

    /// Returns its signatures, which nothing has checked yet.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Returns the bytes of the control member.
    #[must_use]
    pub fn control(&self) -> &[u8] {
        &self.control
    }

    /// Returns where its members lie.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn error(&self, problem: Problem) -> PackageError {
        problem.of(self.record.info.identity())
    }
}
