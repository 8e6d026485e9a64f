//! Which variables a text can see, and putting their values in.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Evaluator, SourceRef};
use crate::condition::{self, Problem};
use crate::diagnostic::{MAX_CANDIDATES, nearest};
use crate::recipe::OUTPUTS;
use crate::text::{Piece, locate, pieces};
use crate::yaml::{Span, Text};
use crate::{Code, Diagnostic, Severity};

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    /// The pipeline file, or nothing for the definition itself.
    pub(super) source: SourceRef<'s>,
    /// The text of that file.
    pub(super) text: &'s str,
    /// Name of the subpackage, inside one.
    pub(super) subpackage: Option<&'s str>,
    /// Key and value of the row, inside a subpackage with `range`.
    pub(super) range: Option<(&'s str, &'s str)>,
    /// Values of the inputs, inside a pipeline file.
    pub(super) inputs: Option<&'s BTreeMap<String, String>>,
    /// Name of the pipeline, inside a pipeline file.
    pub(super) origin: Option<&'s str>,
    /// How many pipeline files were entered.
    pub(super) depth: usize,
    /// The scope that used this pipeline file.
    pub(super) above: Option<&'s Self>,
}

impl Evaluator<'_> {
    /// Returns the value of a variable; it may hold values from outside.
    pub(super) fn lookup(&self, scope: &Scope<'_>, name: &str) -> Option<String> {
        if let Some(input) = name.strip_prefix("inputs.") {
            return scope.inputs?.get(input).cloned();
        }
        match (name, scope.subpackage, scope.range) {
            ("range.key", _, range) => range.map(|(key, _)| key.to_owned()),
            ("range.value", _, range) => range.map(|(_, value)| value.to_owned()),
            ("subpkg.name", Some(subpackage), _) | ("context.name", Some(subpackage), _) => Some(subpackage.to_owned()),
            ("targets.subpkgdir" | "targets.contextdir", Some(subpackage), _) => Some(format!("{OUTPUTS}/{subpackage}")),
            _ => self.globals.get(name).cloned(),
        }
    }

    /// Substitutes a text; values from outside stay marked.
    pub(super) fn substitute(&mut self, scope: &Scope<'_>, text: &Text) -> String {
        self.substitute_or(scope, text, Severity::Error)
    }

    /// Substitutes a text that only people read: what can not be substituted is left out, and worth a warning.
    pub(super) fn prose(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<String> {
        let value = self.substitute_or(scope, text?, Severity::Warning);
        Some(self.outside.reveal(&value)).filter(|value| !value.is_empty())
    }

    fn substitute_or(&mut self, scope: &Scope<'_>, text: &Text, severity: Severity) -> String {
        if !self.make(text.len()) {
            return String::new();
        }
        if !text.contains("${{") {
            return text.value.clone();
        }
        let mut out = String::with_capacity(text.len() + 32);
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Variable(name, at) => match self.lookup(scope, name) {
                    Some(value) if self.make(value.len()) => out.push_str(&value),
                    Some(_) => {}
                    None => self.undefined(scope, text, name, at, severity),
                },
                Piece::Broken(at) => {
                    let meant = text[at.clone()].trim_matches(['$', '{', '}', ' ']);
                    out.push_str(&self.lookup(scope, meant).unwrap_or_default());
                    self.broken(scope, text, at, severity);
                }
            }
        }
        out
    }

    /// Reports a `${{` that does not go on as it must.
    pub(super) fn broken(&mut self, scope: &Scope<'_>, text: &Text, at: Range<usize>, severity: Severity) {
        if self.out.is_full() && self.out.has_errors() {
            return;
        }
        let written = &text[at.clone()];
        let meant = written.trim_matches(['$', '{', '}', ' ']);
        let span = locate(scope.text, text.span, text, at);
        let error = Diagnostic { severity, ..Diagnostic::error(Code::BadSubstitution, span, format!("`{written}` is not a variable")) };
        let error = if !meant.is_empty() && self.lookup(scope, meant).is_some() {
            let whole = format!("${{{{{meant}}}}}");
            let error = error.help(format!("did you mean `{whole}`?"));
            if span.slice(scope.text) == Some(written) { error.fix(span, whole) } else { error }
        } else {
            error.help("variables are written `${{name}}`")
        };
        self.report(scope, error);
    }

    /// Substitutes a text for use outside a shell.
    pub(super) fn plain(&mut self, scope: &Scope<'_>, text: &Text) -> String {
        let text = self.substitute(scope, text);
        self.outside.reveal(&text)
    }

    /// Decides a condition; one with mistakes is reported and does not hold.
    pub(super) fn condition(&mut self, scope: &Scope<'_>, text: &Text) -> bool {
        let decided = condition::evaluate(text, &mut |name| self.lookup(scope, name).map(|value| self.outside.reveal(&value)));
        let problems = match decided {
            Ok(value) => return value,
            Err(problems) => problems,
        };
        for problem in problems {
            match problem {
                Problem::Undefined { at, name } => self.undefined(scope, text, &name, at, Severity::Error),
                Problem::Syntax { at, message, help } => {
                    let span = if at.start >= text.len() { text.span } else { locate(scope.text, text.span, text, at) };
                    let error = Diagnostic::error(Code::BadCondition, span, format!("this condition can not be read: {message}"));
                    self.report(scope, error.maybe_help(help.map(str::to_owned)));
                }
            }
        }
        false
    }

    pub(super) fn undefined(&mut self, scope: &Scope<'_>, text: &Text, name: &str, at: Range<usize>, severity: Severity) {
        if self.out.is_full() && self.out.has_errors() {
            return;
        }
        let span = locate(scope.text, text.span, text, at);
        let message = format!("the variable `{name}` is not defined here");
        let error = Diagnostic { severity, ..Diagnostic::error(Code::UndefinedVariable, span, message) };
        let (help, fix) = self.defined(scope, name);
        let error = error.help(help);
        let error = match fix {
            Some(meant) if is_whole_variable(span, scope.text) => error.fix(span, format!("${{{{{meant}}}}}")),
            _ => error,
        };
        self.report(scope, error);
    }

    /// Says where the variable would be defined, or which one was meant.
    fn defined(&self, scope: &Scope<'_>, name: &str) -> (String, Option<String>) {
        let elsewhere = match name {
            "range.key" | "range.value" => "it is there in subpackages with `range`",
            "subpkg.name" | "targets.subpkgdir" => "it is there in subpackages",
            _ if name.starts_with("inputs.") && scope.inputs.is_none() => "inputs are there in pipeline files only",
            _ => "",
        };
        if !elsewhere.is_empty() {
            return (elsewhere.to_owned(), None);
        }
        let inputs = scope.inputs.into_iter().flatten().map(|(input, _)| format!("inputs.{input}"));
        // While variables are still being resolved the definition says which there will be.
        let document = self.document;
        let written = document.vars.keys().map(|name| &name.value).chain(document.var_transforms.iter().map(|t| &t.to.value));
        let written = written.map(|name| format!("vars.{name}"));
        let package = ["name", "version", "full-version", "description"].map(|name| format!("package.{name}"));
        let mut names: Vec<String> = package.into_iter().chain(inputs).chain(self.globals.keys().take(MAX_CANDIDATES).cloned()).collect();
        names.extend(written.filter(|name| !self.globals.contains_key(name)).take(MAX_CANDIDATES));
        names.extend(["range.key", "range.value"].into_iter().filter(|_| scope.range.is_some()).map(str::to_owned));
        names.extend(["subpkg.name", "targets.subpkgdir"].into_iter().filter(|_| scope.subpackage.is_some()).map(str::to_owned));
        if let Some(meant) = nearest(name, names.iter().map(String::as_str)) {
            return (format!("did you mean `${{{{{meant}}}}}`?"), Some(meant.to_owned()));
        }
        let help = match name.split_once('.') {
            Some(("vars", variable)) => format!("add `{variable}` under `vars`, or make it with `var-transforms`"),
            Some(("options", option)) => format!("add `{}` under `options`", option.trim_end_matches(".enabled")),
            Some(("inputs", input)) => format!("add `{input}` under the pipeline's `inputs`"),
            Some(("targets", _)) => "there are targets.destdir, targets.contextdir, targets.outdir and targets.package.NAME".to_owned(),
            Some(("package", _)) => "there are package.name, .version, .epoch, .full-version, .description and .srcdir".to_owned(),
            _ => "variables begin with package., vars., targets., build., host., cross., options., range. or inputs.".to_owned(),
        };
        (help, None)
    }
}

/// Whether the place is a whole `${{…}}` in the file, so that it can be replaced.
fn is_whole_variable(span: Span, text: &str) -> bool {
    span.slice(text).is_some_and(|written| written.starts_with("${{") && written.ends_with("}}"))
}
