//! Pipelines: steps as written, files of them, and where a `uses` finds its file.

use std::sync::Arc;

use crate::diagnostic::Source;
use crate::yaml::{Map, Spanned, Text, record};
use crate::{Code, Diagnostics, yaml};

mod folder;

pub use folder::{Folder, FolderError};

record! {
    /// One step of a pipeline.
    Step is "a step" {
        /// Label in logs.
        "name" => name: Option<Text>,
        /// Condition; the step runs only when it holds.
        "if" => condition: Option<Text>,
        /// Name of the pipeline to run here.
        "uses" => uses: Option<Text>,
        /// Inputs for the pipeline that `uses` names.
        "with" => with: Option<Map<Text>>,
        /// Packages that the step needs in the build root.
        "needs" => needs: Option<Needs>,
        /// Directory to run in, relative to the workspace or absolute; made if it is missing.
        "working-directory" => working_directory: Option<Text>,
        /// Environment variables of this step and the steps below it.
        "environment" => environment: Map<Text>,
        /// Script for the shell.
        "runs" => runs: Option<Text>,
        /// Steps below this one.
        "pipeline" => pipeline: Option<Vec<Step>>,
        /// What must be true afterwards.
        "assertions" => assertions: Option<Assertions>,
        /// How often a failing step is tried again.
        "retry" => retry: Option<Retry>,
        /// A mark; nothing reads it.
        "label" => label: Option<Text>,
        /// Inputs; meaningful in pipeline files only.
        "inputs" => inputs: Map<Input>,
    }

    /// A file of `pipelines/`: what a `uses` names.
    File is "a pipeline" {
        /// Label in logs.
        "name" => name: Option<Text>,
        /// What the pipeline is for.
        "description" => description: Option<Text>,
        /// Condition; the pipeline runs only when it holds.
        "if" => condition: Option<Text>,
        /// What the pipeline can be given.
        "inputs" => inputs: Map<Input>,
        /// Packages that the pipeline needs in the build root.
        "needs" => needs: Option<Needs>,
        /// Directory to run in.
        "working-directory" => working_directory: Option<Text>,
        /// Environment variables of the steps.
        "environment" => environment: Map<Text>,
        /// Script for the shell, before the steps.
        "runs" => runs: Option<Text>,
        /// The steps.
        "pipeline" => pipeline: Option<Vec<Step>>,
        /// What must be true afterwards.
        "assertions" => assertions: Option<Assertions>,
        /// How often it is tried again.
        "retry" => retry: Option<Retry>,
        /// A mark; nothing reads it.
        "label" => label: Option<Text>,
    }

    /// What a pipeline can be given.
    Input is "an input" {
        /// What it is for.
        "description" => description: Option<Text>,
        /// Its value when none is given.
        "default" => default: Option<Text>,
        /// Whether it must be given.
        "required" => required: Option<bool>,
    }

    /// What a step needs around it.
    Needs is "`needs`" {
        /// Packages in the build root.
        "packages" => packages: Vec<Text>,
    }

    /// What must be true after a step.
    Assertions is "`assertions`" {
        /// How many of the steps directly below must run.
        "required-steps" => required_steps: Option<Spanned<u32>>,
    }

    /// How a failing step is tried again.
    Retry is "`retry`" {
        /// How often it is run at most.
        "attempts" => attempts: Option<Spanned<u32>>,
        /// `constant`, `linear` or `exponential`.
        "backoff" => backoff: Option<Text>,
        /// Time before the second attempt.
        "initial-delay" => initial_delay: Option<Text>,
        /// Longest time between two attempts.
        "max-delay" => max_delay: Option<Text>,
    }
}

/// A pipeline file as written.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Where it came from, and its text.
    pub source: Arc<Source>,
    /// What it says.
    pub file: File,
    /// What should be changed in it.
    pub warnings: Diagnostics,
}

/// Parses a pipeline file; `name` is shown in messages.
///
/// # Errors
/// Every mistake in the file, the scripts' syntax included.
pub fn parse(name: &str, text: &str) -> Result<Pipeline, Diagnostics> {
    let source = Arc::new(Source { name: name.to_owned(), text: text.into() });
    let (file, mut diagnostics) = yaml::read::<File>(text);
    if let Some(file) = &file {
        let mut check = |script: &Text| crate::shell::check(script, text, &mut diagnostics);
        file.runs.iter().for_each(&mut check);
        each_script(file.pipeline.as_deref().unwrap_or_default(), &mut check);
    }
    // melange passes over unknown keys in pipeline files, and files rely on it.
    diagnostics.downgrade(Code::UnknownKey);
    let (file, warnings) = diagnostics.within(&source).finish(file)?;
    Ok(Pipeline { source, file, warnings })
}

/// Calls `check` with the script of every step and of the steps below.
pub(crate) fn each_script(steps: &[Step], check: &mut dyn FnMut(&Text)) {
    for step in steps {
        step.runs.iter().for_each(&mut *check);
        each_script(step.pipeline.as_deref().unwrap_or_default(), check);
    }
}

/// Where the pipelines that steps use are found.
pub trait Pipelines: Sync {
    /// Returns the pipeline called `name` (`autoconf/make`), or `None` when there is no such file.
    ///
    /// # Errors
    /// When there is one that can not be read.
    fn find(&self, name: &str) -> Result<Option<Arc<Pipeline>>, Arc<FolderError>>;

    /// Names the places that are searched, for the message that a pipeline is nowhere.
    fn places(&self) -> Vec<String> {
        Vec::new()
    }
}

/// No files at all: only what is built in.
impl Pipelines for () {
    fn find(&self, _: &str) -> Result<Option<Arc<Pipeline>>, Arc<FolderError>> {
        Ok(None)
    }
}
