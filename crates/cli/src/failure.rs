//! How a command fails: what the user sees, and the exit code.

use std::error::Error;
use std::process::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The answer is no: findings, a mismatch, a failed step. Exit 1.
    No(Message),
    /// The usage or the input is wrong. Exit 2.
    Input(Message),
    /// The machine or undistro itself failed. Exit 3.
    Fault(Message),
    /// The user stopped it. Exit 130, as shells have it for SIGINT.
    Interrupted(Message),
    /// Everything has been said already; only the exit code 1 is left.
    Said,
}

/// What is said of a failure.
#[derive(Debug)]
pub(crate) struct Message {
    /// The error and its causes, outermost first.
    pub(crate) chain: Vec<String>,
    /// Ways out.
    pub(crate) hints: Vec<String>,
}

impl Message {
    /// Takes an error with all its causes. A cause that its effect quotes already is not said twice.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut chain = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !chain.last().is_some_and(|last| last.contains(&text)) {
                chain.push(text);
            }
            cause = error.source();
        }
        Self { chain, hints: Vec::new() }
    }

    /// A message without causes.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { chain: vec![text.into()], hints: Vec::new() }
    }

    /// Adds a way out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Failure {
    /// The input is wrong, and this error says how.
    pub(crate) fn input(error: &(dyn Error + 'static)) -> Self {
        Self::Input(Message::of(error))
    }

    /// The machine or undistro failed, and this error says how.
    pub(crate) fn fault(error: &(dyn Error + 'static)) -> Self {
        Self::Fault(with_usual_hints(Message::of(error), error))
    }

    /// Adds a way out, where a message is left to be told.
    pub(crate) fn hint(&mut self, hint: &str) {
        match self {
            Self::No(message) | Self::Input(message) | Self::Fault(message) | Self::Interrupted(message) => {
                message.hints.push(hint.to_owned());
            }
            Self::Said => {}
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::No(_) | Self::Said => 1,
            Self::Input(_) => 2,
            Self::Fault(_) => 3,
            Self::Interrupted(_) => 130,
        })
    }

    pub(crate) fn message(&self) -> Option<&Message> {
        match self {
            Self::No(message) | Self::Input(message) | Self::Fault(message) | Self::Interrupted(message) => Some(message),
            Self::Said => None,
        }
    }
}

/// Adds the way out of what the operating system often refuses.
pub(crate) fn with_usual_hints(message: Message, error: &(dyn Error + 'static)) -> Message {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::StorageFull => {
                    return message.hint(
                        "make room (`undistro store gc` helps), or name a store on another disk with --store; what was done is kept",
                    );
                }
                std::io::ErrorKind::PermissionDenied => {
                    return message.hint("check who owns the path, or name a store of your own with --store");
                }
                std::io::ErrorKind::ReadOnlyFilesystem => return message.hint("name a store that can be written with --store"),
                _ => {}
            }
        }
        cause = error.source();
    }
    message
}

/// Whether the disk is full: whatever was being done, it is the machine that failed.
pub(crate) fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull) {
            return true;
        }
        cause = error.source();
    }
    false
}
