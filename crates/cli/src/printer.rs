//! The one door to the terminal: stdout is data, stderr is talk.
#![expect(clippy::print_stderr, reason = "this file is the door")]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;

use crate::args::Global;
use crate::environment;
use crate::failure::Failure;

/// Prints what commands have to say.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    verbose: bool,
    colour: bool,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        let colour = io::stderr().is_terminal() && environment::NO_COLOR.value().is_none();
        Self { json: global.json, quiet: global.quiet, verbose: global.verbose, colour }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Writes data for a person, a line. Not with `--json`.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            self.raw(format!("{}\n", text.as_ref()).as_bytes());
        }
    }

    /// Writes data for a program. Only with `--json`.
    pub(crate) fn json<T: Serialize>(&self, value: &T) {
        if self.json {
            match serde_json::to_string_pretty(value) {
                Ok(text) => self.raw(format!("{text}\n").as_bytes()),
                Err(error) => self.warn(&format!("the result can not be written as JSON: {error}")),
            }
        }
    }

    /// Writes data that has one form only, for programs: as JSON, with `--json` or without.
    pub(crate) fn data<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| Failure::fault(&error))?;
        text.push(b'\n');
        self.raw(&text);
        Ok(())
    }

    /// Writes bytes that are data in themselves: a completion script, a file.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            // Who reads has heard enough.
            std::process::exit(0);
        }
    }

    /// Says something to a person.
    pub(crate) fn talk(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }

    /// Says something that a person should know.
    pub(crate) fn warn(&self, text: &str) {
        eprintln!("{} {text}", self.paint("33", "warning:"));
    }

    /// Says why a command failed, its causes, and the ways out.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Some(message) = failure.message() else { return };
        let mut chain = message.chain.iter();
        if let Some(first) = chain.next() {
            eprintln!("{} {first}", self.paint("31", "error:"));
        }
        for cause in chain {
            let mut lines = cause.lines();
            eprintln!("  because: {}", lines.next().unwrap_or_default());
            for line in lines {
                eprintln!("           {line}");
            }
        }
        for hint in &message.hints {
            eprintln!("{} {hint}", self.paint("36", "hint:"));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Says that the user's wish to stop is followed, where work did not end by itself.
pub(crate) fn stopped() {
    eprintln!("error: {}", build::BuildError::Stopped);
}

/// Prints help, version, or what is wrong with the arguments: exit 0 or 2.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (12 << 20, "12.0 MiB"), (3 << 40, "3.0 TiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
