//! Manifests kept in memory, by digest: what a digest names never changes, so nothing has to be made invalid.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderValue;

use crate::Digest;

/// A manifest ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: HeaderValue,
    pub(crate) digest: HeaderValue,
    pub(crate) etag: HeaderValue,
}

/// Manifests by digest, as many as fit into a bound of bytes.
///
/// When it is full, the older half goes: entries live in two generations, and one that is asked for moves to the
/// young one. That is nearly what least-recently-used would keep, for the price of two maps.
#[derive(Debug)]
pub(crate) struct Cache {
    most: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, Ready>,
    young_bytes: usize,
    old: HashMap<Digest, Ready>,
}

/// What an entry costs beside its bytes.
const OVERHEAD: usize = 512;

impl Cache {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, generations: Mutex::default() }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Ready> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = generations.young.get(digest) {
            return Some(ready.clone());
        }
        let ready = generations.old.remove(digest)?;
        self.insert(&mut generations, *digest, ready.clone());
        Some(ready)
    }

    pub(crate) fn put(&self, digest: Digest, ready: Ready) {
        self.insert(&mut self.generations.lock().unwrap_or_else(PoisonError::into_inner), digest, ready);
    }

    fn insert(&self, generations: &mut Generations, digest: Digest, ready: Ready) {
        let bytes = ready.bytes.len() + OVERHEAD;
        if generations.young_bytes + bytes > self.most / 2 {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        if bytes <= self.most / 2 && generations.young.insert(digest, ready).is_none() {
            generations.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn keeps_what_is_asked_for_and_never_more_than_its_bound() {
        let cache = Cache::new(20 * (1000 + OVERHEAD));
        let text = HeaderValue::from_static("x");
        let ready = Ready { bytes: vec![0; 1000].into(), media_type: text.clone(), digest: text.clone(), etag: text };
        let digest = |n: u32| Digest::of(Algorithm::Sha256, &n.to_le_bytes());
        for n in 0..1000 {
            cache.put(digest(n), ready.clone());
            assert!(cache.get(&digest(0)).is_some(), "{n}");
            let generations = cache.generations.lock().unwrap();
            assert!(generations.young.len() + generations.old.len() <= 20);
        }
        assert!(cache.get(&digest(1)).is_none());
    }
}
