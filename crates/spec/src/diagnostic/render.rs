//! Diagnostics for people and for machines.

use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use super::{Code, Diagnostic, Diagnostics, Fix, Severity};
use crate::yaml::Span;

/// Width of rendered text: what fits a terminal and a diff.
const WIDTH: usize = 100;

/// A finding without its text: what `Serialize` writes.
#[derive(Serialize)]
pub(super) struct Plain<'a> {
    code: Code,
    severity: Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

impl<'a> Plain<'a> {
    pub(super) fn of(d: &'a Diagnostic) -> Self {
        Self {
            code: d.code,
            severity: d.severity,
            message: &d.message,
            help: d.help.as_deref(),
            span: d.span,
            file: d.source.as_ref().map(|s| s.name.as_str()),
        }
    }
}

/// A finding with file, line and column: the shape of `--json`, and all that SARIF needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The kind of mistake.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file.
    pub file: String,
    /// First line, from 1; absent when the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// First column, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_line: Option<usize>,
    /// The column behind the last character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    /// A change that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

impl Diagnostics {
    /// Renders every finding with the lines it is about; plain text without colour.
    #[must_use]
    pub fn render(&self, source_name: &str, text: &str) -> String {
        let theme = GraphicalTheme::unicode_nocolor();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
        let mut out = String::new();
        for diagnostic in self.iter() {
            let (name, text) = match &diagnostic.source {
                Some(source) => (source.name.as_str(), Arc::clone(&source.text)),
                None => (source_name, Arc::from(text)),
            };
            let report = Report { diagnostic, code: NamedSource::new(name, text.to_string()), length: text.len() };
            // Writing into a String can not fail, and the handler only fails when its writer does.
            let _ = handler.render_report(&mut out, &report);
        }
        out
    }

    /// Returns every finding with file, line and column.
    #[must_use]
    pub fn located(&self, source_name: &str, text: &str) -> Vec<Located> {
        self.iter().map(|d| locate(d, source_name, text)).collect()
    }
}

fn locate(d: &Diagnostic, name: &str, text: &str) -> Located {
    let (name, text) = d.source.as_ref().map_or((name, text), |s| (s.name.as_str(), &*s.text));
    let start = d.span.map(|s| position(text, s.start));
    let end = d.span.map(|s| position(text, s.end));
    Located {
        code: d.code,
        severity: d.severity,
        message: d.message.clone(),
        help: d.help.clone(),
        file: name.to_owned(),
        line: start.map(|p| p.0),
        column: start.map(|p| p.1),
        end_line: end.map(|p| p.0),
        end_column: end.map(|p| p.1),
        fix: d.fix.clone(),
    }
}

/// Returns line and column, both from 1, of a byte offset.
#[must_use]
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// What miette draws.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    code: NamedSource<String>,
    length: usize,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.diagnostic, f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.diagnostic.span.is_some().then_some(&self.code as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.diagnostic.span?;
        let label = |span: Span, text: Option<String>| {
            let start = span.start.min(self.length);
            LabeledSpan::new(text, start, span.end.min(self.length).saturating_sub(start))
        };
        let first = LabeledSpan::new_primary_with_span(self.diagnostic.label.clone(), *label(span, None).inner());
        let rest = self.diagnostic.related.iter().map(move |(span, text)| label(*span, Some(text.clone())));
        Some(Box::new(std::iter::once(first).chain(rest)))
    }
}
