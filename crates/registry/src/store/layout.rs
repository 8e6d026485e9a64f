//! Where things lie in a store, on a folder and in a bucket alike.
//!
//! ```text
//! blobs/sha256/ab/<hex>                        the bytes of a blob or manifest; immutable
//! links/sha256/ab/<hex>@<name>                 the repository holds this blob; empty
//! manifests/sha256/ab/<hex>@<name>             the repository holds this manifest; empty
//! repositories/<name>/_repository              the repository was pushed to; empty
//! repositories/<name>/_tags/<tag>              a digest; the last writer wins
//! repositories/<name>/_referrers/<subject>/<digest>   the descriptor of a referrer
//! uploads/<id>@<name>…                         what came of an upload so far
//! sweep/…                                      what the sweeping of garbage writes for itself and for pushes
//! store.json                                   the format of this layout
//! tmp/…                                        files being written (folders only)
//! ```
//!
//! The slashes of a repository's name are written `+` in links, so that everything of one shard (`sha256/ab`) lies
//! in one flat listing: who still holds a blob is one look-up, and sweeping goes shard by shard. In the folders of a
//! repository no name begins with `_`, so `_tags` is never a repository.
//!
//! A link is written after what it links to, and deleted before it. So whatever can be seen is whole, wherever a
//! process was killed; what a kill leaves is bytes that nothing names, and the sweep takes those.

use crate::route::UploadId;
use crate::{Algorithm, Digest, Name, Tag};

/// The format of the layout, in `store.json`.
pub(crate) const FORMAT: u32 = 1;

/// Where an object lies. Made in this file only, of checked parts: no text of a stranger becomes a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(String);

/// A place that holds objects side by side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(String);

/// One 256th of everything that an algorithm names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shard {
    pub(crate) algorithm: Algorithm,
    pub(crate) first: u8,
}

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn format() -> Self {
        Self("store.json".into())
    }

    pub(crate) fn blob(digest: &Digest) -> Self {
        Self::sharded("blobs", digest, "")
    }

    pub(crate) fn link(digest: &Digest, name: &Name) -> Self {
        Self::sharded("links", digest, &holder(name))
    }

    pub(crate) fn manifest(digest: &Digest, name: &Name) -> Self {
        Self::sharded("manifests", digest, &holder(name))
    }

    fn sharded(kind: &str, digest: &Digest, end: &str) -> Self {
        let hex = digest.hex();
        Self(format!("{kind}/{}/{}/{hex}{end}", digest.algorithm().name(), &hex[..2]))
    }

    pub(crate) fn tag(name: &Name, tag: &Tag) -> Self {
        Place::tags(name).key(tag.as_str())
    }

    pub(crate) fn repository(name: &Name) -> Self {
        Self(format!("repositories/{name}/_repository"))
    }

    pub(crate) fn referrer(name: &Name, subject: &Digest, digest: &Digest) -> Self {
        Place::referrers(name, subject).key(&dashed(digest))
    }

    pub(crate) fn sweep(what: &str) -> Self {
        Self(format!("sweep/{what}"))
    }

    /// The leaves that are being swept of a shard at this moment, a line each.
    pub(crate) fn condemned(shard: Shard) -> Self {
        Self(format!("sweep/condemned/{}-{:02x}", shard.algorithm.name(), shard.first))
    }

    /// The tags that are being swept of a repository at this moment, a line each.
    pub(crate) fn condemned_tags(name: &Name) -> Self {
        Self(format!("sweep/tags/{}", name.as_str().replace('/', "+")))
    }
}

impl Place {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The object in this place with this leaf, which a listing gave or a checked part is.
    pub(crate) fn key(&self, leaf: &str) -> Key {
        Key(format!("{}/{leaf}", self.0))
    }

    pub(crate) fn blobs(shard: Shard) -> Self {
        Self(format!("blobs/{shard}"))
    }

    pub(crate) fn links(shard: Shard) -> Self {
        Self(format!("links/{shard}"))
    }

    pub(crate) fn manifests(shard: Shard) -> Self {
        Self(format!("manifests/{shard}"))
    }

    pub(crate) fn repositories() -> Self {
        Self("repositories".into())
    }

    pub(crate) fn repository(path: &str) -> Self {
        Self(format!("repositories/{path}"))
    }

    pub(crate) fn tags(name: &Name) -> Self {
        Self(format!("repositories/{name}/_tags"))
    }

    pub(crate) fn referrers(name: &Name, subject: &Digest) -> Self {
        Self(format!("repositories/{name}/_referrers/{}", dashed(subject)))
    }

    /// The referrers of every subject.
    pub(crate) fn all_referrers(name: &Name) -> Self {
        Self(format!("repositories/{name}/_referrers"))
    }

    pub(crate) fn uploads() -> Self {
        Self("uploads".into())
    }

    /// Where a bucket keeps the pieces of one upload, whose leaf [`upload`] made or a listing gave.
    pub(crate) fn upload(leaf: &str) -> Self {
        Self(format!("uploads/{leaf}"))
    }

    /// Where files are written before they are renamed.
    pub(crate) fn aside() -> Self {
        Self("tmp".into())
    }
}

impl Shard {
    pub(crate) fn of(digest: &Digest) -> Self {
        Self { algorithm: digest.algorithm(), first: digest.as_bytes()[0] }
    }

    /// All of them, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Algorithm::ALL.into_iter().flat_map(|algorithm| (0..=255).map(move |first| Self { algorithm, first }))
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{:02x}", self.algorithm.name(), self.first)
    }
}

/// The leaf of an upload.
pub(crate) fn upload(id: &UploadId, name: &Name) -> String {
    format!("{}{}", id.as_str(), holder(name))
}

fn holder(name: &Name) -> String {
    format!("@{}", name.as_str().replace('/', "+"))
}

fn dashed(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// Reads `<hex>@<name>`, a leaf of links and manifests.
pub(crate) fn held(algorithm: Algorithm, leaf: &str) -> Option<(Digest, Name)> {
    let (hex, name) = leaf.split_once('@')?;
    Some((Digest::from_hex(algorithm, hex).ok()?, name.replace('+', "/").parse().ok()?))
}

/// Reads a leaf of referrers.
pub(crate) fn undashed(leaf: &str) -> Option<Digest> {
    let (algorithm, hex) = leaf.split_once('-')?;
    Digest::from_hex(algorithm.parse().ok()?, hex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit_into_a_file_name() {
        let digest = Digest::of(Algorithm::Sha512, b"");
        let name: Name = "a".repeat(crate::name::MAX_NAME).parse().unwrap();
        let key = Key::link(&digest, &name);
        assert!(key.as_str().split('/').all(|part| part.len() <= 255));
    }

    #[test]
    fn leaves_are_read_as_they_were_written() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"x");
            let name: Name = "a/b-c/d".parse().unwrap();
            let key = Key::link(&digest, &name);
            let leaf = key.as_str().rsplit('/').next().unwrap();
            assert_eq!(held(algorithm, leaf), Some((digest, name)));
            assert_eq!(undashed(&dashed(&digest)), Some(digest));
            assert!(Shard::all().any(|shard| shard == Shard::of(&digest)));
        }
    }
}
