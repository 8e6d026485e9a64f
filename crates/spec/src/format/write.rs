//! Writes a tree again, each value as it was written, in canonical order.

use std::collections::VecDeque;

use super::comments::{Comment, Lines};
use crate::yaml::{Field, Kind, Node, Shape, Style};
use crate::{Code, Diagnostic, Diagnostics};

/// How far each level is indented.
const STEP: usize = 2;

type Written<T> = Result<T, Diagnostics>;

pub(super) struct Writer<'t> {
    lines: Lines<'t>,
    comments: VecDeque<Comment>,
}

/// An entry or item, ready to be put in its place.
struct Part {
    order: usize,
    /// Comments above it, without indentation.
    comments: Vec<String>,
    /// Its lines, the first one without indentation.
    text: String,
    /// Comments below it, without indentation.
    below: Vec<String>,
    blank_before: bool,
}

impl<'t> Writer<'t> {
    pub(super) fn new(text: &'t str, root: &Node) -> Self {
        let lines = Lines::new(text);
        let comments = lines.comments(root).into();
        Self { lines, comments }
    }

    pub(super) fn document(mut self, root: &Node, shape: Shape) -> Written<String> {
        let mut out = String::new();
        for line in self.header(root) {
            out += &line;
            out.push('\n');
        }
        let (Kind::Mapping(entries), Shape::Record(fields)) = (&root.kind, shape) else {
            return Err(Diagnostic::error(Code::WrongType, root.head(), "a definition is a mapping").into());
        };
        if self.is_flow(root) {
            return Err(unsafe_to_move(root));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let parts = self.mapping(entries, 0, Some(fields), self.lines.len())?;
        // One line beside another stays as close as it was; what is longer stands apart.
        let mut after_line = true;
        for (number, part) in parts.into_iter().enumerate() {
            let is_line = part.is_line();
            if number > 0 && !(is_line && after_line && part.comments.is_empty()) {
                out.push('\n');
            }
            after_line = is_line;
            part.append(&mut out, 0);
        }
        for comment in std::mem::take(&mut self.comments) {
            out += &comment.text;
            out.push('\n');
        }
        Ok(out)
    }

    /// Takes the comments at the very top that a blank line keeps apart from what follows.
    fn header(&mut self, root: &Node) -> Vec<String> {
        let first = self.lines.of(root.head().start);
        let above = self.comments.iter().take_while(|comment| comment.line < first).count();
        // The last comment that is followed by a blank line ends the header.
        let end = (0..above).rev().find(|&at| self.lines.is_blank(self.comments[at].line + 1));
        let count = end.map_or(0, |at| at + 1);
        let mut lines = Vec::new();
        for comment in self.comments.drain(..count) {
            if comment.blank_before && !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(comment.text);
        }
        lines
    }

    /// Writes the entries of a mapping; `end` is the line where what follows it begins.
    fn mapping(&mut self, entries: &[(Node, Node)], indent: usize, fields: Option<&[Field]>, end: usize) -> Written<Vec<Part>> {
        let mut parts: Vec<Part> = Vec::new();
        for (number, (key, value)) in entries.iter().enumerate() {
            let line = self.lines.of(key.span.start);
            let column = self.lines.column(key.span.start);
            let (comments, blank_before) = self.above(line, column, parts.last_mut());
            let next = entries.get(number + 1).map_or(end, |(key, _)| self.lines.of(key.span.start));
            let name = key.as_str().unwrap_or_default();
            let field = fields.and_then(|fields| fields.iter().position(|field| field.key == name));
            let shape = match (field, fields) {
                (Some(at), Some(fields)) => (fields[at].shape)(),
                _ => Shape::Other,
            };
            // Keys with free names keep their order, and so do unknown ones, behind the others.
            let order = field.unwrap_or(if fields.is_some() { usize::MAX } else { 0 });
            let written = key.span.slice(self.lines.text).unwrap_or_default();
            let text = format!("{written}:{}", self.value(key, value, indent, shape, next)?);
            let below = self.below(next, column);
            parts.push(Part { order, comments, text, below, blank_before });
        }
        parts.sort_by_key(|part| part.order);
        if let Some(first) = parts.first_mut() {
            first.blank_before = false;
        }
        Ok(parts)
    }

    fn sequence(&mut self, items: &[Node], indent: usize, of: fn() -> Shape, end: usize) -> Written<Vec<Part>> {
        let mut parts: Vec<Part> = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let head = item.head().start;
            let line = self.lines.of(head);
            let dash = self.lines.text[..head].rfind('-').ok_or_else(|| unsafe_to_move(item))?;
            if !self.lines.text[dash + 1..head].trim().is_empty() && !is_block(item) {
                return Err(unsafe_to_move(item));
            }
            let column = self.lines.column(dash);
            let (mut comments, blank_before) = self.above(self.lines.of(dash).min(line), column, parts.last_mut());
            let next = items.get(number + 1).map_or(end, |item| self.lines.of(item.head().start));
            let text = match (&item.kind, of()) {
                (Kind::Mapping(entries), shape) if !self.is_flow(item) => {
                    let fields = if let Shape::Record(fields) = shape { Some(fields) } else { None };
                    let mut inner = self.mapping(entries, indent + STEP, fields, next)?;
                    if let Some(first) = inner.first_mut() {
                        comments.append(&mut first.comments);
                    }
                    let mut text = String::new();
                    inner.into_iter().for_each(|part| part.append(&mut text, indent + STEP));
                    format!("- {}", text.trim_start().trim_end_matches('\n'))
                }
                (Kind::Sequence(_), _) if !self.is_flow(item) => return Err(unsafe_to_move(item)),
                _ => format!("-{}", self.scalar(dash + 1, item, column, indent)?),
            };
            let below = self.below(next, column);
            parts.push(Part { order: 0, comments, text, below, blank_before });
        }
        if let Some(first) = parts.first_mut() {
            first.blank_before = false;
        }
        Ok(parts)
    }

    /// Writes a value behind its key, with the blank or line break before it.
    fn value(&mut self, key: &Node, value: &Node, indent: usize, shape: Shape, next: usize) -> Written<String> {
        let colon = key.span.end + self.lines.text[key.span.end..].find(':').ok_or_else(|| unsafe_to_move(key))?;
        if value.span == key.span {
            return Ok(self.rest_of_line(colon + 1));
        }
        if value.span.start < colon {
            return Err(unsafe_to_move(key));
        }
        if self.is_flow(value) || matches!(value.kind, Kind::Scalar(..)) {
            let column = self.lines.column(key.span.start);
            return self.scalar(colon + 1, value, column, indent);
        }
        let comment = self.rest_of_line(colon + 1);
        let parts = match (&value.kind, shape) {
            (Kind::Mapping(entries), Shape::Record(fields)) => self.mapping(entries, indent + STEP, Some(fields), next)?,
            (Kind::Mapping(entries), Shape::Of(of)) => self.map(entries, indent + STEP, of, next)?,
            (Kind::Mapping(entries), Shape::Other) => self.mapping(entries, indent + STEP, None, next)?,
            (Kind::Sequence(items), Shape::Of(of)) => self.sequence(items, indent + STEP, of, next)?,
            (Kind::Sequence(items), _) => self.sequence(items, indent + STEP, || Shape::Other, next)?,
            (Kind::Scalar(..), _) => Vec::new(),
        };
        let mut text = format!("{comment}\n");
        parts.into_iter().for_each(|part| part.append(&mut text, indent + STEP));
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Writes a mapping with free keys whose values are records: the keys keep their order.
    fn map(&mut self, entries: &[(Node, Node)], indent: usize, of: fn() -> Shape, end: usize) -> Written<Vec<Part>> {
        let mut parts: Vec<Part> = Vec::new();
        for (number, (key, value)) in entries.iter().enumerate() {
            let (line, column) = (self.lines.of(key.span.start), self.lines.column(key.span.start));
            let (comments, blank_before) = self.above(line, column, parts.last_mut());
            let next = entries.get(number + 1).map_or(end, |(key, _)| self.lines.of(key.span.start));
            let written = key.span.slice(self.lines.text).unwrap_or_default();
            let text = format!("{written}:{}", self.value(key, value, indent, of(), next)?);
            let below = self.below(next, column);
            parts.push(Part { order: 0, comments, text, below, blank_before: blank_before && number > 0 });
        }
        Ok(parts)
    }

    /// Writes a text, or what stands in brackets, as it was written: `from` is behind the colon or dash.
    fn scalar(&self, from: usize, value: &Node, column: usize, indent: usize) -> Written<String> {
        let text = self.lines.text;
        let between = text.get(from..value.span.start).ok_or_else(|| unsafe_to_move(value))?;
        if !is_block(value) {
            if !between.trim().is_empty() {
                return Err(unsafe_to_move(value));
            }
            let written = value.span.slice(text).unwrap_or_default();
            return Ok(format!(" {}{}", shift(written, column, indent), self.rest_of_line(value.span.end)));
        }
        let header = between.lines().next().unwrap_or_default().trim();
        // Anchors, tags and a counted indentation stand before the content.
        if !header.starts_with(['|', '>']) || header.split('#').next().is_some_and(|h| h.contains(|c: char| c.is_ascii_digit())) {
            return Err(unsafe_to_move(value));
        }
        let first = self.lines.of(from) + 1;
        let last = self.lines.last(value);
        let mut content: Vec<&str> = (first..=last).map(|line| self.lines.get(line)).collect();
        if !header.contains('+') {
            while content.last().is_some_and(|line| line.trim().is_empty()) {
                content.pop();
            }
        }
        let blanks = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let depth = content.iter().find(|line| !line.trim().is_empty()).map_or(0, |line| blanks(line));
        let mut out = format!(" {header}");
        for line in content {
            out.push('\n');
            if let Some(rest) = line.get(depth..).filter(|rest| !rest.is_empty()) {
                out += &" ".repeat(indent + STEP);
                out += rest;
            }
        }
        Ok(out)
    }

    /// What follows on a line: nothing or a comment, with the blanks before it.
    fn rest_of_line(&self, at: usize) -> String {
        let rest = self.lines.text[at..].split('\n').next().unwrap_or_default().trim_end();
        if rest.trim_start().starts_with('#') { rest.to_owned() } else { String::new() }
    }

    /// Takes the comments above an entry; those that are indented deeper belong to what stands before it.
    fn above(&mut self, line: usize, column: usize, before: Option<&mut Part>) -> (Vec<String>, bool) {
        let mut comments = Vec::new();
        let mut blank_before = line > 0 && self.lines.is_blank(line - 1);
        let mut before = before;
        while let Some(comment) = self.comments.front().filter(|comment| comment.line < line) {
            let deeper = comment.column > column && comments.is_empty();
            match &mut before {
                Some(before) if deeper => before.below.push(comment.text.clone()),
                _ => {
                    if comments.is_empty() {
                        blank_before = comment.blank_before;
                    }
                    comments.push(comment.text.clone());
                }
            }
            self.comments.pop_front();
        }
        (comments, blank_before)
    }

    /// Takes the comments that follow an entry and are indented deeper than it.
    fn below(&mut self, next: usize, column: usize) -> Vec<String> {
        let mut comments = Vec::new();
        while let Some(comment) = self.comments.front().filter(|comment| comment.line < next && comment.column > column) {
            comments.push(comment.text.clone());
            self.comments.pop_front();
        }
        comments
    }

    fn is_flow(&self, node: &Node) -> bool {
        !matches!(node.kind, Kind::Scalar(..)) && self.lines.text[node.span.start..].starts_with(['[', '{'])
    }
}

impl Part {
    /// Whether it is one line, what stands above it aside.
    fn is_line(&self) -> bool {
        self.below.is_empty() && !self.text.contains('\n')
    }

    fn append(self, out: &mut String, indent: usize) {
        let margin = " ".repeat(indent);
        if self.blank_before && !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        for comment in &self.comments {
            *out += &format!("{margin}{comment}\n");
        }
        *out += &format!("{margin}{}\n", self.text);
        for comment in &self.below {
            *out += &format!("{margin}{}{comment}\n", " ".repeat(STEP));
        }
    }
}

fn is_block(node: &Node) -> bool {
    matches!(node.kind, Kind::Scalar(_, Style::Block))
}

/// Moves the lines after the first from one column to another.
fn shift(text: &str, from: usize, to: usize) -> String {
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        out.push('\n');
        if !line.trim().is_empty() {
            out += &" ".repeat((blanks + to).saturating_sub(from).max(to + 1));
            out += line.trim_start_matches(' ');
        }
    }
    out
}

fn unsafe_to_move(node: &Node) -> Diagnostics {
    let error = Diagnostic::error(Code::Syntax, node.head(), "this can not be moved safely");
    error.help("files with anchors, aliases, tags or lists directly in lists are not formatted").into()
}
