//! From the parser's events to a tree: anchors, aliases and merge keys resolved, limits kept.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use super::{Kind, Node, Span, Style};
use crate::{Code, Diagnostic, Diagnostics};

/// Largest file: the largest definition known has 70 kB; 4 MiB leaves room for generated ones.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting: definitions reach 12; recursion over the tree stays within any thread's stack.
pub const MAX_DEPTH: usize = 64;
/// Nodes that aliases may add: real files use a few; without a bound nine lines can stand for 10^9 nodes.
pub const MAX_ALIASED_NODES: usize = 100_000;

type Events<'a> = Parser<'a, granit_parser::StrInput<'a>>;

/// Reads one document; nothing comes back when the text is not YAML at all.
pub(crate) fn compose(text: &str, out: &mut Diagnostics) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        out.push(Diagnostic { span: None, ..Diagnostic::error(Code::Limit, Span::default(), message) });
        return None;
    }
    if let Some(at) = text.find(crate::text::is_reserved) {
        let message = "the file holds a character that no text uses (U+FDD0 to U+FDEF)";
        out.push(Diagnostic::error(Code::Encoding, Span::new(at, at + 3), message));
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut composer = Composer { parser, text, anchors: HashMap::new(), aliased: 0, out };
    match composer.document() {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            out.push(*diagnostic);
            None
        }
    }
}

struct Composer<'a, 'o> {
    parser: Events<'a>,
    text: &'a str,
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
    out: &'o mut Diagnostics,
}

type Composed<T> = Result<T, Box<Diagnostic>>;

impl<'a> Composer<'a, '_> {
    fn next(&mut self) -> Composed<(Event<'a>, Span)> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, convert(span))),
            Some(Err(error)) => Err(Box::new(syntax(self.text, &error))),
            None => Err(Box::new(Diagnostic::error(Code::Syntax, Span::default(), "the file ends too early"))),
        }
    }

    fn document(&mut self) -> Composed<Node> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => return Ok(Node { kind: Kind::Scalar(String::new(), Style::Plain), span }),
                event => {
                    let node = self.node(event, span, 0)?;
                    self.end()?;
                    return Ok(node);
                }
            }
        }
    }

    /// Refuses a second document: whoever wrote it would wonder why it is not read. A line `---` with nothing behind it is none.
    fn end(&mut self) -> Composed<()> {
        let mut second = None;
        loop {
            let (event, span) = self.next()?;
            match (event, second) {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), _) => second = Some(span),
                (Event::Scalar(text, ScalarStyle::Plain, 0, _), Some(_)) if matches!(&*text, "" | "~") => {}
                (Event::DocumentEnd, _) => {}
                (_, Some(span)) => {
                    let error = Diagnostic::error(Code::Syntax, span, "a second document begins here");
                    return Err(Box::new(error.help("a definition is one document: put the second in its own file")));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Composed<Node> {
        if depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(Box::new(Diagnostic::error(Code::Limit, span, message)));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    _ => Style::Block,
                };
                (Node { kind: Kind::Scalar(text.into_owned(), style), span }, anchor)
            }
            Event::SequenceStart(style, anchor, _) => (self.sequence(style, span, depth)?, anchor),
            Event::MappingStart(style, anchor, _) => (self.mapping(style, span, depth)?, anchor),
            Event::Alias(id) => return self.alias(id, span),
            _ => return Err(Box::new(Diagnostic::error(Code::Syntax, span, "a value was expected here"))),
        };
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span) -> Composed<Node> {
        let Some((node, size)) = self.anchors.get(&id) else {
            let message = "the alias stands inside its own anchor";
            return Err(Box::new(Diagnostic::error(Code::Syntax, span, message)));
        };
        self.aliased += size;
        if self.aliased > MAX_ALIASED_NODES {
            let message = format!("aliases add more than {MAX_ALIASED_NODES} values");
            return Err(Box::new(Diagnostic::error(Code::Limit, span, message)));
        }
        Ok(node.clone())
    }

    fn sequence(&mut self, style: StructureStyle, start: Span, depth: usize) -> Composed<Node> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let last = items.last().map(|last: &Node| last.span.end);
                return Ok(Node { kind: Kind::Sequence(items), span: whole(style, start, last, span) });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, style: StructureStyle, start: Span, depth: usize) -> Composed<Node> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut keys: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let last = entries.last().map(|(_, last)| last.span.end);
                for (key, value) in merged {
                    if key.as_str().is_none_or(|name| keys.insert(name.to_owned(), key.span).is_none()) {
                        entries.push((key, value));
                    }
                }
                return Ok(Node { kind: Kind::Mapping(entries), span: whole(style, start, last, span) });
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            // A value that is not written has no place of its own: its key stands for it.
            if value.span.start == value.span.end {
                value.span = key.span;
            }
            if matches!(&key.kind, Kind::Scalar(text, Style::Plain) if text == "<<") {
                self.merge(value, &mut merged);
                continue;
            }
            let first = key.as_str().and_then(|name| keys.insert(name.to_owned(), key.span));
            if let (Some(first), Some(name)) = (first, key.as_str()) {
                let error = Diagnostic::error(Code::DuplicateKey, key.span, format!("the key `{name}` stands here twice"));
                self.out.push(error.label("again").related(first, "first here").help("keep one of them"));
            } else {
                entries.push((key, value));
            }
        }
    }

    /// Takes over the keys of a merged mapping, or of a list of them, of which the first wins.
    fn merge(&mut self, value: Node, merged: &mut Vec<(Node, Node)>) {
        match value.kind {
            Kind::Mapping(entries) => merged.extend(entries),
            Kind::Sequence(items) => items.into_iter().for_each(|item| self.merge(item, merged)),
            Kind::Scalar(..) => {
                let error = Diagnostic::error(Code::WrongType, value.span, "`<<` takes a mapping or a list of mappings");
                self.out.push(error);
            }
        }
    }
}

/// The place of a collection: in brackets up to the closing one, in lines up to the last value.
fn whole(style: StructureStyle, start: Span, last: Option<usize>, end: Span) -> Span {
    let end = if style == StructureStyle::Flow { end.end } else { last.unwrap_or(end.end) };
    Span::new(start.start, end)
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(..) => 1,
        Kind::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Mapping(entries) => 1 + entries.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>(),
    }
}

fn convert(span: granit_parser::Span) -> Span {
    let start = span.start.byte_offset().unwrap_or(0);
    Span::new(start, span.end.byte_offset().unwrap_or(start))
}

fn syntax(text: &str, error: &granit_parser::ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let line_end = text[text.floor_char_boundary(at)..].find('\n').map_or(text.len(), |n| at + n);
    let width = usize::from(line_end > at);
    let diagnostic = Diagnostic::error(Code::Syntax, Span::new(at, at + width), format!("not YAML: {}", error.info()));
    if text[..at].rsplit('\n').next().is_some_and(|line| line.contains('\t')) || text[at..].starts_with('\t') {
        return diagnostic.help("YAML is indented with spaces, not with tabs");
    }
    diagnostic
}
