//! Steps: conditions decided, scripts substituted, what stands above taken over.

use std::collections::BTreeMap;

use super::outside::Outside;
use super::scope::Scope;
use super::{Evaluator, Inherited};
use crate::pipeline::{Assertions, Needs, Retry, Step};
use crate::recipe::{self, Action, Backoff};
use crate::text::{Piece, locate_offset, pieces};
use crate::yaml::{Map, Text};
use crate::{Code, Diagnostic, duration, shell};

/// Attempts before a delay stops making sense; a typing mistake should not run a step all night.
const MAX_ATTEMPTS: u32 = 100;

/// The parts that a step and a pipeline file have in common.
pub(super) struct Body<'b> {
    pub(super) needs: Option<&'b Needs>,
    pub(super) working_directory: Option<&'b Text>,
    pub(super) environment: &'b Map<Text>,
    pub(super) runs: Option<&'b Text>,
    pub(super) pipeline: Option<&'b [Step]>,
    pub(super) assertions: Option<&'b Assertions>,
    pub(super) retry: Option<&'b Retry>,
}

impl Evaluator<'_> {
    /// Evaluates the steps of a package, subpackage or test.
    pub(super) fn steps(&mut self, scope: &Scope<'_>, steps: &[Step]) -> Vec<recipe::Step> {
        self.steps_below(scope, steps, &Inherited::default())
    }

    fn steps_below(&mut self, scope: &Scope<'_>, steps: &[Step], above: &Inherited) -> Vec<recipe::Step> {
        let mut evaluated = Vec::new();
        for step in steps {
            if !self.make(0) {
                break;
            }
            evaluated.extend(self.step(scope, step, above));
        }
        evaluated
    }

    /// Returns nothing for a step that does not run, or whose pipeline is not to be had.
    fn step(&mut self, scope: &Scope<'_>, step: &Step, above: &Inherited) -> Option<recipe::Step> {
        self.conflicts(scope, step);
        let runs = step.condition.as_ref().is_none_or(|condition| self.condition(scope, condition));
        let before = self.needs.len();
        let name = self.prose(scope, step.name.as_ref());
        let uses = step.uses.as_ref().filter(|_| step.pipeline.as_ref().is_none_or(Vec::is_empty));
        let evaluated = match uses {
            Some(uses) => self.uses(scope, step, uses, above),
            None => Some(self.body(scope, &body(step), above, runs)),
        };
        if !runs {
            self.needs.truncate(before);
            return None;
        }
        evaluated.map(|step| recipe::Step { name, ..step })
    }

    fn conflicts(&mut self, scope: &Scope<'_>, step: &Step) {
        let conflict = |span, message: &str, help: &str| Diagnostic::error(Code::StepConflict, span, message).help(help);
        let with = step.with.as_ref();
        if let (Some(_), Some(runs)) = (&step.uses, &step.runs) {
            let error = conflict(head(runs), "a step has either `uses` or `runs`", "make two steps of it");
            self.report(scope, error);
        } else if let (Some(with), None) = (with, &step.uses) {
            let span = with.keys().next().map_or(step.head, |key| key.span);
            let error =
                conflict(span, "`with` gives inputs to the pipeline that `uses` names, and there is none", "add `uses`, or drop `with`");
            self.report(scope, error);
        }
        if let (Some(uses), Some([_, ..])) = (&step.uses, step.pipeline.as_deref()) {
            let warning =
                Diagnostic::warning(Code::StepConflict, uses.span, "this `uses` is not read, since the step lists its own `pipeline`");
            self.report(scope, warning.help("drop one of the two"));
        }
        if step.uses.is_none() && step.runs.is_none() && step.pipeline.is_none() {
            let warning = Diagnostic::warning(Code::EmptyStep, step.head, "this step does nothing");
            self.report(scope, warning.help("give it `uses`, `runs` or `pipeline`"));
        }
    }

    /// Evaluates what a step or a pipeline file does; `active` says whether it will run.
    pub(super) fn body(&mut self, scope: &Scope<'_>, body: &Body<'_>, above: &Inherited, active: bool) -> recipe::Step {
        let here = self.inherit(scope, body, above);
        for package in body.needs.into_iter().flat_map(|needs| &needs.packages) {
            let package = self.plain(scope, package);
            // An input that is empty asks for nothing.
            if !package.is_empty() {
                self.needs.push(package);
            }
        }
        let script = body.runs.map(|runs| self.script(scope, runs));
        let below = body.pipeline.map(|steps| self.steps_below(scope, steps, &here));
        let required_steps = self.required_steps(scope, body, below.as_deref(), active);
        let retry = body.retry.and_then(|retry| self.retry(scope, retry));
        let Inherited { directory, environment } = here;
        let step = |environment: BTreeMap<String, String>, action| recipe::Step {
            name: None,
            origin: scope.origin.map(str::to_owned),
            environment,
            working_directory: directory.clone(),
            required_steps,
            retry,
            action,
        };
        match (script, below) {
            (None, below) => step(environment, Action::Group(below.unwrap_or_default())),
            (Some((script, outside)), None) => step(environment.into_iter().chain(outside).collect(), Action::Run { script }),
            (Some((script, outside)), Some(below)) => {
                let environment_of_first = environment.clone().into_iter().chain(outside).collect();
                let first = recipe::Step { required_steps: None, ..step(environment_of_first, Action::Run { script }) };
                step(environment, Action::Group(std::iter::once(first).chain(below).collect()))
            }
        }
    }

    pub(super) fn inherit(&mut self, scope: &Scope<'_>, body: &Body<'_>, above: &Inherited) -> Inherited {
        let directory = self.optional(scope, body.working_directory).or_else(|| above.directory.clone());
        let mut environment = above.environment.clone();
        environment.extend(self.map(scope, body.environment));
        Inherited { directory, environment }
    }

    fn required_steps(&mut self, scope: &Scope<'_>, body: &Body<'_>, below: Option<&[recipe::Step]>, active: bool) -> Option<u32> {
        let required = body.assertions?.required_steps.as_ref()?;
        let run = below.map_or(0, <[_]>::len);
        if active && usize::try_from(required.value).ok() != Some(run) {
            let message = format!("{} of the steps below must run, but {run} do", required.value);
            let error = Diagnostic::error(Code::RequiredSteps, required.span, message);
            self.report(scope, error.help(format!("look at their conditions for {}", self.context.arch)));
        }
        Some(required.value)
    }

    fn retry(&mut self, scope: &Scope<'_>, written: &Retry) -> Option<recipe::Retry> {
        let attempts = written.attempts.as_ref()?;
        if !(1..=MAX_ATTEMPTS).contains(&attempts.value) {
            let message = format!("{} attempts: 1 to {MAX_ATTEMPTS} are possible", attempts.value);
            self.report(scope, Diagnostic::error(Code::BadNumber, attempts.span, message));
        }
        let backoff = match written.backoff.as_ref().map(|text| (text, text.as_str())) {
            None | Some((_, "" | "exponential")) => Backoff::Exponential,
            Some((_, "linear")) => Backoff::Linear,
            Some((_, "constant")) => Backoff::Constant,
            Some((text, other)) => {
                let error = Diagnostic::error(Code::BadValue, text.span, format!("`{other}` is no way to wait"));
                self.report(scope, error.help("there are `constant`, `linear` and `exponential`"));
                Backoff::Exponential
            }
        };
        let mut delay = |text: Option<&Text>, default: u64| {
            let duration = text.and_then(|text| self.duration(scope, Some(text)));
            duration.map_or(default, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
        };
        let initial_delay_ms = delay(written.initial_delay.as_ref(), 1_000);
        let max_delay_ms = delay(written.max_delay.as_ref(), 60_000);
        Some(recipe::Retry { attempts: attempts.value, backoff, initial_delay_ms, max_delay_ms })
    }

    /// Reads a length of time.
    pub(super) fn duration(&mut self, scope: &Scope<'_>, text: Option<&Text>) -> Option<std::time::Duration> {
        let text = text.filter(|text| !text.is_empty())?;
        let duration = duration::parse(text);
        if duration.is_none() {
            let error = Diagnostic::error(Code::BadDuration, text.span, format!("`{text}` is not a length of time"));
            self.report(scope, error.help("write it as `90s`, `45m` or `1h30m`"));
        }
        duration
    }

    /// Substitutes a script and checks that a shell can read it, before and after.
    fn script(&mut self, scope: &Scope<'_>, runs: &Text) -> (String, BTreeMap<String, String>) {
        // Scripts in pipeline files were checked when the file was read.
        let good = scope.source.is_some() || !self.checked.insert(runs.span.start) || {
            let before = self.out.len();
            shell::check(runs, scope.text, &mut self.out);
            self.out.len() == before
        };
        let marked = self.substitute(scope, runs);
        if Outside::marks(&marked) {
            self.outside_places(scope, runs, &marked);
        }
        let (script, environment) = self.outside.script(&marked);
        if good
            && self.is_risky(scope, runs)
            && let Err(problem) = shell::parse(&script)
        {
            let message = format!("the values put into this script break it: {}", problem.message);
            let line = script[..problem.at.start].matches('\n').count();
            let shown = script.lines().nth(line).unwrap_or_default().trim().to_owned();
            let error = Diagnostic::error(Code::ShellSyntax, head(runs), message);
            self.report(scope, error.help(format!("it then reads: {shown}")));
        }
        (script, environment)
    }

    /// Whether a value is put in that could change how the script is read.
    fn is_risky(&self, scope: &Scope<'_>, runs: &Text) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-/:=@%,~ ".contains(c);
        pieces(runs).into_iter().any(|piece| match piece {
            Piece::Variable(name, _) => self.lookup(scope, name).is_some_and(|value| !value.chars().all(plain)),
            _ => false,
        })
    }

    /// Reports values from outside that stand where the shell expands nothing.
    fn outside_places(&mut self, scope: &Scope<'_>, runs: &Text, marked: &str) {
        for at in shell::literal_marks(marked) {
            let line = marked[..at].matches('\n').count();
            let offset = runs.split_inclusive('\n').take(line).map(str::len).sum();
            let span = locate_offset(scope.text, runs.span, runs, offset);
            let message = "a value from outside the definition stands where the shell expands nothing";
            let error = Diagnostic::error(Code::OutsideValue, span, message);
            self.report(scope, error.help("such values reach scripts as environment variables: use double quotes here"));
        }
    }
}

fn body(step: &Step) -> Body<'_> {
    Body {
        needs: step.needs.as_ref(),
        working_directory: step.working_directory.as_ref(),
        environment: &step.environment,
        runs: step.runs.as_ref(),
        pipeline: step.pipeline.as_deref(),
        assertions: step.assertions.as_ref(),
        retry: step.retry.as_ref(),
    }
}

/// The first line of a long text, to point at.
pub(super) fn head(text: &Text) -> crate::yaml::Span {
    let span = text.span;
    crate::yaml::Span::new(span.start, span.end.min(span.start + text.lines().next().map_or(0, str::len).max(1)))
}
