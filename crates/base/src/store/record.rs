//! Records: what is known of a key, as JSON with a checksum.
//!
//! `{"sum":"sha256:…","value":…}` and a line feed. The sum is over `KIND/KEY`, a line feed and the bytes of the value, so a
//! flipped bit shows, and so does a record under another's name.

use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError, doing, safe, used};
use crate::Digest;

/// What stands before the value, but for the sum itself.
const BEFORE: (&str, &str) = ("{\"sum\":\"", "\",\"value\":");
/// What stands behind the value.
const BEHIND: &str = "}\n";

/// The kind of record that marks a blob as a source.
pub(super) const SOURCE: &str = "source";
/// The kind of record that gives a result a name under which people know it.
pub(super) const NAMED: &str = "named";

impl Store {
    /// Returns what is recorded of `key`, or `None`. `kind` names the sort of record, one folder each.
    pub fn record<T: DeserializeOwned>(&self, kind: &str, key: &Digest) -> Result<Option<T>, StoreError> {
        let path = self.record_path(kind, key);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(&path)?;
            used(&file);
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(doing("reading a record")(error)),
        };
        let Some(value) = open(&safe(kind), key, &bytes) else { return Err(StoreError::Damaged { path }) };
        serde_json::from_slice(value).map(Some).map_err(|source| StoreError::Record { path, source })
    }

    /// Records `value` of `key`, in place of what was recorded before.
    pub fn put_record<T: Serialize>(&self, kind: &str, key: &Digest, value: &T) -> Result<(), StoreError> {
        let path = self.record_path(kind, key);
        let tmp = self.tmp_path("record");
        let bytes = serde_json::to_vec(value).map_err(|source| StoreError::Record { path: path.clone(), source })?;
        let mut file = fs::File::create(&tmp).map_err(doing("writing a record"))?;
        file.write_all(&close(&safe(kind), key, &bytes)).and_then(|()| file.sync_all()).map_err(doing("writing a record"))?;
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

    /// Marks a blob as a source, `name` to people: it may not be there to fetch a second time, so it is evicted last.
    pub fn mark_source(&self, digest: &Digest, name: &str) -> Result<(), StoreError> {
        if self.is_source(digest) { Ok(()) } else { self.put_record(SOURCE, digest, &name) }
    }

    /// Whether the blob is marked as a source.
    #[must_use]
    pub fn is_source(&self, digest: &Digest) -> bool {
        self.record_path(SOURCE, digest).is_file()
    }

    /// Gives `digest` a name, in place of what had it before. What it refers to is kept until the name goes elsewhere.
    pub fn name(&self, name: &str, digest: &Digest) -> Result<(), StoreError> {
        self.put_record(NAMED, &Digest::of(name), &(name, digest))
    }

    pub(super) fn record_path(&self, kind: &str, key: &Digest) -> PathBuf {
        self.root.join("records").join(safe(kind)).join(format!("{}.json", key.hex()))
    }
}

fn sum(kind: &str, key: &Digest, value: &[u8]) -> String {
    let mut summed = format!("{kind}/{}\n", key.hex()).into_bytes();
    summed.extend_from_slice(value);
    Digest::of(summed).to_string()
}

/// Returns the bytes of a record's file.
pub(super) fn close(kind: &str, key: &Digest, value: &[u8]) -> Vec<u8> {
    let mut bytes = [BEFORE.0, &sum(kind, key, value), BEFORE.1].concat().into_bytes();
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(BEHIND.as_bytes());
    bytes
}

/// Returns the value in a record's file, or `None` if these are not the bytes that were written.
pub(super) fn open<'a>(kind: &str, key: &Digest, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let rest = bytes.strip_prefix(BEFORE.0.as_bytes())?;
    let (stated, rest) = rest.split_at_checked("sha256:".len() + 64)?;
    let value = rest.strip_prefix(BEFORE.1.as_bytes())?.strip_suffix(BEHIND.as_bytes())?;
    (stated == sum(kind, key, value).as_bytes()).then_some(value)
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

    #[test]
    fn any_flipped_bit_is_damage() {
        let key = Digest::of(b"key");
        let good = close("n", &key, br#"{"a":"b"}"#);
        assert_eq!(open("n", &key, &good), Some(&br#"{"a":"b"}"#[..]));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(open("n", &key, &bad), None, "byte {at}, bit {bit}");
            }
        }
        assert_eq!(open("m", &key, &good), None, "another kind's");
        assert_eq!(open("n", &Digest::of(b"other"), &good), None, "another key's");
    }

    #[test]
    fn a_damaged_record_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = Digest::of(b"key");
        store.put_record("n", &key, &"value").unwrap();
        let path = store.record_path("n", &key);
        let text = fs::read_to_string(&path).unwrap().replace("value\"}", "volue\"}");
        fs::write(&path, text).unwrap();
        let error = store.record::<String>("n", &key).unwrap_err();
        assert!(error.to_string().contains("undistro store verify --repair"), "{error}");
    }
}
