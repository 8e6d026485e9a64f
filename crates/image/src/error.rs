//! Why an image could not be composed.

use base::tree::TreePath;
use base::{Digest, StoreError};

use crate::table::TableError;

/// Why an image could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A package can not be read.
    #[error(transparent)]
    Package(#[from] apk::PackageError),
    /// The package under a digest of the lock is another one.
    #[error("the lock names {locked}, and the package {content} is {found}")]
    Locked {
        /// What the lock says.
        locked: String,
        /// The digest that it gives.
        content: Digest,
        /// What lies there.
        found: String,
    },
    /// A package is for other machines.
    #[error("{package} is for {found}, and the image for {wanted}")]
    Arch {
        /// The package.
        package: String,
        /// Which architecture it is for.
        found: String,
        /// Which one the image is for.
        wanted: &'static str,
    },
    /// Packages do not fit beside each other.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An entry of `paths` can not be carried out.
    #[error("`paths` names `{path}`: {reason}")]
    Path {
        /// The path, as written.
        path: String,
        /// Why.
        reason: PathReason,
    },
    /// An account does not fit those that the packages bring.
    #[error("the account `{name}`: {reason}")]
    Account {
        /// User or group.
        name: String,
        /// Why.
        reason: AccountReason,
    },
    /// Something that image definitions can say and that is not carried out.
    #[error("`{key}` is not supported yet")]
    Unsupported {
        /// The key.
        key: &'static str,
    },
    /// A file that a package holds is larger than what is read into memory.
    #[error("`{path}` of {package} has {size} bytes; it is read whole and may have {most}")]
    Large {
        /// The package.
        package: String,
        /// The file.
        path: TreePath,
        /// Its size.
        size: u64,
        /// The bound.
        most: u64,
    },
    /// A file that is edited is not text.
    #[error("`{path}` is not UTF-8")]
    Text {
        /// The file.
        path: TreePath,
    },
    /// A time that no calendar holds.
    #[error("{0} seconds since 1970 is no time that an image can have")]
    Time(i64),
    /// A layer can not be written.
    #[error("while writing a layer")]
    Layer(#[source] std::io::Error),
    /// A part of a layer is not what was written a moment ago.
    #[error("the store gives other bytes for {blob} than were just written to it; its disk may be failing")]
    Damaged {
        /// The part.
        blob: Digest,
    },
    /// The installed database can not be read or written.
    #[error(transparent)]
    Installed(#[from] apk::installed::InstalledError),
    /// The SBOM can not be made.
    #[error(transparent)]
    Spdx(#[from] attest::spdx::SpdxError),
    /// The image can not be read or written.
    #[error(transparent)]
    Oci(#[from] oci::OciError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an entry of `paths` can not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathReason {
    /// There is nothing.
    #[error("there is nothing at it")]
    Absent,
    /// The source of a hard link is no file.
    #[error("its source is no file of the image")]
    Source,
    /// Something else lies there.
    #[error("something else lies there")]
    Occupied,
    /// The text is no path below the root.
    #[error("it is no path below the root")]
    Invalid,
}

/// Why an account does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountReason {
    /// The name has another number already.
    #[error("a package gives it the number {there}, the image {wanted}")]
    Number {
        /// The number there.
        there: String,
        /// The number wanted.
        wanted: u32,
    },
    /// A field would break the file that it is written to.
    #[error("`{0}` holds a colon, a comma or a line break")]
    Field(String),
    /// The home directory is no directory.
    #[error("its home `{0}` is there and is no directory")]
    Home(String),
}
