//! The lines of a file that are comments or blank, by where they stand.

use crate::yaml::{Kind, Node, Style};

/// A line that holds nothing but a comment.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) text: String,
    pub(super) blank_before: bool,
}

/// The lines of a file.
pub(super) struct Lines<'t> {
    pub(super) text: &'t str,
    /// Where each line starts.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Number of the line that a byte stands on, from 0.
    pub(super) fn of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at) - 1
    }

    /// Blanks before a byte on its line, if nothing else stands before it; else its column.
    pub(super) fn column(&self, at: usize) -> usize {
        at - self.starts[self.of(at)]
    }

    pub(super) fn get(&self, line: usize) -> &'t str {
        let Some(&start) = self.starts.get(line) else { return "" };
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        self.text[start..end].trim_end_matches('\r')
    }

    /// The last line of a node. The place of a block text may reach into the blanks of the line after it.
    pub(super) fn last(&self, node: &Node) -> usize {
        let line = self.of(node.span.end.max(node.span.start));
        let start = self.starts[line];
        let before = self.text.get(start..node.span.end).unwrap_or_default();
        if before.trim().is_empty() { line.saturating_sub(1).max(self.of(node.span.start)) } else { line }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn is_blank(&self, line: usize) -> bool {
        self.get(line).trim().is_empty()
    }

    /// Finds the lines that are comments, those inside texts aside.
    pub(super) fn comments(&self, root: &Node) -> Vec<Comment> {
        let mut covered = vec![false; self.len()];
        self.cover(root, &mut covered);
        let comment = |line: usize| {
            let written = self.get(line);
            let text = written.trim();
            let column = written.len() - written.trim_start().len();
            let blank_before = line > 0 && self.is_blank(line - 1);
            (!covered[line] && text.starts_with('#')).then(|| Comment { line, column, text: text.to_owned(), blank_before })
        };
        (0..self.len()).filter_map(comment).collect()
    }

    /// Marks the lines of texts and of brackets.
    fn cover(&self, node: &Node, covered: &mut [bool]) {
        let from = self.of(node.span.start);
        let to = self.last(node);
        match &node.kind {
            Kind::Scalar(_, Style::Block) => covered[from..=to].fill(true),
            Kind::Scalar(..) => covered[from + 1..=to.max(from)].fill(true),
            _ if self.text[node.span.start..].starts_with(['[', '{']) => covered[from + 1..=to.max(from)].fill(true),
            Kind::Sequence(items) => items.iter().for_each(|item| self.cover(item, covered)),
            Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                self.cover(key, covered);
                self.cover(value, covered);
            }),
        }
    }
}
