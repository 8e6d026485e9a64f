//! Reads `WWW-Authenticate`: how a registry asks who is there (RFC 9110, 11.6.1; distribution's token specification).

use std::collections::BTreeMap;

/// The most bytes of a header that are read: an honest one has some hundred.
const MAX_HEADER: usize = 8 << 10;

/// One way in which a registry lets itself be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `bearer` or `basic`, in small letters.
    pub(super) scheme: String,
    /// `realm`, `service`, `scope`; keys in small letters.
    pub(super) parameters: BTreeMap<String, String>,
}

/// Reads one header, which may hold several challenges. What is no challenge is passed over.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut text = Scanner { rest: if header.len() > MAX_HEADER { "" } else { header } };
    let mut found: Vec<Challenge> = Vec::new();
    loop {
        text.skip(|c| c == ',' || c.is_ascii_whitespace());
        let word = text.token();
        if word.is_empty() {
            return found;
        }
        text.skip(|c| c == ' ' || c == '\t');
        // `key=value` belongs to the challenge before it; a word alone begins the next.
        match (text.rest.strip_prefix('='), found.last_mut()) {
            (Some(rest), Some(last)) => {
                text.rest = rest.trim_start();
                let Some(value) = text.value() else { return found };
                last.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            (Some(_), None) => return found,
            (None, _) => found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() }),
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    fn token(&mut self) -> String {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:?@[]{}".contains(c);
        let at = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(at);
        self.rest = rest;
        token.to_owned()
    }

    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else { return Some(self.token()) };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let parameters = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Challenge { scheme: scheme.into(), parameters }
    }

    #[test]
    fn reads_what_registries_ask() {
        let bearer = [("realm", "https://auth.example.org/token"), ("service", "example.org"), ("scope", "repository:a/b:pull,push")];
        let cases = [
            (
                r#"Bearer realm="https://auth.example.org/token",service="example.org",scope="repository:a/b:pull,push""#,
                vec![one("bearer", &bearer)],
            ),
            (
                r#"bearer  Realm = "https://auth.example.org/token" , service=example.org,scope="repository:a/b:pull,push""#,
                vec![one("bearer", &bearer)],
            ),
            (r#"Basic realm="a \"quoted\" realm""#, vec![one("basic", &[("realm", "a \"quoted\" realm")])]),
            ("Basic", vec![one("basic", &[])]),
            (
                r#"Basic realm="x", Bearer realm="https://t""#,
                vec![one("basic", &[("realm", "x")]), one("bearer", &[("realm", "https://t")])],
            ),
            ("", vec![]),
            ("=x", vec![]),
            (r#"Bearer realm="never ends"#, vec![one("bearer", &[])]),
            (r#"Bearer realm="first",realm="second""#, vec![one("bearer", &[("realm", "first")])]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse(&format!("Bearer realm=\"{}\"", "x".repeat(9000))), vec![]);
    }
}
