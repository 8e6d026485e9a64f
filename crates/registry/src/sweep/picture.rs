//! What repositories hold, looked at once, and what follows: what is needed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::is_older;
use crate::manifest::Manifest;
use crate::store::layout::{Shard, held};
use crate::store::{Key, Place, Store, StoreError};
use crate::{Digest, Name, Tag};

/// How many objects are read at once.
const READS: usize = 32;

/// The number of a repository: names are kept once.
pub(super) type Number = u32;

/// All repositories, their manifests, and their tags.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) names: Vec<Name>,
    numbers: HashMap<Name, Number>,
    /// Every manifest that a repository holds, and when it was pushed or renewed last.
    pub(super) held: HashMap<(Number, Digest), SystemTime>,
    /// What each manifest names. One that can not be read names nothing, and is left to `verify`.
    pub(super) named: HashMap<Digest, Named>,
    /// The tags of each repository.
    pub(super) tagged: BTreeMap<Number, Vec<Tagged>>,
}

/// What a manifest names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) blobs: Vec<Digest>,
    pub(super) manifests: Vec<Digest>,
    pub(super) subject: Option<Digest>,
}

/// A tag.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    pub(super) modified: SystemTime,
}

/// What is to go of manifests and tags, as retention decided.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Tags, by repository.
    pub(super) tags: BTreeMap<Number, Vec<Tagged>>,
    /// How old an untagged manifest of a repository must be to go; where nothing is said, it stays.
    pub(super) untagged: HashMap<Number, Duration>,
}

/// What is needed. Everything else may go when it is old enough.
#[derive(Debug, Default)]
pub(super) struct Needed {
    numbers: HashMap<Name, Number>,
    manifests: HashSet<(Number, Digest)>,
    blobs: HashSet<(Number, Digest)>,
    /// The subjects of manifests that go, to find their entries among the referrers.
    pub(super) subjects: HashMap<Digest, Digest>,
}

impl Picture {
    /// Looks at a store.
    pub(super) async fn look(store: &Store) -> Result<Self, StoreError> {
        let mut picture = Self::default();
        for shard in Shard::all() {
            for entry in store.list(&Place::manifests(shard), "").await? {
                if let Some((digest, name)) = held(shard.algorithm, &entry.leaf) {
                    let number = picture.number(name);
                    picture.held.insert((number, digest), entry.meta.modified);
                }
            }
        }
        for name in store.repositories().await? {
            let number = picture.number(name.clone());
            let place = Place::tags(&name);
            let mut tags = Vec::new();
            for entry in store.list(&place, "").await? {
                let Ok(tag) = entry.leaf.parse::<Tag>() else { continue };
                if let Some(digest) = store.tagged(&name, &tag).await? {
                    tags.push(Tagged { tag, digest, modified: entry.meta.modified });
                }
            }
            picture.tagged.insert(number, tags);
        }
        let digests: HashSet<Digest> = picture.held.keys().map(|(_, digest)| *digest).collect();
        let reads = stream::iter(digests).map(|digest| async move { Ok::<_, StoreError>((digest, store.get(&Key::blob(&digest)).await?)) });
        let mut reads = reads.buffer_unordered(READS);
        while let Some(read) = reads.next().await {
            let (digest, bytes): (Digest, Option<Bytes>) = read?;
            let manifest = bytes.and_then(|bytes| Manifest::parse(bytes, None).ok());
            let named = manifest.map(|manifest| Named { blobs: manifest.blobs, manifests: manifest.manifests, subject: manifest.subject });
            picture.named.insert(digest, named.unwrap_or_default());
        }
        Ok(picture)
    }

    fn number(&mut self, name: Name) -> Number {
        let names = &mut self.names;
        *self.numbers.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            (names.len() - 1) as Number
        })
    }

    pub(super) fn repositories(&self) -> usize {
        self.names.len()
    }

    pub(super) fn manifests(&self) -> usize {
        self.held.len()
    }

    pub(super) fn tags(&self) -> usize {
        self.tagged.values().map(Vec::len).sum()
    }

    /// What is needed once `gone` is gone.
    ///
    /// A manifest is needed by its tag, by an index that is needed, by being about a subject that is needed, or, where
    /// no rule says how long the untagged stay, by being there. What is about a subject (by `subject`, or by a tag
    /// of the older scheme) is never needed for its own sake once the subject is gone.
    pub(super) fn needed(&self, gone: &Gone, now: SystemTime, grace: Duration) -> Needed {
        let mut needed = Needed { numbers: self.numbers.clone(), ..Needed::default() };
        let mut about: HashMap<(Number, Digest), Vec<Digest>> = HashMap::new();
        let mut todo: Vec<(Number, Digest)> = Vec::new();
        let mut attached: HashSet<(Number, Digest)> = HashSet::new();
        for (number, tags) in &self.tagged {
            let going: HashSet<&str> = gone.tags.get(number).into_iter().flatten().map(|one| one.tag.as_str()).collect();
            for tagged in tags {
                if going.contains(tagged.tag.as_str()) {
                    continue;
                }
                match tagged.tag.subject().filter(|_| is_older(tagged.modified, now, grace)) {
                    Some(subject) => {
                        about.entry((*number, subject)).or_default().push(tagged.digest);
                        attached.insert((*number, tagged.digest));
                    }
                    None => todo.push((*number, tagged.digest)),
                }
            }
        }
        for ((number, digest), modified) in &self.held {
            let subject = self.named.get(digest).and_then(|named| named.subject);
            if let Some(subject) = subject {
                about.entry((*number, subject)).or_default().push(*digest);
                needed.subjects.insert(*digest, subject);
            }
            let is_attached = subject.is_some() || attached.contains(&(*number, *digest));
            let age = gone.untagged.get(number).map_or(grace, |age| *age.max(&grace));
            let may_go = (is_attached || gone.untagged.contains_key(number)) && is_older(*modified, now, age);
            if !may_go {
                todo.push((*number, *digest));
            }
        }
        while let Some((number, digest)) = todo.pop() {
            if !self.held.contains_key(&(number, digest)) || !needed.manifests.insert((number, digest)) {
                continue;
            }
            if let Some(named) = self.named.get(&digest) {
                needed.blobs.extend(named.blobs.iter().map(|blob| (number, *blob)));
                todo.extend(named.manifests.iter().map(|child| (number, *child)));
            }
            todo.extend(about.get(&(number, digest)).into_iter().flatten().map(|other| (number, *other)));
        }
        needed
    }
}

impl Needed {
    pub(super) fn has_manifest(&self, name: &Name, digest: &Digest) -> bool {
        self.numbers.get(name).is_none_or(|number| self.manifests.contains(&(*number, *digest)))
    }

    pub(super) fn has_blob(&self, name: &Name, digest: &Digest) -> bool {
        self.numbers.get(name).is_some_and(|number| self.blobs.contains(&(*number, *digest)))
    }
}
