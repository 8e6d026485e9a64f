//! The written layout: whose the store is, which format it has, and the way from an older one to this.
//!
//! docs/format/store.md describes the format for people.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::references::references;
use super::{Store, StoreError, doing, inventory, record, seal, sweep};
use crate::Digest;

/// The format of the layout. Raised when an older undistro could not read the store.
///
/// 1: the first. 2: records carry a checksum, trees a seal, sources a mark.
pub const FORMAT: u32 = 2;

/// The folders of a store.
const FOLDERS: [&str; 6] = ["blobs/sha256", "trees", "records", "locks", "work", "tmp"];

#[derive(Serialize, Deserialize)]
struct Layout {
    format: u32,
}

/// Makes what is missing of the folders, and refuses those of another user.
pub(super) fn make(root: &Path) -> Result<PathBuf, StoreError> {
    fs::create_dir_all(root).map_err(doing("making the store"))?;
    let root = fs::canonicalize(root).map_err(doing("opening the store"))?;
    check_owner(&root)?;
    for part in FOLDERS {
        fs::create_dir_all(root.join(part)).map_err(doing("making the store"))?;
    }
    Ok(root)
}

fn check_owner(root: &Path) -> Result<(), StoreError> {
    let owner = fs::metadata(root).map_err(doing("opening the store"))?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user { Ok(()) } else { Err(StoreError::Owner { path: root.to_owned(), owner, user }) }
}

/// Returns the format that is written down; `None` in a store that was just made.
pub(super) fn format(root: &Path) -> Result<Option<u32>, StoreError> {
    let path = root.join("store.json");
    match fs::read(&path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(|layout: Layout| Some(layout.format)).map_err(|source| StoreError::Layout { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(doing("opening the store")(error)),
    }
}

fn write_format(root: &Path) -> Result<(), StoreError> {
    let fresh = root.join("tmp").join(format!("store.json.{}", std::process::id()));
    fs::write(&fresh, format!("{{\"format\":{FORMAT}}}\n")).map_err(doing("making the store"))?;
    fs::rename(&fresh, root.join("store.json")).map_err(doing("making the store"))
}

/// Takes the shared lock of a store, bringing an older one to this format first. Only under the lock `locks/tmp`: nobody
/// else enters meanwhile.
pub(super) fn enter(root: &Path) -> Result<Lock, StoreError> {
    let place = root.join("lock");
    let shared = Lock::shared(&place)?;
    match format(root)? {
        Some(FORMAT) => return Ok(shared),
        None => return write_format(root).map(|()| shared),
        Some(found) if found > FORMAT => return Err(StoreError::Format { path: root.to_owned(), found }),
        Some(_) => drop(shared),
    }
    one_to_two(Store::begin(root.to_owned(), alone(root)?)?)?;
    write_format(root)?;
    Lock::shared(&place)
}

/// Takes the lock that nobody shares, or says who holds the store.
pub(super) fn alone(root: &Path) -> Result<Lock, StoreError> {
    Lock::try_exclusive(&root.join("lock"))?
        .ok_or_else(|| StoreError::InUse { path: root.to_owned(), processes: sweep::living(root).unwrap_or_default() })
}

/// Kinds of format 1 whose records name what was made here.
const MADE: [&str; 5] = ["emit", "layer", "provenance", "sbom", "seed"];

/// Adds what format 2 has more. A kill in the middle leaves format 1, and all of it is done again.
///
/// What lies there is taken as right, since format 1 has nothing to compare it with; blobs are hashed when next used.
fn one_to_two(store: Store) -> Result<(), StoreError> {
    let root = store.root();
    let mut made = BTreeSet::new();
    for (kind, path) in inventory::record_files(root)? {
        let bytes = fs::read(&path).map_err(doing("reading a record"))?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(key) = Digest::from_hex(&name) else { continue };
        if record::open(&kind, &key, &bytes).is_some() {
            continue;
        }
        if MADE.contains(&kind.as_str()) {
            made.insert(key);
            made.extend(references(&bytes));
        } else if let Ok(serde_json::Value::Object(run)) = serde_json::from_slice(&bytes) {
            for field in ["outputs", "log", "licenses"] {
                made.extend(run.get(field).into_iter().flat_map(|value| references(value.to_string().as_bytes())));
            }
        }
        fs::write(&path, record::close(&kind, &key, &bytes)).map_err(doing("writing a record"))?;
    }
    for digest in inventory::blobs(root)? {
        if !made.contains(&digest) {
            store.mark_source(&digest, "from format 1")?;
        }
        let tree = Digest::of(format!("output 1 {digest}"));
        seal_old(&store, &tree, Some(digest))?;
    }
    for tree in inventory::trees(root)? {
        seal_old(&store, &tree, None)?;
    }
    Ok(())
}

fn seal_old(store: &Store, key: &Digest, of: Option<Digest>) -> Result<(), StoreError> {
    let place = store.tree_path(key);
    if !place.is_dir() || store.record::<seal::Seal>(seal::SEAL, key)?.is_some() {
        return Ok(());
    }
    fs::set_permissions(&place, std::fs::Permissions::from_mode(0o500)).map_err(doing("sealing a tree"))?;
    store.seal(key, &place, of, &seal::Contents::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_newer_format() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        fs::write(dir.path().join("store.json"), r#"{"format":99}"#).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Format { found: 99, .. }));
        assert!(error.to_string().contains("name another with --store"), "{error}");
    }

    #[test]
    fn brings_a_store_of_format_one_to_this() {
        let dir = tempfile::tempdir().unwrap();
        let (source, package, key) = (Digest::of("source"), Digest::of("package"), Digest::of("key"));
        {
            let store = Store::open(dir.path()).unwrap();
            store.put(b"source").unwrap();
            store.put(b"package").unwrap();
        }
        fs::write(dir.path().join("store.json"), r#"{"format":1}"#).unwrap();
        let old = dir.path().join("records/emit");
        fs::create_dir_all(&old).unwrap();
        fs::write(old.join(format!("{}.json", key.hex())), format!("{{\"content\": \"{package}\"}}")).unwrap();
        let tree = dir.path().join("trees").join(key.hex());
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("file"), "x").unwrap();

        let store = Store::open(dir.path()).unwrap();
        assert_eq!(format(store.root()).unwrap(), Some(FORMAT));
        let record: std::collections::BTreeMap<String, Digest> = store.record("emit", &key).unwrap().unwrap();
        assert_eq!(record["content"], package);
        assert_eq!(store.tree(&key), Some(tree));
        assert_eq!((store.is_source(&source), store.is_source(&package)), (true, false));
    }

    #[test]
    fn an_older_store_in_use_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let using = Store::open(dir.path()).unwrap();
        fs::write(dir.path().join("store.json"), r#"{"format":1}"#).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
        drop(using);
        Store::open(dir.path()).unwrap();
    }
}
