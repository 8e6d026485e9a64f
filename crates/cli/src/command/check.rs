//! `undistro check`: reads definitions and lists every mistake.

use std::path::{Path, PathBuf};

use base::Arch;
use rayon::prelude::*;
use serde::Serialize;
use spec::pipeline::Folder;
use spec::{Context, Diagnostics, Located};

use super::compose::Beside;
use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// Read definitions and list every mistake.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undistro check distro                           a whole folder
  undistro check --arch aarch64 nginx.yaml        one definition, for another architecture
  undistro check --json distro                    findings as data

Exit codes: 0 clean, 1 findings, 2 something can not be read.")]
pub(crate) struct Args {
    /// Definitions, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The architecture to evaluate for; may be given more than once [default: this machine's].
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// A folder of pipelines, searched before those beside the definitions.
    #[arg(long, value_name = "DIR")]
    pipeline_dir: Vec<PathBuf>,
}

/// What kind of definition a file holds, by the keys at its top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Package,
    Image,
    Pipeline,
    Distro,
}

#[derive(Debug, Serialize)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<Located>,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    let folders = pipeline_folders(args, global);
    let pipelines = Folder::new(folders.clone());
    let archs = if args.arch.is_empty() { vec![Arch::host().unwrap_or(Arch::X86_64)] } else { args.arch.clone() };
    let results: Vec<_> = files.par_iter().map(|file| check_file(file, &archs, &pipelines, &folders)).collect();

    let mut report = Report { files: 0, errors: 0, warnings: 0, findings: Vec::new() };
    for (file, result) in files.iter().zip(results) {
        let Some((text, found)) = result? else { continue };
        report.files += 1;
        let name = file.display().to_string();
        if !found.is_empty() {
            printer.line(found.render(&name, &text).trim_matches('\n'));
        }
        report.findings.extend(found.located(&name, &text));
    }
    report.errors = report.findings.iter().filter(|finding| finding.severity == spec::Severity::Error).count();
    report.warnings = report.findings.len() - report.errors;
    printer.json(&report);
    printer.talk(format!("{} definitions, {} errors, {} warnings", report.files, report.errors, report.warnings));
    if report.files == 0 {
        return Err(Failure::Input(Message::text("there is no definition in what was named")));
    }
    if report.errors > 0 { Err(Failure::Said) } else { Ok(()) }
}

/// Collects YAML files; below a folder, in order of name.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs_err::read_dir(path).and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|error| Failure::input(&error))?;
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = entry.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if !hidden && (entry.is_dir() || is_yaml) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// The folders that pipelines are searched in: named, beside the definitions, and the distribution's own.
fn pipeline_folders(args: &Args, global: &Global) -> Vec<PathBuf> {
    let mut folders = args.pipeline_dir.clone();
    for path in &args.paths {
        folders.extend(path.ancestors().map(|above| above.join("pipelines")).filter(|folder| folder.is_dir()));
    }
    folders.extend(crate::project::distro(global).ok().map(|distro| distro.join("pipelines")));
    folders.dedup();
    folders
}

type Checked = Option<(String, Diagnostics)>;

fn check_file(file: &Path, archs: &[Arch], pipelines: &Folder, folders: &[PathBuf]) -> Result<Checked, Failure> {
    let text = spec::package::read_text(file).map_err(|error| Failure::input(&error))?;
    let Some(kind) = kind(file, &text, folders) else { return Ok(None) };
    let found = match kind {
        Kind::Package => packages(&text, archs, pipelines),
        Kind::Image => image(file, &text),
        Kind::Pipeline => spec::pipeline::parse(&file.display().to_string(), &text).err().unwrap_or_default(),
        Kind::Distro => spec::distro::parse(&text).err().unwrap_or_default(),
    };
    Ok(Some((text, found)))
}

fn packages(text: &str, archs: &[Arch], pipelines: &Folder) -> Diagnostics {
    let mut found = Diagnostics::new();
    for arch in archs {
        let context = Context::new(*arch, pipelines);
        found.extend(spec::check(text, &context).map_or_else(|found| found, |recipe| recipe.warnings));
    }
    found
}

fn image(file: &Path, text: &str) -> Diagnostics {
    let beside = Beside(file.parent().map(Path::to_owned).unwrap_or_default());
    let evaluated = spec::image::parse(text).and_then(|image| spec::image::evaluate(&image, &beside, Arch::host()).map(|_| image.warnings));
    evaluated.unwrap_or_else(|found| found)
}

fn kind(file: &Path, text: &str, pipeline_folders: &[PathBuf]) -> Option<Kind> {
    let has = |key: &str| text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    if file.file_name().is_some_and(|name| name == "distro.yaml") {
        return Some(Kind::Distro);
    }
    let below_pipelines = pipeline_folders.iter().any(|folder| file.starts_with(folder));
    if below_pipelines && (has("pipeline") || has("inputs") || has("needs")) && !has("package") {
        return Some(Kind::Pipeline);
    }
    if has("package") {
        return Some(Kind::Package);
    }
    (has("contents") || has("entrypoint")).then_some(Kind::Image)
}
