//! `undistro test`: the tests of packages, against exactly what was built.

use build::{Outcome, Tested};
use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::{Printer, count};
use crate::workshop::{FetchArgs, PaceArgs, Workshop};

/// Run the tests of packages against what was built.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each test runs in a fresh root with exactly the package that was built, and what its `test:` asks for. A test that passed
for the same package is not run again. Tests run some at a time, after all that they need is built.

Examples:
  undistro test zlib
  undistro test --all -k           every test, though some may fail")]
pub(crate) struct Args {
    /// Packages; for a definition's name, its subpackages too.
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Test every definition.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    fetch: FetchArgs,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    package: &'a str,
    version: &'a str,
    content: Option<base::Digest>,
    outcome: &'static str,
    seconds: f64,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::paced(global, &args.fetch, &args.pace, printer)?;
    let targets = if args.all { super::build::all(&workshop) } else { args.names.clone() };
    workshop.with_builder(|builder| {
        let attempt = builder.attempt_tests(&targets).map_err(|error| super::build::failure(&error, printer))?;
        let lines: Vec<_> = attempt.report.iter().map(line).collect();
        for one in &lines {
            printer.line(format!("{:<14} {}-{}", one.outcome, one.package, one.version));
        }
        printer.json(&lines);
        printer.talk(format!("{} tested", count(lines.len(), "package")));
        super::build::settled(attempt, printer).map(drop)
    })
}

fn line(tested: &Tested) -> Line<'_> {
    Line {
        package: tested.package.as_str(),
        version: tested.version.as_str(),
        content: tested.content,
        outcome: if tested.outcome == Outcome::Cached { "passed before" } else { "passed" },
        seconds: tested.seconds,
    }
}
