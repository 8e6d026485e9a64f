//! YAML as this crate reads it: a tree with places, decoded strictly, every mistake collected.
//!
//! The parser is `granit-parser` (the one below serde-saphyr). Serde itself stops at the first mistake and
//! forgets how a scalar was written (`1.10` is a version, not a number), so the tree is decoded by [`Decode`].

mod compose;
mod decode;
mod node;
mod number;
mod record;
mod span;
mod values;

pub(crate) use compose::compose;
pub use compose::{MAX_ALIASED_NODES, MAX_BYTES, MAX_DEPTH};
pub(crate) use decode::Fields;
pub use decode::{Decode, Shape};
pub use node::{Kind, Node, Style};
pub(crate) use number::parse_integer;
pub use record::Field;
pub(crate) use record::record;
pub use span::{Map, Span, Spanned, Text};
pub use values::values;

use crate::Diagnostics;

/// Parses one document into `T`; what could be read comes back even when there are mistakes.
pub(crate) fn read<T: Decode>(text: &str) -> (Option<T>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let value = compose(text, &mut diagnostics).and_then(|node| T::decode(&node, &mut diagnostics));
    (value, diagnostics)
}
