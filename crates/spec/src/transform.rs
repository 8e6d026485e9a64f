//! `var-transforms` and version transforms: Go's `regexp.ReplaceAllString` in terms of the `regex` crate.
//!
//! Both engines read RE2's syntax; what differs is the template of the replacement, which is expanded here by Go's rules.

use regex::{Captures, Regex, RegexBuilder};

mod syntax;

/// Largest compiled expression: real ones take a few kB; a hostile one is refused before it takes memory.
const MAX_COMPILED: usize = 1 << 20;

/// A compiled transform.
#[derive(Debug, Clone)]
pub struct Transform {
    pattern: Regex,
    replace: String,
}

/// The regular expression can not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RegexError(String);

/// Compiles a regular expression as Go's `regexp` reads it.
///
/// # Errors
/// It can not be read, or is too large.
pub fn compile(pattern: &str) -> Result<Regex, RegexError> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(MAX_COMPILED).unicode(true).build();
    build(&syntax::translate(pattern)?).map_err(|error| {
        let message = match &error {
            regex::Error::CompiledTooBig(limit) => format!("the expression takes more than {limit} bytes when compiled"),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        RegexError(message)
    })
}

impl Transform {
    /// Compiles a transform.
    ///
    /// # Errors
    /// The expression can not be read.
    pub fn new(pattern: &str, replace: &str) -> Result<Self, RegexError> {
        Ok(Self { pattern: compile(pattern)?, replace: replace.to_owned() })
    }

    /// Replaces every match.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        self.pattern.replace_all(text, |captures: &Captures<'_>| expand(&self.replace, captures)).into_owned()
    }
}

/// Expands `$1`, `$name`, `${1}`, `${name}` and `$$`; the longest run of letters, digits and `_` is the name (`$1x` is `${1x}`).
///
/// A group that is not there is empty; a `$` before anything else stands for itself (Go's `Regexp.Expand`).
fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = group(rest) else {
            out.push('$');
            continue;
        };
        let value = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        out.push_str(value.map_or("", |m| m.as_str()));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Reads the name of a group behind a `$`.
fn group(text: &str) -> Option<(&str, &str)> {
    let word = |text: &str| text.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(text.len());
    match text.strip_prefix('{') {
        Some(inner) => {
            let end = word(inner);
            (end > 0 && inner[end..].starts_with('}')).then(|| (&inner[..end], &inner[end + 1..]))
        }
        None => {
            let end = word(text);
            (end > 0).then(|| text.split_at(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_go_does() {
        for (pattern, replace, text, wanted) in [
            (r"^(\d+)\.(\d+)\.\d+$", "$1.$2", "3.12.4", "3.12"),
            (r"^(\d+)\.(\d+).*", "${1}_${2}", "3.12.4", "3_12"),
            // `$1_` names a group `1_`, which is not there.
            (r"^(\d+)\.(\d+).*", "$1_$2", "3.12.4", "12"),
            (r"\.", "_", "1.2.3", "1_2_3"),
            (r"(?P<major>\d+)\..*", "v$major", "7.8", "v7"),
            (r"x", "$$", "axb", "a$b"),
            (r"x", "$ ", "axb", "a$ b"),
            (r"x", "$9", "axb", "ab"),
            (r"(\d+)_(\w+)", "$2-$1", "10_rc1", "rc1-10"),
            (r"[]x]", "-", "a]xb", "a--b"),
            (r"[[:digit:]]+", "N", "a12b", "aNb"),
            (r"[a&&b]", "-", "a&b", "---"),
            (r"\Qa.b\E", "-", "a.b axb", "- axb"),
            (r"\<x\>", "-", "<x> x", "- x"),
            (r"a{,2}", "-", "a{,2}aa", "-aa"),
            (r"\x{41}\p{Greek}{2}", "-", "Aαβ", "-"),
            (r"\101\x42", "-", "AB", "-"),
            (r"[+--]+", "x", "a+,-b", "axb"),
        ] {
            assert_eq!(Transform::new(pattern, replace).unwrap().apply(text), wanted, "{pattern} {replace}");
        }
    }

    #[test]
    fn classes_are_ascii_as_in_go() {
        assert_eq!(Transform::new(r"\w", "-").unwrap().apply("aä"), "-ä");
        assert_eq!(Transform::new(r"[\d]", "-").unwrap().apply("1\u{0661}"), "-\u{0661}");
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in ["(", "a{2,1}", r"(?=x)", r"(a)\1", "[z-a]", "*", r"\", "a**", "x{1001}", "(?x)a", r"\C", "[[:foo:]]"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile("((a{100}){100}){100}").is_err());
    }
}
