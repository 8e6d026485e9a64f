//! From the tree to types: strict, and going on after a mistake.

use serde_json::{Value, json};

use super::{Field, Kind, Map, Node, Span, Spanned, Text, parse_integer};
use crate::diagnostic::nearest;
use crate::schema::Definitions;
use crate::{Code, Diagnostic, Diagnostics};

/// A type that a node can be read into.
pub trait Decode: Sized {
    /// Reads a node; mistakes go to `out`, and nothing comes back when too little is left to go on with.
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self>;

    /// Whether the key must be there.
    const REQUIRED: bool = true;

    /// What it means that the key is not there; nothing when it is required.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }

    /// Describes the accepted values as JSON Schema.
    fn schema(definitions: &mut Definitions) -> Value;

    /// Says where the records in it are, for canonical order.
    #[must_use]
    fn shape() -> Shape {
        Shape::Other
    }
}

/// Where the records in a value are.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// There are none.
    Other,
    /// It is one.
    Record(&'static [Field]),
    /// It is a list, or a mapping with free keys, of these.
    Of(fn() -> Self),
}

/// Reports a value of the wrong kind.
pub(crate) fn wrong_type(node: &Node, wanted: &str, out: &mut Diagnostics) {
    out.push(Diagnostic::error(Code::WrongType, node.head(), format!("{wanted} belongs here, not {}", node.describe())));
}

impl Decode for String {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            // As in every decoder of this field, an unquoted number or truth value is its own text: `version: 1.10`.
            _ if node.is_null() => Some(Self::new()),
            Kind::Scalar(text, _) => Some(text.clone()),
            _ => {
                wrong_type(node, "a text", out);
                None
            }
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": ["string", "number", "boolean", "null"] })
    }
}

impl<T: Decode> Decode for Spanned<T> {
    const REQUIRED: bool = T::REQUIRED;

    fn shape() -> Shape {
        T::shape()
    }

    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        T::decode(node, out).map(|value| Self::new(value, node.span))
    }

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        if node.is_null() { Some(None) } else { T::decode(node, out).map(Some) }
    }

    const REQUIRED: bool = false;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

impl Decode for bool {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        // The words of YAML 1.1 too: files of this field were written for such a reader.
        match node.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => {
                wrong_type(node, "`true` or `false`", out);
                None
            }
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "boolean" })
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Decode for $type {
            fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
                let Some(text) = node.as_str().filter(|_| !node.is_null()) else {
                    wrong_type(node, "a whole number", out);
                    return None;
                };
                let Some(number) = parse_integer(text) else {
                    out.push(Diagnostic::error(Code::BadNumber, node.span, format!("`{text}` is not a whole number")));
                    return None;
                };
                let number = Self::try_from(number).ok();
                if number.is_none() {
                    let message = format!("`{text}` is out of range: {} to {} are allowed", Self::MIN, Self::MAX);
                    out.push(Diagnostic::error(Code::BadNumber, node.span, message));
                }
                number
            }

            fn schema(_: &mut Definitions) -> Value {
                json!({ "type": "integer" })
            }
        }
    )+};
}

integers!(u32, u64, i64);

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            _ if node.is_null() => Some(Self::new()),
            Kind::Sequence(items) => Some(items.iter().filter_map(|item| T::decode(item, out)).collect()),
            _ => {
                wrong_type(node, "a list", out);
                None
            }
        }
    }

    const REQUIRED: bool = false;

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn shape() -> Shape {
        Shape::Of(T::shape)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": ["array", "null"], "items": T::schema(definitions) })
    }
}

impl<T: Decode> Decode for Map<T> {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            _ if node.is_null() => Some(Self::new()),
            Kind::Mapping(entries) => {
                let mut map = Self::new();
                for (key, value) in entries {
                    if let (Some(key), Some(value)) = (Text::decode(key, out), T::decode(value, out)) {
                        map.insert(key, value);
                    }
                }
                Some(map)
            }
            _ => {
                wrong_type(node, "a mapping", out);
                None
            }
        }
    }

    const REQUIRED: bool = false;

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn shape() -> Shape {
        Shape::Of(T::shape)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "type": ["object", "null"], "additionalProperties": T::schema(definitions) })
    }
}

/// The keys of one mapping while it is read into a record.
pub(crate) struct Fields<'n, 'o> {
    what: &'static str,
    entries: &'n [(Node, Node)],
    head: Span,
    out: &'o mut Diagnostics,
}

impl<'n, 'o> Fields<'n, 'o> {
    /// Opens a mapping and reports the keys that are not in `known`.
    pub(crate) fn open(node: &'n Node, what: &'static str, known: &[&'static str], out: &'o mut Diagnostics) -> Option<Self> {
        let entries: &[(Node, Node)] = match &node.kind {
            _ if node.is_null() => &[],
            Kind::Mapping(entries) => entries,
            _ => {
                out.push(
                    Diagnostic::error(Code::WrongType, node.head(), format!("{what} is a mapping, not {}", node.describe()))
                        .help(format!("its keys are {}", list(known))),
                );
                return None;
            }
        };
        for (key, _) in entries {
            match key.as_str() {
                Some(name) if known.contains(&name) => {}
                Some(name) => out.push(unknown_key(name, key.span, what, known)),
                None => wrong_type(key, "a key", out),
            }
        }
        Some(Self { what, entries, head: node.head(), out })
    }

    /// Reads the value of `key`; what a missing one means is up to the type.
    pub(crate) fn take<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        if let Some((_, value)) = self.entries.iter().find(|(name, _)| name.as_str() == Some(key)) {
            return T::decode(value, self.out).or_else(T::absent);
        }
        let absent = T::absent();
        if absent.is_none() {
            let message = format!("{} lacks `{key}`", self.what);
            self.out.push(Diagnostic::error(Code::MissingKey, self.head, message).help(format!("add `{key}:`")));
        }
        absent
    }
}

fn unknown_key(name: &str, span: Span, what: &str, known: &[&'static str]) -> Diagnostic {
    let error = Diagnostic::error(Code::UnknownKey, span, format!("unknown key `{name}` in {what}"));
    match nearest(name, known.iter().copied()) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")).fix(span, meant),
        None => error.help(format!("the keys here are {}", list(known))),
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
