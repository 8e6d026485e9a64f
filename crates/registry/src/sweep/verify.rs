//! Whether everything that can be seen is whole.

use std::collections::HashMap;

use serde::Serialize;

use super::picture::Picture;
use crate::digest::Hasher;
use crate::holdings::Kind;
use crate::manifest::{Manifest, Referrer};
use crate::store::layout::{Shard, undashed};
use crate::store::{Content, Key, Place, Store, StoreError, blocking};
use crate::{Digest, Name};

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Blobs and manifests that were hashed.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Manifests in repositories, of which everything named was looked for.
    pub manifests: usize,
    /// Tags.
    pub tags: usize,
    /// What is wrong.
    pub damage: Vec<Damage>,
    /// How many of these were mended.
    pub mended: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Damage {
    /// The bytes are not what their name says. Mending puts them aside, where nobody gets them.
    Changed {
        /// The blob.
        digest: String,
    },
    /// A repository holds something whose bytes are not there. Mending takes the link away.
    Lost {
        /// The repository.
        name: String,
        /// What.
        digest: String,
    },
    /// A manifest names something that its repository does not hold. Pushing the image again mends it.
    Incomplete {
        /// The repository.
        name: String,
        /// The manifest.
        manifest: String,
        /// What it names.
        missing: String,
    },
    /// A tag leads nowhere. Mending takes it away.
    Dangling {
        /// The repository.
        name: String,
        /// The tag.
        tag: String,
    },
    /// A manifest is missing among the referrers of its subject. Mending writes it there.
    Unlisted {
        /// The repository.
        name: String,
        /// The manifest.
        manifest: String,
    },
    /// The referrers list something that the repository does not hold. Mending takes it away.
    Phantom {
        /// The repository.
        name: String,
        /// What.
        digest: String,
    },
}

/// Checks a store; every byte is hashed. With `repair`, mends what can be.
pub async fn verify(store: &Store, repair: bool) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let picture = Picture::look(store).await?;
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    for shard in Shard::all() {
        verify_bytes(store, shard, repair, &mut verified, &mut sizes).await?;
        verify_links(store, shard, repair, &sizes, &mut verified).await?;
    }
    verified.manifests = picture.manifests();
    verified.tags = picture.tags();
    verify_manifests(store, &picture, repair, &mut verified).await?;
    verify_tags(store, &picture, repair, &mut verified).await?;
    verify_referrers(store, &picture, repair, &mut verified).await?;
    verified.damage.sort();
    Ok(verified)
}

async fn verify_bytes(
    store: &Store,
    shard: Shard,
    repair: bool,
    verified: &mut Verified,
    sizes: &mut HashMap<Digest, u64>,
) -> Result<(), StoreError> {
    for entry in store.list(&Place::blobs(shard), "").await? {
        let Ok(digest) = Digest::from_hex(shard.algorithm, &entry.leaf) else { continue };
        verified.blobs += 1;
        verified.bytes += entry.meta.size;
        if hash(store, &digest, entry.meta.size).await? == Some(digest) {
            sizes.insert(digest, entry.meta.size);
        } else if store.stat(&Key::blob(&digest)).await?.is_some() {
            verified.damage.push(Damage::Changed { digest: digest.to_string() });
            if repair {
                store.delete(&Key::blob(&digest)).await?;
                verified.mended += 1;
            }
        }
    }
    Ok(())
}

async fn hash(store: &Store, digest: &Digest, size: u64) -> Result<Option<Digest>, StoreError> {
    let Some(content) = store.read(&Key::blob(digest), 0, size).await? else { return Ok(None) };
    let mut hasher = Hasher::new(digest.algorithm());
    match content {
        Content::File { file, .. } => {
            let hash = move || {
                use std::io::Read as _;
                let mut file = file;
                let mut buffer = vec![0; 256 << 10];
                loop {
                    match file.read(&mut buffer).map_err(crate::store::doing("reading a blob"))? {
                        0 => return Ok(Some(hasher.finish())),
                        read => hasher.update(&buffer[..read]),
                    }
                }
            };
            blocking(hash).await
        }
        Content::Stream(mut stream, _) => {
            while let Some(bytes) = futures::TryStreamExt::try_next(&mut stream).await? {
                hasher.update(&bytes);
            }
            Ok(Some(hasher.finish()))
        }
    }
}

async fn verify_links(
    store: &Store,
    shard: Shard,
    repair: bool,
    sizes: &HashMap<Digest, u64>,
    verified: &mut Verified,
) -> Result<(), StoreError> {
    for (place, kind) in [(Place::links(shard), Kind::Blob), (Place::manifests(shard), Kind::Manifest)] {
        for leaf in store.leaves(&place, None, usize::MAX).await? {
            let Some((digest, name)) = crate::store::layout::held(shard.algorithm, &leaf) else { continue };
            // A push or a sweep may have come or gone since the bytes were listed.
            let is_there = sizes.contains_key(&digest) || store.stat(&Key::blob(&digest)).await?.is_some();
            if !is_there && store.holds(kind, &name, &digest).await? {
                verified.damage.push(Damage::Lost { name: name.to_string(), digest: digest.to_string() });
                if repair {
                    store.delete(&kind.link(&digest, &name)).await?;
                    verified.mended += 1;
                }
            }
        }
    }
    Ok(())
}

async fn verify_manifests(store: &Store, picture: &Picture, repair: bool, verified: &mut Verified) -> Result<(), StoreError> {
    for (number, digest) in picture.held.keys() {
        let name = &picture.names[*number as usize];
        let Some(named) = picture.named.get(digest) else { continue };
        let blobs = named.blobs.iter().map(|blob| (Kind::Blob, blob));
        for (kind, other) in blobs.chain(named.manifests.iter().map(|child| (Kind::Manifest, child))) {
            let known = kind == Kind::Manifest && picture.held.contains_key(&(*number, *other));
            if !known && !store.holds(kind, name, other).await? && store.holds(Kind::Manifest, name, digest).await? {
                let (manifest, missing) = (digest.to_string(), other.to_string());
                verified.damage.push(Damage::Incomplete { name: name.to_string(), manifest, missing });
            }
        }
        let Some(subject) = &named.subject else { continue };
        let key = Key::referrer(name, subject, digest);
        if store.stat(&key).await?.is_none() && store.holds(Kind::Manifest, name, digest).await? {
            verified.damage.push(Damage::Unlisted { name: name.to_string(), manifest: digest.to_string() });
            if repair {
                list_again(store, name, subject, digest).await?;
                verified.mended += 1;
            }
        }
    }
    Ok(())
}

async fn list_again(store: &Store, name: &Name, subject: &Digest, digest: &Digest) -> Result<(), StoreError> {
    let blob = Key::blob(digest);
    let Some(bytes) = store.get(&blob).await? else { return Ok(()) };
    let manifest = Manifest::parse(bytes, None).map_err(|_| StoreError::damaged(&blob))?;
    let text = serde_json::to_vec(&manifest.referrer(*digest)).map_err(|_| StoreError::damaged(&blob))?;
    store.put(&Key::referrer(name, subject, digest), text.into()).await
}

async fn verify_tags(store: &Store, picture: &Picture, repair: bool, verified: &mut Verified) -> Result<(), StoreError> {
    for (number, tags) in &picture.tagged {
        let name = &picture.names[*number as usize];
        for tagged in tags {
            if picture.held.contains_key(&(*number, tagged.digest)) || store.holds(Kind::Manifest, name, &tagged.digest).await? {
                continue;
            }
            if store.tagged(name, &tagged.tag).await? == Some(tagged.digest) {
                verified.damage.push(Damage::Dangling { name: name.to_string(), tag: tagged.tag.to_string() });
                if repair {
                    store.delete(&Key::tag(name, &tagged.tag)).await?;
                    verified.mended += 1;
                }
            }
        }
    }
    Ok(())
}

async fn verify_referrers(store: &Store, picture: &Picture, repair: bool, verified: &mut Verified) -> Result<(), StoreError> {
    for name in &picture.names {
        for subject in store.places(&Place::all_referrers(name)).await? {
            let Some(subject) = undashed(&subject) else { continue };
            let place = Place::referrers(name, &subject);
            for leaf in store.leaves(&place, None, usize::MAX).await? {
                let key = place.key(&leaf);
                let digest = match store.get(&key).await? {
                    Some(bytes) => serde_json::from_slice::<Referrer>(&bytes).ok().map(|referrer| referrer.digest),
                    None => continue,
                };
                if let Some(digest) = digest
                    && store.holds(Kind::Manifest, name, &digest).await?
                {
                    continue;
                }
                verified.damage.push(Damage::Phantom { name: name.to_string(), digest: leaf });
                if repair {
                    store.delete(&key).await?;
                    verified.mended += 1;
                }
            }
        }
    }
    Ok(())
}
