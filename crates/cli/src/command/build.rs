//! `undistro build`: packages from source, with everything they need.

use std::collections::{BTreeMap, BTreeSet};

use base::{Digest, PackageName};
use build::{Attempt, BuildError, Builder, Built, GraphError, Outcome, Report, StepError};
use sandbox::SandboxError;
use serde::Serialize;

use crate::args::Global;
use crate::failure::{Failure, Message, is_full, with_usual_hints};
use crate::printer::{Printer, size};
use crate::workshop::{FetchArgs, PaceArgs, Workshop};

/// Build packages from source, with everything they need.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What was built before from the same inputs is not built again, and a build that was interrupted goes on where it was.

Examples:
  undistro build nginx            the package nginx and the packages of the image nginx
  undistro build --all -k         every definition, and after a failure all that does not need what failed
  undistro build --all --timings out   and out/timings.html shows where the time went
  undistro build zlib -v          and show what its steps print")]
pub(crate) struct Args {
    /// Packages, or images whose packages to build.
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Build every definition.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// What was built, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    definitions: Vec<Definition<'a>>,
    #[serde(flatten)]
    unfinished: Unfinished,
}

/// What was not done, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Unfinished {
    /// What failed: the error and its causes.
    failed: BTreeMap<String, Vec<String>>,
    /// What could not be done, and whose failure is the reason.
    held: BTreeMap<String, String>,
    /// What was not begun, since something had failed.
    left: Vec<String>,
}

impl Unfinished {
    pub(super) fn of<T>(attempt: &Attempt<T>) -> Self {
        let failed = attempt.failed.iter().map(|(name, error)| (name.to_string(), Message::of(error).chain));
        let held = attempt.held.iter().map(|(name, by)| (name.to_string(), by.to_string()));
        Self { failed: failed.collect(), held: held.collect(), left: attempt.left.iter().map(ToString::to_string).collect() }
    }
}

#[derive(Debug, Serialize)]
struct Definition<'a> {
    name: &'a str,
    outcome: &'static str,
    /// What it needs that was made anew, where it was not.
    unchanged_by: Vec<&'a str>,
    seconds: f64,
    packages: Vec<Package<'a>>,
    findings: Vec<String>,
    log: Option<Digest>,
}

#[derive(Debug, Serialize)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    content: Option<Digest>,
    size: u64,
    installed_size: u64,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::paced(global, &args.fetch, &args.pace, printer)?;
    let targets = if args.all { all(&workshop) } else { targets(&workshop, &args.names)? };
    workshop.with_builder(|builder| {
        tell_lacking(builder, &targets, printer)?;
        let attempt = builder.attempt(&targets).map_err(|error| failure(&error, printer))?;
        tell(&attempt, printer);
        settled(attempt, printer).map(drop)
    })
}

/// Tells what failed, and what was not done therefore; the first failure decides the exit code.
pub(super) fn settled<T>(attempt: Attempt<T>, printer: &Printer) -> Result<T, Failure> {
    let Attempt { report, failed, held, left } = attempt;
    let mut failures = failed.iter().map(|(_, error)| failure(error, printer));
    let Some(mut first) = failures.next() else {
        return if left.is_empty() { Ok(report) } else { Err(failure(&BuildError::Stopped, printer)) };
    };
    failures.for_each(|failure| printer.failure(&failure));
    for (name, _) in &failed {
        let above: Vec<&str> = held.iter().filter(|(_, by)| *by == name).map(|(name, _)| name.as_str()).collect();
        if !above.is_empty() {
            printer.talk(format!("not done, since {name} failed: {}", above.join(" ")));
        }
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(PackageName::as_str).collect();
        printer.talk(format!("not begun: {}", names.join(" ")));
        first.hint("--keep-going does all that does not need what failed");
    }
    Err(first)
}

/// Warns of what definitions ask of a machine and this one does not have; they are built all the same.
fn tell_lacking(builder: &Builder<'_>, targets: &[String], printer: &Printer) -> Result<(), Failure> {
    let order = builder.order(targets).map_err(|error| failure(&error, printer))?;
    let machine = crate::host::machine(builder.store.root(), builder.limits.jobs);
    let definitions = order.definitions.iter().filter_map(|name| builder.distro.definition(name));
    for lack in definitions.flat_map(|definition| build::resources::lacking(&definition.recipe, &machine)) {
        printer.warn(&lack);
    }
    Ok(())
}

/// Every definition's name.
pub(super) fn all(workshop: &Workshop) -> Vec<String> {
    workshop.distro.definitions().map(|definition| definition.recipe.name.to_string()).collect()
}

/// The packages that names stand for: each is a package, or an image, or both.
pub(super) fn targets(workshop: &Workshop, names: &[String]) -> Result<Vec<String>, Failure> {
    let mut targets = BTreeSet::new();
    for name in names {
        let image = workshop.folder().join("images").join(name).join("image.yaml");
        let is_image = !name.contains('/') && image.is_file();
        let is_package = workshop.distro.package_names().any(|known| known == name);
        if is_package || !is_image {
            targets.insert(name.clone());
        }
        if is_image {
            let config = super::compose::definition(&image)?;
            targets.extend(super::compose::wanted(&config)?);
        }
    }
    Ok(targets.into_iter().collect())
}

/// Builds `targets`; an error is told with its way out.
pub(crate) fn build(builder: &Builder<'_>, targets: &[String], printer: &Printer) -> Result<Report, Failure> {
    builder.build(targets).map_err(|error| failure(&error, printer))
}

/// What a user sees of an error of a build.
pub(super) fn failure(error: &BuildError, printer: &Printer) -> Failure {
    let message = with_usual_hints(Message::of(error), error);
    match error {
        BuildError::Stopped => Failure::Interrupted(message),
        _ if is_full(error) => Failure::Fault(message),
        BuildError::Step { source, log, tail, shell, .. } => {
            if let StepError::Sandbox(error) = &**source
                && !is_of_program(error)
            {
                return Failure::Fault(hinted(message, error.hint()));
            }
            for line in tail {
                printer.talk(format!("    | {line}"));
            }
            let message = match &**source {
                StepError::Sandbox(error) => hinted(message, error.hint()),
                _ => message,
            };
            Failure::No(message.hint(format!("the whole log: {}", log.display())).hint(format!("a shell where it failed: {shell}")))
        }
        BuildError::Graph(GraphError::Mistaken(mistaken)) => {
            let shown = mistaken.diagnostics.render(&mistaken.path.display().to_string(), &mistaken.text);
            printer.talk(shown.trim_matches('\n'));
            Failure::Input(Message::text(format!("{} has mistakes", mistaken.path.display())))
        }
        BuildError::Graph(_)
        | BuildError::NoDefinition(_)
        | BuildError::Environment { .. }
        | BuildError::Work { .. }
        | BuildError::NotFailed(_) => Failure::Input(message),
        BuildError::Source { .. } => Failure::No(message),
        _ => Failure::Fault(message),
    }
}

/// Whether what failed is the program that was to run, and not the sandbox around it.
fn is_of_program(error: &SandboxError) -> bool {
    !matches!(error, SandboxError::Setup(failure) if failure.step != sandbox::Step::Execute)
}

fn hinted(message: Message, hint: Option<&str>) -> Message {
    match hint {
        Some(hint) => message.hint(hint),
        None => message,
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Built => "built",
        Outcome::Emitted => "emitted",
        Outcome::Cached => "there already",
    }
}

fn tell(attempt: &Attempt<Report>, printer: &Printer) {
    let report = &attempt.report;
    let definitions: Vec<_> = report.built.iter().map(|built| definition(report, built)).collect();
    for one in &definitions {
        for package in &one.packages {
            let size = size(package.size);
            printer.line(format!("{:<14} {}-{}  {size}", one.outcome, package.name, package.version));
        }
        if !one.unchanged_by.is_empty() {
            printer.talk(format!("{}: unchanged by {}: not built again", one.name, one.unchanged_by.join(", ")));
        }
        for finding in &one.findings {
            printer.warn(finding);
        }
    }
    printer.json(&Summary { definitions, unfinished: Unfinished::of(attempt) });
}

fn definition<'a>(report: &'a Report, built: &'a Built) -> Definition<'a> {
    let findings = built.findings.iter().flat_map(|(name, findings)| findings.iter().map(move |finding| format!("{name}: {finding}")));
    let unchanged_by: Vec<&str> = report.cut_off(built).map(PackageName::as_str).collect();
    Definition {
        name: built.origin.as_str(),
        outcome: if unchanged_by.is_empty() { word(built.outcome) } else { "unchanged" },
        unchanged_by,
        seconds: built.seconds,
        packages: built.packages.iter().map(package).collect(),
        findings: findings.collect(),
        log: built.log,
    }
}

fn package(record: &apk::Record) -> Package<'_> {
    let info = &record.info;
    Package {
        name: info.name.as_str(),
        version: info.version.as_str(),
        content: record.content,
        size: record.size,
        installed_size: info.installed_size,
    }
}
