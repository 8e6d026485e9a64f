//! Control files: paragraphs of `Field: value` (deb-control(5), deb822(5)).

use std::io::{self, BufRead};

/// The longest paragraph that is read, in bytes. The longest of Debian's `Packages` has some 100 KiB.
const MAX_PARAGRAPH: usize = 8 << 20;

/// One paragraph: its fields in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

/// Why a control file can not be read.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The bytes ended with an error.
    #[error("the control file can not be read")]
    Read(#[source] io::Error),
    /// A line is neither a field nor goes on with one.
    #[error("line {line} of the control file, `{text}`, is no field")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// How it begins.
        text: String,
    },
    /// A field is there twice.
    #[error("line {line} of the control file: the field `{field}` is there twice")]
    Twice {
        /// Which line, from 1.
        line: u64,
        /// The field.
        field: String,
    },
    /// A paragraph has no end.
    #[error("the paragraph that ends in line {line} has more than {MAX_PARAGRAPH} bytes")]
    Length {
        /// Which line, from 1.
        line: u64,
    },
}

impl Paragraph {
    /// Returns a field's value; names are compared without case. Lines of a long value are joined by `\n`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value.as_str())
    }

    /// Returns every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Reads paragraphs one by one.
#[derive(Debug)]
pub struct Paragraphs<R> {
    reader: R,
    line: u64,
    over: bool,
}

impl<R: BufRead> Paragraphs<R> {
    /// Reads from the start.
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0, over: false }
    }

    fn paragraph(&mut self) -> Result<Option<Paragraph>, ControlError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut text = String::new();
        let mut length = 0;
        loop {
            text.clear();
            let left = (MAX_PARAGRAPH - length) as u64 + 1;
            let read = io::Read::take(&mut self.reader, left).read_line(&mut text).map_err(ControlError::Read)?;
            length += read;
            if length > MAX_PARAGRAPH {
                return Err(ControlError::Length { line: self.line });
            }
            self.line += 1;
            let line = text.trim_end();
            if read == 0 || line.is_empty() {
                if read > 0 && fields.is_empty() {
                    length = 0;
                    continue;
                }
                return Ok((!fields.is_empty()).then_some(Paragraph { fields }));
            }
            if line.starts_with('#') {
                continue;
            }
            self.field(line, &mut fields)?;
        }
    }

    fn field(&self, line: &str, fields: &mut Vec<(String, String)>) -> Result<(), ControlError> {
        let wrong = || ControlError::Line { line: self.line, text: line.chars().take(60).collect() };
        if let Some(more) = line.strip_prefix([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or_else(wrong)?;
            value.push('\n');
            value.push_str(more);
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong());
        }
        if fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(ControlError::Twice { line: self.line, field: name.to_owned() });
        }
        fields.push((name.to_owned(), value.trim_start().to_owned()));
        Ok(())
    }
}

impl<R: BufRead> Iterator for Paragraphs<R> {
    type Item = Result<Paragraph, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.paragraph().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Paragraph>, ControlError> {
        Paragraphs::new(text.as_bytes()).collect()
    }

    #[test]
    fn reads_paragraphs_with_long_values() {
        let found = read("\nPackage: a\nDescription: short\n long\n .\n# no field\nTag: x::y\n\n\nPackage: b\nEmpty:\n").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("description"), Some("short\nlong\n."));
        assert_eq!((found[0].get("Tag"), found[1].get("empty"), found[1].get("none")), (Some("x::y"), Some(""), None));
    }

    #[test]
    fn refuses_what_is_no_control_file() {
        assert!(matches!(read(" goes on"), Err(ControlError::Line { line: 1, .. })));
        assert!(matches!(read("A: 1\nno field\n"), Err(ControlError::Line { line: 2, .. })));
        assert!(matches!(read("A: 1\n: 2\n"), Err(ControlError::Line { line: 2, .. })));
        assert!(matches!(read("A: 1\na: 2\n"), Err(ControlError::Twice { line: 2, .. })));
        let endless = format!("A: 1\n{}", " more\n".repeat(MAX_PARAGRAPH / 6 + 1));
        assert!(matches!(read(&endless), Err(ControlError::Length { .. })));
        let bytes: &[u8] = b"A: \xff\n";
        assert!(matches!(Paragraphs::new(bytes).next(), Some(Err(ControlError::Read(_)))));
    }
}
