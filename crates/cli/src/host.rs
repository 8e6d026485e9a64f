//! This machine and this program, as provenance tells of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use attest::intoto::Resource;
use attest::slsa::{Builder, Mode};
use base::{Digest, Hashing};
use build::provenance::{Host, kind};
use build::resources::Machine;
use fs_err as fs;

/// Someone's own machine.
#[derive(Debug)]
pub(crate) struct Local {
    invocation: String,
    cpus: usize,
    /// Hashing the program takes a moment, and only a real build needs it.
    program: OnceLock<Option<Digest>>,
}

impl Local {
    pub(crate) fn new(cpus: usize) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = Digest::of(format!("{} {}", since.as_nanos(), std::process::id()));
        Self { invocation: format!("urn:undistro:invocation:{}", &name.hex()[..32]), cpus, program: OnceLock::new() }
    }

    fn program(&self) -> Option<Digest> {
        *self.program.get_or_init(|| {
            let mut file = Hashing::new(fs::File::open("/proc/self/exe").ok()?);
            std::io::copy(&mut file, &mut std::io::sink()).ok()?;
            Some(file.finish().1)
        })
    }
}

impl Host for Local {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn builder(&self) -> Builder {
        let mut version = BTreeMap::from([("undistro".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
            version.insert("linux".to_owned(), kernel.trim().to_owned());
        }
        let program = self.program().map(|digest| Resource::sha256("undistro", &digest));
        Builder { id: Mode::Local.builder_id().to_owned(), version, builder_dependencies: program.into_iter().collect() }
    }

    fn invocation(&self) -> String {
        self.invocation.clone()
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    fn checkout(&self, folder: &Path) -> Option<Resource> {
        let folder = fs::canonicalize(folder).ok()?;
        let (top, git) = folder.ancestors().find_map(|above| Some((above, git_folder(&above.join(".git"))?)))?;
        let commit = commit(&git)?;
        let below = folder.strip_prefix(top).ok()?.display().to_string();
        let resource = Resource {
            name: Some("checkout".to_owned()),
            digest: BTreeMap::from([("gitCommit".to_owned(), commit)]),
            ..Resource::default()
        };
        let note = "the commit that was checked out; the files that were used are those listed, by their own digests";
        Some(resource.annotate("kind", kind::CHECKOUT).annotate("folder", below).annotate("note", note))
    }
}

/// What this machine has for builds that work below `store`.
pub(crate) fn machine(store: &Path, cpus: usize) -> Machine {
    let memory = Some(crate::project::memory()).filter(|memory| *memory < u64::MAX);
    let disk = rustix::fs::statvfs(store).ok().map(|space| space.f_bavail.saturating_mul(space.f_frsize));
    Machine { cpus, memory, disk }
}

/// Where a checkout keeps its repository: in `.git`, or where a file of that name says.
fn git_folder(place: &Path) -> Option<std::path::PathBuf> {
    if place.is_dir() {
        return Some(place.to_owned());
    }
    let text = fs::read_to_string(place).ok()?;
    Some(place.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

/// The commit that HEAD names.
fn commit(git: &Path) -> Option<String> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return is_commit(head).then(|| head.to_owned()) };
    // A worktree keeps its branches with the repository that it belongs to.
    let common = fs::read_to_string(git.join("commondir")).map_or_else(|_| git.to_owned(), |text| git.join(text.trim()));
    let loose = [git, &common].iter().find_map(|folder| fs::read_to_string(folder.join(name)).ok());
    let packed = || {
        let text = fs::read_to_string(common.join("packed-refs")).ok()?;
        text.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' ').map(str::to_owned))
    };
    let found = loose.map(|text| text.trim().to_owned()).or_else(packed)?;
    is_commit(&found).then_some(found)
}

/// Whether it is the name of a git object: SHA-1 or SHA-256 in hex.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_commit_on_a_branch_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir_all(dir.path().join("distro")).unwrap();
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{two} refs/heads/other\n{one} refs/heads/main\n")).unwrap();
        let host = Local::new(1);
        let found = |expected: &str| {
            let resource = host.checkout(&dir.path().join("distro")).unwrap();
            assert_eq!((resource.digest["gitCommit"].as_str(), resource.annotation("folder")), (expected, Some("distro")));
        };
        found(&one);
        fs::write(git.join("refs/heads/main"), format!("{two}\n")).unwrap();
        found(&two);
        fs::write(git.join("HEAD"), &one).unwrap();
        found(&one);
        fs::write(git.join("HEAD"), "nonsense").unwrap();
        assert!(host.checkout(dir.path()).is_none());
    }
}
