//! A recipe's steps as work: flat, decided, and without what does not change the outcome. It is what a Run action is keyed by.

use std::collections::BTreeMap;

use base::PackageName;
use serde::Serialize;
use source::Expected;
use spec::Recipe;
use spec::recipe::{Action, Retry, Step};

use crate::native::split::Rule;

/// One thing to do, in the order of the recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Job {
    /// How a person knows it: the step's name or its pipeline.
    #[serde(skip)]
    pub(crate) label: String,
    /// The package whose steps it is among.
    pub(crate) context: PackageName,
    /// Environment variables of the step.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it runs; the workspace when absent.
    pub(crate) directory: Option<String>,
    /// How often it is tried again.
    pub(crate) retry: Option<Retry>,
    /// What is done.
    pub(crate) work: Work,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// A script for the shell of the build root.
    Script(String),
    /// A pinned source is put into the workspace.
    Fetch(Fetch),
    /// Patches are applied.
    Patch {
        /// The patch files, in order; or
        patches: Vec<String>,
        /// a file that lists them.
        series: Option<String>,
        /// Leading parts of names that are cut off.
        strip: usize,
        /// Lines of context that may differ.
        fuzz: usize,
    },
    /// Symbols are removed from the programs and libraries of the context's tree.
    Strip {
        /// The options for the program `strip`.
        options: Vec<String>,
    },
    /// Files move from one package's tree to the context's.
    Split {
        /// The package they come from.
        from: PackageName,
        /// Which files.
        rule: Rule,
    },
}

/// A pinned source. Where it may be had from changes nothing, so it is no part of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fetch {
    /// The hash it must have.
    pub(crate) expected: Expected,
    /// Where it is said to be.
    #[serde(skip)]
    pub(crate) uri: String,
    /// Its name in the workspace.
    pub(crate) file_name: String,
    /// Where it is unpacked, if it is.
    pub(crate) unpack: Option<Unpack>,
    /// Whether the file itself goes after that.
    pub(crate) delete: bool,
    /// What it is called in an SBOM.
    #[serde(skip)]
    pub(crate) purl: (String, String),
}

/// How a source is unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unpack {
    /// Into which directory.
    pub(crate) directory: String,
    /// Leading parts of names that are cut off.
    pub(crate) strip: usize,
}

/// A step can not be carried out by this undistro.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// There is no code for it.
    #[error("the pipeline `{0}` is not carried out by this undistro yet")]
    Pipeline(String),
    /// An input does not fit.
    #[error("`{pipeline}`: `{input}`: {problem}")]
    Input {
        /// The pipeline.
        pipeline: String,
        /// Its input.
        input: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Returns everything a build does: the main package's steps, then each subpackage's.
pub(crate) fn jobs(recipe: &Recipe) -> Result<Vec<Job>, WorkError> {
    let mut jobs = Vec::new();
    lower(&recipe.pipeline, &recipe.name, recipe, &mut jobs)?;
    for subpackage in &recipe.subpackages {
        lower(&subpackage.pipeline, &subpackage.name, recipe, &mut jobs)?;
    }
    Ok(jobs)
}

/// Returns what a list of steps does, in the context of one package: a test's, for instance.
pub(crate) fn lower(steps: &[Step], context: &PackageName, recipe: &Recipe, jobs: &mut Vec<Job>) -> Result<(), WorkError> {
    for step in steps {
        let work = match &step.action {
            Action::Group(steps) => {
                lower(steps, context, recipe, jobs)?;
                continue;
            }
            Action::Run { script } => Work::Script(script.clone()),
            Action::Native { pipeline, inputs } => native(&Inputs { pipeline, inputs }, context, recipe)?,
        };
        jobs.push(Job {
            label: step.name.clone().or_else(|| step.origin.clone()).unwrap_or_else(|| "script".to_owned()),
            context: context.clone(),
            environment: step.environment.clone(),
            directory: step.working_directory.clone(),
            retry: step.retry,
            work,
        });
    }
    Ok(())
}

/// The inputs of a native pipeline.
struct Inputs<'a> {
    pipeline: &'a str,
    inputs: &'a BTreeMap<String, String>,
}

impl Inputs<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.inputs.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn wrong(&self, input: &'static str, problem: impl Into<String>) -> WorkError {
        WorkError::Input { pipeline: self.pipeline.to_owned(), input, problem: problem.into() }
    }

    fn number(&self, input: &'static str, default: usize) -> Result<usize, WorkError> {
        self.text(input).map_or(Ok(default), |text| text.trim().parse().map_err(|_| self.wrong(input, format!("`{text}` is no number"))))
    }

    fn flag(&self, input: &'static str) -> Result<bool, WorkError> {
        match self.text(input) {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(text) => Err(self.wrong(input, format!("`{text}` is neither true nor false"))),
        }
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.text(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

fn native(inputs: &Inputs<'_>, context: &PackageName, recipe: &Recipe) -> Result<Work, WorkError> {
    match inputs.pipeline {
        "fetch" => fetch(inputs).map(Work::Fetch),
        "patch" => {
            let (patches, series) = (inputs.words("patches"), inputs.text("series").map(str::to_owned));
            if patches.is_empty() && series.is_none() {
                return Err(inputs.wrong("patches", "neither it nor `series` is given"));
            }
            Ok(Work::Patch { patches, series, strip: inputs.number("strip-components", 1)?, fuzz: inputs.number("fuzz", 2)? })
        }
        "strip" => Ok(Work::Strip { options: inputs.words("opts") }),
        name => match name.strip_prefix("split/").map(|kind| rule(kind, inputs)) {
            Some(Some(rule)) => Ok(Work::Split { from: split_from(name, inputs, context, recipe)?, rule }),
            _ => Err(WorkError::Pipeline(name.to_owned())),
        },
    }
}

fn fetch(inputs: &Inputs<'_>) -> Result<Fetch, WorkError> {
    let uri = inputs.text("uri").unwrap_or_default().to_owned();
    let expected = match (inputs.text("expected-sha256"), inputs.text("expected-sha512")) {
        (Some(hex), _) => Expected::sha256(hex).map_err(|error| inputs.wrong("expected-sha256", error.to_string()))?,
        (None, Some(hex)) => Expected::sha512(hex).map_err(|error| inputs.wrong("expected-sha512", error.to_string()))?,
        (None, None) => return Err(inputs.wrong("expected-sha256", "a source must be pinned by it or by `expected-sha512`")),
    };
    let file_name = uri.split(['?', '#']).next().unwrap_or_default().rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    if matches!(file_name.as_str(), "" | "." | "..") {
        return Err(inputs.wrong("uri", format!("`{uri}` does not end with the name of a file")));
    }
    let unpack = if inputs.flag("extract")? {
        let directory = inputs.text("directory").unwrap_or(".").to_owned();
        Some(Unpack { directory, strip: inputs.number("strip-components", 1)? })
    } else {
        None
    };
    let text = |name| inputs.text(name).unwrap_or_default().to_owned();
    Ok(Fetch { expected, uri, file_name, unpack, delete: inputs.flag("delete")?, purl: (text("purl-name"), text("purl-version")) })
}

fn rule(kind: &str, inputs: &Inputs<'_>) -> Option<Rule> {
    let lines = |name: &str| -> Vec<String> {
        inputs.text(name).unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    Some(match kind {
        "dev" => Rule::Dev { prefix: inputs.text("prefix").unwrap_or("/usr").trim_matches('/').to_owned() },
        "static" => Rule::Static,
        "lib" => Rule::Lib { patterns: lines("patterns"), directories: lines("paths") },
        "bin" => Rule::Bin,
        "manpages" => Rule::Manpages,
        "infodir" => Rule::Infodir,
        "alldocs" => Rule::Alldocs,
        "locales" => Rule::Locales,
        _ => return None,
    })
}

/// The package that files are split from: the one that is named; for `split/bin` in `x-bin`, `x`; else the main one.
fn split_from(name: &str, inputs: &Inputs<'_>, context: &PackageName, recipe: &Recipe) -> Result<PackageName, WorkError> {
    let known = |wanted: &str| {
        let mut names = std::iter::once(&recipe.name).chain(recipe.subpackages.iter().map(|subpackage| &subpackage.name));
        names.find(|known| known.as_str() == wanted).cloned()
    };
    let from = match inputs.text("package") {
        Some(package) => known(package).ok_or_else(|| inputs.wrong("package", format!("this build makes no package `{package}`")))?,
        None => {
            let beside = context.as_str().strip_suffix("-bin").filter(|_| name == "split/bin").and_then(known);
            beside.unwrap_or_else(|| recipe.name.clone())
        }
    };
    if &from == context { Err(inputs.wrong("package", "a package can not be split from itself")) } else { Ok(from) }
}
