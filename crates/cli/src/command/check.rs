//! `undistro check`: reads definitions, lists every mistake, and mends those that can be mended safely.

mod fixes;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use base::Arch;
use rayon::prelude::*;
use serde::Serialize;
use spec::pipeline::Folder;
use spec::schema::Language;
use spec::{Context, Diagnostics, Located, Severity};

use super::compose::Beside;
use crate::args::Global;
use crate::definitions::{self, Found, PipelineArgs};
use crate::failure::{Failure, Message};
use crate::printer::{Printer, count};

/// Read definitions and list every mistake.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undistro check distro                           a whole folder
  undistro check --arch aarch64 nginx.yaml        one definition, for another architecture
  undistro check --fix nginx.yaml                 mend what can be mended safely, list the rest
  undistro check --json distro                    findings as data
  undistro check --format sarif distro > a.sarif  findings as code hosts read them

Exit codes: 0 no errors (warnings are listed), 1 errors, 2 something can not be read.")]
pub(crate) struct Args {
    /// Definitions, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The architecture to evaluate for; may be given more than once [default: this machine's].
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// How findings are written [default: text, or json with --json].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Mend what can be mended without changing what else a file says, and list what is left.
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    pipelines: PipelineArgs,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the lines they are about.
    Text,
    /// As one object.
    Json,
    /// As SARIF 2.1.0.
    Sarif,
}

/// What was found, as JSON.
#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    fixed: usize,
    mendable: usize,
    findings: Vec<Located>,
    unreadable: Vec<Unreadable>,
    /// What could not be compared with its sources, and why.
    unchecked: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    file: PathBuf,
    reason: String,
}

/// What came of one definition.
struct Checked {
    text: String,
    found: Diagnostics,
    fixed: usize,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let format = args.format.unwrap_or(if global.json { Format::Json } else { Format::Text });
    let files = definitions::collect(&args.paths)?;
    let mut check = Check::new(args, global);
    let mut results: Vec<_> = files.par_iter().map(|file| check.file(file)).collect();
    let fixed = results.iter().flatten().flatten().map(|checked| checked.fixed).sum();
    if fixed > 0 {
        // What was mended may be a pipeline that other files use: all are read again.
        check = Check { fix: false, ..Check::new(args, global) };
        results = files.par_iter().map(|file| check.file(file)).collect();
    }

    let mut report = Report { fixed, ..Report::default() };
    let mut told = Told::new();
    for (file, result) in files.iter().zip(results) {
        let name = file.path.display().to_string();
        match result {
            Ok(None) => {}
            Ok(Some(checked)) => {
                report.files += 1;
                report.mendable += checked.found.iter().filter(|finding| finding.fix.is_some() && finding.source.is_none()).count();
                let found = news(&name, checked.found, &mut told);
                if format == Format::Text && !found.is_empty() {
                    printer.raw(format!("{}\n", found.render(&name, &checked.text).trim_matches('\n')).as_bytes());
                }
                report.findings.extend(found.located(&name, &checked.text));
            }
            Err(reason) => report.unreadable.push(Unreadable { file: file.path.clone(), reason }),
        }
    }
    fixes::check(&check, &files, global, format, &mut report, printer);
    report.errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    report.warnings = report.findings.len() - report.errors;
    tell(&report, format, args.fix, printer)?;
    verdict(&report, printer)
}

/// Where and what was told already.
type Told = HashSet<(String, Option<usize>, String)>;

/// Leaves out what was told before: hundreds of definitions may use one pipeline.
fn news(name: &str, found: Diagnostics, told: &mut Told) -> Diagnostics {
    let mut kept = Diagnostics::new();
    for diagnostic in found {
        let file = diagnostic.source.as_ref().map_or(name, |source| &source.name).to_owned();
        if told.insert((file, diagnostic.span.map(|span| span.start), diagnostic.message.clone())) {
            kept.push(diagnostic);
        }
    }
    kept
}

fn tell(report: &Report, format: Format, fix: bool, printer: &Printer) -> Result<(), Failure> {
    match format {
        Format::Text => {}
        Format::Json => printer.data(report)?,
        Format::Sarif => printer.data(&spec::sarif(&report.findings, env!("CARGO_PKG_VERSION")))?,
    }
    let fixed = if fix { format!(", {} mended", report.fixed) } else { String::new() };
    let (files, errors, warnings) = (count(report.files, "definition"), count(report.errors, "error"), count(report.warnings, "warning"));
    printer.talk(format!("{files}, {errors}, {warnings}{fixed}"));
    if report.mendable > 0 {
        printer.talk(format!("{} of them can be mended by --fix", report.mendable));
    }
    Ok(())
}

fn verdict(report: &Report, printer: &Printer) -> Result<(), Failure> {
    let mut unreadable = report.unreadable.iter().map(|file| Failure::Input(Message::text(&file.reason)));
    let last = unreadable.next_back();
    unreadable.for_each(|failure| printer.failure(&failure));
    match last {
        Some(failure) => Err(failure),
        None if report.files == 0 => Err(Failure::Input(Message::text("there is no definition in what was named"))),
        None if report.errors > 0 => Err(Failure::Said),
        None => Ok(()),
    }
}

/// What checking depends on.
struct Check {
    archs: Vec<Arch>,
    folders: Vec<PathBuf>,
    pipelines: Folder,
    fix: bool,
}

impl Check {
    fn new(args: &Args, global: &Global) -> Self {
        let folders = definitions::pipeline_folders(&args.pipelines, &args.paths, global);
        let archs = if args.arch.is_empty() { vec![Arch::host().unwrap_or(Arch::X86_64)] } else { args.arch.clone() };
        Self { archs, pipelines: definitions::pipelines(&folders), folders, fix: args.fix }
    }

    /// Checks one file; nothing if it is no definition, the reason if it can not be read or written.
    fn file(&self, file: &Found) -> Result<Option<Checked>, String> {
        let said = |error: &(dyn std::error::Error + 'static)| Message::of(error).chain.join(": ");
        let text = spec::package::read_text(&file.path).map_err(|error| said(&error))?;
        let Some(language) = definitions::language(file, &text, &self.folders) else { return Ok(None) };
        let found = self.text(language, &file.path, &text);
        if !self.fix {
            return Ok(Some(Checked { text, found, fixed: 0 }));
        }
        let checked = self.mend(language, &file.path, &text, found);
        if checked.text != text {
            crate::replace::file(&file.path, checked.text.as_bytes()).map_err(|error| said(&error))?;
        }
        Ok(Some(checked))
    }

    /// Mends until nothing is left that can be: changes that overlap are made one after the other.
    fn mend(&self, language: Language, path: &Path, text: &str, found: Diagnostics) -> Checked {
        let mut checked = Checked { text: text.to_owned(), found, fixed: 0 };
        loop {
            let (text, fixed) = checked.found.mend(&checked.text);
            let found = self.text(language, path, &text);
            // Each change must leave less to mend, or it would go on for ever.
            if fixed == 0 || found.len() >= checked.found.len() {
                return checked;
            }
            checked = Checked { text, found, fixed: checked.fixed + fixed };
        }
    }

    fn text(&self, language: Language, path: &Path, text: &str) -> Diagnostics {
        match language {
            Language::Package => self.package(text),
            Language::Image => image(path, text),
            Language::Pipeline => pipeline(path, text),
            Language::Distro => spec::distro::parse(text).err().unwrap_or_default(),
        }
    }

    fn package(&self, text: &str) -> Diagnostics {
        let mut found = Diagnostics::new();
        for arch in &self.archs {
            let context = Context::new(*arch, &self.pipelines);
            found.extend(spec::check(text, &context).map_or_else(|found| found, |recipe| recipe.warnings));
        }
        found
    }
}

fn pipeline(path: &Path, text: &str) -> Diagnostics {
    let found = spec::pipeline::parse(&path.display().to_string(), text).map_or_else(|found| found, |pipeline| pipeline.warnings);
    let mut own = Diagnostics::new();
    // Here it is the file that was read, and can be mended.
    found.into_iter().for_each(|diagnostic| own.push(spec::Diagnostic { source: None, ..diagnostic }));
    own
}

fn image(path: &Path, text: &str) -> Diagnostics {
    let beside = Beside(path.parent().map(Path::to_owned).unwrap_or_default());
    let evaluated = spec::image::parse(text).and_then(|image| spec::image::evaluate(&image, &beside, Arch::host()).map(|_| image.warnings));
    evaluated.unwrap_or_else(|found| found)
}
