//! The language of `if`: comparisons of texts, joined by `&&` and `||`.
//!
//! ```text
//! expression := term { ("&&" | "||") term }        both bind alike, from left to right (as melange has it)
//! term       := "(" expression ")" | value ("==" | "!=") value
//! value      := '…' | "…" | ${{name}}              \\ \' \" \n \t in quotes; ${{name}} there too
//! ```

use std::ops::Range;

use crate::text::variable;

/// Deepest parentheses: the evaluator calls itself for each.
const MAX_NESTING: usize = 32;

/// Why a condition can not be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is not a condition.
    Syntax {
        /// Where.
        at: Range<usize>,
        /// What is wrong.
        message: String,
        /// The way out, where it is known.
        help: Option<&'static str>,
    },
    /// A variable is not there.
    Undefined {
        /// Where.
        at: Range<usize>,
        /// Its name.
        name: String,
    },
}

/// Decides a condition; `lookup` gives the value of a variable.
pub(crate) fn evaluate(text: &str, lookup: &mut dyn FnMut(&str) -> Option<String>) -> Result<bool, Vec<Problem>> {
    let mut parser = Parser { text, at: 0, lookup, problems: Vec::new(), depth: 0 };
    let result = parser.expression().and_then(|value| {
        parser.space();
        if parser.at < text.len() {
            return Err(parser.syntax(parser.at..text.len(), "the condition should end here", HELP_OPERATORS));
        }
        Ok(value)
    });
    match result {
        Ok(value) if parser.problems.is_empty() => Ok(value),
        Ok(_) => Err(parser.problems),
        Err(problem) => {
            parser.problems.push(problem);
            Err(parser.problems)
        }
    }
}

const HELP_OPERATORS: Option<&str> = Some("conditions compare texts with `==` and `!=`, joined by `&&` and `||`");
const HELP_VALUE: Option<&str> = Some("a value is a text in quotes or a ${{variable}}");

struct Parser<'t, 'l> {
    text: &'t str,
    at: usize,
    lookup: &'l mut dyn FnMut(&str) -> Option<String>,
    problems: Vec<Problem>,
    depth: usize,
}

impl Parser<'_, '_> {
    fn syntax(&self, at: Range<usize>, message: &str, help: Option<&'static str>) -> Problem {
        let end = at.end.max(self.text.ceil_char_boundary((at.start + 1).min(self.text.len())));
        Problem::Syntax { at: at.start..end, message: message.to_owned(), help }
    }

    fn space(&mut self) {
        self.at += self.text[self.at..].len() - self.text[self.at..].trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expression(&mut self) -> Result<bool, Problem> {
        let mut value = self.term()?;
        loop {
            if self.take("&&") {
                value &= self.term()?;
            } else if self.take("||") {
                value |= self.term()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn term(&mut self) -> Result<bool, Problem> {
        if !self.take("(") {
            return self.comparison();
        }
        let open = self.at - 1;
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.syntax(open..open + 1, "too many parentheses inside each other", None));
        }
        let value = self.expression()?;
        if !self.take(")") {
            return Err(self.syntax(open..open + 1, "this `(` is not closed", None));
        }
        self.depth -= 1;
        Ok(value)
    }

    fn comparison(&mut self) -> Result<bool, Problem> {
        let left = self.value()?;
        let equal = if self.take("==") {
            true
        } else if self.take("!=") {
            false
        } else {
            self.space();
            let at = self.at..self.text.len();
            return Err(self.syntax(at, "`==` or `!=` is missing here", HELP_OPERATORS));
        };
        let right = self.value()?;
        Ok((left == right) == equal)
    }

    fn value(&mut self) -> Result<String, Problem> {
        self.space();
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some('$') if rest.starts_with("${{") => self.variable(),
            Some('!') => Err(self.syntax(self.at..self.at + 1, "there is no `!` before a value", Some("compare with `!=`"))),
            Some(_) => {
                let word = rest.find([' ', '\t', '\n', ')', '=', '!']).unwrap_or(rest.len()).max(1);
                Err(self.syntax(self.at..self.at + word, "a value was expected here", HELP_VALUE))
            }
            None => Err(self.syntax(self.at..self.at, "the condition ends too early", HELP_VALUE)),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Problem> {
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.text[self.at..].chars().next() {
            if c == quote {
                self.at += 1;
                return Ok(value);
            }
            if self.text[self.at..].starts_with("${{") {
                value += &self.variable()?;
                continue;
            }
            self.at += c.len_utf8();
            match (c, self.text[self.at..].chars().next()) {
                ('\\', Some(next)) => {
                    self.at += next.len_utf8();
                    match next {
                        '\\' | '\'' | '"' => value.push(next),
                        'n' => value.push('\n'),
                        't' => value.push('\t'),
                        other => value.extend(['\\', other]),
                    }
                }
                _ => value.push(c),
            }
        }
        Err(self.syntax(open..self.text.len(), "this text is not closed", None))
    }

    /// An unknown variable is noted and read as empty, so that all of them are found.
    fn variable(&mut self) -> Result<String, Problem> {
        let start = self.at;
        let (name, end) = variable(self.text, start);
        let Some(name) = name else {
            return Err(self.syntax(start..end, "this ${{…}} is not a variable", None));
        };
        self.at = end;
        let value = (self.lookup)(name);
        if value.is_none() {
            self.problems.push(Problem::Undefined { at: start..end, name: name.to_owned() });
        }
        Ok(value.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(text: &str) -> Result<bool, Vec<Problem>> {
        evaluate(text, &mut |name| match name {
            "build.arch" => Some("x86_64".to_owned()),
            "empty" => Some(String::new()),
            "quote" => Some("it's".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn decides_comparisons() {
        for (text, value) in [
            ("'a' == 'a'", true),
            ("'a'=='b'", false),
            ("\"a\" != 'b'", true),
            ("${{build.arch}} == 'x86_64'", true),
            ("${{ build.arch }} == \"aarch64\"", false),
            ("\"${{build.arch}}\" == \"x86_64\"", true),
            ("'${{build.arch}}-v1' == 'x86_64-v1'", true),
            ("${{empty}} == ''", true),
            ("${{quote}} == 'it\\'s'", true),
            ("'${{quote}}' == \"it's\"", true),
            ("${{\tbuild.arch\n}} == 'x86_64'", true),
            ("'a\\tb' == \"a\tb\"", true),
            ("'\\d' == '\\\\d'", true),
            ("${{build.arch}} != 'x86_64' && ${{build.arch}} != 'x86'", false),
            (" ( 'a' == 'b' ) || ('b' == 'b') ", true),
        ] {
            assert_eq!(decide(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn both_operators_bind_alike_from_left_to_right() {
        // With the usual precedence the first would be true.
        assert_eq!(decide("'a' == 'a' || 'a' == 'a' && 'a' == 'b'"), Ok(false));
        assert_eq!(decide("'a' == 'a' || ('a' == 'a' && 'a' == 'b')"), Ok(true));
    }

    #[test]
    fn refuses_what_is_no_condition() {
        for text in [
            "",
            "'a'",
            "'a' = 'b'",
            "a == b",
            "'a' == 'b' &&",
            "('a' == 'b'",
            "'a' == 'b')",
            "'a' == 'b",
            "!'a' == 'b'",
            "'a' == 'a' 'b'",
            "${{build.arch} == 'x'",
        ] {
            assert!(decide(text).is_err(), "{text}");
        }
        assert!(decide(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn finds_every_unknown_variable() {
        let problems = decide("${{a}} == ${{b}}").unwrap_err();
        assert_eq!(problems.len(), 2);
    }
}
