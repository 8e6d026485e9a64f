//! The tree that a YAML document is.

use super::Span;

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// After `|` or `>`.
    Block,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A scalar as text; a plain `~`, `null` or nothing at all is the empty text and null.
    Scalar(String, Style),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order written.
    Mapping(Vec<(Node, Node)>),
}

/// A node and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// Returns the text of a scalar.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Returns whether this says "nothing".
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, Style::Plain) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns the place to point at when the whole node is meant: of a mapping its first key, of a list its first item.
    #[must_use]
    pub fn head(&self) -> Span {
        match &self.kind {
            Kind::Mapping(entries) => entries.first().map_or(self.span, |(key, _)| key.head()),
            Kind::Sequence(items) => items.first().map_or(self.span, Self::head),
            Kind::Scalar(..) => self.span,
        }
    }

    /// Says what the node is, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".to_owned(),
            Kind::Scalar(text, _) if text.contains('\n') || text.len() > 40 => "a text".to_owned(),
            Kind::Scalar(text, _) => format!("`{text}`"),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
        }
    }
}
