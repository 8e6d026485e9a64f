//! Where things are: the folder of definitions, the store, the host's settings.

use std::path::{Path, PathBuf};

use base::Store;

use crate::args::Global;
use crate::environment::{self, Variable};
use crate::failure::{Failure, Message};

/// The file that marks a folder of definitions.
const MARK: &str = "distro.yaml";

/// Returns the folder of definitions: the one that was named, or the first here or above that has a `distro.yaml`.
pub(crate) fn distro(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(named) = &global.distro {
        return if named.join(MARK).is_file() {
            Ok(named.clone())
        } else {
            Err(Failure::Input(
                Message::text(format!("{} has no {MARK}", named.display()))
                    .hint("name the folder that holds distro.yaml, packages/ and images/"),
            ))
        };
    }
    let here = std::env::current_dir().map_err(|error| Failure::fault(&error))?;
    here.ancestors().flat_map(|folder| [folder.to_owned(), folder.join("distro")]).find(|folder| folder.join(MARK).is_file()).ok_or_else(
        || {
            let message = Message::text(format!("there is no folder of definitions: no {MARK} here, in ./distro, or above"));
            Failure::Input(message.hint("change into a checkout of undistro, or name the folder with --distro"))
        },
    )
}

/// Returns where the store is: named, or in the user's cache.
pub(crate) fn store_path(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(named) = &global.store {
        return Ok(named.clone());
    }
    let folder = |variable: Variable| variable.value().map(PathBuf::from);
    folder(environment::CACHE)
        .or_else(|| folder(environment::HOME).map(|home| home.join(".cache")))
        .map(|cache| cache.join("undistro"))
        .ok_or_else(|| Failure::Input(Message::text("there is no place for the store: HOME is not set").hint("name a folder with --store")))
}

/// Opens the store.
pub(crate) fn store(global: &Global) -> Result<Store, Failure> {
    let path = store_path(global)?;
    Store::open(&path).map_err(|error| {
        let mut message = Message::of(&error);
        message.chain.insert(0, format!("the store {} can not be opened", path.display()));
        Failure::Fault(crate::failure::with_usual_hints(message, &error))
    })
}

/// Returns the base URL of the Debian mirror: named by the environment, or the one that the host's apt uses.
pub(crate) fn debian_mirror() -> Option<String> {
    if let Some(named) = environment::DEBIAN_MIRROR.text() {
        return Some(named);
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs_err::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    files.iter().filter_map(|file| read(file)).find_map(|text| source::debian::host_mirror(&text))
}

fn read(file: &Path) -> Option<String> {
    fs_err::read_to_string(file).ok()
}

/// How much memory builds may plan for: the machine's, or less where a container has less. All, where neither can be told.
pub(crate) fn memory() -> u64 {
    let total = || {
        let text = read(Path::new("/proc/meminfo"))?;
        let kib: u64 = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))?.trim().parse().ok()?;
        Some(kib << 10)
    };
    let container = || read(Path::new("/sys/fs/cgroup/memory.max"))?.trim().parse().ok();
    total().into_iter().chain(container()).min().unwrap_or(u64::MAX)
}

/// The first processor that is used where not all are. Two commands at one time should not crowd on the same few.
pub(crate) fn first_cpu(jobs: usize) -> usize {
    std::process::id() as usize * jobs
}

/// How many jobs a build runs at once.
pub(crate) fn jobs(global: &Global) -> usize {
    global.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}
