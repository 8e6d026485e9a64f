//! A workbench for tests of builds: a store, definitions, and a seed made of this machine's own shell.
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use apk::Record;
use attest::intoto::Resource;
use attest::slsa::{self, Mode};
use base::{Arch, Reporter, Store, Task};
use build::provenance::Host;
use build::reproduce::Variation;
use build::timeline::Timeline;
use build::{BuildError, Builder, Distro, Limits, OnFailure, Outcome, Report};
use fs_err as fs;
use sandbox::Launcher;
use source::{Fetcher, Settings};

/// A test by its name.
pub(crate) type Test = (&'static str, fn());

/// What a test asks another process for: a word of the command line, and what is done in the folder after it.
pub(crate) type Verb = (&'static str, fn(&Path));

/// Runs the tests whose name holds the first argument, or becomes a sandbox, or does what a test asks another process for.
pub(crate) fn main(tests: &[Test], verbs: &[Verb]) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_ref().is_some_and(|verb| verb == sandbox::HIDDEN_VERB) {
        return sandbox::exec::main(arguments);
    }
    if let Some((_, work)) = verbs.iter().find(|(verb, _)| first.as_ref().is_some_and(|first| first == verb)) {
        work(Path::new(&arguments.next().unwrap_or_default()));
        return ExitCode::SUCCESS;
    }
    let filter = first.and_then(|text| text.into_string().ok()).filter(|text| !text.starts_with('-')).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&filter)) {
        let ok = std::panic::catch_unwind(test).is_ok();
        say(&format!("test {name} ... {}", if ok { "ok" } else { "FAILED" }));
        *(if ok { &mut passed } else { &mut failed }) += 1;
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished"));
    ExitCode::from(u8::from(failed > 0))
}

#[expect(clippy::print_stdout, reason = "it is the harness of a test")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Hears what the steps print and what was warned of.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Reporter for Ear {
    fn line(&self, _: &Task, line: &[u8]) {
        self.lines.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
    }

    fn warned(&self, text: &str) {
        self.warnings.lock().unwrap().push(text.to_owned());
    }
}

/// A machine that is always the same, at one time.
#[derive(Debug)]
pub(crate) struct Bystander;

impl Host for Bystander {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000)
    }

    fn builder(&self) -> slsa::Builder {
        slsa::Builder { id: Mode::Local.builder_id().to_owned(), version: BTreeMap::new(), builder_dependencies: Vec::new() }
    }

    fn invocation(&self) -> String {
        "a test".to_owned()
    }

    fn cpus(&self) -> usize {
        2
    }

    fn checkout(&self, _: &Path) -> Option<Resource> {
        None
    }
}

/// A folder of definitions and a store.
pub(crate) struct Bench {
    folder: PathBuf,
    /// Goes with the bench, if it is the bench's own.
    _temporary: Option<tempfile::TempDir>,
    pub(crate) store: Store,
    seeds: Vec<Record>,
    pub(crate) ear: Ear,
    pub(crate) stop: AtomicBool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self::at(folder.path());
        Self { _temporary: Some(folder), ..bench }
    }

    /// Works in a folder that another process may have worked in before.
    pub(crate) fn at(folder: &Path) -> Self {
        let text = "name: Test\nid: test\narchs: [x86_64, aarch64]\nsource-date-epoch: 1700000000\nsource-date-ceiling: 1800000000\n";
        fs::create_dir_all(folder.join("distro/packages")).unwrap();
        fs::write(folder.join("distro/distro.yaml"), text).unwrap();
        let store = Store::open(&folder.join("store")).unwrap();
        let seeds = vec![tools::package(&store)];
        Self { folder: folder.to_owned(), _temporary: None, store, seeds, ear: Ear::default(), stop: AtomicBool::new(false) }
    }

    /// Writes the definition `name`: `rest` follows its `package` section, which `package` adds lines to.
    pub(crate) fn define(&self, name: &str, package: &str, rest: &str) -> PathBuf {
        let folder = self.folder.join("distro/packages").join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "package:\n  name: {name}\n  version: \"1\"\n  epoch: 0\n  description: A test\n  copyright:\n    - license: MIT\n{}{}",
            indented(package, 2),
            rest
        );
        fs::write(folder.join("package.yaml"), text).unwrap();
        folder
    }

    /// Defines a package whose one step is `script`, built with the host's tools and `environment`.
    pub(crate) fn script(&self, name: &str, environment: &str, script: &str) -> PathBuf {
        self.define(name, "", &body(environment, script))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&Builder<'_>) -> T) -> T {
        let distro = Distro::load(&self.folder.join("distro"), Arch::host().unwrap()).unwrap();
        let mistakes: Vec<_> = distro.mistaken().map(|m| m.diagnostics.render(&m.path.display().to_string(), &m.text)).collect();
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
        let fetcher = Fetcher::new(&self.store, Settings { offline: true, ..Settings::default() }).unwrap();
        let launcher = Launcher::new("/proc/self/exe");
        work(&Builder {
            distro: &distro,
            store: &self.store,
            fetcher: &fetcher,
            launcher: &launcher,
            seeds: &self.seeds,
            limits: Limits::jobs(2),
            on_failure: OnFailure::Finish,
            timeline: &Timeline::default(),
            reporter: &self.ear,
            host: &Bystander,
            variation: &Variation::default(),
            stop: &self.stop,
        })
    }

    pub(crate) fn try_build(&self, name: &str) -> Result<Report, BuildError> {
        self.with(|builder| builder.build(&[name.to_owned()]))
    }

    pub(crate) fn build(&self, name: &str) -> Report {
        self.try_build(name).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Builds and says what became of each definition: `lib Built, app Cached`.
    pub(crate) fn outcomes(&self, name: &str) -> String {
        let word = |outcome| match outcome {
            Outcome::Built => "built",
            Outcome::Emitted => "emitted",
            Outcome::Cached => "cached",
        };
        self.build(name).built.iter().map(|built| format!("{} {}", built.origin, word(built.outcome))).collect::<Vec<_>>().join(", ")
    }

    /// Builds, and lists the package `name` as `path mode owner:group`, without directories and the SBOM.
    pub(crate) fn listed(&self, name: &str) -> Vec<String> {
        let report = self.build(name);
        let record = report.packages().find(|record| record.info.name.as_str() == name).unwrap();
        let package = apk::Package::open_blob(&self.store, &record.content.unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let table = package.extract(dir.path(), &apk::package::Limits::default()).unwrap();
        let shown = table.entries.iter().filter(|entry| !entry.is_directory() && !entry.path.as_str().ends_with(".spdx.json"));
        shown.map(|entry| format!("{} {:o} {}:{}", entry.path, entry.mode, entry.uid, entry.gid)).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Replaces text in a definition.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.path("distro/packages").join(name).join("package.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

/// An environment with the host's tools and a pipeline of one script.
pub(crate) fn body(environment: &str, script: &str) -> String {
    format!(
        "environment:\n  contents:\n    packages: [host-tools{}{environment}]\npipeline:\n  - name: the step\n    runs: |\n{}",
        if environment.is_empty() { "" } else { ", " },
        indented(script, 6)
    )
}

pub(crate) fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// An error with all that caused it, a line each.
pub(crate) fn chain(error: &BuildError) -> String {
    let mut lines = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        lines.push(error.to_string());
        source = error.source();
    }
    if let BuildError::Step { tail, .. } = error {
        lines.extend(tail.iter().map(|line| format!("| {line}")));
    }
    lines.join("\n")
}

/// An archive of these files.
pub(crate) fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = base::tarball::Writer::new(Vec::new());
    for (path, text) in files {
        let kind = base::tree::Kind::File { size: text.len() as u64, digest: None };
        let entry = base::tree::Entry::new(base::tree::TreePath::parse(path).unwrap(), kind, 0o644, 1_700_000_000);
        tar.append(&entry, &Default::default(), &mut text.as_bytes()).unwrap();
    }
    tar.finish().unwrap()
}

/// Whether `path` is a file that holds `text`.
pub(crate) fn holds(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found.contains(text))
}
