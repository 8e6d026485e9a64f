//! `undistro test`: the tests of packages, against exactly what was built.

use build::{Outcome, Tested};
use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

/// Run the tests of packages against what was built.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each test runs in a fresh root with exactly the package that was built, and what its `test:` asks for. A test that passed
for the same package is not run again.

Examples:
  undistro test zlib
  undistro test --all")]
pub(crate) struct Args {
    /// Packages; for a definition's name, its subpackages too.
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Test every definition.
    #[arg(long, conflicts_with = "names")]
    all: bool,
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
    let workshop = Workshop::open(global, &args.fetch, printer)?;
    let targets = if args.all { super::build::all(&workshop) } else { args.names.clone() };
    let tested = workshop.with_builder(|builder| builder.test(&targets).map_err(|error| super::build::failure(&error, printer)))?;
    let lines: Vec<_> = tested.iter().map(line).collect();
    for one in &lines {
        printer.line(format!("{:<14} {}-{}", one.outcome, one.package, one.version));
    }
    printer.json(&lines);
    printer.talk(format!("{} packages tested", lines.len()));
    Ok(())
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
