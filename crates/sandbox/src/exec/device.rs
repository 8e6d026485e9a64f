//! `/proc` and `/dev` of the sandbox.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::error::{During as _, Failure, Step};
use crate::exec::root::{attach, clone_tree, make_read_only, mount_new, mount_point, mount_tmpfs};
use crate::plan::{Guard, Plan};
use crate::system;

/// Devices that a build needs; none gives access to anything of the host.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Where they are looked for, since a program expects them in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Parts of `/proc` that change the machine when root writes to them. Without capabilities root may still:
/// the kernel asks for the user id alone in places, and a caller that is root is root to them.
const PROC_READ_ONLY: [&str; 7] = ["sys", "bus", "fs", "irq", "acpi", "scsi", "sysrq-trigger"];

/// Files of `/proc` that only root can read and that tell about the machine: rootless builds can not have them,
/// so nobody has.
const PROC_EMPTY: [&str; 7] = ["kcore", "kmsg", "keys", "kpagecount", "kpageflags", "timer_list", "vmallocinfo"];

/// Linux 6.14 made `kernel.pid_max` a setting of the process namespace; before, it is the whole machine's.
pub(super) const OWN_PID_MAX: (u32, u32) = (6, 14);
/// The kernel takes no smaller `pid_max`.
const MIN_PID_MAX: u64 = 301;

/// Mounts a `/proc` that shows only the sandbox and changes nothing outside.
pub(super) fn mount_proc(root: BorrowedFd<'_>, plan: &Plan) -> Result<(), Failure> {
    if !plan.guards(Guard::Processes) {
        // Only who owns the process namespace may mount a new one.
        let host = clone_tree(Path::new("/proc")).during(Step::MountProc, "")?;
        let target = mount_point(root, "/proc", true)?;
        return attach(host.as_fd(), target.as_fd()).during(Step::MountProc, "");
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let proc = mount_new(root, "/proc", "proc", &[], attributes, Step::MountProc)?;
    limit_kernel(plan, proc.as_fd())?;
    for name in PROC_READ_ONLY {
        cover(&proc, name, |target| {
            let copy = open_tree(target, "", TREE)?;
            system::add_mount_attributes(copy.as_fd(), u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), true)?;
            Ok(copy)
        })?;
    }
    for name in PROC_EMPTY {
        cover(&proc, name, |_| device(Path::new("/dev/null")))?;
    }
    Ok(())
}

const TREE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC).union(OpenTreeFlags::AT_EMPTY_PATH);

/// Puts over `name` in `/proc` what `with` makes of it; kernels differ in what is there.
fn cover(proc: &OwnedFd, name: &str, with: impl FnOnce(BorrowedFd<'_>) -> Result<OwnedFd, Errno>) -> Result<(), Failure> {
    let target = match rustix::fs::openat(proc, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened.during(Step::ReadOnly, name)?,
    };
    let cover = with(target.as_fd()).during(Step::ReadOnly, name)?;
    attach(cover.as_fd(), target.as_fd()).during(Step::ReadOnly, name)
}

/// Sets what the kernel keeps for each namespace: no user namespace within, and a count of processes that also
/// holds for root, whom `RLIMIT_NPROC` does not hold.
fn limit_kernel(plan: &Plan, proc: BorrowedFd<'_>) -> Result<(), Failure> {
    if plan.guards(Guard::SystemCalls) {
        set(proc, "sys/user/max_user_namespaces", "0")?;
    }
    if kernel_version() >= OWN_PID_MAX {
        set(proc, "sys/kernel/pid_max", &plan.limits.processes.max(MIN_PID_MAX).to_string())?;
    }
    Ok(())
}

fn set(proc: BorrowedFd<'_>, name: &str, value: &str) -> Result<(), Failure> {
    let write = || {
        let file = rustix::fs::openat(proc, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, value.as_bytes())
    };
    write().during(Step::LimitKernel, name).map(|_| ())
}

/// Major and minor version of the running kernel; 0.0 when it does not say.
pub(super) fn kernel_version() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A device of the host, as a mount of its own. It is read-only, which does not hinder writing to a device: a caller
/// that is root could change owner and mode of the node, for the whole machine.
fn device(path: &Path) -> Result<OwnedFd, Errno> {
    let device = open_tree(CWD, path, TREE)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    system::add_mount_attributes(device.as_fd(), u64::from(attributes.bits()), false)?;
    Ok(device)
}

/// Mounts a `/dev` with the devices of [`DEVICES`], terminals of its own and shared memory of its own.
pub(super) fn mount_dev(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let dev = mount_tmpfs(root, "/dev", "755")?;
    for name in DEVICES {
        let outside = Path::new("/dev").join(name);
        let device = device(&outside).during(Step::Device, outside.display())?;
        let target = mount_point(root, &format!("/dev/{name}"), false)?;
        attach(device.as_fd(), target.as_fd()).during(Step::Device, outside.display())?;
    }
    for (name, to) in LINKS {
        rustix::fs::symlinkat(to, &dev, name).during(Step::Device, name)?;
    }
    mount_tmpfs(root, "/dev/shm", "1777")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("mode", "620"), ("ptmxmode", "666")];
    mount_new(root, "/dev/pts", "devpts", &options, attributes, Step::Device)?;
    // Linkers run as root delete and rewrite `-o /dev/null`; here they can not.
    make_read_only(dev.as_fd(), false, "/dev")
}
