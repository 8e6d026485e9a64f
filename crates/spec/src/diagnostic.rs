//! What is wrong with a definition: every mistake with its place, its meaning and the way out.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::yaml::Span;

mod code;
mod render;
mod sarif;

pub use code::Code;
pub use render::Located;
pub use sarif::sarif;

/// Most findings of one file: nobody reads more, and a hostile file could have a million.
pub const MAX_FINDINGS: usize = 500;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The definition can be used; it should be changed.
    Warning,
    /// The definition can not be used.
    Error,
}

/// A text with a name, for findings that lie in another file than the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path or other name, as shown.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// A change of the text that mends a finding without changing what else the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of mistake; stable, for machines.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands beside the place.
    pub label: Option<String>,
    /// The way out.
    pub help: Option<String>,
    /// Where; absent when the whole file is meant.
    pub span: Option<Span>,
    /// Where else to look (the first of two equal names), with what to say there.
    pub related: Vec<(Span, String)>,
    /// A change that mends it, where one is safe.
    pub fix: Option<Fix>,
    /// The file, when it is not the one that was read (a pipeline that a step uses).
    pub source: Option<Arc<Source>>,
}

impl Diagnostic {
    /// Begins an error at `span`.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            label: None,
            help: None,
            span: Some(span),
            related: Vec::new(),
            fix: None,
            source: None,
        }
    }

    /// Begins a warning at `span`.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way out if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds what stands beside the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place to look at.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Adds a safe change that mends it.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }
}

/// Everything that was found in one file, in order of place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Returns an empty collection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one finding; the same finding at the same place is kept once, and no more than [`MAX_FINDINGS`] are kept.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        // One error is always kept: what holds one must not pass for good.
        let full = self.is_full() && (diagnostic.severity == Severity::Warning || self.has_errors());
        if !full && !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Returns whether no more findings are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FINDINGS
    }

    /// Takes over all findings of `other`.
    pub fn extend(&mut self, other: Self) {
        for diagnostic in other.0 {
            self.push(diagnostic);
        }
    }

    /// Returns whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Iterates over the findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Applies every safe change to the text that was read; returns the new text and how many were made.
    ///
    /// Changes that overlap an earlier one are left for the next time.
    #[must_use]
    pub fn mend(&self, text: &str) -> (String, usize) {
        let mut fixes: Vec<_> = self.0.iter().filter(|d| d.source.is_none()).filter_map(|d| d.fix.as_ref()).collect();
        fixes.sort_by_key(|fix| fix.span.start);
        let (mut out, mut at, mut count) = (String::with_capacity(text.len()), 0, 0);
        for fix in fixes {
            if let Some(between) = text.get(at..fix.span.start) {
                out += between;
                out += &fix.replacement;
                at = fix.span.end;
                count += 1;
            }
        }
        out += text.get(at..).unwrap_or_default();
        (out, count)
    }

    /// Makes warnings of the errors of one kind.
    pub(crate) fn downgrade(&mut self, code: Code) {
        self.0.iter_mut().filter(|d| d.code == code).for_each(|d| d.severity = Severity::Warning);
    }

    /// Marks every finding as lying in `source`, for a file that was read on behalf of another.
    #[must_use]
    pub(crate) fn within(mut self, source: &Arc<Source>) -> Self {
        for diagnostic in &mut self.0 {
            diagnostic.source.get_or_insert_with(|| Arc::clone(source));
        }
        self
    }

    /// Orders the findings by place: those of the file itself first, then those of each other file.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort_by_cached_key(|d| (d.source.as_ref().map(|s| s.name.clone()), d.span.map(|s| (s.start, s.end)), d.code));
        self
    }

    /// Returns `value` with the warnings, or all findings if one of them is an error or there is no value.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, Self), Self> {
        let this = self.sorted();
        match value {
            Some(value) if !this.has_errors() => Ok((value, this)),
            _ => Err(this),
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line per finding: for logs and for errors that are passed on without the text at hand.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            let end = if i == 0 { "" } else { "; " };
            write!(f, "{end}{} [{}]", d.message, d.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl Serialize for Diagnostics {
    /// Byte spans only; [`Diagnostics::located`] gives lines and columns.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(render::Plain::of))
    }
}

/// Most candidates that are compared: real definitions have some dozens of names.
pub(crate) const MAX_CANDIDATES: usize = 2_000;

/// Finds the candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit * 4)
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use base::Arch;

    #[test]
    fn safe_changes_mend_the_text() {
        let text = "package:\n  name: demo\n  version: 1\n  epohc: 0\n  epoch: 0\npipeline:\n  - runs: echo ${{package.nam}}\n  - uses: autoconf/mak\n";
        let context = crate::Context::new(Arch::X86_64, &());
        let found = crate::check(&text.replace("  epohc: 0\n", ""), &context).unwrap_err();
        let (mended, count) = found.mend(&text.replace("  epohc: 0\n", ""));
        assert_eq!(count, 2);
        crate::check(&mended, &context).unwrap();
    }

    #[test]
    fn the_nearest_word_is_meant() {
        assert_eq!(super::nearest("epohc", ["name", "epoch", "version"]), Some("epoch"));
        assert_eq!(super::nearest("zzz", ["name", "epoch"]), None);
    }
}
