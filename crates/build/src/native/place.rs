//! Places inside a workspace, as the host may use them: never through a link that a build left there.
//!
//! Native steps work on the host between runs of the sandbox. No process of the build lives then, so what is checked
//! stays so until it is used.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Why a place in a workspace can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is not below the workspace.
    #[error("`{place}` is not inside the workspace {}", spec::recipe::WORKSPACE)]
    Outside {
        /// The place as the step names it.
        place: String,
    },
    /// The operating system refused.
    #[error("in the workspace")]
    Io(#[source] io::Error),
}

impl From<io::Error> for PlaceError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A workspace on the host.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    /// The folder that is bound to [`spec::recipe::WORKSPACE`].
    root: PathBuf,
}

impl Workspace {
    /// Uses the folder `root`, which exists.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: fs::canonicalize(root)? })
    }

    /// Returns the folder on the host.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory called `place` by a step whose working directory is `base`, and makes what is missing.
    pub(crate) fn directory(&self, base: Option<&str>, place: &str) -> Result<PathBuf, PlaceError> {
        let mut path = self.root.clone();
        for part in self.parts(base, place)? {
            path.push(&part);
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(PlaceError::Io)?,
            }
            path = self.settle(&path, place)?;
        }
        Ok(path)
    }

    /// Returns the existing file called `place` by a step whose working directory is `base`.
    pub(crate) fn existing(&self, base: Option<&str>, place: &str) -> Result<PathBuf, PlaceError> {
        let mut path = self.root.clone();
        for part in self.parts(base, place)? {
            path = self.settle(&path.join(part), place)?;
        }
        Ok(path)
    }

    /// Follows links as far as they stay inside.
    fn settle(&self, path: &Path, place: &str) -> Result<PathBuf, PlaceError> {
        let real = fs::canonicalize(path).map_err(PlaceError::Io)?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(PlaceError::Outside { place: place.to_owned() }) }
    }

    /// The parts of the path below the workspace.
    fn parts(&self, base: Option<&str>, place: &str) -> Result<Vec<String>, PlaceError> {
        let outside = || PlaceError::Outside { place: place.to_owned() };
        let mut parts = Vec::new();
        for text in [base.unwrap_or_default(), place] {
            let below = match text.strip_prefix(spec::recipe::WORKSPACE) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    parts.clear();
                    rest
                }
                _ if text.starts_with('/') => return Err(outside()),
                _ => text,
            };
            for part in below.split('/') {
                match part {
                    "" | "." => {}
                    ".." => drop(parts.pop().ok_or_else(outside)?),
                    part => parts.push(part.to_owned()),
                }
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(dir.path()).unwrap();
        let inside = |base, place| workspace.directory(base, place).map(|path| path.strip_prefix(&workspace.root).unwrap().to_owned());
        for (base, place, expected) in [
            (None, ".", ""),
            (None, "a/b", "a/b"),
            (Some("a"), "../c", "c"),
            (Some("a"), "/home/build/d", "d"),
            (Some("/home/build/e"), "f", "e/f"),
        ] {
            assert_eq!(inside(base, place).unwrap(), Path::new(expected), "{base:?} {place}");
        }
        for place in ["..", "/etc", "a/../../x", "/home/builder", "/"] {
            assert!(matches!(inside(None, place), Err(PlaceError::Outside { .. })), "{place}");
        }
    }

    #[test]
    fn a_link_that_leads_out_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(dir.path()).unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        for (target, name) in [("/etc", "out"), ("../..", "up"), ("real", "in")] {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        }
        assert!(matches!(workspace.directory(None, "out/x"), Err(PlaceError::Outside { .. })));
        assert!(matches!(workspace.existing(None, "out/passwd"), Err(PlaceError::Outside { .. })));
        assert!(matches!(workspace.directory(None, "up"), Err(PlaceError::Outside { .. })));
        assert!(workspace.directory(None, "in/x").unwrap().ends_with("real/x"));
    }
}
