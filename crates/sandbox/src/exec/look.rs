//! The launcher's answer to [`probe`](crate::probe()): tries each step of a run and says how it went.

use std::path::Path;

use rustix::pipe::PipeFlags;
use rustix::process::{Resource, WaitOptions};

use crate::error::{During as _, Failure, Step};
use crate::exec::{device, filter, namespace, overlay, record, root};
use crate::message::{self, Reply};
use crate::plan::{Limits, Outcome, OverlayMethod, Plan, Root};
use crate::probe::{Finding, Health};
use crate::system::{self, Side};

/// `mount_setattr`, without which no bind is read-only; overlays in user namespaces came one version earlier.
const OLDEST_KERNEL: (u32, u32) = (5, 12);
/// Landlock's interface that keeps signals and abstract sockets inside: Linux 6.12.
const SCOPED_LANDLOCK: i64 = 6;

/// Looks at everything. What one step needs of an earlier one is done again for it, in a process of its own.
pub(super) fn look(directory: &Path) -> Vec<Finding> {
    let mut findings = vec![kernel(), tried("user namespaces", "one user, and namespaces of its own", namespaces)];
    let scratch = directory.to_owned();
    findings.extend(roots(&scratch));
    findings.push(ownership(&scratch));
    findings.extend([tried("system call filter", "seccomp", || filter::apply(false)), landlock(), processes(), open_files()]);
    findings
}

fn kernel() -> Finding {
    let (major, minor) = device::kernel_version();
    let detail = format!("Linux {major}.{minor}");
    let mend = format!("Linux {}.{} or newer is needed", OLDEST_KERNEL.0, OLDEST_KERNEL.1);
    finding("kernel", detail, ((major, minor) < OLDEST_KERNEL).then_some((Health::Missing, mend)))
}

fn roots(scratch: &Path) -> Vec<Finding> {
    let subject = "overlay root";
    let (lower, upper) = (scratch.join("lower"), Root::overlay(vec![scratch.join("lower")], scratch.to_owned()));
    if let Err(error) = upper
        .prepare()
        .and_then(|()| fs_err::create_dir_all(&lower).map_err(|source| crate::SandboxError::Scratch { path: lower.clone(), source }))
    {
        let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let mend = "choose a store directory that you may write to".to_owned();
        return vec![finding(subject, format!("{error}{cause}"), Some((Health::Missing, mend)))];
    }
    let mount = |method| {
        let lowers = [lower.clone()];
        attempt(move || {
            namespaces()?;
            overlay::mount_at(&lowers, scratch, method).map(drop)
        })
    };
    let mounted = match WAYS.iter().find(|(method, ..)| mount(*method).is_ok()) {
        Some((_, detail, None)) => finding(subject, (*detail).to_owned(), None),
        Some((_, detail, Some(mend))) => finding(subject, (*detail).to_owned(), Some((Health::Degraded, (*mend).to_owned()))),
        None => mount(OverlayMethod::Auto).map_or_else(|failure| failed(subject, &failure), |()| finding(subject, String::new(), None)),
    };
    let whole = tried("root with /proc and /dev", "mounted", || {
        namespaces()?;
        // /proc wants a process in the new namespace, which only a child is.
        attempt(|| root::enter(&Plan::new(upper.clone(), ["/"])))
    });
    vec![mounted, whole]
}

/// The ways to make a root in the order in which they are tried, what is said of each, and how to get a better one.
const WAYS: [(OverlayMethod, &str, Option<&str>); 4] = [
    (OverlayMethod::Fsconfig, "mounted by fsconfig", None),
    (OverlayMethod::MountOptions, "mounted by options, the way before Linux 6.5", None),
    (
        OverlayMethod::Merged,
        "packages are merged by second names for each build",
        Some("each build takes longer to start; Linux 6.5 or newer mounts them"),
    ),
    (
        OverlayMethod::Copied,
        "packages are copied for each build, since no overlay can be mounted on this disk",
        Some("each build takes longer to start, and room; name a store on ext4, xfs or btrfs, not inside a container's own root"),
    ),
];

fn namespaces() -> Result<(), Failure> {
    namespace::enter(&Plan::new(Root::HostUnsafe, ["/"]))
}

/// Records a change of owner, the whole way.
fn ownership(scratch: &Path) -> Finding {
    let subject = "ownership on record";
    let recorded = attempt(|| {
        namespaces()?;
        record::try_out(scratch)
    });
    match recorded {
        Ok(()) => finding(subject, "chown, set-id bits, setcap and mknod are answered".to_owned(), None),
        Err(failure) => {
            let mend =
                format!("builds that give files to another user than root fail; {}", failure.hint().unwrap_or("ask for a newer kernel"));
            finding(subject, failure.to_string(), Some((Health::Degraded, mend)))
        }
    }
}

fn landlock() -> Finding {
    let subject = "landlock";
    match system::landlock_version() {
        Ok(version) if version >= SCOPED_LANDLOCK => finding(subject, format!("interface {version}"), None),
        Ok(version) => {
            let mend = "the process and network namespaces alone keep signals and sockets inside; Linux 6.12 adds the second lock";
            finding(subject, format!("interface {version}"), Some((Health::Degraded, mend.to_owned())))
        }
        Err(_) => {
            let mend = "the mounts alone hold the writes; add `landlock` to the kernel's `lsm=` boot parameter for the second lock";
            finding(subject, "not in this kernel".to_owned(), Some((Health::Degraded, mend.to_owned())))
        }
    }
}

fn processes() -> Finding {
    let limited = !rustix::process::geteuid().is_root() || device::kernel_version() >= device::OWN_PID_MAX;
    let mend = "before Linux 6.14 no limit of processes holds for root: build as an ordinary user";
    let detail = if limited { "limited" } else { "not limited for root" };
    finding("process count", detail.to_owned(), (!limited).then(|| (Health::Degraded, mend.to_owned())))
}

fn open_files() -> Finding {
    let wanted = Limits::default().open_files;
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let detail = maximum.map_or_else(|| "unlimited".to_owned(), |maximum| format!("at most {maximum}"));
    let few = maximum.is_some_and(|maximum| maximum < wanted);
    finding("open files", detail, few.then(|| (Health::Degraded, format!("raise the hard limit: `ulimit -Hn {wanted}`"))))
}

fn tried(subject: &str, detail: &str, step: impl FnOnce() -> Result<(), Failure>) -> Finding {
    match attempt(step) {
        Ok(()) => finding(subject, detail.to_owned(), None),
        Err(failure) => failed(subject, &failure),
    }
}

fn failed(subject: &str, failure: &Failure) -> Finding {
    let mend = failure.hint().unwrap_or("this machine's kernel or container refuses it; no build can run here");
    finding(subject, failure.to_string(), Some((Health::Missing, mend.to_owned())))
}

fn finding(subject: &str, detail: String, lack: Option<(Health, String)>) -> Finding {
    let (health, mend) = lack.map_or((Health::Good, None), |(health, mend)| (health, Some(mend)));
    Finding { subject: subject.to_owned(), health, detail, mend }
}

/// Does `step` in a child, so that it changes nothing here.
fn attempt(step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let (answer, report) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during(Step::Fork, "")?;
    match system::fork().during(Step::Fork, "")? {
        Side::Child => {
            let reply = step().map_or_else(Reply::Failed, |()| Reply::Outcome(Outcome::Exited(0)));
            let _ = message::write(std::fs::File::from(report), &reply); // the parent notices its absence
            system::exit_now(0)
        }
        Side::Parent(child) => {
            drop(report);
            let reply = message::read(std::fs::File::from(answer));
            rustix::process::waitpid(Some(child), WaitOptions::empty()).during(Step::Supervise, "")?;
            match reply.during(Step::Supervise, "")? {
                Reply::Failed(failure) => Err(failure),
                Reply::Outcome(_) | Reply::Recorded(..) | Reply::Findings(_) => Ok(()),
            }
        }
    }
}
