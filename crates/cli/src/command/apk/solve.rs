//! `undistro apk solve`: which packages a world needs, as apk or apko would find them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use apk::Index;
use apk::installed::Database;
use apk::signature::{self, Unsigned};
use apk::solve::command::{Command, CommandError, Plan, System};
use apk::solve::transcript::Transcript;
use apk::solve::{Change, Chosen, Kind, Present, Repository, Solution, Universe, Unsolvable, World};
use serde::Serialize;

use super::keys::KeyArgs;
use crate::failure::{Failure, Message};
use crate::printer::Printer;

/// The most bytes that are read of an index or an installed database; the largest of the field, Wolfi's, has 60 MB.
const MAX_FILE: u64 = 512 << 20;

/// Find the packages that a world needs, as apk or apko would. Nothing is installed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With keys, every index must be signed by one of them; without, nothing says who made an index.

Examples:
  undistro apk solve --index APKINDEX.tar.gz nginx 'openssl>3.5'
  undistro apk solve --index main.tar.gz --index @edge=edge.tar.gz --installed lib/apk/db/installed nginx@edge
  undistro apk solve --index APKINDEX.tar.gz --policy apko nginx
  undistro apk solve --index APKINDEX.tar.gz --installed installed --world world --command upgrade --prune
  undistro apk solve --index APKINDEX.tar.gz --installed installed --world world --command del --rdepends openssl
  undistro apk solve --index main.tar.gz --cached kept.tar.gz --no-network nginx

Exit codes: 0 solved, 1 there is no answer (and why), 2 a file or a name can not be read.")]
pub(crate) struct Args {
    /// What is wanted, as in /etc/apk/world: names, `name>=1.2`, `name@tag`, `!name`.
    #[arg(value_name = "NAME", required_unless_present = "command")]
    names: Vec<String>,
    /// The index of a repository, APKINDEX.tar.gz or its text. May be given more than once; the first is preferred.
    #[arg(long = "index", value_name = "[@TAG=]FILE", required_unless_present = "cached")]
    indexes: Vec<String>,
    /// An index of packages that are at hand without a network, after the others.
    #[arg(long, value_name = "[@TAG=]FILE")]
    cached: Vec<String>,
    /// Only packages that are installed or cached can be had.
    #[arg(long)]
    no_network: bool,
    /// The database of installed packages (lib/apk/db/installed). What nothing wants any more goes.
    #[arg(long, value_name = "FILE")]
    installed: Option<PathBuf>,
    /// What is wanted so far (etc/apk/world). Without it, the names are all that is wanted.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How candidates are preferred.
    #[arg(long, value_enum, default_value = "apk")]
    policy: Policy,
    /// What is done with the names, as apk's command of that name does.
    #[arg(long, value_enum, default_value = "add")]
    command: Verb,
    /// Upgrade the names and what they depend on.
    #[arg(short, long)]
    upgrade: bool,
    /// Take the latest version or fail.
    #[arg(short, long)]
    latest: bool,
    /// Prefer what an index has over what is only installed.
    #[arg(short, long)]
    available: bool,
    /// add: make a package of this name that needs the names, and add that in their place.
    #[arg(short = 't', long = "virtual", value_name = "NAME[=VERSION]")]
    bundle: Option<String>,
    /// del: remove what depends on the names, too.
    #[arg(long)]
    rdepends: bool,
    /// fix: mend all that the names depend on, too.
    #[arg(long)]
    depends: bool,
    /// fix: install again, even where --upgrade is asked for.
    #[arg(long)]
    reinstall: bool,
    /// upgrade: leave the names as they are, and upgrade all others.
    #[arg(long)]
    ignore: bool,
    /// upgrade: forget wants that no index has any more.
    #[arg(long)]
    prune: bool,
    /// upgrade: only what has to come before all others, such as apk itself.
    #[arg(long, visible_alias = "preupgrade-only")]
    self_upgrade_only: bool,
    /// What comes before all others, besides the package of --running; `!name` for what does not.
    #[arg(long, value_name = "DEPENDENCY")]
    preupgrade_depends: Vec<String>,
    /// The package that the running apk belongs to, for --self-upgrade-only.
    #[arg(long, value_name = "NAME", default_value = "apk-tools")]
    running: base::PackageName,
    /// Leave out wants that can not be met.
    #[arg(long)]
    force_broken_world: bool,
    /// The architecture; packages for others can not be installed [default: whatever an index has].
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    /// As apk: what is installed stays, then the highest version.
    Apk,
    /// As apko: nothing is installed, a `provides` without a version is enough.
    Apko,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verb {
    Add,
    Del,
    Fix,
    Upgrade,
}

/// An answer, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// In the order in which they are installed.
    packages: Vec<Line<'a>>,
    changes: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a str,
    version: &'a str,
    checksum: String,
    /// The index that has it, from 0; none where it is only installed.
    index: Option<usize>,
    tag: Option<&'a str>,
    installed: bool,
}

#[derive(Debug, Serialize)]
struct Step {
    action: String,
    name: String,
    old: Option<String>,
    new: Option<String>,
}

/// Why there is no answer, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Refusal {
    /// In sentences.
    reasons: Vec<String>,
    /// As apk reports it.
    culprits: Vec<Culprit>,
}

#[derive(Debug, Serialize)]
struct Culprit {
    subject: String,
    lines: Vec<(&'static str, Vec<String>)>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let named = args.indexes.iter().map(|text| (text, !args.no_network)).chain(args.cached.iter().map(|text| (text, true)));
    let (named, reachable): (Vec<_>, Vec<_>) = named.unzip();
    let sources = named.into_iter().map(|text| source(text, &args.keys)).collect::<Result<Vec<_>, _>>()?;
    let listed = sources.iter().zip(reachable);
    let repositories =
        listed.map(|((tag, index), reachable)| Repository { tag: tag.clone(), reachable, ..Repository::new(&index.records) }).collect();
    let policy = if args.policy == Policy::Apko { apk::solve::Policy::Apko } else { apk::solve::Policy::Apk };
    let mut system = System {
        repositories,
        installed: args.installed.as_deref().map(installed).transpose()?.unwrap_or_default(),
        world: args.world.as_deref().map(world).transpose()?.unwrap_or_default(),
        arch: args.arch.clone(),
        policy,
        lenient: args.force_broken_world,
    };
    let plan = match command(args).plan(&system) {
        Ok(Some(plan)) => plan,
        Ok(None) => return Ok(()),
        Err(error) => return Err(refused(&error)),
    };
    let made: Vec<apk::Record> = plan.bundle.iter().cloned().collect();
    if !made.is_empty() {
        system.repositories.push(Repository::new(&made));
    }
    let universe = Universe::new(&system.repositories, &system.installed, system.arch.as_deref());
    match plan.solve(&universe) {
        Ok(solution) => {
            tell(&plan, &solution, printer);
            Ok(())
        }
        Err(unsolvable) => {
            printer.json(&Refusal::of(&unsolvable));
            Err(Failure::No(message(&unsolvable, &sources)))
        }
    }
}

impl Refusal {
    fn of(unsolvable: &Unsolvable) -> Self {
        let culprits = unsolvable.culprits.iter().map(|culprit| Culprit {
            subject: culprit.subject.clone(),
            lines: culprit.lines.iter().map(|line| (line.label, line.items.clone())).collect(),
        });
        Self { reasons: unsolvable.reasons.clone(), culprits: culprits.collect() }
    }
}

/// apk's report, the reasons in sentences, and names that may have been meant.
fn message(unsolvable: &Unsolvable, sources: &[(Option<String>, Index)]) -> Message {
    let mut message = Message::text(unsolvable.report());
    message.chain.extend(unsolvable.reasons.iter().cloned());
    let unknown = unsolvable.culprits.iter().filter_map(|culprit| culprit.subject.strip_suffix(" (no such package)"));
    for name in unknown {
        let known = sources.iter().flat_map(|(_, index)| &index.records).map(|record| record.info.name.as_str());
        if let Some(meant) = crate::nearest::nearest(name, known) {
            message = message.hint(format!("did you mean {meant}?"));
        }
    }
    message
}

/// Reads an index and the tag before it.
fn source(text: &str, keys: &KeyArgs) -> Result<(Option<String>, Index), Failure> {
    let (tag, file) = match text.strip_prefix('@').and_then(|rest| rest.split_once('=')) {
        Some((tag, file)) => (Some(tag.to_owned()), file),
        None => (None, text),
    };
    let unsigned = if keys.is_empty() { Unsigned::Accept } else { Unsigned::Refuse };
    let policy = signature::Policy { sha1: keys.sha1(), unsigned };
    let bytes = read(Path::new(file))?;
    let index = if bytes.starts_with(&[0x1f, 0x8b]) || unsigned == Unsigned::Refuse {
        Index::read(&bytes, &keys.keyring()?, &policy).map(|(index, _)| index)
    } else {
        Index::parse(&bytes)
    };
    index.map(|index| (tag, index)).map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{file} can not be used"));
        if matches!(error, apk::IndexError::Signature(_)) { Failure::No(message) } else { Failure::Input(message) }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs_err::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| Failure::input(&error))
}

fn installed(path: &Path) -> Result<Vec<Present>, Failure> {
    let database = Database::parse(&read(path)?).map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("{} can not be used", path.display()));
        Failure::Input(message)
    })?;
    Ok(database.packages.into_iter().map(|installed| Present { record: installed.record, tag: installed.tag }).collect())
}

fn world(path: &Path) -> Result<World, Failure> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    World::parse(&text).map_err(|error| Failure::input(&error))
}

fn command(args: &Args) -> Command {
    let names = args.names.clone();
    let Args { upgrade, latest, available, .. } = *args;
    match args.command {
        Verb::Add => Command::Add { wants: names, upgrade, latest, bundle: args.bundle.clone() },
        Verb::Del => Command::Del { names, dependents: args.rdepends },
        Verb::Fix => Command::Fix { names, depends: args.depends, reinstall: args.reinstall, upgrade },
        Verb::Upgrade if args.self_upgrade_only => {
            Command::Preupgrade { depends: args.preupgrade_depends.clone(), running: Some(args.running.clone()), available, latest }
        }
        Verb::Upgrade => Command::Upgrade { names, ignore: args.ignore, available, latest, prune: args.prune },
    }
}

fn refused(error: &CommandError) -> Failure {
    match error {
        CommandError::Want { .. } | CommandError::Bundle(_) => Failure::Input(Message::of(error)),
        CommandError::Unknown(_) | CommandError::NotFound(_) => Failure::No(Message::of(error)),
        CommandError::Tags(wants) => {
            let tags: Vec<_> = wants.iter().filter_map(|want| Some(format!("{} asks for @{}", want.name, want.pin.as_ref()?))).collect();
            let message = Message::text(format!("no index has such a tag: {}", tags.join(", ")));
            Failure::Input(message.hint("give an index its tag: --index @TAG=FILE"))
        }
    }
}

fn tell(plan: &Plan, solution: &Solution<'_>, printer: &Printer) {
    let kept = plan.kept(solution);
    if !kept.is_empty() {
        printer.line("World updated, but the following packages are not removed due to:");
        kept.iter().for_each(|kept| printer.line(kept.to_string()));
        printer.line("");
    }
    printer.line(Transcript::new(solution).verbose(printer.is_verbose()).to_string());
    let changes = solution.changes.iter().filter(|change| change.kind != Kind::Keep);
    printer.json(&Answer { packages: solution.packages.iter().map(line).collect(), changes: changes.map(step).collect() });
}

fn line<'a>(chosen: &'a Chosen<'_>) -> Line<'a> {
    Line {
        name: chosen.record.info.name.as_str(),
        version: chosen.record.info.version.as_str(),
        checksum: chosen.record.checksum.to_string(),
        index: chosen.source.map(|(repository, _)| repository),
        tag: chosen.tag,
        installed: chosen.installed.is_some(),
    }
}

fn step(change: &Change<'_>) -> Step {
    let version = |chosen: &Option<Chosen<'_>>| chosen.as_ref().map(|chosen| chosen.record.info.version.to_string());
    let shown = change.new.as_ref().or(change.old.as_ref());
    Step {
        action: format!("{:?}", change.kind).to_lowercase(),
        name: shown.map(|chosen| chosen.record.info.name.to_string()).unwrap_or_default(),
        old: version(&change.old),
        new: version(&change.new),
    }
}
