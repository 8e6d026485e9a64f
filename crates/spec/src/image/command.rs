//! Dividing a command line into words as apko does.

use super::Words;
use crate::text::locate_offset;
use crate::yaml::Spanned;
use crate::{Code, Diagnostic, Diagnostics};

/// Divides a command line into words, or returns `None` when a quote is not closed or a backslash ends the text.
///
/// Blanks divide; quotes keep together; a backslash takes the next character as it is, in double quotes too (a shell
/// would keep it there before most characters); `#` at the begin of a word hides the rest of the line. Nothing is expanded.
#[must_use]
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                chars.by_ref().find(|c| *c == '\n');
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Divides a command, unless it is a list already; `change` is applied to the text before.
pub(super) fn words(command: &Spanned<Words>, source: &str, out: &mut Diagnostics, change: &mut dyn FnMut(&str) -> String) -> Vec<String> {
    match &command.value {
        Words::List(list) => list.iter().map(|word| change(word)).collect(),
        Words::Line(written) => split(&change(written)).unwrap_or_else(|| {
            let span = locate_offset(source, command.span, written, 0);
            let error = Diagnostic::error(Code::BadCommand, span, "a quote in this command is not closed");
            out.push(error.help("close the quote, or write the words as a list"));
            Vec::new()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn divides_as_apko_does() {
        for (line, words) in [
            ("", &[] as &[&str]),
            ("  a  b\tc ", &["a", "b", "c"]),
            ("-g \"daemon off;\"", &["-g", "daemon off;"]),
            ("a'b c'd", &["ab cd"]),
            ("\"\" ''", &["", ""]),
            ("\"a\\n\\\"\"", &["an\""]),
            ("'a\\n'", &["a\\n"]),
            ("a\\ b", &["a b"]),
            ("a # b", &["a"]),
            ("a#b", &["a#b"]),
            ("$X *", &["$X", "*"]),
        ] {
            assert_eq!(split(line).as_deref(), Some(words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>().as_slice()), "{line}");
        }
    }

    #[test]
    fn refuses_what_is_not_closed() {
        for line in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
