//! Words of a script: quotes and expansions.

use super::{Problem, Read, Reader};
use crate::text::{OUTSIDE_OPEN, variable};

/// Characters that end a word.
const META: [char; 11] = [' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')'];

impl Reader<'_> {
    /// Reads a word, possibly none; returns whether there was one.
    pub(super) fn word(&mut self) -> Read<bool> {
        let start = self.at;
        if self.looking_at("<(") || self.looking_at(">(") {
            self.at += 1;
            self.parenthesis("process substitution")?;
        }
        while let Some(c) = self.peek() {
            match c {
                '(' if self.opens_array(start) => self.array()?,
                '(' if self.opens_pattern(start) => self.pattern_list()?,
                '\\' if self.rest().starts_with("\\\n") => self.at += 2,
                c if META.contains(&c) => break,
                _ => self.word_part(c, false)?,
            }
        }
        Ok(self.at > start)
    }

    /// Reads one character of a word with all that it opens.
    fn word_part(&mut self, c: char, in_double: bool) -> Read {
        match c {
            '\\' => {
                self.at += 1;
                if self.peek() == Some(OUTSIDE_OPEN) {
                    self.marks.push(self.at);
                }
                self.advance();
                Ok(())
            }
            '\'' if !in_double => self.single(),
            '"' if !in_double => self.double(),
            '`' => self.backquotes(),
            '$' => self.dollar(in_double),
            _ => {
                self.advance();
                Ok(())
            }
        }
    }

    fn single(&mut self) -> Read {
        let start = self.at;
        match self.text[start + 1..].find('\'') {
            Some(length) => {
                self.at = start + 1 + length + 1;
                self.note_marks(start..self.at);
                Ok(())
            }
            None => self.problem(start..start + 1, "a single quote is not closed"),
        }
    }

    fn ansi_quoted(&mut self) -> Read {
        let start = self.at;
        self.at += 2;
        while let Some(c) = self.peek() {
            self.advance();
            match c {
                '\\' => self.advance(),
                '\'' => {
                    self.note_marks(start..self.at);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.problem(start..start + 2, "`$'` is not closed")
    }

    fn double(&mut self) -> Read {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            if c == '"' {
                self.at += 1;
                return Ok(());
            }
            self.word_part(c, true)?;
        }
        self.problem(start..start + 1, "a double quote is not closed")
    }

    /// Reads expansions up to the end of the text.
    pub(super) fn expansions(&mut self) -> Read {
        while let Some(c) = self.peek() {
            self.word_part(c, true)?;
        }
        Ok(())
    }

    /// Reads the command in backquotes: what a backslash keeps from being read there is read by that command.
    fn backquotes(&mut self) -> Read {
        let start = self.at;
        self.at += 1;
        let mut inner = String::new();
        while let Some(c) = self.peek() {
            self.advance();
            match (c, self.peek()) {
                ('\\', Some(next @ ('`' | '\\' | '$'))) => {
                    inner.push(next);
                    self.advance();
                }
                ('`', _) => return self.command_in_backquotes(start, &inner),
                _ => inner.push(c),
            }
        }
        self.problem(start..start + 1, "a backquote is not closed")
    }

    fn command_in_backquotes(&mut self, start: usize, inner: &str) -> Read {
        let mut reader = Reader::new(inner);
        reader.depth = self.depth;
        let result = reader.nested(Reader::program);
        if !reader.marks.is_empty() {
            self.marks.push(start);
        }
        result.map_err(|problem| Problem {
            at: start..self.at,
            message: format!("{}, in backquotes", problem.message),
            help: problem.help,
            opened: None,
        })
    }

    fn dollar(&mut self, in_double: bool) -> Read {
        let rest = self.rest();
        if rest.starts_with("${{")
            && let (Some(_), end) = variable(self.text, self.at)
        {
            self.at = end;
            return Ok(());
        }
        if rest.starts_with("${") {
            return self.nested(|this| this.braces(in_double));
        }
        if rest.starts_with("$((") {
            let start = self.at;
            self.at += 1;
            if self.arithmetic().is_ok() {
                return Ok(());
            }
            self.at = start + 1;
            return self.parenthesis("`$(`");
        }
        if rest.starts_with("$(") {
            self.at += 1;
            return self.parenthesis("`$(`");
        }
        if rest.starts_with("$'") && !in_double {
            return self.ansi_quoted();
        }
        self.at += 1;
        // `$#` begins no comment, `$$` no further expansion.
        if self.peek().is_some_and(|c| "#$?!@*-".contains(c)) {
            self.at += 1;
        }
        Ok(())
    }

    /// Reads `${…}`.
    fn braces(&mut self, in_double: bool) -> Read {
        let start = self.at;
        self.at += 2;
        let first = self.at;
        while let Some(c) = self.peek() {
            match c {
                '}' if self.at == first => return self.problem(start..self.at + 1, "`${}` names nothing"),
                '}' => {
                    self.at += 1;
                    return Ok(());
                }
                // Inside double quotes a quote here is text, except a further double quote.
                '"' => self.double()?,
                _ => self.word_part(c, in_double)?,
            }
        }
        self.problem(start..start + 2, "`${` is not closed")
    }

    /// Reads `((…))`, whatever stands in it.
    pub(super) fn arithmetic(&mut self) -> Read {
        let start = self.at;
        self.at += 2;
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '(' => {
                    open += 1;
                    self.at += 1;
                }
                ')' if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                ')' if self.take("))") => return Ok(()),
                ')' => break,
                ';' if open == 0 && !self.text[..start].trim_end().ends_with("for") => break,
                _ => self.word_part(c, false)?,
            }
        }
        self.problem(start..start + 2, "`((` is not closed")
    }

    /// Reads `(…)` with commands in it; `what` opened it.
    pub(super) fn parenthesis(&mut self, what: &str) -> Read {
        let start = self.at;
        self.at += 1;
        self.nested(Self::list)?;
        if self.take(")") {
            return Ok(());
        }
        match self.here_is() {
            Some(found) => self.problem(self.at..self.at + 1, format!("{found} stands where {what} should be closed")),
            None => self.problem(start..start + 1, format!("{what} is not closed")),
        }
    }

    /// Whether what was read of the word is `name=` or `name+=`.
    fn opens_array(&self, start: usize) -> bool {
        let Some(name) = self.text[start..self.at].strip_suffix('=') else { return false };
        let name = name.strip_suffix('+').unwrap_or(name);
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    }

    fn array(&mut self) -> Read {
        let start = self.at;
        self.at += 1;
        loop {
            self.lines()?;
            if self.take(")") {
                return Ok(());
            }
            if !self.word()? {
                return self.problem(start..start + 1, "the list of values is not closed");
            }
        }
    }

    /// Whether what was read of the word ends in one of `?*+@!`, which bash takes with a list of patterns.
    fn opens_pattern(&self, start: usize) -> bool {
        self.text[start..self.at].ends_with(['?', '*', '+', '@', '!'])
    }

    fn pattern_list(&mut self) -> Read {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                ')' => {
                    self.at += 1;
                    return Ok(());
                }
                '(' => self.nested(Self::pattern_list)?,
                '\n' => break,
                _ => self.word_part(c, false)?,
            }
        }
        self.problem(start..start + 1, "this list of patterns is not closed")
    }

    /// Reads the right side of `=~`: blanks end it, unless they stand in parentheses or quotes.
    pub(super) fn regular_expression(&mut self) -> Read {
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => return Ok(()),
                ')' => open -= 1,
                ' ' | '\t' if open > 0 => {}
                ' ' | '\t' | '\n' => return Ok(()),
                _ => {
                    self.word_part(c, false)?;
                    continue;
                }
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Reads the word that ends a here-document: as written, without its quotes.
    pub(super) fn delimiter(&mut self) -> Result<(String, bool), Problem> {
        let start = self.at;
        self.word()?;
        let written = &self.text[start..self.at];
        let quoted = written.contains(['\'', '"', '\\']);
        Ok((written.replace(['\'', '"', '\\'], ""), quoted))
    }
}
