//! Commands of a script: what opens must close, and what joins must have something on both sides.

use super::{HereDocument, Problem, Read, Reader};

/// Words that end a list of commands.
const CLOSING: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl<'s> Reader<'s> {
    pub(super) fn program(&mut self) -> Read {
        self.list()?;
        if let Some(found) = self.here_is() {
            let length = self.here_word().map_or(1, str::len);
            let help = match self.here_word() {
                Some("fi") => "it closes no `if`",
                Some("done") => "it closes no `for`, `while` or `until`",
                Some("then" | "else" | "elif") => "it belongs to no `if`",
                Some("do") => "it belongs to no `for`, `while` or `until`",
                Some("esac") => "it closes no `case`",
                Some("}") => "it closes no `{`",
                _ => "nothing is open that it could close",
            };
            return self.problem_help(self.at..self.at + length, format!("{found} stands alone"), help);
        }
        if let Some(document) = self.here.first() {
            let message = format!("the here-document is not ended by a line `{}`", document.end);
            return self.problem(document.at.clone(), message);
        }
        Ok(())
    }

    /// Reads commands up to something that closes, which stays.
    pub(super) fn list(&mut self) -> Read {
        loop {
            self.lines()?;
            if self.rest().is_empty() || self.closes() {
                return Ok(());
            }
            self.and_or()?;
            // `(a) then` needs no `;`: the bracket has ended the command.
            let closed = self.text.get(self.closed..self.at).is_some_and(|between| between.trim().is_empty());
            self.blank();
            if closed && self.here_word().is_some_and(|word| CLOSING.contains(&word)) {
                return Ok(());
            }
            let separated = match self.peek() {
                Some(';') if !self.looking_at(";;") && !self.looking_at(";&") => {
                    self.at += 1;
                    true
                }
                Some('&') if !self.looking_at("&&") => {
                    self.at += 1;
                    true
                }
                Some('\n') | None => true,
                _ => self.looking_at(")") || self.looking_at(";;") || self.looking_at(";&"),
            };
            if !separated {
                let found = self.here_is().unwrap_or_default();
                return self.problem(self.at..self.at + 1, format!("{found} can not follow here"));
            }
        }
    }

    /// Reads a list that must hold at least one command, between the words `open` and `close`.
    fn body(&mut self, open: &str, close: &str) -> Read {
        let start = self.at;
        self.nested(Self::list)?;
        let inner = &self.text[start..self.at];
        let empty = inner.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'));
        if empty && self.here_is().is_some() {
            let at = start.saturating_sub(open.len())..start;
            return self.problem_help(
                at,
                format!("there is no command between `{open}` and `{close}`"),
                "`:` is a command that does nothing",
            );
        }
        Ok(())
    }

    fn closes(&self) -> bool {
        self.looking_at(")")
            || self.looking_at(";;")
            || self.looking_at(";&")
            || self.here_word().is_some_and(|word| CLOSING.contains(&word))
    }

    /// The word here if it is written without quotes and expansions.
    fn here_word(&self) -> Option<&'s str> {
        let rest = self.rest();
        let end = rest.find([' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')']).unwrap_or(rest.len());
        let word = &rest[..end];
        (!word.is_empty() && !word.contains(['\'', '"', '\\', '$', '`'])).then_some(word)
    }

    /// Says what stands here, for messages.
    pub(super) fn here_is(&self) -> Option<String> {
        if let Some(word) = self.here_word() {
            return Some(format!("`{word}`"));
        }
        for operator in ["&&", "||", ";;", ";&", "|", "&", ";", ")", "(", "<", ">"] {
            if self.looking_at(operator) {
                return Some(format!("`{operator}`"));
            }
        }
        self.peek().map(|c| format!("`{c}`"))
    }

    fn and_or(&mut self) -> Read {
        self.pipeline()?;
        loop {
            self.blank();
            let operator = ["&&", "||"].into_iter().find(|operator| self.looking_at(operator));
            let Some(operator) = operator else { return Ok(()) };
            let start = self.at;
            self.at += 2;
            self.lines()?;
            self.has_command(start..start + 2, operator)?;
            self.pipeline()?;
        }
    }

    fn has_command(&self, at: std::ops::Range<usize>, operator: &str) -> Read {
        if self.rest().is_empty() || self.closes() {
            return self.problem(at, format!("there is no command after `{operator}`"));
        }
        Ok(())
    }

    fn pipeline(&mut self) -> Read {
        while let Some(word @ ("!" | "time")) = self.here_word() {
            self.at += self.here_word().map_or(0, str::len);
            self.blank();
            if self.looking_at("-p") {
                self.at += 2;
                self.blank();
            }
            // Alone it tells the time of nothing.
            if word == "time" && (self.rest().is_empty() || self.looking_at("\n") || self.looking_at(";")) {
                return Ok(());
            }
        }
        self.command()?;
        loop {
            self.blank();
            if !self.looking_at("|") || self.looking_at("||") {
                return Ok(());
            }
            let start = self.at;
            self.at += 1;
            self.take("&");
            self.lines()?;
            self.has_command(start..start + 1, "|")?;
            self.command()?;
        }
    }

    fn command(&mut self) -> Read {
        self.blank();
        let start = self.at;
        if self.looking_at("((") {
            if self.arithmetic().is_ok() {
                return self.redirections();
            }
            self.at = start;
        }
        if self.looking_at("(") {
            self.parenthesis("`(`")?;
            return self.redirections();
        }
        let Some(word) = self.here_word() else { return self.simple() };
        match word {
            "{" => {
                self.at += 1;
                self.body("{", "}")?;
                self.close("{", start, "}")?;
            }
            "if" => self.if_command(start)?,
            "while" | "until" => {
                self.at += word.len();
                self.body(word, "do")?;
                self.loop_body(word, start)?;
            }
            "for" | "select" => self.for_command(word, start)?,
            "case" => self.case_command(start)?,
            "[[" => self.test_command(start)?,
            "function" => return self.function(start),
            "coproc" => return self.nested(Self::coprocess),
            word if CLOSING.contains(&word) => {
                return self.problem(start..start + word.len(), format!("`{word}` can not stand here"));
            }
            _ => return self.simple(),
        }
        self.redirections()
    }

    /// `coproc COMMAND`, or `coproc NAME COMPOUND`.
    fn coprocess(&mut self) -> Read {
        self.at += "coproc".len();
        self.blank();
        let named = self.at + self.here_word().map_or(0, str::len);
        let begins = |word: &str| matches!(word, "{" | "if" | "while" | "until" | "for" | "select" | "case" | "[[");
        let here = std::mem::replace(&mut self.at, named);
        self.blank();
        if named == here || !(self.looking_at("(") || self.here_word().is_some_and(begins)) {
            self.at = here;
        }
        self.command()
    }

    /// Takes the word that closes what was opened at `start`.
    fn close(&mut self, open: &str, start: usize, close: &str) -> Read {
        if self.here_word() == Some(close) {
            self.at += close.len();
            return Ok(());
        }
        match self.here_is() {
            Some(found) => {
                let length = self.here_word().map_or(1, str::len);
                Err(Problem {
                    at: self.at..self.at + length,
                    message: format!("{found} stands where the `{open}` before it needs `{close}`"),
                    help: None,
                    opened: Some((start, open.to_owned())),
                })
            }
            None => self.problem(start..start + open.len(), format!("this `{open}` has no `{close}`")),
        }
    }

    fn if_command(&mut self, start: usize) -> Read {
        self.at += 2;
        self.body("if", "then")?;
        self.close("if", start, "then")?;
        self.body("then", "fi")?;
        loop {
            match self.here_word() {
                Some("elif") => {
                    self.at += 4;
                    self.body("elif", "then")?;
                    self.close("elif", start, "then")?;
                    self.body("then", "fi")?;
                }
                Some("else") => {
                    self.at += 4;
                    self.body("else", "fi")?;
                    return self.close("if", start, "fi");
                }
                _ => return self.close("if", start, "fi"),
            }
        }
    }

    fn loop_body(&mut self, open: &str, start: usize) -> Read {
        self.close(open, start, "do")?;
        self.body("do", "done")?;
        self.close(open, start, "done")
    }

    fn for_command(&mut self, word: &str, start: usize) -> Read {
        self.at += word.len();
        self.blank();
        if self.looking_at("((") {
            self.arithmetic()?;
        } else {
            let name = self.at;
            if !self.word()? {
                return self.problem(start..start + word.len(), format!("`{word}` needs the name of a variable"));
            }
            let written = &self.text[name..self.at];
            let plain = written.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !(plain || written.starts_with("${{")) {
                return self.problem(name..self.at, format!("`{written}` is no name for a variable"));
            }
            self.lines()?;
            if self.here_word() == Some("in") {
                self.at += 2;
                loop {
                    self.blank();
                    if !self.word()? {
                        break;
                    }
                }
            }
        }
        self.blank();
        self.take(";");
        self.lines()?;
        if self.here_word() == Some("{") {
            let open = self.at;
            self.at += 1;
            self.body("{", "}")?;
            return self.close("{", open, "}");
        }
        self.loop_body(word, start)
    }

    fn case_command(&mut self, start: usize) -> Read {
        self.at += 4;
        self.blank();
        self.word()?;
        self.lines()?;
        if self.here_word() != Some("in") {
            return self.problem(start..start + 4, "this `case` has no `in`");
        }
        self.at += 2;
        loop {
            self.lines()?;
            if self.here_word() == Some("esac") {
                self.at += 4;
                return Ok(());
            }
            if self.rest().is_empty() {
                return self.problem(start..start + 4, "this `case` has no `esac`");
            }
            self.patterns(start)?;
            self.nested(Self::list)?;
            let ended = [";;&", ";;", ";&"].into_iter().any(|end| self.take(end));
            if !ended && self.here_word() != Some("esac") {
                return self.close("case", start, "esac");
            }
        }
    }

    fn patterns(&mut self, start: usize) -> Read {
        self.take("(");
        loop {
            self.blank();
            let at = self.at;
            if !self.word()? {
                let found = self.here_is().unwrap_or_default();
                return self.problem(at..at + 1, format!("a pattern of the `case` was expected, not {found}"));
            }
            self.blank();
            if self.take(")") {
                return Ok(());
            }
            if !self.take("|") {
                return Err(Problem {
                    at: at..self.at,
                    message: "this pattern is not followed by `)`".to_owned(),
                    help: None,
                    opened: Some((start, "case".to_owned())),
                });
            }
        }
    }

    fn test_command(&mut self, start: usize) -> Read {
        self.at += 2;
        loop {
            self.lines()?;
            if self.here_word() == Some("]]") {
                self.at += 2;
                return Ok(());
            }
            if self.here_word() == Some("=~") {
                self.at += 2;
                self.blank();
                self.regular_expression()?;
                continue;
            }
            if self.rest().is_empty() || self.looking_at(";") {
                return self.problem_help(
                    start..start + 2,
                    "this `[[` is not closed",
                    "`]]` is a word of its own: a blank stands before it",
                );
            }
            let operator = ["&&", "||", "(", ")", "<", ">"].into_iter().any(|operator| self.take(operator));
            if !operator && !self.word()? {
                return self.problem(self.at..self.at + 1, "this can not stand between `[[` and `]]`");
            }
        }
    }

    fn function(&mut self, start: usize) -> Read {
        self.at += "function".len();
        self.blank();
        if !self.word()? {
            return self.problem(start..start + 8, "this `function` has no name");
        }
        self.blank();
        if self.take("(") {
            self.blank();
            if !self.take(")") {
                return self.problem(start..self.at, "`(` after the name of a function must be `()`");
            }
        }
        self.function_body(start)
    }

    fn function_body(&mut self, start: usize) -> Read {
        self.lines()?;
        if self.rest().is_empty() || self.closes() {
            return self.problem(start..start + 1, "this function does nothing");
        }
        self.nested(Self::command)
    }

    fn simple(&mut self) -> Read {
        let start = self.at;
        let mut words = 0;
        loop {
            self.blank();
            if self.redirection()? {
                continue;
            }
            if !self.word()? {
                break;
            }
            words += 1;
            if words == 1 && self.starts_function() {
                self.at += self.rest().find(')').unwrap_or(0) + 1;
                return self.function_body(start);
            }
        }
        if self.at == start {
            let found = self.here_is().unwrap_or_default();
            return self.problem(start..start + 1, format!("there is no command before {found}"));
        }
        if self.looking_at("(") {
            return self.problem_help(self.at..self.at + 1, "`(` can not stand here", "quote it, or put a `;` before it");
        }
        Ok(())
    }

    /// Whether `()` follows the word.
    fn starts_function(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        rest.strip_prefix('(').is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with(')'))
    }

    fn redirections(&mut self) -> Read {
        self.closed = self.at;
        loop {
            self.blank();
            let start = self.at;
            let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_digit()).len();
            self.at += digits;
            if !self.redirection()? {
                self.at = start;
                return Ok(());
            }
        }
    }

    /// Reads a redirection; returns whether there was one.
    fn redirection(&mut self) -> Read<bool> {
        // `<(` and `>(` are words.
        if self.looking_at("<(") || self.looking_at(">(") {
            return Ok(false);
        }
        let start = self.at;
        const OPERATORS: [&str; 12] = ["<<<", "<<-", "<<", "&>>", "&>", ">>", ">&", ">|", "<&", "<>", ">", "<"];
        let Some(operator) = OPERATORS.into_iter().find(|operator| self.take(operator)) else { return Ok(false) };
        self.blank();
        if matches!(operator, "<<" | "<<-") {
            let (end, quoted) = self.delimiter()?;
            if end.is_empty() {
                return self.problem(start..self.at, "this here-document has no word that ends it");
            }
            self.here.push(HereDocument { at: start..self.at, end, quoted, tabs: operator == "<<-" });
        } else if !self.word()? {
            return self.problem(start..start + operator.len(), format!("`{operator}` needs a file"));
        }
        Ok(true)
    }
}
