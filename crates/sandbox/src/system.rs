//! The calls that Rust cannot check, each in a safe wrapper: the only `unsafe` of the project.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::{io, ptr};

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
pub(crate) enum Side {
    Child,
    Parent(Pid),
}

/// Forks. Only for a process with one thread.
pub(crate) fn fork() -> Result<Side, Errno> {
    // SAFETY: the launcher has one thread (unshare of a user namespace has shown it), so the child's copy of
    // every lock and of the allocator is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(last_errno()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(Pid::from_raw(pid).ok_or(Errno::INVAL)?)),
    }
}

/// Ends this process without running what the parent registered for its own end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Replaces this process; returns only when that failed.
pub(crate) fn execute(program: &CString, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers =
        |strings: &[CString]| -> Vec<*const libc::c_char> { strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect() };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer, and their strings outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_errno()
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the file table is not unshared, which is the only flag with a rule.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Gives every signal its default action and unblocks all: an action "ignore", as Rust sets for `SIGPIPE`, would
/// otherwise reach the command.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: the default action is valid for every signal; for those that take none the call fails harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero signal set is a valid empty set, and the kernel only reads it.
    unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, ptr::null_mut());
    }
}

/// Ignores the stop signal that a background process gets when it hands on a terminal.
pub(crate) fn ignore_terminal_stop() {
    // SAFETY: the action "ignore" runs no code.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
}

/// Marks every descriptor from 3 on to close when a program is executed.
pub(crate) fn close_on_execute() -> Result<(), Errno> {
    // SAFETY: it sets a flag; no descriptor is closed under its owner.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(done)
}

/// Brings up `lo` in the network namespace of this process.
pub(crate) fn bring_up_loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all-zero is a valid `ifreq`: a name, and a union of plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    #[allow(clippy::cast_possible_truncation)]
    {
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    }
    // SAFETY: `request` is a whole `ifreq`, which is what SIOCSIFFLAGS reads.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    check(done.into())
}

/// Adds mount attributes (`MOUNT_ATTR_*`) to the mount at `mount` and, if asked, to all below it.
pub(crate) fn add_mount_attributes(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> Result<(), Errno> {
    // Newer C libraries have the struct, but not all that we are built against.
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let change = MountAttributes { set: attributes, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, and the struct has the size that is passed (MOUNT_ATTR_SIZE_VER0).
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &raw const change, size_of::<MountAttributes>())
    };
    check(done)
}

/// Which version of landlock's interface the kernel has.
pub(crate) fn landlock_version() -> Result<i64, Errno> {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes no attribute and only answers a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0_usize, CREATE_RULESET_VERSION) };
    check(version).map(|()| version)
}

/// Gives `channel` to the program that `command` starts, as its last argument, and ties that program's life to
/// the calling thread.
pub(crate) fn pass_channel(command: &mut Command, channel: BorrowedFd<'_>) {
    let fd = channel.as_raw_fd();
    command.arg(fd.to_string());
    // SAFETY: after the fork it makes only system calls, which is all that is allowed there. The caller keeps
    // `channel` open until `spawn`; were it not, the call would fail and so would the spawn.
    unsafe {
        command.pre_exec(move || {
            if libc::fcntl(fd, libc::F_SETFD, 0) == -1 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Takes over the channel that [`pass_channel`] gave to this program.
pub(crate) fn adopt_channel(argument: &OsStr) -> Option<UnixStream> {
    let fd: RawFd = argument.to_str()?.parse().ok().filter(|fd| *fd > 2)?;
    // SAFETY: the descriptor is only looked at; a number that is none gives an error.
    rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, rustix::io::FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, as was just seen, and it was inherited for this purpose, so nothing else here owns it.
    Some(unsafe { UnixStream::from_raw_fd(fd) })
}

pub(crate) fn check(result: i64) -> Result<(), Errno> {
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

fn last_errno() -> Errno {
    io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}
