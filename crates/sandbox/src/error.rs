//! What can go wrong, with the thing it went wrong with and the way out.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Why a command could not be run. How a command that did run ended is an [`Outcome`](crate::Outcome), no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant says it in its message
pub enum SandboxError {
    #[error("the command is empty")]
    NoCommand,
    #[error("a NUL byte in {text:?}, which no program can be given")]
    NulByte { text: String },
    #[error("{name:?} is no variable name")]
    VariableName { name: String },
    #[error("{} is no absolute path outside the sandbox", path.display())]
    OutsidePath { path: PathBuf },
    #[error("{path:?} is no absolute, plain path inside the sandbox")]
    InsidePath { path: String },
    #[error("bind target {target:?} is the root or is bound twice")]
    BindTarget { target: String },
    #[error("an overlay of {count} lower directories: it takes 1 to {limit}")]
    Lowers { count: usize, limit: usize },
    #[error("cannot make the scratch directory {}", path.display())]
    Scratch { path: PathBuf, source: io::Error },
    #[error("cannot make a channel to the launcher")]
    Channel { source: io::Error },
    #[error("cannot start the launcher {}", program.display())]
    Launch { program: PathBuf, source: io::Error },
    #[error("the launcher {} ended without an answer: {status}", program.display())]
    Silent { program: PathBuf, status: String },
    #[error("cannot identify the file {}", path.display())]
    Identify { path: PathBuf, source: io::Error },
    #[error("cannot read what the command prints")]
    Output { source: io::Error },
    #[error("the run was stopped")]
    Stopped,
    #[error(transparent)]
    Setup(#[from] Failure),
}

impl SandboxError {
    /// What to do about it, in a sentence, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Setup(failure) => failure.hint(),
            _ => None,
        }
    }
}

/// A step inside the launcher that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done.
    pub step: Step,
    /// To which thing; may be empty.
    pub subject: String,
    /// What the kernel answered, as its error number.
    pub errno: i32,
}

/// What the launcher was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // `Display` says each in words
pub enum Step {
    Unshare,
    MapIds,
    Loopback,
    Hostname,
    PrivateMounts,
    OpenLower,
    MergeLowers,
    MountOverlay,
    AttachRoot,
    MountPoint,
    MountTmpfs,
    MountProc,
    LimitKernel,
    Device,
    Bind,
    ReadOnly,
    Pivot,
    Fork,
    Limits,
    Capabilities,
    NoNewPrivileges,
    Landlock,
    Seccomp,
    Record,
    Terminal,
    Directory,
    Execute,
    Supervise,
}

impl Display for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unshare => "make namespaces",
            Self::MapIds => "map the user into its namespace",
            Self::Loopback => "bring up the loopback network",
            Self::Hostname => "set the host name",
            Self::PrivateMounts => "make the mounts private",
            Self::OpenLower => "open the lower directory",
            Self::MergeLowers => "merge the lower directories in",
            Self::MountOverlay => "mount the overlay root",
            Self::AttachRoot => "attach the root",
            Self::MountPoint => "make the mount point",
            Self::MountTmpfs => "mount a tmpfs at",
            Self::MountProc => "mount a new /proc",
            Self::LimitKernel => "set the kernel setting",
            Self::Device => "make the device",
            Self::Bind => "bind",
            Self::ReadOnly => "make read-only",
            Self::Pivot => "move into the new root",
            Self::Fork => "start a process",
            Self::Limits => "set the limit of",
            Self::Capabilities => "drop capabilities",
            Self::NoNewPrivileges => "give up new privileges",
            Self::Landlock => "restrict the process with landlock",
            Self::Seccomp => "filter system calls",
            Self::Record => "record ownership",
            Self::Terminal => "hand over the terminal",
            Self::Directory => "enter the directory",
            Self::Execute => "execute",
            Self::Supervise => "watch the command",
        })
    }
}

impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}", self.step)?;
        if !self.subject.is_empty() {
            write!(out, " {}", self.subject)?;
        }
        write!(out, ": {}", Errno::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(crate) fn new(step: Step, subject: impl Into<String>, errno: Errno) -> Self {
        Self { step, subject: subject.into(), errno: errno.raw_os_error() }
    }

    /// What to do about it, in a sentence, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        let errno = Errno::from_raw_os_error(self.errno);
        let refused = matches!(errno, Errno::PERM | Errno::ACCESS);
        Some(match self.step {
            Step::Unshare if refused || matches!(errno, Errno::NOSPC | Errno::USERS | Errno::INVAL) => {
                "user namespaces are switched off: `sysctl -w user.max_user_namespaces=15000`, on some Debian kernels also \
                 `kernel.unprivileged_userns_clone=1`; in a container, its seccomp profile must allow them"
            }
            Step::MapIds | Step::PrivateMounts | Step::Loopback if refused => {
                "this machine takes the privileges out of user namespaces: with AppArmor, allow `userns` to this program in a \
                 profile, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
            }
            Step::MountOverlay => {
                "an overlay in a user namespace needs Linux 5.11 and a scratch directory on a file system with user extended \
                 attributes (ext4, xfs, btrfs; tmpfs since Linux 6.6), not on another overlay"
            }
            Step::MountProc if refused => {
                "the container around us hides parts of /proc, and then the kernel refuses a new one: start it with \
                 `--security-opt unmask=ALL` (podman) or `--security-opt systempaths=unconfined` (docker)"
            }
            Step::Record if errno == Errno::BUSY => {
                "the container around us answers system calls itself, and the kernel allows one who does: start it without a \
                 seccomp listener"
            }
            Step::Record => "Linux 5.9 or newer with CONFIG_SECCOMP_FILTER is needed, and a /proc that shows our own processes",
            Step::Execute if errno == Errno::NOENT => {
                "neither the program nor, for a script or a dynamic program, its interpreter is in the root"
            }
            Step::ReadOnly if errno == Errno::NOSYS => "Linux 5.12 or newer is needed",
            Step::Fork if errno == Errno::AGAIN => "too many processes: raise `ulimit -u` or stop some",
            _ => return None,
        })
    }
}

/// Says what was being done when the kernel refused.
pub(crate) trait During<T> {
    /// Turns the kernel's answer into a [`Failure`].
    fn during(self, step: Step, subject: impl Display) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, step: Step, subject: impl Display) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(step, subject.to_string(), errno))
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, step: Step, subject: impl Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error);
            Failure::new(step, subject.to_string(), errno)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_done_to_which_thing() {
        let failure = Failure::new(Step::Bind, "/src at /home/build", Errno::NOENT);
        assert_eq!(failure.to_string(), "cannot bind /src at /home/build: No such file or directory (os error 2)");
        assert_eq!(failure.hint(), None);
    }

    #[test]
    fn a_machine_without_user_namespaces_is_told_how_to_mend_it() {
        for errno in [Errno::PERM, Errno::NOSPC, Errno::INVAL] {
            let error = SandboxError::from(Failure::new(Step::Unshare, "", errno));
            assert!(error.hint().unwrap().contains("user.max_user_namespaces"));
        }
    }
}
