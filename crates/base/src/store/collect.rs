//! Garbage collection: what is kept, what goes, and in which order when there is too much.
//!
//! Roots, first to last: what the caller names (digests in the lock files of a distribution), results with a name, and then
//! every other record and tree, what was used last first. What a root refers to is kept with it. Sources are marked, and
//! stay until nothing else is left to remove. A process that uses the store keeps this from running at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

use super::inventory::{self, list, record_key, size};
use super::references::references;
use super::seal::{SEAL, SEAL_TABLE, Seal};
use super::{Store, StoreError, doing, record, remove_tree};
use crate::Digest;

/// What a collection keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Results that were used since this time, in seconds since 1970.
    pub since: i64,
    /// What these digests name, and all that it refers to, whatever its age and size.
    pub pinned: BTreeSet<Digest>,
    /// The most bytes that the store is to take. To get there, what was not used for longest goes first, sources last.
    pub most: Option<u64>,
}

/// One thing that was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its path in the store.
    pub path: PathBuf,
    /// What it took on the disk.
    pub bytes: u64,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// What went, in the order of paths.
    pub removed: Vec<Removed>,
    /// Bytes that became free.
    pub freed: u64,
    /// Bytes that are still taken.
    pub kept: u64,
}

/// The longest blob that is looked into for references: a manifest, a statement, an SBOM, the table of an output.
const MAX_REFERRER: u64 = 64 << 20;

/// Removes what nothing needs from a store that this process has for itself ([`Store::open_alone`]). With `dry_run`, only
/// says what would be removed.
pub fn collect(store: &Store, keep: &Keep, dry_run: bool) -> Result<Collected, StoreError> {
    let graph = Graph::read(store)?;
    let kept = graph.choose(keep);
    let mut collected = Collected::default();
    let mut gone = Vec::new();
    for (place, thing) in graph.things.iter().enumerate() {
        if kept.contains(&place) {
            collected.kept += thing.bytes;
        } else {
            collected.freed += thing.bytes;
            gone.push(thing);
        }
    }
    if !dry_run {
        // Records first: a kill in the middle leaves no record whose result is gone.
        gone.sort_by_key(|thing| !matches!(thing.sort, Sort::Record));
        gone.iter().try_for_each(|thing| thing.remove(store))?;
        clear_locks(store.root())?;
    }
    let below = |path: &Path| path.strip_prefix(store.root()).unwrap_or(path).to_owned();
    collected.removed = gone.iter().map(|thing| Removed { path: below(&thing.path), bytes: thing.bytes }).collect();
    collected.removed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(collected)
}

/// Nobody holds one: who holds a lock has the store open.
fn clear_locks(root: &Path) -> Result<(), StoreError> {
    let locks = list(&root.join("locks"))?;
    locks.iter().filter(|path| !path.ends_with("tmp")).try_for_each(|path| fs::remove_file(path).map_err(doing("clearing locks")))
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Record,
    Blob,
    Tree,
    Work,
}

#[derive(Debug)]
struct Thing {
    sort: Sort,
    path: PathBuf,
    bytes: u64,
    /// When it was last used, in seconds since 1970.
    used: i64,
    is_source: bool,
    /// Its own name, if that is a digest: what is about it is found by that.
    digest: Option<Digest>,
    /// What it refers to.
    refers: BTreeSet<Digest>,
}

impl Thing {
    fn new(sort: Sort, path: PathBuf) -> Self {
        let used = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.atime());
        Self { sort, bytes: size(&path), path, used, is_source: false, digest: None, refers: BTreeSet::new() }
    }

    fn remove(&self, store: &Store) -> Result<(), StoreError> {
        let done = match self.sort {
            Sort::Record | Sort::Blob => fs::remove_file(&self.path),
            Sort::Tree => store.discard_tree(&self.path),
            Sort::Work => remove_tree(&self.path),
        };
        done.map_err(doing("removing what is not needed"))
    }
}

/// Everything in the store, and what holds what.
#[derive(Debug, Default)]
struct Graph {
    things: Vec<Thing>,
    /// What a digest names: a blob, a tree, and the records about these.
    named: BTreeMap<Digest, Vec<usize>>,
    /// Things that stand for themselves: results, trees that can be made again, what failed builds left.
    roots: Vec<usize>,
    /// Records that give a result its name.
    titles: Vec<usize>,
}

impl Graph {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let root = store.root();
        let mut graph = Self::default();
        for digest in inventory::blobs(root)? {
            let path = store.blob_path(&digest);
            let mut thing = Thing::new(Sort::Blob, path);
            thing.refers = referred(&thing.path).map_err(doing("reading a blob"))?;
            thing.is_source = store.is_source(&digest);
            graph.add(&digest, thing);
        }
        for key in inventory::trees(root)? {
            let mut thing = Thing::new(Sort::Tree, store.tree_path(&key));
            let path = store.record_path(SEAL, &key);
            let Some(bytes) = inventory::read_quietly(&path).ok() else {
                // Without a seal it is no tree to anyone.
                graph.things.push(thing);
                continue;
            };
            let seal = record::open(SEAL, &key, &bytes).and_then(|value| serde_json::from_slice::<Seal>(value).ok());
            thing.used = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.atime());
            let place = graph.add(&key, thing);
            match seal.and_then(|seal| seal.of) {
                Some(of) => graph.named.entry(of).or_default().push(place),
                None => graph.roots.push(place),
            }
        }
        for (kind, path) in inventory::record_files(root)? {
            graph.add_record(&kind, path)?;
        }
        for path in list(&root.join("work"))? {
            let mut thing = Thing::new(Sort::Work, path);
            thing.used = fs::symlink_metadata(&thing.path).map_or(0, |metadata| metadata.mtime());
            thing.refers =
                list(&thing.path)?.iter().filter(|path| path.is_file()).flat_map(|path| referred(path).unwrap_or_default()).collect();
            graph.roots.push(graph.things.len());
            graph.things.push(thing);
        }
        Ok(graph)
    }

    fn add(&mut self, digest: &Digest, thing: Thing) -> usize {
        let place = self.things.len();
        self.things.push(Thing { digest: Some(*digest), ..thing });
        self.named.entry(*digest).or_default().push(place);
        place
    }

    /// A record about a blob or a tree goes with that; any other stands for itself.
    fn add_record(&mut self, kind: &str, path: PathBuf) -> Result<(), StoreError> {
        let place = self.things.len();
        let mut thing = Thing::new(Sort::Record, path);
        let key = record_key(&thing.path);
        thing.digest = key;
        if ![SEAL, SEAL_TABLE, record::SOURCE].contains(&kind) {
            thing.refers = references(&inventory::read_quietly(&thing.path).map_err(doing("reading a record"))?);
        }
        self.things.push(thing);
        match key {
            None => {} // nothing that undistro wrote
            Some(_) if kind == record::NAMED => self.titles.push(place),
            Some(key) => match self.named.get_mut(&key) {
                Some(subject) => subject.push(place),
                None if [SEAL, SEAL_TABLE, record::SOURCE].contains(&kind) => {}
                None => self.roots.push(place),
            },
        }
        Ok(())
    }

    /// Returns the places of what is kept.
    fn choose(&self, keep: &Keep) -> BTreeSet<usize> {
        let mut kept = Kept { graph: self, places: BTreeSet::new(), made: 0, sources: 0 };
        let pinned = keep.pinned.iter().filter_map(|digest| self.named.get(digest)).flatten();
        for place in self.titles.iter().chain(pinned) {
            kept.take(&kept.closure(*place));
        }
        let sources = self.newest((0..self.things.len()).filter(|place| self.things[*place].is_source));
        let reserved: u64 = sources.iter().map(|place| self.things[*place].bytes).sum();
        let most_made = keep.most.map(|most| most.saturating_sub(reserved));
        for root in self.newest(self.roots.iter().copied().filter(|place| self.things[*place].used >= keep.since)) {
            let more = kept.closure(root);
            if most_made.is_some_and(|most| kept.made + self.bytes(&more, false) > most) {
                break;
            }
            kept.take(&more);
        }
        for source in sources {
            let more = kept.closure(source);
            let bytes = self.bytes(&more, false) + self.bytes(&more, true);
            if keep.most.is_some_and(|most| kept.made + kept.sources + bytes > most) {
                break;
            }
            kept.take(&more);
        }
        kept.places
    }

    /// Sorts by last use, the newest first.
    fn newest(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut places: Vec<_> = places.collect();
        places.sort_by_key(|place| Reverse((self.things[*place].used, *place)));
        places
    }

    fn bytes(&self, places: &BTreeSet<usize>, sources: bool) -> u64 {
        places.iter().map(|place| &self.things[*place]).filter(|thing| thing.is_source == sources).map(|thing| thing.bytes).sum()
    }
}

/// What has been chosen so far.
struct Kept<'a> {
    graph: &'a Graph,
    places: BTreeSet<usize>,
    made: u64,
    sources: u64,
}

impl Kept<'_> {
    /// Returns what keeping `root` adds: itself, what it refers to, and what is known about that.
    fn closure(&self, root: usize) -> BTreeSet<usize> {
        let (mut found, mut waiting) = (BTreeSet::new(), vec![root]);
        while let Some(place) = waiting.pop() {
            if self.places.contains(&place) || !found.insert(place) {
                continue;
            }
            let thing = &self.graph.things[place];
            let named = thing.refers.iter().chain(&thing.digest).filter_map(|digest| self.graph.named.get(digest));
            waiting.extend(named.flatten());
        }
        found
    }

    fn take(&mut self, more: &BTreeSet<usize>) {
        self.made += self.graph.bytes(more, false);
        self.sources += self.graph.bytes(more, true);
        self.places.extend(more);
    }
}

/// Returns what a file refers to. Only text has references that are looked for, and only so much of it.
fn referred(path: &Path) -> io::Result<BTreeSet<Digest>> {
    let mut file = inventory::open_quietly(path)?;
    let mut first = [0];
    if file.read(&mut first)? == 0 || first[0] != b'{' {
        return Ok(BTreeSet::new());
    }
    let mut text = Vec::new();
    file.take(MAX_REFERRER).read_to_end(&mut text)?;
    Ok(references(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Contents;
    use crate::tree::TreePath;

    /// A store with a source, two results that refer to a package each, and a tree that was extracted.
    struct Place {
        dir: tempfile::TempDir,
        source: Digest,
        old: Digest,
        new: Digest,
        tree: Digest,
    }

    const SIZE: u64 = 64 << 10;

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            let blob = |byte: u8| store.put(&vec![byte; SIZE as usize]).unwrap();
            let (source, old, new, tree) = (blob(1), blob(2), blob(3), Digest::of("tree"));
            store.mark_source(&source, "source.tar").unwrap();
            store.put_record("emit", &Digest::of("old"), &old).unwrap();
            store.put_record("emit", &Digest::of("new"), &(new, source)).unwrap();
            store.put_record("package-table", &old, &"about old").unwrap();
            let make = |path: &Path| -> Result<Contents, StoreError> {
                fs::write(path.join("f"), vec![4; SIZE as usize]).map_err(doing("testing"))?;
                Ok(Contents::from([(TreePath::parse("f").unwrap(), Digest::of(vec![4; SIZE as usize]))]))
            };
            store.tree_or_make(&tree, make).unwrap();
            let place = Self { source, old, new, tree, dir };
            place.set_used(&store.record_path("emit", &Digest::of("old")), 100);
            place.set_used(&store.record_path(SEAL, &tree), 150);
            place.set_used(&store.record_path("emit", &Digest::of("new")), 200);
            place
        }

        fn set_used(&self, path: &Path, seconds: i64) {
            let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
            let times = rustix::fs::Timestamps { last_access: time, last_modification: super::super::OMIT };
            rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
        }

        /// Collects, and says what of source, old, new and tree is still there.
        fn collect(&self, since: i64, pinned: &[Digest], most: Option<u64>) -> [bool; 4] {
            let keep = Keep { since, pinned: pinned.iter().copied().collect(), most };
            let store = Store::open_alone(self.dir.path()).unwrap();
            let planned = collect(&store, &keep, true).unwrap();
            assert_eq!(collect(&store, &keep, false).unwrap(), planned, "a dry run says what a real one does");
            if let Some(most) = most.filter(|_| pinned.is_empty()) {
                assert!(planned.kept <= most, "{planned:?}");
            }
            assert_eq!(collect(&store, &keep, false).unwrap().removed, [], "a second run finds nothing");
            let blob = |digest| store.blob(digest).is_some();
            [blob(&self.source), blob(&self.old), blob(&self.new), store.tree(&self.tree).is_some()]
        }
    }

    #[test]
    fn results_go_by_their_last_use() {
        assert_eq!(Place::new().collect(0, &[], None), [true, true, true, true]);
        assert_eq!(Place::new().collect(120, &[], None), [true, false, true, true]);
        assert_eq!(Place::new().collect(180, &[], None), [true, false, true, false]);
        assert_eq!(Place::new().collect(300, &[], None), [true, false, false, false], "sources stay");
    }

    #[test]
    fn what_is_pinned_or_named_stays_with_all_that_is_known_of_it() {
        let place = Place::new();
        assert_eq!(place.collect(300, &[place.old], Some(0)), [false, true, false, false]);
        let store = Store::open(place.dir.path()).unwrap();
        assert_eq!(store.record::<String>("package-table", &place.old).unwrap().as_deref(), Some("about old"));
        let place = Place::new();
        Store::open(place.dir.path()).unwrap().name("image", &place.new).unwrap();
        assert_eq!(place.collect(300, &[], None), [true, false, true, false]);
    }

    #[test]
    fn too_much_goes_oldest_first_and_sources_last() {
        let small = 16 << 10;
        assert_eq!(Place::new().collect(0, &[], Some(4 * SIZE + 4 * small)), [true, true, true, true]);
        assert_eq!(Place::new().collect(0, &[], Some(3 * SIZE + 3 * small)), [true, false, true, true]);
        assert_eq!(Place::new().collect(0, &[], Some(2 * SIZE + 2 * small)), [true, false, true, false]);
        assert_eq!(Place::new().collect(0, &[], Some(SIZE + small)), [true, false, false, false]);
        assert_eq!(Place::new().collect(0, &[], Some(SIZE / 2)), [false, false, false, false]);
    }

    #[test]
    fn does_not_run_beside_a_process_that_uses_the_store() {
        let place = Place::new();
        let using = Store::open(place.dir.path()).unwrap();
        assert!(matches!(Store::open_alone(place.dir.path()), Err(StoreError::InUse { .. })));
        drop(using);
        Store::open_alone(place.dir.path()).unwrap();
    }

    #[test]
    fn what_a_kill_left_goes() {
        let place = Place::new();
        let unsealed = place.dir.path().join("trees").join(Digest::of("unsealed").hex());
        fs::create_dir(&unsealed).unwrap();
        fs::write(place.dir.path().join("locks/build-x"), "").unwrap();
        place.collect(0, &[], None);
        assert!(!unsealed.exists() && !place.dir.path().join("locks/build-x").exists());
    }
}
