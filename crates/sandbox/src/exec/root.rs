//! Builds the root, with all that is mounted in it, and moves into it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree, unmount,
};

use crate::error::{During as _, Failure, Step};
use crate::exec::{device, overlay};
use crate::plan::{Bind, Guard, Plan, Root, UMASK};
use crate::system;

const NO_SETUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NO_DEVICES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;

/// Makes the root of `plan` the root of this process.
pub(super) fn enter(plan: &Plan) -> Result<(), Failure> {
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).during(Step::PrivateMounts, "")?;
    // Sources of the host are opened while its paths are what they were; mounts below could cover them.
    let binds = plan.binds_in_order().into_iter().map(open_bind).collect::<Result<Vec<_>, _>>()?;
    let root = match &plan.root {
        Root::Overlay { lowers, scratch, method } => overlay::mount_at(lowers, scratch, *method)?,
        Root::Directory { path } => directory(path)?,
        Root::HostUnsafe => return Ok(()),
    };
    let root = root.as_fd();
    device::mount_proc(root, plan)?;
    device::mount_dev(root)?;
    mount_tmpfs(root, "/tmp", "1777")?;
    mount_tmpfs(root, "/run", "755")?;
    for (bind, source) in binds {
        attach_bind(plan, root, bind, &source)?;
    }
    if plan.read_only_root {
        make_read_only(root, false, "/")?;
    }
    pivot(root).during(Step::Pivot, "")
}

/// The directory as a mount, which is what a root has to be.
pub(super) fn directory(path: &Path) -> Result<OwnedFd, Failure> {
    let tree = clone_tree(path).during(Step::AttachRoot, path.display())?;
    system::add_mount_attributes(tree.as_fd(), u64::from((NO_SETUID | NO_DEVICES).bits()), true)
        .during(Step::AttachRoot, path.display())?;
    move_mount(tree.as_fd(), "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Step::AttachRoot, path.display())?;
    Ok(tree)
}

fn open_bind(bind: &Bind) -> Result<(&Bind, OwnedFd), Failure> {
    let tree = clone_tree(&bind.source).during(Step::Bind, bind.source.display())?;
    Ok((bind, tree))
}

fn attach_bind(plan: &Plan, root: BorrowedFd<'_>, bind: &Bind, source: &OwnedFd) -> Result<(), Failure> {
    let what = || format!("{} at {}", bind.source.display(), bind.target);
    let status = rustix::fs::fstat(source).during(Step::Bind, what())?;
    let is_directory = rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir();
    let target = mount_point(root, &bind.target, is_directory)?;
    let mut attributes = NO_SETUID | NO_DEVICES;
    attributes.set(READ_ONLY, !bind.writable && plan.guards(Guard::ReadOnlyBinds));
    system::add_mount_attributes(source.as_fd(), u64::from(attributes.bits()), true).during(Step::ReadOnly, what())?;
    attach(source.as_fd(), target.as_fd()).during(Step::Bind, what())
}

/// Mounts an empty tmpfs at `path` and returns it.
pub(super) fn mount_tmpfs(root: BorrowedFd<'_>, path: &str, mode: &str) -> Result<OwnedFd, Failure> {
    mount_new(root, path, "tmpfs", &[("mode", mode)], NO_SETUID | NO_DEVICES, Step::MountTmpfs)
}

/// Mounts a new file system of `kind` at `path` and returns it.
pub(super) fn mount_new(
    root: BorrowedFd<'_>,
    path: &str,
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
    step: Step,
) -> Result<OwnedFd, Failure> {
    let target = mount_point(root, path, true)?;
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", kind)?;
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        let mounted = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        attach(mounted.as_fd(), target.as_fd())?;
        Ok::<_, Errno>(mounted)
    };
    make().during(step, path)
}

/// A copy of the mounts at `path`, attached nowhere yet.
pub(super) fn clone_tree(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}

/// Puts the unattached `mount` at `target`.
pub(super) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

pub(super) fn make_read_only(mount: BorrowedFd<'_>, recursive: bool, name: &str) -> Result<(), Failure> {
    system::add_mount_attributes(mount, u64::from(READ_ONLY.bits()), recursive).during(Step::ReadOnly, name)
}

/// Opens `path` inside `root`, and makes what is missing of it. Symbolic links in the root lead to places in the
/// root: no text in a package can point a mount, or a new directory, out of it.
pub(super) fn mount_point(root: BorrowedFd<'_>, path: &str, is_directory: bool) -> Result<OwnedFd, Failure> {
    let mut reached = open_inside(root, ".").during(Step::MountPoint, path)?;
    let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]).collect();
    for end in ends {
        let prefix = &path[1..end];
        reached = match open_inside(root, prefix) {
            Err(Errno::NOENT) => {
                let name = prefix.rsplit('/').next().unwrap_or(prefix);
                let make = || {
                    if is_directory || end < path.len() {
                        rustix::fs::mkdirat(&reached, name, Mode::from_raw_mode(0o755))?;
                    } else {
                        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                        rustix::fs::openat(&reached, name, flags, Mode::from_raw_mode(0o644))?;
                    }
                    open_inside(root, prefix)
                };
                make().during(Step::MountPoint, path)?
            }
            opened => opened.during(Step::MountPoint, path)?,
        };
    }
    Ok(reached)
}

fn open_inside(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Makes `root` the root of this mount namespace and lets go of the old one.
fn pivot(root: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(".", ".")?; // the old root now lies over the new one
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}
