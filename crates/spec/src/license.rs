//! Licence expressions (SPDX 2.3, annex D), and what a wrong one was meant to be.

use std::ops::Range;

use spdx_list::error::Reason;
use spdx_list::{Expression, ParseMode, identifiers};

use crate::diagnostic::nearest;

/// What SPDX itself says in place of an expression.
const SPECIAL: [&str; 2] = ["NOASSERTION", "NONE"];

/// As people write them: identifiers that SPDX has replaced, and `GPL-2.0+`, are still understood.
const MODE: ParseMode = ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where in it.
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Finds the first thing that is wrong with a licence expression.
pub(crate) fn problem(expression: &str) -> Option<Problem> {
    if SPECIAL.contains(&expression) {
        return None;
    }
    let error = Expression::parse_mode(expression, MODE).err()?;
    // The parser may point at a part of a word.
    let is_word = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')');
    let from = expression.floor_char_boundary(error.span.start.min(expression.len()));
    let start = expression[..from].rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
    let end = expression[from..].find(|c| !is_word(c)).map_or(expression.len(), |at| from + at);
    let word = &expression[start.min(end)..end];
    let licenses = || meant(word, identifiers::LICENSES.iter().map(|one| one.name));
    let exceptions = || meant(word, identifiers::EXCEPTIONS.iter().map(|one| one.name));
    let (message, help) = match error.reason {
        Reason::Empty => ("the licence expression is empty".to_owned(), None),
        Reason::UnopenedParens | Reason::UnclosedParens => ("this parenthesis has no other half".to_owned(), None),
        Reason::UnknownException | Reason::UnknownLicense | Reason::UnknownTerm | Reason::InvalidCharacters => {
            if expression[..start.min(end)].trim_end().ends_with("WITH") {
                (format!("`{word}` is not an exception that SPDX knows"), exceptions())
            } else {
                (format!("`{word}` is not a licence that SPDX knows"), licenses().or_else(|| own(word)))
            }
        }
        _ => {
            let help = "licences are joined by `AND`, `OR` and `WITH`";
            (format!("`{word}` can not stand here in a licence expression"), Some(help.to_owned()))
        }
    };
    Some(Problem { at: start.min(end)..end, message, help })
}

fn meant(word: &str, names: impl Iterator<Item = &'static str> + Clone) -> Option<String> {
    let same = names.clone().find(|name| name.eq_ignore_ascii_case(word));
    same.or_else(|| nearest(word, names)).map(|name| format!("did you mean `{name}`?"))
}

fn own(word: &str) -> Option<String> {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    plain.then(|| format!("a licence of its own is called `LicenseRef-{word}`; `license-path` gives its text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_expressions() {
        for good in [
            "MIT",
            "MIT AND (Apache-2.0 WITH LLVM-exception OR BSD-3-Clause)",
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
            "GPL-2.0+",
            "LGPL-2.1",
            "LicenseRef-own-1.0 OR MIT",
            "NOASSERTION",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
    }

    #[test]
    fn says_what_is_wrong_where() {
        for (expression, word, help) in [
            ("MIT AND Apache2.0", "Apache2.0", Some("did you mean `Apache-2.0`?")),
            ("mit", "mit", Some("did you mean `MIT`?")),
            ("PROPRIETARY", "PROPRIETARY", Some("a licence of its own is called `LicenseRef-PROPRIETARY`; `license-path` gives its text")),
            ("(MIT", "(MIT", None),
            ("MIT ISC", "ISC", Some("licences are joined by `AND`, `OR` and `WITH`")),
            ("MIT WITH LLVM-exeption", "LLVM-exeption", Some("did you mean `LLVM-exception`?")),
        ] {
            let found = problem(expression).unwrap_or_else(|| panic!("{expression} is refused"));
            let shown = &expression[found.at.clone()];
            assert!(word.contains(shown) || shown.contains(word), "{expression}: {found:?}");
            assert_eq!(found.help.as_deref(), help, "{expression}: {found:?}");
        }
        assert!(problem("").is_some());
    }
}
