//! Why seeds could not be had or turned into packages.

use std::io;

use apk::PackageError;
use base::tarball::ReadError;
use base::tree::TreePath;
use base::{NameError, StoreError};
use source::FetchError;
use source::debian::DebError;

use crate::analyse::AnalyseError;

/// Why seeds could not be had or turned into packages.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The lock is not one.
    #[error("seed.lock can not be read; `undistro seed relock` writes it anew")]
    Lock(#[source] serde_json::Error),
    /// The lock is of another format.
    #[error("seed.lock has format {found}, this undistro knows {known}; `undistro seed relock` writes it anew")]
    LockFormat {
        /// The format it has.
        found: u32,
        /// The format that is known.
        known: u32,
    },
    /// The lock was changed by hand so that it contradicts itself.
    #[error("seed.lock: {package} {what}")]
    LockEntry {
        /// Which package.
        package: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A seed can not be had.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// A seed is no Debian package.
    #[error(transparent)]
    Deb(Box<DebError>),
    /// A seed is another package than the lock says.
    #[error("the seed {package} says that it is {found}")]
    Other {
        /// The package of the lock, with its version.
        package: String,
        /// What the file says.
        found: String,
    },
    /// A seed's name can not be a package's name.
    #[error("the seed {package}")]
    Name {
        /// The package.
        package: String,
        /// What is wrong.
        #[source]
        source: NameError,
    },
    /// A seed's files can not be read.
    #[error("the files of the seed {package}")]
    Tree {
        /// The package.
        package: String,
        /// What is wrong.
        #[source]
        source: ReadError,
    },
    /// A seed unpacks to more than is sane.
    #[error("the seed {package} unpacks to more than {limit} bytes")]
    TooMuch {
        /// The package.
        package: String,
        /// The bound.
        limit: u64,
    },
    /// Two files of a seed come to lie at one path, once `/bin` and its like lie in `/usr`.
    #[error("the seed {package} has two files for {path}, once /bin, /sbin and /lib lie in /usr")]
    Merged {
        /// The package.
        package: String,
        /// The path.
        path: TreePath,
    },
    /// A link of `seed.yaml` has the path of a file.
    #[error("the link {path}, which seed.yaml adds to {package}, is a file of it already")]
    Link {
        /// The package.
        package: String,
        /// The path.
        path: TreePath,
    },
    /// The unpacked files could not be kept for the time of the conversion.
    #[error("while unpacking the seed {package}")]
    Spool {
        /// The package.
        package: String,
        /// What the operating system said, with the path.
        #[source]
        source: io::Error,
    },
    /// A seed's files could not be looked at.
    #[error("the seed {package}")]
    Analyse {
        /// The package.
        package: String,
        /// What is wrong.
        #[source]
        source: AnalyseError,
    },
    /// A package could not be written.
    #[error("the seed {package}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        #[source]
        source: PackageError,
    },
    /// The store failed.
    #[error("the seed {package}")]
    Store {
        /// The package.
        package: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// Two seeds have a file at one path.
    #[error("the seeds {first} and {second} both have {path}")]
    Conflict {
        /// The path.
        path: TreePath,
        /// The first in order of name.
        first: String,
        /// The other.
        second: String,
    },
    /// Seeds need what no seed provides.
    #[error("the seeds lack {}", .0.iter().map(|(package, need)| format!("{need}, which {package} needs")).collect::<Vec<_>>().join("; "))]
    Lacking(Vec<(String, String)>),
}
