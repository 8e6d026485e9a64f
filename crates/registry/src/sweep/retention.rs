//! Rules by which tags and untagged manifests go: by repository, tag, age and number.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::picture::{Gone, Needed, Number, Picture, Tagged};
use super::{Sweep, Swept, is_older};
use crate::store::{Key, Store, StoreError};

/// A pattern of names: `*` stands for anything within a part, `**` for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern: letters, digits, `.`, `_`, `-`, `/`, `*` and `**`")]
pub struct PatternError(String);

/// What stays of the tags of some repositories. A tag goes by the first rule that it fits, and stays where it fits none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which repositories.
    pub repositories: Pattern,
    /// Which tags of them.
    pub tags: Pattern,
    /// So many of the newest stay.
    pub newest: Option<usize>,
    /// What is younger stays.
    pub younger: Option<Duration>,
    /// Manifests without a tag go when they are older. Without it, they stay.
    pub untagged: Option<Duration>,
}

impl Pattern {
    /// Whether `text` fits.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes())
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/*".contains(&byte);
        // Each star multiplies the ways to fit; eight are more than any rule has.
        if text.is_empty() || !text.bytes().all(known) || text.bytes().filter(|byte| *byte == b'*').count() > 8 {
            return Err(PatternError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|taken| fits(rest, &text[taken..])),
        [b'*', rest @ ..] => {
            let part = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=part).any(|taken| fits(rest, &text[taken..]))
        }
        [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
    }
}

/// Decides which tags go, and how long the untagged stay.
pub(super) fn decide(picture: &Picture, plan: &Sweep, now: SystemTime) -> Gone {
    let mut gone = Gone::default();
    for (number, tags) in &picture.tagged {
        let name = picture.names[*number as usize].as_str();
        let rules: Vec<&Rule> = plan.rules.iter().filter(|rule| rule.repositories.fits(name)).collect();
        if let Some(age) = rules.iter().find_map(|rule| rule.untagged) {
            gone.untagged.insert(*number, age);
        }
        let mut groups: BTreeMap<usize, Vec<&Tagged>> = BTreeMap::new();
        for tagged in tags {
            // A signature goes with what it signs, by no rule of its own.
            if tagged.tag.subject().is_some() {
                continue;
            }
            if let Some(rule) = rules.iter().position(|rule| rule.tags.fits(tagged.tag.as_str())) {
                groups.entry(rule).or_default().push(tagged);
            }
        }
        for (rule, mut group) in groups {
            let rule = rules[rule];
            if rule.newest.is_none() && rule.younger.is_none() {
                continue;
            }
            group.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.tag.cmp(&b.tag)));
            let going = group.into_iter().skip(rule.newest.unwrap_or(0));
            let going = going.filter(|tagged| rule.younger.is_none_or(|age| is_older(tagged.modified, now, age)));
            let going = going.filter(|tagged| is_older(tagged.modified, now, plan.grace));
            gone.tags.entry(*number).or_default().extend(going.cloned());
        }
    }
    gone
}

/// Adds the tags of what is not needed: signatures of the older scheme whose subject is gone.
pub(super) fn add_orphans(gone: &mut Gone, picture: &Picture, needed: &Needed, plan: &Sweep, now: SystemTime) {
    for (number, tags) in &picture.tagged {
        let name = &picture.names[*number as usize];
        for tagged in tags {
            let orphaned = tagged.tag.subject().is_some() && !needed.has_manifest(name, &tagged.digest);
            if orphaned && is_older(tagged.modified, now, plan.grace) {
                gone.tags.entry(*number).or_default().push(tagged.clone());
            }
        }
    }
}

/// Deletes tags, after they were announced and looked at again: one that was set meanwhile stays.
pub(super) async fn remove_tags(store: &Store, plan: &Sweep, picture: &Picture, gone: &Gone, swept: &mut Swept) -> Result<(), StoreError> {
    for (number, tags) in gone.tags.iter().filter(|(_, tags)| !tags.is_empty()) {
        let number: Number = *number;
        let name = &picture.names[number as usize];
        let announcement = Key::condemned_tags(name);
        if !plan.dry_run {
            let lines: Vec<&str> = tags.iter().map(|tagged| tagged.tag.as_str()).collect();
            store.put(&announcement, lines.join("\n").into()).await?;
        }
        for tagged in tags {
            let key = Key::tag(name, &tagged.tag);
            if !plan.dry_run {
                let same = store.stat(&key).await?.is_some_and(|meta| meta.modified == tagged.modified);
                if !same || store.tagged(name, &tagged.tag).await? != Some(tagged.digest) {
                    continue;
                }
                store.delete(&key).await?;
            }
            swept.removed_tags.entry(name.as_str().to_owned()).or_default().push(tagged.tag.as_str().to_owned());
        }
        if !plan.dry_run {
            store.delete(&announcement).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_people_mean_them() {
        for (pattern, text, fit) in [
            ("**", "a/b/c", true),
            ("*", "a/b", false),
            ("*", "a", true),
            ("a/*", "a/b", true),
            ("a/**", "a/b/c", true),
            ("a/**", "b/c", false),
            ("v1.*", "v1.2", true),
            ("v1.*", "v12", false),
            ("*-rc*", "1.0-rc1", true),
            ("", "", false),
        ] {
            let pattern = pattern.parse::<Pattern>();
            assert_eq!(pattern.is_ok_and(|pattern| pattern.fits(text)), fit, "{text}");
        }
        assert!("a b".parse::<Pattern>().is_err());
        assert!("*********".parse::<Pattern>().is_err());
    }
}
