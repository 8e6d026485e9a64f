//! Verification of everything that is kept: each byte is read and compared with what was written down when it came.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use super::inventory::{self, list, record_key};
use super::seal::{SEAL, SEAL_TABLE};
use super::{FORMAT, Store, StoreError, blob, doing, layout, record};
use crate::Digest;

/// Something that is not what was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Its path in the store; for a tree, the file in it.
    pub path: PathBuf,
    /// What is wrong, as a person reads it.
    pub what: String,
    /// Whether it can be made or fetched again once it is removed. What records an event (provenance) or is a person's
    /// choice can not.
    pub again: Again,
    /// What is to be removed for that.
    #[serde(skip)]
    remove: Remove,
}

/// How what is damaged can be had again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// The next build or composition makes it.
    Made,
    /// It is fetched, if it is still there to be had.
    Fetched,
    /// It is lost. A new build records a new event.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Remove {
    File,
    Tree(Digest),
    /// Nothing: it is a person's to look at.
    Nothing,
}

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Blobs that were hashed.
    pub blobs: u64,
    /// Trees of which every file was hashed.
    pub trees: u64,
    /// Records whose checksums were compared.
    pub records: u64,
    /// What is wrong, in the order of paths.
    pub damage: Vec<Damage>,
}

/// Kinds of records that tell of events: they are not made by doing the same again.
const EVENTS: [&str; 1] = ["provenance"];

/// Reads everything and says what is damaged. What is in flight, and what failed builds left, is not looked at.
pub fn verify(store: &Store) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let root = store.root();
    if layout::format(root)? != Some(FORMAT) {
        verified.note(
            PathBuf::from("store.json"),
            "it does not state the format that the store was opened with",
            Again::Lost,
            Remove::Nothing,
        );
    }
    verify_records(store, &mut verified)?;
    verify_blobs(store, &mut verified)?;
    verify_trees(store, &mut verified)?;
    verified.damage.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(verified)
}

/// Removes what is damaged from a store that this process has for itself, so that it is made or fetched again. Says how many
/// findings are left.
pub fn repair(store: &Store, verified: &Verified) -> Result<usize, StoreError> {
    let failed = doing("removing what is damaged");
    let mut trees = BTreeSet::new();
    let mut left = 0;
    for damage in &verified.damage {
        match damage.remove {
            Remove::File => fs::remove_file(store.root().join(&damage.path)).map_err(&failed)?,
            Remove::Tree(key) => drop(trees.insert(key)),
            Remove::Nothing => left += 1,
        }
    }
    for key in trees {
        store.discard_tree(&store.tree_path(&key)).map_err(&failed)?;
        for kind in [SEAL, SEAL_TABLE] {
            // It may be what was damaged, and removed above.
            let _ = fs::remove_file(store.record_path(kind, &key));
        }
    }
    Ok(left)
}

impl Verified {
    fn note(&mut self, path: PathBuf, what: impl Into<String>, again: Again, remove: Remove) {
        self.damage.push(Damage { path, what: what.into(), again, remove });
    }
}

fn verify_records(store: &Store, verified: &mut Verified) -> Result<(), StoreError> {
    for (kind, path) in inventory::record_files(store.root())? {
        verified.records += 1;
        let below = below(store, &path);
        let bytes = inventory::read_quietly(&path).map_err(doing("reading a record"))?;
        let again = if EVENTS.contains(&kind.as_str()) { Again::Lost } else { Again::Made };
        match record_key(&path).map(|key| (key, record::open(&kind, &key, &bytes))) {
            None => verified.note(below, "it has not the name of a record", again, Remove::File),
            Some((_, None)) => verified.note(below, "its checksum does not hold", again, Remove::File),
            Some((_, Some(value))) if kind == record::NAMED => {
                let named = serde_json::from_slice::<(String, Digest)>(value);
                if let Some((name, missing)) = named.ok().and_then(|(name, digest)| Some((name, lacks(store, &digest)?))) {
                    let what = format!("{name} refers to {missing}, which is not there");
                    verified.note(below, what, Again::Made, Remove::File);
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Returns the first blob that an image (or any JSON that names others by `"digest"`) lacks.
fn lacks(store: &Store, digest: &Digest) -> Option<Digest> {
    let path = store.blob_path(digest);
    if !path.is_file() {
        return Some(*digest);
    }
    let value: serde_json::Value = inventory::read_small(&path).and_then(|text| serde_json::from_slice(&text).ok())?;
    let mut named = BTreeSet::new();
    digests_in(&value, &mut named);
    named.iter().find_map(|digest| lacks(store, digest))
}

fn digests_in(value: &serde_json::Value, found: &mut BTreeSet<Digest>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.get("digest").and_then(|digest| digest.as_str()?.parse::<Digest>().ok()));
            fields.values().for_each(|value| digests_in(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| digests_in(value, found)),
        _ => {}
    }
}

fn verify_blobs(store: &Store, verified: &mut Verified) -> Result<(), StoreError> {
    let folder = store.root().join("blobs/sha256");
    for path in list(&folder)?.iter().map(|part| list(part)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        verified.blobs += 1;
        let below = below(store, &path);
        let name = path.file_name().and_then(|name| Digest::from_hex(name.to_str()?).ok());
        let Some(digest) = name.filter(|digest| store.blob_path(digest) == path) else {
            verified.note(below, "it has not the name of a blob", Again::Made, Remove::File);
            continue;
        };
        let actual = inventory::open_quietly(&path).and_then(|mut file| blob::hash(&mut file)).map_err(doing("hashing a blob"))?;
        if actual != digest {
            let again = if store.is_source(&digest) { Again::Fetched } else { Again::Made };
            verified.note(below, format!("its bytes are {actual}"), again, Remove::File);
        }
    }
    Ok(())
}

fn verify_trees(store: &Store, verified: &mut Verified) -> Result<(), StoreError> {
    for path in list(&store.root().join("trees"))? {
        verified.trees += 1;
        let below = below(store, &path);
        let Some(key) = path.file_name().and_then(|name| Digest::from_hex(name.to_str()?).ok()) else {
            verified.note(below, "it has not the name of a tree", Again::Made, Remove::Nothing);
            continue;
        };
        let seal = inventory::read_quietly(&store.record_path(SEAL, &key)).ok();
        if seal.is_none_or(|bytes| record::open(SEAL, &key, &bytes).is_none()) {
            verified.note(below, "it has no seal, or one that is damaged", Again::Made, Remove::Tree(key));
            continue;
        }
        match store.differences(&key) {
            Ok(differences) => {
                for file in differences {
                    verified.note(below.join(file), "it is not what was sealed", Again::Made, Remove::Tree(key));
                }
            }
            Err(StoreError::Damaged { .. } | StoreError::Missing { .. } | StoreError::Record { .. }) => {
                verified.note(below, "the table of its files is damaged", Again::Made, Remove::Tree(key));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn below(store: &Store, path: &Path) -> PathBuf {
    path.strip_prefix(store.root()).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store::Contents;

    fn filled() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let layer = store.put(b"a layer").unwrap();
        let manifest = store.put(format!("{{\"layers\":[{{\"digest\":\"{layer}\"}}]}}").as_bytes()).unwrap();
        store.name("image", &manifest).unwrap();
        let source = store.put(b"a source").unwrap();
        store.mark_source(&source, "source.tar").unwrap();
        store.put_record("emit", &Digest::of("emit"), &layer).unwrap();
        store.put_record("provenance", &layer, &"an event").unwrap();
        let make = |path: &Path| -> Result<Contents, StoreError> {
            fs::create_dir(path.join("d")).map_err(doing("testing"))?;
            fs::write(path.join("d/f"), "content").map_err(doing("testing"))?;
            Ok(Contents::new())
        };
        store.tree_of(&Digest::of("tree"), &layer, make).unwrap();
        (dir, store)
    }

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for path in list(folder).unwrap() {
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    fn kept(store: &Store) -> Vec<PathBuf> {
        let mut found = Vec::new();
        ["blobs", "records", "trees"].iter().for_each(|part| files(&store.root().join(part), &mut found));
        found
    }

    #[test]
    fn a_store_as_it_was_made_is_right() {
        let (_dir, store) = filled();
        let verified = verify(&store).unwrap();
        assert_eq!(verified.damage, []);
        assert_eq!((verified.blobs, verified.trees, verified.records), (3, 1, 6));
    }

    #[test]
    fn a_flipped_bit_in_any_kept_file_is_found_and_named() {
        let (_dir, store) = filled();
        for path in kept(&store) {
            let good = fs::read(&path).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions();
            let mut bad = good.clone();
            let middle = bad.len() / 2;
            bad[middle] ^= 1;
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, &bad).unwrap();
            let verified = verify(&store).unwrap();
            let below = path.strip_prefix(store.root()).unwrap();
            assert!(verified.damage.iter().any(|damage| damage.path == below), "{}: {:?}", path.display(), verified.damage);
            fs::write(&path, &good).unwrap();
            fs::set_permissions(&path, mode).unwrap();
        }
        assert_eq!(verify(&store).unwrap().damage, []);
    }

    #[test]
    fn repair_leaves_a_right_store() {
        let (_dir, store) = filled();
        for path in kept(&store) {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, "damaged").unwrap();
        }
        let verified = verify(&store).unwrap();
        assert!(verified.damage.iter().any(|damage| damage.again == Again::Lost));
        assert_eq!(repair(&store, &verified).unwrap(), 0);
        assert_eq!(verify(&store).unwrap().damage, []);
        assert_eq!(kept(&store), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn a_named_image_that_lacks_a_layer_is_found() {
        let (_dir, store) = filled();
        fs::remove_file(store.blob(&Digest::of("a layer")).unwrap()).unwrap();
        let damage = verify(&store).unwrap().damage;
        assert!(damage[0].what.starts_with("image refers to sha256:"), "{damage:?}");
    }
}
