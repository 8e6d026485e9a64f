//! What this machine offers to a sandbox, and how to mend what it lacks.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::message::{Reply, Request};
use crate::run::{Launcher, ask};

/// Whether a machine has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It is there.
    Good,
    /// It is missing; runs go on without it, as the finding says.
    Degraded,
    /// It is missing, and no run can start.
    Missing,
}

/// One thing that a sandbox needs of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The thing, in a few words.
    pub subject: String,
    /// Whether the machine has it.
    pub health: Health,
    /// What was seen.
    pub detail: String,
    /// How to mend it, in a sentence; nothing where it is there.
    pub mend: Option<String>,
}

/// Looks at what this machine offers. `directory` is a scratch directory, on the file system where those of runs will be; it
/// may not be there yet, and its maker removes it.
pub fn probe(launcher: &Launcher, directory: &Path) -> Result<Vec<Finding>, SandboxError> {
    match ask(launcher, &Request::Probe { directory: directory.to_owned() }, false, &mut |_| {})? {
        Reply::Findings(findings) => Ok(findings),
        Reply::Failed(failure) => Err(failure.into()),
        Reply::Outcome(_) | Reply::Recorded(..) => Ok(Vec::new()),
    }
}
