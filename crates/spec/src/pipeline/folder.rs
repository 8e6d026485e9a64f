//! Pipelines in folders: the first folder that has the file wins.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Pipeline, Pipelines};
use crate::Diagnostics;
use crate::yaml::MAX_BYTES;

/// A pipeline file is there but can not be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can not be read.
    #[error("read the pipeline {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any definition may be.
    #[error("the pipeline {path} has {size} bytes; at most {MAX_BYTES} are read", path = path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// It holds mistakes.
    #[error("{0}")]
    Mistakes(Diagnostics),
}

type Found = Result<Option<Arc<Pipeline>>, Arc<FolderError>>;

/// Folders of pipelines, searched in order; each file is read once.
#[derive(Debug, Default)]
pub struct Folder {
    folders: Vec<PathBuf>,
    found: Mutex<HashMap<String, Found>>,
}

impl Folder {
    /// Searches `folders` in this order: the user's own first, then those that come with undistro.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { folders: folders.into_iter().collect(), found: Mutex::default() }
    }

    fn read(&self, name: &str) -> Found {
        for folder in &self.folders {
            let path = folder.join(format!("{name}.yaml"));
            let Ok(metadata) = fs_err::metadata(&path) else { continue };
            if metadata.len() > MAX_BYTES as u64 {
                return Err(Arc::new(FolderError::Size { path, size: metadata.len() }));
            }
            let text = match fs_err::read_to_string(&path) {
                Ok(text) => text,
                Err(source) => return Err(Arc::new(FolderError::Read { path, source })),
            };
            let pipeline = super::parse(&path.display().to_string(), &text);
            return pipeline.map(|p| Some(Arc::new(p))).map_err(|e| Arc::new(FolderError::Mistakes(e)));
        }
        Ok(None)
    }
}

impl Pipelines for Folder {
    fn find(&self, name: &str) -> Found {
        // Names come from definitions: nothing outside the folders is ever opened for one.
        if !is_name(name) {
            return Ok(None);
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(name) {
            return known.clone();
        }
        let result = self.read(name);
        found.insert(name.to_owned(), result.clone());
        result
    }

    fn places(&self) -> Vec<String> {
        self.folders.iter().map(|folder| folder.display().to_string()).collect()
    }
}

/// Whether every part between slashes is a plain name.
pub(crate) fn is_name(name: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+_.-".contains(&b));
    !name.is_empty() && name.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_nothing_outside_its_folders() {
        for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a\0b", "ä"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_name("split/dev") && is_name("go/build/v2") && is_name("R/build"));
    }

    #[test]
    fn the_first_folder_wins_and_a_missing_one_is_no_mistake() {
        let root = tempfile::tempdir().unwrap();
        for (folder, name) in [("own", "mine"), ("built-in", "theirs"), ("built-in", "other")] {
            let file = if name == "other" { "other.yaml" } else { "both.yaml" };
            fs_err::create_dir_all(root.path().join(folder)).unwrap();
            fs_err::write(root.path().join(folder).join(file), format!("name: {name}\n")).unwrap();
        }
        let folder = Folder::new(["own", "built-in", "absent"].map(|name| root.path().join(name)));
        let name = |wanted: &str| folder.find(wanted).unwrap().and_then(|p| p.file.name.as_deref().cloned());
        assert_eq!(name("both").as_deref(), Some("mine"));
        assert_eq!(name("other").as_deref(), Some("other"));
        assert_eq!(name("none"), None);
    }
}
