//! `undistro fmt`: canonical order and style of definitions, comments kept.

use std::path::PathBuf;

use serde::Serialize;

use crate::args::Global;
use crate::definitions::{self, Found, PipelineArgs};
use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// Put definitions into canonical order and style; comments are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file that holds anchors, or is no YAML, is left as it is and told.

Examples:
  undistro fmt distro                  rewrite what is not in order
  undistro fmt --check distro          only list it

Exit codes: 0 done, 1 files are not in order (with --check) or can not be formatted, 2 something can not be read.")]
pub(crate) struct Args {
    /// Definitions, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write nothing; list the files that are not in order, exit 1 if there are any.
    #[arg(long)]
    check: bool,
}

/// What came of the files, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Report {
    changed: Vec<PathBuf>,
    refused: Vec<PathBuf>,
    unchanged: usize,
}

/// What came of one file.
enum Outcome {
    Same,
    Changed(String),
    /// Why it can not be formatted.
    Refused(String),
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let folders = definitions::pipeline_folders(&PipelineArgs::default(), &args.paths, global);
    let mut report = Report::default();
    for file in definitions::collect(&args.paths)? {
        let path = file.path.clone();
        match format(&file, &folders)? {
            None => {}
            Some(Outcome::Same) => report.unchanged += 1,
            Some(Outcome::Refused(why)) => {
                printer.talk(why.trim_matches('\n'));
                report.refused.push(path);
            }
            Some(Outcome::Changed(text)) => {
                if !args.check {
                    crate::replace::file(&path, text.as_bytes()).map_err(|error| Failure::fault(&error))?;
                }
                printer.line(path.display().to_string());
                report.changed.push(path);
            }
        }
    }
    printer.json(&report);
    let verb = if args.check { "to be formatted" } else { "formatted" };
    printer.talk(format!("{} {verb}, {} in order", report.changed.len(), report.unchanged));
    if report.changed.len() + report.refused.len() + report.unchanged == 0 {
        return Err(Failure::Input(Message::text("there is no definition in what was named")));
    }
    if !report.refused.is_empty() || args.check && !report.changed.is_empty() { Err(Failure::Said) } else { Ok(()) }
}

/// Formats one file; nothing if it is no definition.
fn format(file: &Found, folders: &[PathBuf]) -> Result<Option<Outcome>, Failure> {
    let text = spec::package::read_text(&file.path).map_err(|error| Failure::input(&error))?;
    let Some(language) = definitions::language(file, &text, folders) else { return Ok(None) };
    Ok(Some(match spec::format(language, &text) {
        Ok(formatted) if formatted == text => Outcome::Same,
        Ok(formatted) => Outcome::Changed(formatted),
        Err(found) => Outcome::Refused(found.render(&file.path.display().to_string(), &text)),
    }))
}
