//! What the verbs work with: definitions, store, sources, progress, and the wish to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apk::Record;
use base::{Arch, Store};
use build::reproduce::Variation;
use build::seed::{self, Lock};
use build::timeline::Timeline;
use build::{Builder, Distro, DistroError, Limits, OnFailure};
use source::{Fetcher, Location, Settings};

use crate::args::Global;
use crate::environment;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::host::Local;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::project;
use crate::timings;

/// Options of verbs that fetch.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FetchArgs {
    /// A folder or URL laid out by digest, as `undistro source mirror` writes it; asked before any other place.
    #[arg(long = "mirror", value_name = "DIR|URL", env = environment::MIRROR.name, value_delimiter = ' ')]
    mirrors: Vec<Location>,
    /// Use only what this machine has.
    #[arg(long)]
    offline: bool,
}

/// Options of verbs that build much.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PaceArgs {
    /// After a failure, go on with everything that does not need what failed. Without it, what runs is finished and nothing
    /// more begins.
    #[arg(short, long)]
    keep_going: bool,
    /// The memory that builds may plan for together, such as 16Gi [default: the machine's].
    #[arg(long, value_name = "SIZE", value_parser = amount)]
    memory: Option<u64>,
    /// Write where the time went to DIR: timings.html to look at, timings.json for programs.
    #[arg(long, value_name = "DIR")]
    timings: Option<PathBuf>,
}

fn amount(text: &str) -> Result<u64, String> {
    Limits::amount(text).ok_or_else(|| "an amount of memory is a number with Ki, Mi, Gi or Ti, or of bytes".to_owned())
}

/// Everything that building needs.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// The definitions.
    pub(crate) distro: Distro,
    /// The store.
    pub(crate) store: Store,
    /// Where sources are sought.
    pub(crate) settings: Settings,
    /// Draws progress.
    pub(crate) progress: Progress,
    limits: Limits,
    on_failure: OnFailure,
    timeline: Timeline,
    timings: Option<PathBuf>,
    /// This machine, as provenance tells of it.
    pub(crate) host: Local,
    stop: Arc<AtomicBool>,
}

impl Workshop {
    /// Opens store and definitions for this machine's architecture.
    pub(crate) fn open(global: &Global, fetch: &FetchArgs, printer: &Printer) -> Result<Self, Failure> {
        let timeline = Timeline::default();
        let folder = project::distro(global)?;
        let arch = Arch::host().ok_or_else(|| Failure::Input(Message::text("packages can not be built on this machine's architecture")))?;
        let distro = Distro::load(&folder, arch).map_err(|error| distro_failure(&error, printer))?;
        let store = project::store(global)?;
        let progress = Progress::new(printer);
        let jobs = project::jobs(global);
        Ok(Self {
            distro,
            store,
            settings: settings(fetch)?,
            progress,
            limits: Limits { jobs, memory: project::memory(), first_cpu: project::first_cpu(jobs) },
            on_failure: OnFailure::default(),
            timeline,
            timings: None,
            host: Local::new(jobs),
            stop: on_interrupt()?,
        })
    }

    /// Opens store and definitions, to build at this pace.
    pub(crate) fn paced(global: &Global, fetch: &FetchArgs, pace: &PaceArgs, printer: &Printer) -> Result<Self, Failure> {
        let mut workshop = Self::open(global, fetch, printer)?;
        if pace.keep_going {
            workshop.on_failure = OnFailure::KeepGoing;
        }
        workshop.limits.memory = pace.memory.unwrap_or(workshop.limits.memory);
        workshop.timings.clone_from(&pace.timings);
        Ok(workshop)
    }

    /// Opens the way to sources.
    pub(crate) fn fetcher(&self) -> Result<Fetcher<'_>, Failure> {
        Fetcher::new(&self.store, self.settings.clone()).map_err(|error| Failure::input(&error))
    }

    /// Calls `work` with a builder.
    pub(crate) fn with_builder<T>(&self, work: impl FnOnce(&Builder<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let fetcher = self.fetcher()?;
        let seeds = self.seeds(&fetcher)?;
        let mut launcher = crate::command::launch::launcher();
        launcher.stop = Arc::clone(&self.stop);
        let result = work(&Builder {
            distro: &self.distro,
            store: &self.store,
            fetcher: &fetcher,
            launcher: &launcher,
            seeds: &seeds,
            limits: self.limits,
            on_failure: self.on_failure,
            timeline: &self.timeline,
            reporter: &self.progress,
            host: &self.host,
            variation: &Variation::default(),
            stop: &self.stop,
        });
        // Told of a failure too: then, where the time went is asked most.
        if let Some(folder) = &self.timings {
            timings::write(folder, &self.timeline.timings(self.limits.jobs)).map_err(|error| Failure::fault(&error))?;
        }
        result
    }

    /// The folder of definitions.
    pub(crate) fn folder(&self) -> PathBuf {
        self.distro.folder.clone()
    }

    /// Brings and converts the seeds, if the distribution has any.
    fn seeds(&self, fetcher: &Fetcher<'_>) -> Result<Vec<Record>, Failure> {
        let Some(lock) = self.seed_lock()? else { return Ok(Vec::new()) };
        let seed = spec::seed::load(&self.distro.folder.join("seed.yaml")).map_err(|error| Failure::input(&error))?;
        let repository = seed::repository(&lock, &seed, fetcher, &self.progress)
            .map_err(|error| Failure::Fault(with_usual_hints(Message::of(&error), &error)))?;
        Ok(repository.records)
    }

    /// Reads the lock of the seeds, if there is one.
    pub(crate) fn seed_lock(&self) -> Result<Option<Lock>, Failure> {
        seed_lock(&self.distro.folder)
    }
}

/// Reads the lock of the seeds in a folder of definitions, if there is one.
pub(crate) fn seed_lock(folder: &Path) -> Result<Option<Lock>, Failure> {
    let path = folder.join("seed.lock");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs_err::read_to_string(&path).map_err(|error| Failure::input(&error))?;
    Lock::parse(&text).map(Some).map_err(|error| Failure::input(&error))
}

/// Where sources are sought.
pub(crate) fn settings(fetch: &FetchArgs) -> Result<Settings, Failure> {
    let debian = match project::debian_mirror() {
        Some(url) => Some(url.parse::<Location>().map_err(|error| Failure::input(&error))?),
        None => None,
    };
    let proxy = environment::PROXIES.into_iter().find_map(environment::Variable::text);
    Ok(Settings { mirrors: fetch.mirrors.clone(), debian, offline: fetch.offline, proxy, ..Settings::default() })
}

/// How long the first Ctrl-C waits for work to end by itself. Steps end at once; a silent server would be waited for much longer.
const GRACE: Duration = Duration::from_secs(3);

/// The first Ctrl-C asks to stop, which keeps what is finished; a second ends at once.
fn on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let set = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        // The store bears an end at any time: what is half done is swept, and done again.
        std::thread::spawn(|| {
            std::thread::sleep(GRACE);
            crate::printer::stopped();
            std::process::exit(130);
        });
    });
    set.map_err(|error| Failure::fault(&error))?;
    Ok(stop)
}

/// Shows the mistakes of definitions with their lines.
fn distro_failure(error: &DistroError, printer: &Printer) -> Failure {
    if let DistroError::Load(spec::package::LoadError::Mistakes { path, text, diagnostics }) = error {
        printer.talk(diagnostics.render(&path.display().to_string(), text).trim_matches('\n'));
        return Failure::Input(Message::text(format!("{} has mistakes", path.display())));
    }
    Failure::input(error)
}
