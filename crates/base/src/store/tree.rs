//! Trees: folders made once and sealed, and then only read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use fs_err as fs;

use super::seal::Contents;
use super::{Store, StoreError, doing, remove_tree};
use crate::Digest;

impl Store {
    /// Returns the tree kept under `key`, or `None` if it is not there, or not what was sealed.
    #[must_use]
    pub fn tree(&self, key: &Digest) -> Option<PathBuf> {
        let place = self.tree_path(key);
        let mut known = self.whole.lock().unwrap_or_else(PoisonError::into_inner).contains(key);
        if !known {
            // What can not be looked at is made again, and that says why it can not be, if it still can not.
            known = self.is_whole(key).unwrap_or(false);
        }
        if known {
            self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(*key);
        }
        known.then_some(place)
    }

    /// Returns the tree kept under `key`; if it is not there, `make` fills a fresh folder, which then becomes it. `make`
    /// returns the digests of files that it knows.
    ///
    /// The tree counts as something that can be made again from a blob; see [`Store::tree_of`] for one that can not.
    pub fn tree_or_make<E: From<StoreError>>(&self, key: &Digest, make: impl FnOnce(&Path) -> Result<Contents, E>) -> Result<PathBuf, E> {
        self.make_tree(key, None, make)
    }

    /// As [`Store::tree_or_make`], for a tree that belongs to the blob `of` and is kept as long as that.
    pub fn tree_of<E: From<StoreError>>(
        &self,
        key: &Digest,
        of: &Digest,
        make: impl FnOnce(&Path) -> Result<Contents, E>,
    ) -> Result<PathBuf, E> {
        self.make_tree(key, Some(*of), make)
    }

    fn make_tree<E: From<StoreError>>(
        &self,
        key: &Digest,
        of: Option<Digest>,
        make: impl FnOnce(&Path) -> Result<Contents, E>,
    ) -> Result<PathBuf, E> {
        if let Some(place) = self.tree(key) {
            return Ok(place);
        }
        let _alone = self.lock(&format!("tree-{}", key.hex()))?;
        if let Some(place) = self.tree(key) {
            return Ok(place);
        }
        let place = self.tree_path(key);
        self.discard_tree(&place).map_err(doing("removing a tree that was changed"))?;
        let tmp = self.tmp_path("tree");
        fs::create_dir(&tmp).map_err(doing("making a tree"))?;
        let known = make(&tmp)?;
        // Sealed before it gets its name: where there is a tree, there is its seal.
        self.seal(key, &tmp, of, &known)?;
        fs::rename(&tmp, &place).map_err(doing("making a tree"))?;
        fs::set_permissions(&place, std::fs::Permissions::from_mode(0o500)).map_err(doing("making a tree"))?;
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(*key);
        Ok(place)
    }

    /// Takes a tree out of its place, then removes it: a kill leaves no half of it there.
    pub(super) fn discard_tree(&self, place: &Path) -> io::Result<()> {
        match fs::set_permissions(place, std::fs::Permissions::from_mode(0o700)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        let aside = self.tmp_path("discarded");
        fs::rename(place, &aside)?;
        remove_tree(&aside)
    }

    pub(super) fn tree_path(&self, key: &Digest) -> PathBuf {
        self.root.join("trees").join(key.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreePath;

    struct Place {
        dir: tempfile::TempDir,
        key: Digest,
    }

    impl Place {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap(), key: Digest::of(b"tree") }
        }

        fn store(&self) -> Store {
            Store::open(self.dir.path()).unwrap()
        }

        /// Keeps a tree with a file, a second name of it, a link and a folder; says whether it had to be made.
        fn keep(&self) -> bool {
            let mut made = false;
            let make = |path: &Path| -> Result<Contents, StoreError> {
                made = true;
                fs::create_dir(path.join("d")).map_err(doing("testing"))?;
                fs::write(path.join("d/f"), "x").map_err(doing("testing"))?;
                fs::hard_link(path.join("d/f"), path.join("g")).map_err(doing("testing"))?;
                std::os::unix::fs::symlink("d/f", path.join("l")).map_err(doing("testing"))?;
                Ok(Contents::from([(TreePath::parse("d/f").unwrap(), Digest::of("x"))]))
            };
            let path = self.store().tree_or_make(&self.key, make).unwrap();
            assert_eq!(fs::read(path.join("g")).unwrap(), b"x");
            made
        }

        fn path(&self, below: &str) -> PathBuf {
            self.dir.path().join("trees").join(self.key.hex()).join(below)
        }
    }

    #[test]
    fn is_made_once() {
        let place = Place::new();
        assert!(place.keep());
        assert!(!place.keep());
        assert_eq!(place.store().tree(&place.key), Some(place.path("").components().collect()));
    }

    #[test]
    fn whatever_changes_it_it_is_made_again() {
        type Change = fn(&Place);
        let changes: [(&str, Change); 6] = [
            ("a byte", |place| fs::write(place.path("d/f"), "y").unwrap()),
            ("a mode", |place| fs::set_permissions(place.path("d/f"), std::fs::Permissions::from_mode(0o755)).unwrap()),
            ("one more", |place| fs::write(place.path("d/new"), "").unwrap()),
            ("one less", |place| fs::remove_file(place.path("d/f")).unwrap()),
            ("a link", |place| {
                fs::set_permissions(place.path(""), std::fs::Permissions::from_mode(0o700)).unwrap();
                fs::remove_file(place.path("l")).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", place.path("l")).unwrap();
            }),
            ("its seal", |place| fs::remove_dir_all(place.dir.path().join("records/seal")).unwrap()),
        ];
        for (what, change) in changes {
            let place = Place::new();
            place.keep();
            change(&place);
            assert_eq!(place.store().tree(&place.key), None, "{what}");
            assert!(place.keep(), "{what}");
            assert!(!place.keep(), "{what}");
        }
    }

    #[test]
    fn a_change_is_seen_though_times_and_size_are_put_back() {
        let place = Place::new();
        place.keep();
        let file = place.path("d/f");
        let times = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "y").unwrap();
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_modified(times).unwrap();
        assert_eq!(place.store().tree(&place.key), None);
    }

    #[test]
    fn other_inodes_with_the_same_content_are_sealed_anew() {
        let place = Place::new();
        place.keep();
        fs::remove_file(place.path("d/f")).unwrap();
        fs::write(place.path("d/f"), "x").unwrap();
        fs::set_permissions(place.path("d/f"), fs::metadata(place.path("g")).unwrap().permissions()).unwrap();
        assert!(!place.keep());
    }

    #[test]
    fn a_failed_make_leaves_no_tree() {
        let place = Place::new();
        let fail = |_: &Path| Err(StoreError::Missing { digest: place.key });
        assert!(place.store().tree_or_make(&place.key, fail).is_err());
        assert_eq!(place.store().tree(&place.key), None);
    }
}
