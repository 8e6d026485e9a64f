//! RE2's syntax, as Go reads it, in the words of the `regex` crate.
//!
//! The two agree in most; here is what they do not: ASCII classes, literal braces, escaped punctuation, plain members of
//! brackets, and what Go refuses.

use std::iter::Peekable;
use std::str::Chars;

use super::RegexError;

/// Most repetitions that RE2 takes.
const MAX_REPEAT: u32 = 1000;

/// The named classes of RE2.
const CLASSES: [&str; 14] =
    ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

/// Whether what comes next may be repeated, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Something that may be repeated, or nothing at all.
    Item,
    /// A repetition: `?` makes it lazy, anything else is one repetition too many.
    Repetition,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<String, RegexError> {
    let mut translator =
        Translator { chars: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 16), after: After::Item };
    while let Some(c) = translator.chars.next() {
        translator.step(c)?;
    }
    Ok(translator.out)
}

struct Translator<'p> {
    chars: Peekable<Chars<'p>>,
    out: String,
    after: After,
}

impl Translator<'_> {
    fn step(&mut self, c: char) -> Result<(), RegexError> {
        match c {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            '*' | '+' | '?' => self.repetition(&c.to_string()),
            '{' => match self.counted() {
                Some(Ok(counted)) => self.repetition(&counted),
                Some(Err(error)) => Err(error),
                None => self.item("\\{"),
            },
            '}' => self.item("\\}"),
            ']' => self.item("\\]"),
            c => self.item(c.encode_utf8(&mut [0; 4])),
        }
    }

    fn item(&mut self, text: &str) -> Result<(), RegexError> {
        self.out.push_str(text);
        self.after = After::Item;
        Ok(())
    }

    fn repetition(&mut self, operator: &str) -> Result<(), RegexError> {
        if self.after == After::Repetition {
            return Err(RegexError(format!("`{operator}` repeats a repetition")));
        }
        self.out.push_str(operator);
        if self.chars.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.after = After::Repetition;
        Ok(())
    }

    /// Reads `{2}`, `{2,}` or `{2,4}` behind the brace; anything else is text.
    fn counted(&mut self) -> Option<Result<String, RegexError>> {
        let ahead: String = self.chars.clone().take_while(|&c| c != '}').take(16).collect();
        let (from, to) = ahead.split_once(',').map_or((ahead.as_str(), None), |(from, to)| (from, Some(to)));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let closed = self.chars.clone().nth(ahead.chars().count()) == Some('}');
        if !(closed && number(from) && to.is_none_or(|to| to.is_empty() || number(to))) {
            return None;
        }
        let large = |text: &str| text.parse::<u32>().map_or(true, |n| n > MAX_REPEAT);
        if large(from) || to.is_some_and(|to| !to.is_empty() && large(to)) {
            return Some(Err(RegexError(format!("`{{{ahead}}}` repeats more than {MAX_REPEAT} times"))));
        }
        self.chars.nth(ahead.chars().count());
        Some(Ok(format!("{{{ahead}}}")))
    }

    /// Reads what opens a group: RE2 has the flags `i`, `m`, `s`, `U` and no look-around.
    fn group(&mut self) -> Result<(), RegexError> {
        let ahead: String = self.chars.clone().take_while(|&c| c != ')' && c != ':').collect();
        if let Some(flags) = ahead.strip_prefix('?') {
            let named = flags.starts_with("P<") || (flags.starts_with('<') && !flags.starts_with("<=") && !flags.starts_with("<!"));
            if flags.starts_with(['=', '!']) || (flags.starts_with('<') && !named) {
                return Err(RegexError("look-around is not supported".to_owned()));
            }
            if let Some(flag) = flags.chars().find(|c| !named && !"imsU-".contains(*c)) {
                return Err(RegexError(format!("there is no flag `{flag}`")));
            }
            self.item("(?")?;
            self.chars.next();
            return Ok(());
        }
        self.item("(")
    }

    fn escape(&mut self) -> Result<(), RegexError> {
        let Some(c) = self.chars.next() else { return Err(RegexError("a backslash ends the expression".to_owned())) };
        let text = match c {
            'd' => "[0-9]",
            'w' => "[0-9A-Za-z_]",
            's' => "[\\t\\n\\f\\r ]",
            'D' => "[^0-9]",
            'W' => "[^0-9A-Za-z_]",
            'S' => "[^\\t\\n\\f\\r ]",
            'b' => "(?-u:\\b)",
            'Q' => return self.quoted(),
            'C' | 'u' | 'U' => return Err(RegexError(format!("`\\{c}` is not supported"))),
            c => return self.other_escape(c),
        };
        self.item(text)
    }

    /// An escape that means the same in both, or escaped punctuation, which is itself.
    fn other_escape(&mut self, c: char) -> Result<(), RegexError> {
        if let Some(octal) = self.octal(c) {
            return self.item(&octal);
        }
        if c.is_ascii_punctuation() {
            self.item(&regex::escape(c.encode_utf8(&mut [0; 4])))
        } else {
            self.item(&format!("\\{c}"))?;
            // The braces of `\x{41}` and `\p{Greek}` are not those of a repetition.
            if matches!(c, 'x' | 'p' | 'P') && self.chars.peek() == Some(&'{') {
                for inner in self.chars.by_ref() {
                    self.out.push(inner);
                    if inner == '}' {
                        break;
                    }
                }
            }
            Ok(())
        }
    }

    /// Reads `\0`, `\07` or `\123`; a single other digit would be a reference back, which RE2 does not have.
    fn octal(&mut self, c: char) -> Option<String> {
        let octal = |c: &char| ('0'..='7').contains(c);
        if !(c == '0' || (octal(&c) && self.chars.peek().is_some_and(octal))) {
            return None;
        }
        let mut code = c.to_digit(8)?;
        for _ in 0..2 {
            let Some(digit) = self.chars.next_if(octal) else { break };
            code = code * 8 + digit.to_digit(8)?;
        }
        Some(format!("\\x{{{code:x}}}"))
    }

    fn quoted(&mut self) -> Result<(), RegexError> {
        let rest: String = self.chars.clone().collect();
        let text = rest.split("\\E").next().unwrap_or_default();
        let closed = rest.len() > text.len();
        let count = text.chars().count() + if closed { 2 } else { 0 };
        if count > 0 {
            self.chars.nth(count - 1);
        }
        self.item(&regex::escape(text))
    }

    /// Reads what stands in brackets: there the other engine nests and combines where Go has plain members.
    fn class(&mut self) -> Result<(), RegexError> {
        self.item("[")?;
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.chars.next_if_eq(&']').is_some() {
            self.out.push_str("\\]");
        }
        while let Some(c) = self.chars.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.chars.peek() == Some(&':') => self.named_class()?,
                '-' if self.chars.peek() == Some(&'-') => {
                    self.chars.next();
                    self.out.push_str("-\\-");
                }
                '[' | '&' | '~' => self.out.extend(['\\', c]),
                '\\' => self.class_escape()?,
                c => self.out.push(c),
            }
        }
        Err(RegexError("`[` is not closed".to_owned()))
    }

    fn named_class(&mut self) -> Result<(), RegexError> {
        self.out.push('[');
        let name: String = self.chars.clone().take_while(|&c| c != ']').collect();
        // Without `:]` it is a bracket like any other member.
        if name.len() > 1 && name.ends_with(':') {
            if !CLASSES.contains(&name.trim_matches(':').trim_start_matches('^')) {
                return Err(RegexError(format!("there is no class `[{name}]`")));
            }
            self.out.push_str(&name);
            self.out.push(']');
            self.chars.nth(name.chars().count());
        } else {
            self.out.insert(self.out.len() - 1, '\\');
        }
        Ok(())
    }

    fn class_escape(&mut self) -> Result<(), RegexError> {
        let Some(c) = self.chars.next() else { return Err(RegexError("a backslash ends the expression".to_owned())) };
        let text = match c {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => "\\t\\n\\f\\r ",
            'D' => "[^0-9]",
            'W' => "[^0-9A-Za-z_]",
            'S' => "[^\\t\\n\\f\\r ]",
            'b' | 'B' | 'A' | 'z' | 'C' | 'Q' | 'E' | 'u' | 'U' => {
                return Err(RegexError(format!("`\\{c}` can not stand in brackets")));
            }
            c if c.is_ascii_punctuation() => {
                self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                if matches!(c, '&' | '~' | '-') && !self.out.ends_with(&['\\', c].iter().collect::<String>()) {
                    self.out.insert(self.out.len() - 1, '\\');
                }
                return Ok(());
            }
            c => return self.other_escape(c),
        };
        self.out.push_str(text);
        Ok(())
    }
}
