//! Finds what a text refers to: everything in it that has the form of a digest.

use std::collections::BTreeSet;

use crate::Digest;

/// Returns every run of exactly 64 lower-case hex digits, with `sha256:` before it or not.
///
/// What is kept refers to other things in many forms (OCI's `sha256:…`, in-toto's `{"sha256": "…"}`, paths of trees). One
/// rule that sees them all keeps too much at worst, never too little.
#[must_use]
pub fn references(text: &[u8]) -> BTreeSet<Digest> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let runs = text.split(|byte| !is_hex(byte)).filter(|run| run.len() == 64);
    runs.filter_map(|run| Digest::from_hex(std::str::from_utf8(run).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_digests_in_every_form() {
        let (a, b, c) = (Digest::of("a"), Digest::of("b"), Digest::of("c"));
        let text = format!(
            r#"{{"x": "{a}", "digest": {{"sha256": "{}"}}, "lower": "/store/trees/{}/usr", "no": "{}0"}}"#,
            b.hex(),
            c.hex(),
            a.hex()
        );
        assert_eq!(references(text.as_bytes()), BTreeSet::from([a, b, c]));
    }
}
