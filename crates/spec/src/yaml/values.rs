//! YAML as plain values: for languages whose types live in another room, such as policies.

use serde_json::Value;

use super::{Kind, Node, Style, compose, parse_integer};
use crate::Diagnostics;

/// Reads one document as plain values. Plain scalars are numbers, truths or nothing where they look so; all else is text.
pub fn values(text: &str) -> Result<Value, Diagnostics> {
    let mut out = Diagnostics::new();
    let node = compose(text, &mut out);
    node.filter(|_| !out.has_errors()).map(|node| value(&node)).ok_or(out)
}

fn value(node: &Node) -> Value {
    match &node.kind {
        _ if node.is_null() => Value::Null,
        Kind::Scalar(text, Style::Plain) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => parse_integer(text).and_then(|number| i64::try_from(number).ok()).map_or_else(|| text.into(), Value::from),
        },
        Kind::Scalar(text, _) => text.as_str().into(),
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => entries
            .iter()
            .map(|(key, item)| (key.as_str().unwrap_or_default().to_owned(), value(item)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_what_they_look_like() {
        let value = values("a: [1, '1', true, null, T1, 2026-01-01T00:00:00Z]\nb:\n  c: |\n    x\n").unwrap();
        assert_eq!(value, json!({ "a": [1, "1", true, null, "T1", "2026-01-01T00:00:00Z"], "b": { "c": "x\n" } }));
    }

    #[test]
    fn a_key_that_stands_twice_is_a_mistake() {
        assert!(values("a: 1\na: 2\n").is_err());
    }
}
