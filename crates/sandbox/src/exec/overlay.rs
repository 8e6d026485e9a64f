//! Makes the stacked root, by the newest way that the machine has.

use std::fmt::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, mount, move_mount,
};

use crate::error::{During as _, Failure, Step};
use crate::exec::merge::{How, merge};
use crate::exec::root;
use crate::plan::OverlayMethod;

/// Stacks `lowers` (topmost first) below `scratch/upper` at `scratch/root` and opens that.
///
/// In every way the kernel is given short relative names: its limits are 255 bytes for a parameter and 4,095
/// for all options, and `/proc/mounts` inside shows these names, which must not tell paths of the host.
pub(super) fn mount_at(lowers: &[PathBuf], scratch: &Path, method: OverlayMethod) -> Result<OwnedFd, Failure> {
    match method {
        OverlayMethod::Fsconfig => by_fsconfig(lowers, scratch),
        OverlayMethod::MountOptions => by_options(lowers, scratch),
        OverlayMethod::Merged => merged(lowers, scratch),
        OverlayMethod::Copied => copied(lowers, scratch),
        // Older kernels do not know `lowerdir+`, or not even fsopen; some disks stack no directories, or few.
        OverlayMethod::Auto if scratch.join(COPY).is_dir() => copied(lowers, scratch),
        OverlayMethod::Auto => by_fsconfig(lowers, scratch)
            .or_else(|failure| if_refused(failure, || by_options(lowers, scratch)))
            .or_else(|failure| if_refused(failure, || merged(lowers, scratch)))
            .or_else(|failure| if_refused(failure, || copied(lowers, scratch))),
    }
}

/// Goes on with the next way when the kernel refused the mount, and not when a directory is missing.
fn if_refused<T>(failure: Failure, next: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    if failure.step == Step::MountOverlay { next() } else { Err(failure) }
}

/// Where the merged lowers are, in the scratch directory.
const MERGED: &str = "merged";

/// Where the copied root is, in the scratch directory.
const COPY: &str = "copy";

fn merged(lowers: &[PathBuf], scratch: &Path) -> Result<OwnedFd, Failure> {
    let merged = scratch.join(MERGED);
    merge(lowers, &merged, How::Link).during(Step::MergeLowers, scratch.display())?;
    by_options(&[merged], scratch)
}

fn copied(lowers: &[PathBuf], scratch: &Path) -> Result<OwnedFd, Failure> {
    let copy = scratch.join(COPY);
    merge(lowers, &copy, How::Copy).during(Step::MergeLowers, scratch.display())?;
    root::directory(&copy)
}

fn by_fsconfig(lowers: &[PathBuf], scratch: &Path) -> Result<OwnedFd, Failure> {
    let step = Step::MountOverlay;
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).during(step, "by fsopen")?;
    fsconfig_set_string(overlay.as_fd(), "source", "overlay").during(step, "source")?;
    fsconfig_set_flag(overlay.as_fd(), "userxattr").during(step, "userxattr")?;
    for lower in lowers {
        enter(lower)?;
        fsconfig_set_string(overlay.as_fd(), "lowerdir+", ".").during(step, lower.display())?;
    }
    enter(scratch)?;
    fsconfig_set_string(overlay.as_fd(), "upperdir", "upper").during(step, scratch.display())?;
    fsconfig_set_string(overlay.as_fd(), "workdir", "work").during(step, scratch.display())?;
    fsconfig_create(overlay.as_fd()).during(step, scratch.display())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mounted = fsmount(overlay.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags).during(step, scratch.display())?;
    move_mount(mounted.as_fd(), "", CWD, "root", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Step::AttachRoot, scratch.display())?;
    Ok(mounted)
}

fn by_options(lowers: &[PathBuf], scratch: &Path) -> Result<OwnedFd, Failure> {
    let links = scratch.join("links");
    if links.exists() {
        fs_err::remove_dir_all(&links).during(Step::MountPoint, links.display())?;
    }
    fs_err::create_dir(&links).during(Step::MountPoint, links.display())?;
    let mut options = String::from("userxattr,upperdir=../upper,workdir=../work,lowerdir=");
    for (index, lower) in lowers.iter().enumerate() {
        enter(lower)?; // for the clear message: the mount itself would only say "invalid"
        let name = index.to_string();
        rustix::fs::symlink(lower, links.join(&name)).during(Step::OpenLower, lower.display())?;
        let separator = if index == 0 { "" } else { ":" };
        let _ = write!(options, "{separator}{name}"); // writing to a String does not fail
    }
    enter(&links)?;
    let options = std::ffi::CString::new(options).map_err(|_| Failure::new(Step::MountOverlay, "", Errno::INVAL))?;
    mount("overlay", "../root", "overlay", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .during(Step::MountOverlay, scratch.display())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("../root", flags, Mode::empty()).during(Step::AttachRoot, scratch.display())
}

fn enter(directory: &Path) -> Result<(), Failure> {
    rustix::process::chdir(directory).during(Step::OpenLower, directory.display())
}
