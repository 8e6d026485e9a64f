//! One case of apk-tools' solver tests: arguments, repositories, installed packages, world, and what apk prints.

use std::fmt::Write as _;
use std::path::Path;

use apk::installed::Database;
use apk::solve::command::{Command, CommandError, System};
use apk::solve::transcript::Transcript;
use apk::solve::{Present, Repository, Universe, World};
use apk::{Index, Record};

/// A case as its file has it.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) args: Vec<String>,
    pub(crate) world: String,
    pub(crate) installed: Vec<Present>,
    pub(crate) running: Option<String>,
    pub(crate) repositories: Vec<Source>,
    pub(crate) expected: String,
}

/// A repository of a case.
#[derive(Debug)]
pub(crate) struct Source {
    tag: Option<String>,
    records: Vec<Record>,
    cached: bool,
}

impl Case {
    /// Reads `NAME.test` and the files it names beside it.
    pub(crate) fn read(path: &Path) -> Self {
        let mut case = Self::default();
        let folder = path.parent().unwrap();
        let text = fs_err::read_to_string(path).unwrap();
        let (head, expected) = text.split_once("@EXPECT\n").unwrap_or((&text, ""));
        case.expected = expected.trim_end().to_owned();
        for line in head.lines() {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "@ARGS" => case.args.extend(rest.split_whitespace().map(str::to_owned)),
                "@WORLD" => case.world = rest.to_owned(),
                "@INSTALLED" => case.read_installed(&folder.join(rest)),
                "@REPO" | "@CACHE" => {
                    let (tag, file) =
                        rest.strip_prefix('@').and_then(|rest| rest.split_once(' ')).map_or((None, rest), |(tag, file)| (Some(tag), file));
                    let records = Index::parse(&fs_err::read(folder.join(file)).unwrap()).unwrap().records;
                    case.repositories.push(Source { tag: tag.map(str::to_owned), records, cached: key == "@CACHE" });
                }
                _ => {}
            }
        }
        case
    }

    fn read_installed(&mut self, path: &Path) {
        let database = Database::parse(&fs_err::read(path).unwrap()).unwrap();
        for installed in database.packages {
            if installed.paths().any(|path| path == "proc/self/exe") {
                self.running = Some(installed.record.info.name.to_string());
            }
            self.installed.push(Present { record: installed.record, tag: installed.tag });
        }
    }

    /// Returns what we print.
    pub(crate) fn run(&self) -> String {
        match self.try_run() {
            Ok(text) => text,
            Err(error) => format!("ERROR: {error}"),
        }
    }

    fn try_run(&self) -> Result<String, CommandError> {
        let flags = Arguments::parse(&self.args, self.running.as_deref());
        let mut repositories: Vec<Repository<'_>> = Vec::new();
        for source in &self.repositories {
            let mut repository = Repository::new(&source.records);
            repository.tag.clone_from(&source.tag);
            repository.reachable = source.cached || !flags.no_network;
            repositories.push(repository);
        }
        let mut system = System {
            repositories,
            installed: self.installed.clone(),
            world: World::parse(&self.world).unwrap(),
            arch: Some("x86_64".to_owned()),
            lenient: flags.lenient,
            ..System::default()
        };
        let mut text = String::new();
        if let Command::Add { wants, bundle: Some(_), .. } = &flags.command
            && wants.is_empty()
        {
            text.push_str("WARNING: creating empty virtual package\n");
        }
        let plan = match flags.command.plan(&system) {
            Ok(Some(plan)) => plan,
            Ok(None) => return Ok(String::new()),
            Err(CommandError::Tags(wants)) => {
                for want in &wants {
                    let tag = want.pin.as_deref().unwrap_or_default();
                    writeln!(text, "WARNING: The repository tag for world dependency '{}@{tag}' does not exist", want.name).unwrap();
                }
                write!(text, "ERROR: {}", CommandError::Tags(wants)).unwrap();
                return Ok(text);
            }
            Err(error) => return Err(error),
        };
        let made: Vec<Record> = plan.bundle.iter().cloned().collect();
        if !made.is_empty() {
            system.repositories.push(Repository::new(&made));
        }
        let universe = Universe::new(&system.repositories, &system.installed, system.arch.as_deref());
        match plan.solve(&universe) {
            Ok(solution) => {
                let kept = plan.kept(&solution);
                if !kept.is_empty() {
                    text.push_str("World updated, but the following packages are not removed due to:\n");
                    kept.iter().for_each(|kept| writeln!(text, "{kept}").unwrap());
                    text.push('\n');
                }
                let preupgrade = matches!(flags.command, Command::Preupgrade { .. });
                if preupgrade && solution.changes.iter().all(|change| change.kind == apk::solve::Kind::Keep) {
                    return Ok(text);
                }
                if preupgrade {
                    text.push_str("Preupgrading:\n");
                }
                write!(text, "{}", Transcript::new(&solution).verbose(flags.verbose)).unwrap();
            }
            Err(error) => write!(text, "ERROR: {}", error.report()).unwrap(),
        }
        Ok(text)
    }
}

/// apk's command line, as far as the cases use it.
struct Arguments {
    command: Command,
    lenient: bool,
    no_network: bool,
    verbose: bool,
}

impl Arguments {
    fn parse(args: &[String], running: Option<&str>) -> Self {
        let mut words = args.iter().map(String::as_str);
        let (mut given, mut names, mut verb, mut bundle, mut first) = (Vec::new(), Vec::new(), "", None, Vec::new());
        while let Some(word) = words.next() {
            match word {
                "-t" | "--virtual" => bundle = words.next().map(str::to_owned),
                "--preupgrade-depends" => first.extend(words.next().map(str::to_owned)),
                word if word.starts_with('-') => given.push(word),
                word if verb.is_empty() => verb = word,
                word => names.push(word.to_owned()),
            }
        }
        let has = |long: &str, short: &str| given.contains(&long) || given.contains(&short);
        let (upgrade, latest, available) = (has("--upgrade", "-u"), has("--latest", "-l"), has("--available", "-a"));
        let only = has("--self-upgrade-only", "--preupgrade-only");
        let command = match verb {
            "add" => Command::Add { wants: names, upgrade, latest, bundle },
            "del" => Command::Del { names, dependents: has("--rdepends", "-r") },
            "fix" => Command::Fix { names, depends: has("--depends", "-d"), reinstall: has("--reinstall", "-r"), upgrade },
            "upgrade" if only => {
                Command::Preupgrade { depends: first, running: running.map(|name| name.parse().unwrap()), available, latest }
            }
            "upgrade" => {
                Command::Upgrade { names, ignore: has("--ignore", "--ignore"), available, latest, prune: has("--prune", "--prune") }
            }
            other => panic!("no command `{other}`"),
        };
        Self {
            command,
            lenient: has("--force-broken-world", "--force"),
            no_network: has("--no-network", "--no-network"),
            verbose: has("--verbose", "-v"),
        }
    }
}
