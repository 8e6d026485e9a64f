//! What two locks say differently, a line each.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Locked;

/// A value of one lock that is another in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: names from the outside in.
    pub place: Vec<String>,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{}: {} → {}", self.place.join(" "), text(&self.before), text(&self.after))
    }
}

/// Lists what differs, in the order of the file.
#[must_use]
pub fn difference(before: &Locked, after: &Locked) -> Vec<Change> {
    let (before, after) = (flat(before), flat(after));
    let places: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |place: &&Vec<String>| {
        let (before, after) = (before.get(*place).cloned(), after.get(*place).cloned());
        (before != after).then(|| Change { place: (*place).clone(), before, after })
    };
    places.iter().filter_map(change).collect()
}

fn flat(locked: &Locked) -> BTreeMap<Vec<String>, String> {
    fn walk(value: &Value, place: &mut Vec<String>, into: &mut BTreeMap<Vec<String>, String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            // Layers are told by number, from 1; padded, so that they stay in order.
            Value::Array(list) => list.iter().enumerate().map(|(at, value)| (format!("{:02}", at + 1), value)).collect(),
            Value::String(text) => return drop(into.insert(place.clone(), text.clone())),
            other => return drop(into.insert(place.clone(), other.to_string())),
        };
        for (key, value) in children {
            place.push(key);
            walk(value, place, into);
            place.pop();
        }
    }
    let value = serde_json::to_value(locked).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"));
    let mut into = BTreeMap::new();
    walk(&value, &mut Vec::new(), &mut into);
    into
}

#[cfg(test)]
mod tests {
    use base::{Arch, Digest};

    use super::super::tests::example;
    use super::*;

    #[test]
    fn names_each_value_that_changed() {
        let mut new = example();
        let image = new.images.get_mut("static").unwrap().get_mut(&Arch::X86_64).unwrap();
        image.diff_ids[1] = Digest::of("c");
        let zlib = new.packages.values_mut().next().unwrap().get_mut(&Arch::X86_64).unwrap();
        zlib.contents.remove("zlib-dev");
        zlib.epoch += 1;
        let lines: Vec<_> = difference(&example(), &new).iter().map(|change| change.to_string().replace(&"0".repeat(9), "")).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], format!("images static x86_64 diff-ids 02: {} → {}", Digest::of("b"), Digest::of("c")));
        assert_eq!(lines[1], format!("packages zlib x86_64 contents zlib-dev: {} → none", Digest::of("dev")));
        assert_eq!(lines[2], "packages zlib x86_64 epoch: 1706000000 → 1706000001");
        assert!(difference(&new, &new).is_empty());
    }
}
