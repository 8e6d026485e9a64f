//! Public keys and when each of them counts: how keys are rotated.

use jiff::Timestamp;

use super::VerifyingKey;

/// From when and until when, both included; open where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The last moment.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Whether `time` is within.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time <= until)
    }
}

/// A public key, what people call it, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingKey {
    /// What people call it.
    pub name: String,
    /// The key.
    pub key: VerifyingKey,
    /// When it counts.
    pub period: Period,
}

/// Keys that are trusted, each in its period.
///
/// A signature without a time of another's making is dated by when it is looked at: a key whose period is over signs nothing
/// that is accepted any more. So images that are still used are signed again with the new key before the old one's period ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ring {
    keys: Vec<RingKey>,
}

impl Ring {
    /// Makes a ring.
    #[must_use]
    pub fn new(keys: Vec<RingKey>) -> Self {
        Self { keys }
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// Returns the keys that a bundle's hint may mean: of that digest; or, without a hint, all.
    pub fn hinted<'a, 'h>(&'a self, hint: &'h str) -> impl Iterator<Item = &'a RingKey> + use<'a, 'h> {
        self.keys.iter().filter(move |key| hint.is_empty() || key.key.hint() == hint)
    }
}
