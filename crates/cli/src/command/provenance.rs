//! `undistro provenance`: what went into a package or an image, and who says so.

use std::path::Path;

use apk::Package;
use attest::intoto::Resource;
use attest::slsa::Provenance;
use base::{Digest, Store};
use build::lineage::closure;
use build::provenance::{kept, kind, subject_of_file};
use fs_err as fs;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::remote::RegistryArgs;
use crate::subject::{Image, Prefer, Subject, Thing};
use crate::workshop::FetchArgs;

/// Say what went into a package or an image: sources, packages, seeds, the program that built it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It was written when the package was really built, by the program that built it, and is kept in the store and beside the packages
of a repository. With --json it is an in-toto statement with SLSA provenance v1, as other tools read it.

Examples:
  undistro provenance zlib
  undistro provenance packages/x86_64/zlib-1.3.1-r0.apk --json
  undistro provenance ./out
  undistro provenance zlib --closure > zlib.provenance.jsonl     all that `undistro rebuild --from` needs besides the sources")]
pub(crate) struct Args {
    /// A package's file, an image, or the name of either in the distribution.
    subject: String,
    /// Where a package and an image have one name: the package.
    #[arg(long)]
    package: bool,
    /// Print the statement and those of everything that it was built with, one JSON text a line.
    #[arg(long, conflicts_with = "json")]
    closure: bool,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let prefer = if args.package { Prefer::Package } else { Prefer::Image };
    let subject = Subject::find(&args.subject, prefer, global, &args.fetch, &args.registry, printer)?;
    let statements = statements(&subject)?;
    let Some(first) = statements.first() else {
        let message = Message::text(format!("no provenance of {} is kept here", args.subject));
        return Err(Failure::No(message.hint("it is written by the build or compose that makes it, into that store")));
    };
    if args.closure {
        return print_closure(&subject, first, printer);
    }
    printer.json(first);
    tell(first, printer);
    if statements.len() > 1 {
        printer.line(format!("made again {} times since, with equal content", statements.len() - 1));
    }
    Ok(())
}

/// Every statement about a subject, the first made first.
fn statements(subject: &Subject) -> Result<Vec<Provenance>, Failure> {
    match &subject.thing {
        Thing::Package(package) => {
            let mut found = kept(&subject.store, &package.content()).map_err(|error| Failure::fault(&error))?;
            if found.is_empty() {
                found.extend(beside(package.path())?);
            }
            found.iter_mut().for_each(|statement| name_file(statement, package));
            Ok(found)
        }
        Thing::Image(Image { digests, .. }) => {
            for digest in digests {
                let found = kept(&subject.store, digest).map_err(|error| Failure::fault(&error))?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(Vec::new())
        }
    }
}

/// The file beside a package that holds its provenance.
pub(super) fn place_beside(package: &Path) -> std::path::PathBuf {
    let mut name = package.as_os_str().to_owned();
    name.push(".provenance.json");
    name.into()
}

fn beside(package: &Path) -> Result<Option<Provenance>, Failure> {
    match fs::read(place_beside(package)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Failure::input(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::fault(&error)),
    }
}

/// Makes a signed file the subject, in place of all that its build made: the digest that people can check is the file's.
fn name_file(statement: &mut Provenance, package: &Package) {
    if let Some(file) = package.record().file.filter(|_| !package.signatures().is_empty()) {
        statement.subject = vec![subject_of_file(package.record(), &file, &package.content())];
    }
}

/// Writes the provenance of packages beside their files.
pub(super) fn write_beside(store: &Store, files: impl Iterator<Item = std::path::PathBuf>) -> Result<(), Failure> {
    for file in files {
        let package = Package::open(&file).map_err(|error| Failure::fault(&error))?;
        let found = kept(store, &package.content()).map_err(|error| Failure::fault(&error))?;
        if let Some(mut statement) = found.into_iter().next() {
            name_file(&mut statement, &package);
            fs::write(place_beside(&file), format!("{}\n", statement.to_json())).map_err(|error| Failure::fault(&error))?;
        }
    }
    Ok(())
}

fn print_closure(subject: &Subject, first: &Provenance, printer: &Printer) -> Result<(), Failure> {
    let contents: Vec<Digest> = match &subject.thing {
        Thing::Package(package) => vec![package.content()],
        Thing::Image(image) => image.digests.clone(),
    };
    let mut text = format!("{}\n", first.to_json());
    let mut seen = vec![first.predicate.clone()];
    for content in contents {
        for statement in closure(&subject.store, &content).map_err(|error| Failure::fault(&error))? {
            if !seen.contains(&statement.predicate) {
                text.push_str(&statement.to_json());
                text.push('\n');
                seen.push(statement.predicate);
            }
        }
    }
    printer.raw(text.as_bytes());
    Ok(())
}

fn tell(statement: &Provenance, printer: &Printer) {
    for subject in &statement.subject {
        printer.line(format!("{}  {}", name(subject), digest(subject)));
        if let Some(content) = subject.annotation("content").filter(|_| subject.annotations.get("signed") == Some(&true.into())) {
            printer.line(format!("  content {content}"));
        }
    }
    let predicate = &statement.predicate;
    let run = &predicate.run_details;
    let version: Vec<_> = run.builder.version.iter().map(|(name, version)| format!("{name} {version}")).collect();
    printer.line(format!("built   {} to {}", run.metadata.started_on, run.metadata.finished_on));
    printer.line(format!("by      {} ({})", run.builder.id, version.join(", ")));
    for program in &run.builder.builder_dependencies {
        printer.line(format!("        {}  {}", name(program), digest(program)));
    }
    printer.line(format!("trust   {}", predicate.level()));
    let groups = [
        ("checkout", kind::CHECKOUT),
        ("definition", kind::DEFINITION),
        ("sources", kind::SOURCE),
        ("packages of ours", kind::PACKAGE),
        ("seeds, which are foreign", kind::SEED),
    ];
    for (title, kind) in groups {
        let all: Vec<_> = predicate.taken(kind).collect();
        if !all.is_empty() {
            printer.line(format!("{title}: {}", all.len()));
        }
        for one in all {
            let version = one.annotation("version").map(|version| format!("-{version}")).unwrap_or_default();
            let note = one.annotation("identity").map(|note| format!("  ({note})")).unwrap_or_default();
            printer.line(format!("  {:<40} {}{note}", format!("{}{version}", name(one)), digest(one)));
        }
    }
    for one in &run.byproducts {
        printer.line(format!("left: {:<34} {}", name(one), digest(one)));
    }
}

fn name(resource: &Resource) -> &str {
    resource.name.as_deref().or(resource.uri.as_deref()).unwrap_or("?")
}

fn digest(resource: &Resource) -> String {
    resource.digest.iter().next().map(|(algorithm, hex)| format!("{algorithm}:{hex}")).unwrap_or_default()
}
