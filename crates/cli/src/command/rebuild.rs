//! `undistro rebuild`: a package from nothing but its provenance and its sources.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use attest::slsa::Provenance;
use base::Store;
use base::store::remove_tree;
use build::rebuild::{RebuildError, Rebuilt, Workbench};
use fs_err as fs;
use source::Fetcher;

use crate::args::Global;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::host::Local;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::project;
use crate::workshop::{FetchArgs, settings};

/// Build a package from nothing but its provenance and its sources, and compare it with what the provenance names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
No folder of definitions is used and no store that was there before: the text of the definition is in the provenance, and sources and
seeds are fetched by the digests that stand there. What was in its build root is rebuilt first, from its own statement, where no mirror has it.

Examples:
  undistro provenance zlib --closure > zlib.provenance.jsonl
  undistro source mirror ./mirror
  undistro rebuild --from zlib.provenance.jsonl --mirror ./mirror --offline

Exits with 1 if anything comes out otherwise.")]
pub(crate) struct Args {
    /// A statement, or several, one a line; the first is what is rebuilt.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// A folder to write the packages to, unsigned.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where the rebuild works.
    #[arg(long = "in", value_name = "DIR")]
    place: Option<PathBuf>,
    #[command(flatten)]
    fetch: FetchArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let statements = read(&args.from)?;
    let above = args.place.clone().unwrap_or_else(std::env::temp_dir);
    let folder = above.join(format!("undistro-rebuild-{}", std::process::id()));
    let result = rebuild(args, &statements, &folder, global, printer);
    // What can not be removed is left for the person, as any temporary folder.
    let _ = remove_tree(&folder);
    let rebuilt = result?;
    for one in &rebuilt {
        for (name, (named, made)) in &one.packages {
            let (word, other) = if named == made { ("equal", None) } else { ("DIFFERS", made.as_ref()) };
            let named = named.map(|digest| digest.to_string()).unwrap_or_default();
            printer.line(format!("{word:<9} {name}  {named}{}", other.map(|made| format!(" and {made}")).unwrap_or_default()));
        }
    }
    printer.json(&rebuilt);
    if rebuilt.iter().all(|one| one.equal) { Ok(()) } else { Err(Failure::Said) }
}

/// Reads statements: one JSON text, or one a line.
fn read(path: &Path) -> Result<Vec<Provenance>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::input(&error))?;
    let all: Result<Vec<Provenance>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    let all = all.map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{} holds no SLSA provenance", path.display()));
        Failure::Input(message)
    })?;
    if all.is_empty() { Err(Failure::Input(Message::text(format!("{} is empty", path.display())))) } else { Ok(all) }
}

fn rebuild(args: &Args, statements: &[Provenance], folder: &Path, global: &Global, printer: &Printer) -> Result<Vec<Rebuilt>, Failure> {
    let store = Store::open(&folder.join("store")).map_err(|error| Failure::fault(&error))?;
    let fetcher = Fetcher::new(&store, settings(&args.fetch)?).map_err(|error| Failure::input(&error))?;
    let progress = Progress::new(printer);
    let bench = Workbench {
        store: &store,
        fetcher: &fetcher,
        launcher: &super::launch::launcher(),
        reporter: &progress,
        host: &Local::new(project::jobs(global)),
        stop: &AtomicBool::new(false),
    };
    let rebuilt = build::rebuild::rebuild(statements, &folder.join("definitions"), bench).map_err(|error| {
        let message = with_usual_hints(Message::of(&error), &error);
        match &error {
            RebuildError::Missing { .. } => {
                Failure::Input(message.hint("hand in all statements: undistro provenance NAME --closure > FILE"))
            }
            RebuildError::Build(_) | RebuildError::Seed { .. } | RebuildError::Other { .. } => Failure::No(message),
            _ => Failure::Input(message),
        }
    })?;
    if let Some(output) = &args.output {
        fs::create_dir_all(output).map_err(|error| Failure::fault(&error))?;
        for (name, (_, made)) in rebuilt.iter().flat_map(|one| &one.packages) {
            let Some(file) = made.and_then(|made| store.blob(&made)) else { continue };
            fs::copy(file, output.join(name)).map_err(|error| Failure::fault(&error))?;
        }
    }
    Ok(rebuilt)
}
