//! Why packages can not stand beside each other.

use std::fmt;

use base::tree::TreePath;

/// Two packages want one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path, as the second package writes it.
    pub path: TreePath,
    /// Who holds it: `name-version`.
    pub first: String,
    /// Who wants it as well.
    pub second: String,
    /// Why both can not have it.
    pub reason: Reason,
}

/// Why a path can not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Their content differs, and neither replaces the other.
    Content,
    /// One is a directory, the other is not.
    Directory,
    /// Something above it is no directory.
    Above,
    /// Symbolic links above it lead in a circle.
    Circle,
}

/// Why a table can not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Packages want the same paths.
    #[error("{}", list(.0))]
    Conflicts(Vec<Conflict>),
    /// A name that a layer would read as the removal of another.
    #[error("{package} holds `{path}`: names that begin with `.wh.` remove files from an image")]
    Whiteout {
        /// The package.
        package: String,
        /// The path.
        path: TreePath,
    },
    /// A hard link of a package names a file that the package does not hold.
    #[error("in {package}, `{path}` is a hard link to `{target}`, which the package does not hold")]
    Link {
        /// The package.
        package: String,
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// Something made here does not fit what the packages hold.
    #[error("`{path}` can not be made: {reason}")]
    Made {
        /// The path.
        path: TreePath,
        /// Why.
        reason: Reason,
    },
}

/// How many conflicts are told: two packages that hold the same tree have thousands.
const TOLD: usize = 10;

fn list(conflicts: &[Conflict]) -> String {
    let mut text = conflicts.iter().take(TOLD).map(ToString::to_string).collect::<Vec<_>>().join("\n");
    if conflicts.len() > TOLD {
        text.push_str(&format!("\nand {} more", conflicts.len() - TOLD));
    }
    text
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.second {
            return write!(f, "{} holds `{}` twice: {}", self.first, self.path, self.reason);
        }
        write!(f, "{} and {} both hold `{}`: {}", self.first, self.second, self.path, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Content => "the content differs, and neither replaces the other",
            Self::Directory => "one is a directory, the other is not",
            Self::Above => "what lies above it is no directory",
            Self::Circle => "the symbolic links above it lead in a circle",
        })
    }
}
