//! What a new lock changes, for a person to review.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Lock, Locked};

/// Returns one line for each change from `old` to `new`, and nothing if they lock the same packages.
#[must_use]
pub fn difference(old: Option<&Lock>, new: &Lock) -> String {
    let by_name = |lock: Option<&Lock>| -> BTreeMap<String, Locked> {
        lock.into_iter().flat_map(|lock| &lock.packages).map(|package| (package.name.clone(), package.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(Some(new)));
    let mut text = String::new();
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let _ = match (before.get(name), after.get(name)) {
            (Some(old), None) => writeln!(text, "- {name} {}", old.version),
            (None, Some(new)) => writeln!(text, "+ {name} {} {}", new.version, new.sha256),
            (Some(old), Some(new)) if old.sha256 != new.sha256 => {
                writeln!(text, "~ {name} {} -> {} {}", old.version, new.version, new.sha256)
            }
            (Some(old), Some(new)) if old != new => writeln!(text, "~ {name} {}: other path or depends", new.version),
            _ => Ok(()),
        };
    }
    let source = |lock: Option<&Lock>| -> BTreeMap<String, String> {
        let all = lock.into_iter().flat_map(|lock| &lock.sources);
        all.map(|one| (format!("source {} {}", one.name, one.version), one.seeds.join(", "))).collect()
    };
    let (before, after) = (source(old), source(Some(new)));
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        let _ = writeln!(text, "- {name}");
    }
    for (name, seeds) in after.iter().filter(|(name, seeds)| before.get(*name) != Some(seeds)) {
        let _ = writeln!(text, "+ {name} for {seeds}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::lock::tests::{lock, locked};
    use super::*;

    #[test]
    fn names_what_came_went_and_changed() {
        let old = lock(vec![locked("a", &[]), locked("b", &[]), locked("c", &[]), locked("e", &[])]);
        let mut changed = locked("b", &[]);
        changed.version = "2-1".parse().unwrap();
        changed.sha256 = base::Digest::of(b"new");
        let new = lock(vec![locked("a", &[]), changed, locked("d", &[]), locked("e", &["a"])]);
        let text = difference(Some(&old), &new).replace(&base::Digest::of(b"new").hex(), "NEW").replace(&base::Digest::of("d").hex(), "D");
        assert_eq!(text, "~ b 1-2 -> 2-1 sha256:NEW\n- c 1-2\n~ e 1-2: other path or depends\n+ d 1-2 sha256:D\n");
        assert_eq!(difference(Some(&old), &old), "");
        assert_eq!(difference(None, &old).lines().count(), 4);
    }
}
