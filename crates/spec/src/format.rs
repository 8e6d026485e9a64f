//! Canonical order and style of a definition; comments are kept, and so is what it says.
//!
//! Keys come in the order of the language's tables, nested by two blanks, lists below their key by two more; one blank
//! line between sections, at most one elsewhere. Quotes, block texts and what stands in brackets stay as they were written.

use crate::schema::Language;
use crate::yaml::{Decode as _, Kind, Node, compose};
use crate::{Code, Diagnostic, Diagnostics};

mod comments;
mod write;

/// Formats a definition.
///
/// # Errors
/// The text is not YAML, or uses anchors, aliases or tags, whose places can not be moved safely.
pub fn format(language: Language, text: &str) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let Some(node) = compose(text, &mut diagnostics).filter(|_| diagnostics.is_empty()) else { return Err(diagnostics) };
    let shape = match language {
        Language::Package => crate::package::Document::shape(),
        Language::Pipeline => crate::pipeline::File::shape(),
        Language::Image => crate::image::ImageDocument::shape(),
        Language::Distro => crate::distro::Document::shape(),
    };
    let write = |text: &str, node: &Node| write::Writer::new(text, node).document(node, shape);
    let formatted = write(text, &node)?;
    // A formatter must not change what a file says, and settles at once: whatever it can not handle shows here.
    let settles = |after: &Node| write(&formatted, after).is_ok_and(|again| again == formatted);
    let same = compose(&formatted, &mut diagnostics).is_some_and(|after| says_the_same(&node, &after) && settles(&after));
    if same && diagnostics.is_empty() {
        return Ok(formatted);
    }
    let error = Diagnostic::error(Code::Syntax, node.head(), "this file is written in a way that can not be formatted safely");
    Err(error.help("it is left as it is").into())
}

/// Whether two trees hold the same values, the order of keys aside.
fn says_the_same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(x, _), Kind::Scalar(y, _)) => x == y && a.is_null() == b.is_null(),
        (Kind::Sequence(x), Kind::Sequence(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| says_the_same(x, y)),
        (Kind::Mapping(x), Kind::Mapping(y)) => {
            let sorted = |entries: &[(Node, Node)]| {
                let mut order: Vec<usize> = (0..entries.len()).collect();
                order.sort_by_key(|&at| entries[at].0.as_str().map(str::to_owned));
                order
            };
            let pairs = sorted(x).into_iter().zip(sorted(y));
            x.len() == y.len() && pairs.map(|(i, j)| (&x[i], &y[j])).all(|(x, y)| says_the_same(&x.0, &y.0) && says_the_same(&x.1, &y.1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
