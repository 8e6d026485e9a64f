//! `${{…}}` in texts: finding the pieces, and where in the file they stand.

use std::ops::Range;

use crate::yaml::Span;

/// Brackets around a value that came from outside the definition, until it is known whether a shell will read it.
/// They are Unicode noncharacters, which no definition may hold, so nothing written can imitate one.
pub(crate) const OUTSIDE_OPEN: char = '\u{FDD0}';
/// Closes [`OUTSIDE_OPEN`].
pub(crate) const OUTSIDE_CLOSE: char = '\u{FDD1}';

/// Whether the character is one that no text may hold.
pub(crate) fn is_reserved(c: char) -> bool {
    ('\u{FDD0}'..='\u{FDEF}').contains(&c)
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text that stands for itself.
    Literal(&'t str),
    /// `${{ name }}` and where it stands in the text.
    Variable(&'t str, Range<usize>),
    /// A `${{` that does not go on as it must.
    Broken(Range<usize>),
}

/// Divides a text into what stands for itself and what is substituted.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find("${{") {
        let start = rest + found;
        if start > rest {
            pieces.push(Piece::Literal(&text[rest..start]));
        }
        let (name, end) = variable(text, start);
        match name {
            Some(name) => pieces.push(Piece::Variable(name, start..end)),
            None => pieces.push(Piece::Broken(start..end)),
        }
        rest = end;
    }
    if rest < text.len() {
        pieces.push(Piece::Literal(&text[rest..]));
    }
    pieces
}

/// What may stand between the braces and the name.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads the variable at `start`; without a name the range is what is wrong.
pub(crate) fn variable(text: &str, start: usize) -> (Option<&str>, usize) {
    let inner = &text[start + 3..];
    let name_at = inner.len() - inner.trim_start_matches(SPACE).len();
    let name = &inner[name_at..];
    let name = &name[..name.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(name.len())];
    let after = &inner[name_at + name.len()..];
    let closing = after.trim_start_matches(SPACE);
    if !name.is_empty() && closing.starts_with("}}") {
        (Some(name), text.len() - closing.len() + 2)
    } else {
        // `${{name}`: one brace too few, and what follows is text again.
        if !name.is_empty() && closing.starts_with('}') {
            return (None, text.len() - closing.len() + 1);
        }
        let line_end = inner.find('\n').unwrap_or(inner.len());
        let end = inner[..line_end].find("}}").map_or(line_end, |at| at + 2);
        (None, start + 3 + end)
    }
}

/// Finds in `source` the piece of the scalar at `span` that is `value[range]` once YAML has read it.
///
/// Indentation, folding and escapes lie between the two, so the same words are looked for, the n-th for the n-th.
pub(crate) fn locate(source: &str, span: Span, value: &str, range: Range<usize>) -> Span {
    let Some(written) = span.slice(source) else { return span };
    let Some(needle) = value.get(range.clone()).filter(|needle| !needle.is_empty()) else {
        return span.first_line(source);
    };
    let before = value[..range.start].matches(needle).count();
    match written.match_indices(needle).nth(before) {
        Some((at, _)) => Span::new(span.start + at, span.start + at + needle.len()),
        None => span.first_line(source),
    }
}

/// Finds in `source` the place that is `value[offset..]` once YAML has read it, by its line.
pub(crate) fn locate_offset(source: &str, span: Span, value: &str, offset: usize) -> Span {
    let offset = value.floor_char_boundary(offset.min(value.len()));
    let line_start = value[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line_end = value[offset..].find('\n').map_or(value.len(), |at| offset + at);
    let line = &value[line_start..line_end];
    if line.trim().is_empty() {
        // Nothing to look for: point at the last line before it that says something.
        let text = value[..line_start].trim_end();
        let start = text.rfind('\n').map_or(0, |at| at + 1);
        return locate(source, span, value, start..text.len());
    }
    let found = locate(source, span, value, line_start..line_end);
    let place = found.start + (offset - line_start);
    if found.slice(source) == Some(line) {
        let width = source[place..found.end].split(|c: char| c.is_whitespace() || c == ';').next().map_or(0, str::len);
        Span::new(place, place + width.max(usize::from(place < found.end)))
    } else {
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_variables_with_and_without_spaces() {
        let text = "a ${{vars.x-y}}/${{ package.name }}b";
        assert_eq!(
            pieces(text),
            [
                Piece::Literal("a "),
                Piece::Variable("vars.x-y", 2..15),
                Piece::Literal("/"),
                Piece::Variable("package.name", 16..35),
                Piece::Literal("b"),
            ]
        );
    }

    #[test]
    fn says_where_one_is_broken() {
        for (text, broken) in [("x ${{vars.x", 2..11), ("${{ a b }} c", 0..10), ("${{}}", 0..5), ("${{a} b", 0..5)] {
            let found = pieces(text).into_iter().find_map(|p| if let Piece::Broken(at) = p { Some(at) } else { None });
            assert_eq!(found, Some(broken), "{text:?}");
        }
    }

    #[test]
    fn shell_parameters_are_left_alone() {
        assert_eq!(pieces("${x} $((1+2)) ${#x}"), [Piece::Literal("${x} $((1+2)) ${#x}")]);
    }

    #[test]
    fn the_second_of_two_equal_variables_is_found_in_the_file() {
        let source = "runs: |\n  echo ${{x}}\n  echo ${{x}}\n";
        let value = "echo ${{x}}\necho ${{x}}\n";
        let at = value.rfind("${{x}}").unwrap();
        let span = locate(source, Span::new(6, source.len()), value, at..at + 6);
        assert_eq!(span.start, source.rfind("${{x}}").unwrap());
    }
}
