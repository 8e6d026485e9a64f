//! What a run needs, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;

/// The host name inside; a constant, so that no build records the machine it ran on.
pub const HOSTNAME: &str = "build";
/// The NIS domain name inside: what a Linux machine without one answers.
pub const DOMAIN: &str = "(none)";
/// The file mode creation mask inside.
pub const UMASK: u32 = 0o022;

/// The kernel stacks at most this many directories in one overlay (`OVL_MAX_STACK`).
pub(crate) const MAX_LOWERS: usize = 500;

/// Everything that a run needs.
///
/// Nothing is inherited from the caller: not the environment, not open files, not the working directory.
/// Inside, the user is always uid 0 and gid 0, and that is the only id there is, whether the caller is root
/// or not: a `chown` to 0 succeeds, a `chown` to any other id is refused by the kernel with `EINVAL`.
/// Set-user-id and set-group-id bits are refused with `EPERM`, devices too. In a run that is
/// [recorded](crate::record()) all of these succeed.
///
/// Beside the root and the binds there are a new `/proc`, a small `/dev`, and an empty `/tmp` and `/run` in memory
/// (each at most half of the machine's). The only network is a loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The file system that the command sees as `/`.
    pub root: Root,
    /// Whether `/` itself is read-only. `/tmp`, `/run`, `/dev/shm` and writable binds stay writable.
    pub read_only_root: bool,
    /// Files and directories of the host that appear inside.
    pub binds: Vec<Bind>,
    /// Program and arguments. A program without `/` is looked for in the `PATH` of `environment`.
    pub command: Vec<String>,
    /// The exact environment.
    pub environment: BTreeMap<String, String>,
    /// The working directory inside; it must exist there.
    pub directory: String,
    /// What the command may use up.
    pub limits: Limits,
    /// Guards that are switched off. Empty, unless someone asked for the danger by name: provenance records it.
    pub lifted_unsafe: BTreeSet<Guard>,
    /// Whether the caller's terminal becomes the command's standard input, output and error, for a shell.
    /// Otherwise input is `/dev/null`, and output and error go, in order, to the caller of [`run`](crate::run()).
    pub terminal: bool,
    /// Whether directories list their entries in reverse, as far as one read of them goes (about a thousand entries).
    /// File systems list in orders of their own; a build that keeps the order it saw gives other bytes elsewhere, and
    /// this shows it. Only for [recorded](crate::record()) runs, which it slows down; `seekdir` is not to be relied on.
    pub reverse_directories: bool,
}

/// The file system that the command sees as `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Root {
    /// Read-only directories stacked below a scratch top, which takes every change.
    Overlay {
        /// The directories, topmost first; at least 1, at most 500.
        lowers: Vec<PathBuf>,
        /// A directory of the caller that holds `upper/` (the changes), `work/` and `root/` (the mount point).
        /// It must be on a file system with user extended attributes, and serve one run at a time. Runs one after
        /// the other may share it: each then sees what the former changed. Whoever made it removes it, and has to give
        /// itself every right on directories first: the kernel keeps a `work/work` of mode 0.
        scratch: PathBuf,
        /// How the overlay is mounted.
        method: OverlayMethod,
    },
    /// A directory as it is; the run changes it.
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The host's own file system. DANGER: the command reads whatever the caller can read. Namespaces, seccomp
    /// and landlock (which then allows no write but to `/dev`) still hold; binds are not made.
    HostUnsafe,
}

/// How an overlay is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlayMethod {
    /// The first that works, in the order of those below.
    #[default]
    Auto,
    /// `fsconfig("lowerdir+")`, Linux 6.5 and later.
    Fsconfig,
    /// One `mount(2)` option string over short symbolic links, Linux 5.11 and later.
    MountOptions,
    /// The directories are first merged into one, `scratch/merged`, by second names of their files; that alone lies below
    /// the top. Second names change the time of change of the files. For kernels that stack few directories.
    Merged,
    /// The directories are copied into one, `scratch/copy`, which is the root; there is no overlay. For disks, such as a
    /// container's own overlay, and kernels on which none can be mounted.
    Copied,
}

/// A file or directory of the host that appears inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// Where it is outside; absolute.
    pub source: PathBuf,
    /// Where it is inside; absolute. What is missing on the way is made in the root.
    pub target: String,
    /// Whether the command may write to it.
    pub writable: bool,
}

/// A guard that can be lifted, which is dangerous: tests lift one to show that it is what stops an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// A network namespace with only the loopback. Lifted: the command is on the host's network and reaches
    /// whatever the caller reaches.
    Network,
    /// A process namespace that dies with the command. Lifted: the command sees the host's processes, may
    /// signal those of the caller, and what it leaves in the background lives on.
    Processes,
    /// The filter of system calls. Lifted: set-user-id bits can be made on the caller's files, and all of the
    /// kernel's interface that an unprivileged process has is open.
    SystemCalls,
    /// Landlock: writes only where the plan allows them, no signal and no abstract socket out of the sandbox.
    /// Where the kernel has no landlock, the mounts alone hold the writes; `doctor` tells. Lifted: the same.
    Landlock,
    /// The read-only state of binds that are not `writable`. Lifted (with [`Guard::Landlock`]): they can be written to.
    ReadOnlyBinds,
}

/// What a run may use up. None is raised above what the caller itself may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Processes and threads at one time. For root it needs Linux 6.14; the kernel's smallest value there is 301.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// CPUs that the command may run on, and that `nproc` counts: the first ones of the caller's. More than there are
    /// is all. A program can ask for the others back, and `/proc/cpuinfo` shows them: it is for comparing builds.
    pub cpus: Option<usize>,
    /// How many of the caller's CPUs are passed by before the first of those; counted round.
    #[serde(default)]
    pub first_cpu: usize,
    /// CPU seconds of one process.
    pub cpu_seconds: Option<u64>,
    /// Time from start to end; then everything is killed.
    pub wall: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A build of LLVM with 256 jobs stays below 2,000; a fork bomb does not.
            processes: 8192,
            // Constant, since programs size tables by it; linkers and bundlers want more than the usual 1024.
            open_files: 4096,
            // The largest file that a build is known to make (a debug archive of a browser) is below 20 GB.
            file_size: 64 << 30,
            cpus: None,
            first_cpu: 0,
            cpu_seconds: None,
            wall: None,
        }
    }
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ended with this exit code.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
    /// It did not end within [`Limits::wall`] and was killed.
    TimedOut,
}

impl Outcome {
    /// Whether the command ended with exit code 0.
    pub const fn success(self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl Plan {
    /// A plan with every guard on, the default limits, an empty environment and `/` as the working directory.
    pub fn new<S: Into<String>>(root: Root, command: impl IntoIterator<Item = S>) -> Self {
        Self {
            root,
            read_only_root: false,
            binds: Vec::new(),
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            directory: "/".to_owned(),
            limits: Limits::default(),
            lifted_unsafe: BTreeSet::new(),
            terminal: false,
            reverse_directories: false,
        }
    }

    /// Switches `guard` off. What then no longer holds is said at each [`Guard`]; the others still hold.
    pub fn lift_unsafe(&mut self, guard: Guard) -> &mut Self {
        self.lifted_unsafe.insert(guard);
        self
    }

    /// Whether `guard` is on.
    pub fn guards(&self, guard: Guard) -> bool {
        !self.lifted_unsafe.contains(&guard)
    }

    /// Checks what can be checked without privileges and without touching the file system.
    pub fn check(&self) -> Result<(), SandboxError> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err(SandboxError::NoCommand);
        }
        for text in self.command.iter().chain(self.environment.values()) {
            no_nul(text)?;
        }
        for name in self.environment.keys() {
            no_nul(name)?;
            if name.is_empty() || name.contains('=') {
                return Err(SandboxError::VariableName { name: name.clone() });
            }
        }
        inside(&self.directory)?;
        self.root.check()?;
        let mut targets = BTreeSet::new();
        for bind in &self.binds {
            outside(&bind.source)?;
            inside(&bind.target)?;
            if bind.target == "/" || !targets.insert(&bind.target) {
                return Err(SandboxError::BindTarget { target: bind.target.clone() });
            }
        }
        Ok(())
    }

    /// The binds, parents before what is bound below them.
    pub(crate) fn binds_in_order(&self) -> Vec<&Bind> {
        let mut binds: Vec<&Bind> = self.binds.iter().collect();
        binds.sort_by(|a, b| a.target.cmp(&b.target));
        binds
    }
}

impl Root {
    /// An overlay of `lowers`, topmost first, over `scratch`, mounted in the first way that works.
    pub fn overlay(lowers: Vec<PathBuf>, scratch: PathBuf) -> Self {
        Self::Overlay { lowers, scratch, method: OverlayMethod::Auto }
    }

    fn check(&self) -> Result<(), SandboxError> {
        match self {
            Self::Overlay { lowers, scratch, .. } => {
                if lowers.is_empty() || lowers.len() > MAX_LOWERS {
                    return Err(SandboxError::Lowers { count: lowers.len(), limit: MAX_LOWERS });
                }
                outside(scratch)?;
                lowers.iter().try_for_each(|lower| outside(lower))
            }
            Self::Directory { path } => outside(path),
            Self::HostUnsafe => Ok(()),
        }
    }
}

fn no_nul(text: &str) -> Result<(), SandboxError> {
    if text.contains('\0') {
        return Err(SandboxError::NulByte { text: text.to_owned() });
    }
    Ok(())
}

/// A path of the host: absolute, since the launcher has another working directory.
fn outside(path: &Path) -> Result<(), SandboxError> {
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(SandboxError::OutsidePath { path: path.to_owned() });
    }
    Ok(())
}

/// A path inside: absolute and plain, so that equal places are equal text.
fn inside(path: &str) -> Result<(), SandboxError> {
    let plain = path == "/"
        || path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|name| !matches!(name, "" | "." | "..") && !name.contains('\0')));
    if !plain {
        return Err(SandboxError::InsidePath { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let mut plan = Plan::new(Root::overlay(vec!["/a".into()], "/scratch".into()), ["/bin/sh", "-c", "true"]);
        plan.environment.insert("PATH".to_owned(), "/bin".to_owned());
        plan.binds.push(Bind { source: "/w".into(), target: "/home/build".to_owned(), writable: true });
        plan
    }

    #[test]
    fn survives_json() {
        let mut plan = plan();
        plan.lift_unsafe(Guard::Network);
        plan.limits.wall = Some(Duration::from_millis(1500));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = serde_json::to_string(&plan()).unwrap().replacen('{', r#"{"privileged":true,"#, 1);
        assert!(serde_json::from_str::<Plan>(&text).unwrap_err().to_string().contains("privileged"));
    }

    #[test]
    fn every_guard_is_on_unless_lifted() {
        let plan = plan();
        for guard in [Guard::Network, Guard::Processes, Guard::SystemCalls, Guard::Landlock, Guard::ReadOnlyBinds] {
            assert!(plan.guards(guard));
        }
    }

    #[test]
    fn refuses_plans_that_mean_nothing() {
        type Spoil = fn(&mut Plan);
        let cases: &[(&str, Spoil)] = &[
            ("the command is empty", |p| p.command.clear()),
            ("NUL byte", |p| p.command.push("a\0b".to_owned())),
            ("variable name", |p| drop(p.environment.insert("A=B".to_owned(), String::new()))),
            ("path inside", |p| p.directory = "home".to_owned()),
            ("path inside", |p| p.binds[0].target = "/a/../etc".to_owned()),
            ("bind target", |p| p.binds[0].target = "/".to_owned()),
            ("bind target", |p| p.binds.push(p.binds[0].clone())),
            ("path outside", |p| p.binds[0].source = "relative".into()),
            ("0 lower directories", |p| p.root = Root::overlay(vec![], "/s".into())),
            ("501 lower directories", |p| p.root = Root::overlay(vec!["/a".into(); 501], "/s".into())),
            ("path outside", |p| p.root = Root::overlay(vec!["a".into()], "/s".into())),
        ];
        for (expected, spoil) in cases {
            let mut plan = plan();
            spoil(&mut plan);
            let error = plan.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} should say {expected:?}");
        }
        plan().check().unwrap();
    }
}
