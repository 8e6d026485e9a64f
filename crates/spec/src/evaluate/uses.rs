//! `uses`: finding the pipeline, giving it its inputs, and evaluating what it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scope::Scope;
use super::steps::Body;
use super::{Evaluator, Inherited};
use crate::builtin::{self, Signature};
use crate::diagnostic::nearest;
use crate::pipeline::{FolderError, Pipeline, Step};
use crate::recipe::{self, Action};
use crate::yaml::{Map, Spanned, Text};
use crate::{Code, Diagnostic, hash};

/// How deep pipelines may use pipelines: real ones reach 3.
const MAX_USES: usize = 16;

/// An input as its pipeline declares it.
struct Declared {
    default: Option<Text>,
    required: bool,
}

impl Evaluator<'_> {
    pub(super) fn uses(&mut self, scope: &Scope<'_>, step: &Step, uses: &Text, above: &Inherited) -> Option<recipe::Step> {
        let name = self.plain(scope, uses);
        if self.is_cyclic(scope, uses, &name) {
            return None;
        }
        match self.context.pipelines.find(&name) {
            Ok(Some(pipeline)) => Some(self.uses_file(scope, step, uses, &name, &pipeline, above)),
            Ok(None) => match builtin::signature(&name) {
                Some(signature) => Some(self.uses_builtin(scope, step, uses, signature, above)),
                None => {
                    self.unknown_pipeline(scope, uses, &name);
                    None
                }
            },
            Err(error) => {
                self.broken_pipeline(scope, uses, &name, &error);
                None
            }
        }
    }

    fn is_cyclic(&mut self, scope: &Scope<'_>, uses: &Text, name: &str) -> bool {
        let mut above = Some(scope);
        while let Some(at) = above {
            if at.origin == Some(name) || at.depth >= MAX_USES {
                let message = format!("the pipeline `{name}` uses itself");
                self.report(scope, Diagnostic::error(Code::CyclicPipeline, uses.span, message));
                return true;
            }
            above = at.above;
        }
        false
    }

    fn unknown_pipeline(&mut self, scope: &Scope<'_>, uses: &Text, name: &str) {
        let error = Diagnostic::error(Code::UnknownPipeline, uses.span, format!("there is no pipeline `{name}`"));
        let error = match nearest(name, builtin::ALL.iter().map(|signature| signature.name)) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")).fix(uses.span, meant),
            None => {
                let places = self.context.pipelines.places();
                let searched = if places.is_empty() { String::new() } else { format!(" nor a file below {}", places.join(", ")) };
                error.help(format!("it is neither built in{searched}; add `pipelines/{name}.yaml`"))
            }
        };
        self.report(scope, error);
    }

    fn broken_pipeline(&mut self, scope: &Scope<'_>, uses: &Text, name: &str, error: &Arc<FolderError>) {
        if let FolderError::Mistakes(mistakes) = &**error {
            self.out.extend(mistakes.clone());
            let error = Diagnostic::error(Code::UnknownPipeline, uses.span, format!("the pipeline `{name}` holds mistakes"));
            self.report(scope, error.help("they are listed with it"));
        } else {
            let source = std::error::Error::source(&**error).map(|source| format!(": {source}")).unwrap_or_default();
            let message = format!("the pipeline `{name}` can not be had: {error}{source}");
            self.report(scope, Diagnostic::error(Code::UnknownPipeline, uses.span, message));
        }
    }

    fn uses_file(
        &mut self,
        scope: &Scope<'_>,
        step: &Step,
        uses: &Text,
        name: &str,
        pipeline: &Arc<Pipeline>,
        above: &Inherited,
    ) -> recipe::Step {
        let file = &pipeline.file;
        let declared = file
            .inputs
            .iter()
            .map(|(input, spec)| (input.value.clone(), Declared { default: spec.default.clone(), required: spec.required == Some(true) }))
            .collect();
        let outer = Scope {
            source: Some(&pipeline.source),
            text: &pipeline.source.text,
            range: None,
            origin: Some(name),
            depth: scope.depth + 1,
            above: Some(scope),
            ..*scope
        };
        let inputs = self.inputs(scope, &outer, step, uses, name, declared);
        let inner = Scope { inputs: Some(&inputs), ..outer };
        let here = self.inherit(scope, &outline(step), above);
        self.extra_needs(scope, step);
        let runs = file.condition.as_ref().is_none_or(|condition| self.condition(&inner, condition));
        let before = self.needs.len();
        let body = Body {
            needs: file.needs.as_ref(),
            working_directory: file.working_directory.as_ref(),
            environment: &file.environment,
            runs: file.runs.as_ref(),
            pipeline: file.pipeline.as_deref(),
            assertions: file.assertions.as_ref(),
            retry: step.retry.as_ref().or(file.retry.as_ref()),
        };
        let evaluated = self.body(&inner, &body, &here, runs);
        self.out.extend(pipeline.warnings.clone());
        if !runs {
            self.needs.truncate(before);
            return recipe::Step { action: Action::Group(Vec::new()), ..evaluated };
        }
        evaluated
    }

    fn uses_builtin(&mut self, scope: &Scope<'_>, step: &Step, uses: &Text, signature: &Signature, above: &Inherited) -> recipe::Step {
        let declared = signature
            .inputs
            .iter()
            .map(|input| {
                let default = input.default.map(|text| Spanned::new(text.to_owned(), uses.span));
                (input.name.to_owned(), Declared { default, required: input.required })
            })
            .collect();
        let inputs = self.inputs(scope, &Scope { inputs: None, ..*scope }, step, uses, signature.name, declared);
        self.extra_needs(scope, step);
        if !signature.native {
            let inner = Scope { inputs: Some(&inputs), ..*scope };
            for need in signature.needs {
                let need = self.plain(&inner, &Spanned::new((*need).to_owned(), uses.span));
                self.needs.extend(Some(need).filter(|need| !need.is_empty()));
            }
        }
        let own = signature.inputs.iter().filter_map(|input| {
            let value = inputs.get(input.name).filter(|value| !value.is_empty())?;
            Some((input.name.to_owned(), self.outside.reveal(value)))
        });
        let action = Action::Native { pipeline: signature.name.to_owned(), inputs: own.collect() };
        let Inherited { directory, environment } = self.inherit(scope, &outline(step), above);
        recipe::Step {
            name: None,
            origin: Some(signature.name.to_owned()),
            environment,
            working_directory: directory,
            required_steps: None,
            retry: None,
            action,
        }
    }

    /// Packages that the step itself asks for besides those of its pipeline.
    fn extra_needs(&mut self, scope: &Scope<'_>, step: &Step) {
        for package in step.needs.iter().flat_map(|needs| &needs.packages) {
            let package = self.plain(scope, package);
            self.needs.push(package);
        }
    }

    /// Gives a pipeline its inputs: those of the step, defaults, and below them those of the pipelines above.
    fn inputs(
        &mut self,
        scope: &Scope<'_>,
        defaults: &Scope<'_>,
        step: &Step,
        uses: &Text,
        pipeline: &str,
        declared: BTreeMap<String, Declared>,
    ) -> BTreeMap<String, String> {
        let nothing = Map::new();
        let with = step.with.as_ref().unwrap_or(&nothing);
        let mut inputs = scope.inputs.cloned().unwrap_or_default();
        let mut open = Vec::new();
        for (name, input) in &declared {
            let given = with.get(name.as_str()).map(|text| (self.substitute(scope, text), text));
            match given.filter(|(value, _)| !value.is_empty()) {
                Some((value, text)) => {
                    self.hash(scope, name, &value, text);
                    inputs.insert(name.clone(), value);
                }
                None if input.required && input.default.as_deref().is_none_or(String::is_empty) => {
                    let message = format!("`{pipeline}` must be given `{name}`");
                    let error = Diagnostic::error(Code::MissingInput, uses.span, message);
                    self.report(scope, error.help(format!("add `{name}` under `with`")));
                    inputs.insert(name.clone(), String::new());
                }
                None => open.push((name, input)),
            }
        }
        // A default may name other inputs: those with a plain value are known by now, the rest in order of name.
        open.sort_by_key(|(_, input)| input.default.as_deref().is_some_and(|text| text.contains("${{")));
        for (name, input) in &open {
            if input.default.as_deref().is_none_or(|text| !text.contains("${{inputs.")) {
                let inner = Scope { inputs: Some(&inputs), ..*defaults };
                let value = input.default.as_ref().map(|text| self.substitute(&inner, text)).unwrap_or_default();
                inputs.insert((*name).clone(), value);
            }
        }
        for (name, input) in open {
            if let Some(text) = input.default.as_ref().filter(|text| text.contains("${{inputs.")) {
                let known = inputs.clone();
                let value = self.substitute(&Scope { inputs: Some(&known), ..*defaults }, text);
                inputs.insert(name.clone(), value);
            }
        }
        self.unknown_inputs(scope, with, pipeline, &declared);
        inputs
    }

    fn unknown_inputs(&mut self, scope: &Scope<'_>, with: &Map<Text>, pipeline: &str, declared: &BTreeMap<String, Declared>) {
        for (key, text) in with {
            if declared.contains_key(&key.value) {
                continue;
            }
            let _ = self.substitute(scope, text);
            let error = Diagnostic::error(Code::UnknownInput, key.span, format!("`{pipeline}` has no input `{key}`"));
            let error = match nearest(key, declared.keys().map(String::as_str)) {
                Some(meant) => error.help(format!("did you mean `{meant}`?")).fix(key.span, meant),
                None if declared.is_empty() => error.help("it has none"),
                None => {
                    let names = declared.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                    error.help(format!("its inputs are {names}"))
                }
            };
            self.report(scope, error);
        }
    }

    /// Digests and commits have the right length wherever they are given.
    fn hash(&mut self, scope: &Scope<'_>, input: &str, value: &str, text: &Text) {
        let value = self.outside.reveal(value);
        if let Some(problem) = hash::problem(input, &value) {
            let error = Diagnostic::error(Code::BadHash, text.span, problem.message);
            self.report(scope, error.help(problem.help));
        }
    }
}

/// What a step with `uses` sets for the steps of its pipeline.
fn outline(step: &Step) -> Body<'_> {
    Body {
        needs: None,
        working_directory: step.working_directory.as_ref(),
        environment: &step.environment,
        runs: None,
        pipeline: None,
        assertions: None,
        retry: None,
    }
}
