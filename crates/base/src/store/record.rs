//! Records: what is known of a key, as JSON.

use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError, doing, safe};
use crate::Digest;

impl Store {
    /// Returns what is recorded of `key`, or `None`. `kind` names the sort of record, one folder each.
    pub fn record<T: DeserializeOwned>(&self, kind: &str, key: &Digest) -> Result<Option<T>, StoreError> {
        let path = self.record_path(kind, key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(doing("reading a record")(error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::Record { path, source })
    }

    /// Records `value` of `key`, in place of what was recorded before.
    pub fn put_record<T: Serialize>(&self, kind: &str, key: &Digest, value: &T) -> Result<(), StoreError> {
        let path = self.record_path(kind, key);
        let tmp = self.tmp_path("record");
        let bytes = serde_json::to_vec_pretty(value).map_err(|source| StoreError::Record { path: path.clone(), source })?;
        let mut file = fs::File::create(&tmp).map_err(doing("writing a record"))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(doing("writing a record"))?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(doing("writing a record"))?;
        }
        fs::rename(&tmp, &path).map_err(doing("writing a record"))
    }

    /// Forgets every record of a kind: what they were made of must be done again.
    pub fn forget(&self, kind: &str) -> Result<(), StoreError> {
        match fs::remove_dir_all(self.root.join("records").join(safe(kind))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(doing("forgetting records")(error)),
            _ => Ok(()),
        }
    }

    fn record_path(&self, kind: &str, key: &Digest) -> PathBuf {
        self.root.join("records").join(safe(kind)).join(format!("{}.json", key.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"key");
        assert_eq!(store.record::<u32>("n", &key).unwrap(), None);
        store.put_record("n", &key, &7).unwrap();
        assert_eq!(store.record::<u32>("n", &key).unwrap(), Some(7));
        assert!(matches!(store.record::<String>("n", &key), Err(StoreError::Record { .. })));
        store.put_record("other", &key, &8).unwrap();
        store.forget("n").unwrap();
        store.forget("n").unwrap();
        assert_eq!((store.record::<u32>("n", &key).unwrap(), store.record::<u32>("other", &key).unwrap()), (None, Some(8)));
    }
}
