//! System calls that are answered by another process, and the handles that name a file for its whole life: the
//! calls of the recorder that Rust cannot check, each in a safe wrapper.
//!
//! `seccomp_unotify(2)` tells how user notification works.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;
use seccompiler::sock_filter;

use crate::system::check;

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    /// The kernel's name for it.
    pub(crate) id: u64,
    /// The thread that called, as this process sees it.
    pub(crate) thread: u32,
    /// The call's number.
    pub(crate) call: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// Where the calls arrive that a filter sends on. When it is closed, they are answered with `ENOSYS`.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

impl Listener {
    /// Filters the calls of this process, and of all it starts, with `program`; what that sends on arrives at the
    /// listener. Needs "no new privileges". The kernel allows one listener to a process: another one, in the
    /// container around us, gives `EBUSY`.
    pub(crate) fn install(program: &[sock_filter]) -> Result<Self, Errno> {
        sizes_are_ours()?;
        let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
        // The two structs of one instruction are the kernel's, with other names for the same fields.
        let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
        let install = |flags: libc::c_ulong| {
            // SAFETY: `filter` has the length of `program`, which outlives the call; the kernel only reads it.
            let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
            check(fd)?;
            let fd = i32::try_from(fd).map_err(|_| Errno::INVAL)?;
            // SAFETY: the kernel has just made it for us.
            Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
        };
        let listens = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // Since Linux 5.19 a signal can wait until the answer is there, so that no call is done twice.
        match install(listens | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
            Err(Errno::INVAL) => install(listens),
            done => done,
        }
    }

    /// Takes over a listener that another process has installed.
    pub(crate) fn adopt(fd: OwnedFd) -> Self {
        // Caller and answerer take turns, so on one CPU they are fastest; before Linux 6.6 they can not ask for it.
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: this request takes its argument as a number.
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
        Self(fd)
    }

    /// Takes the next call; `None` when its caller is gone again.
    pub(crate) fn receive(&self) -> Result<Option<Notification>, Errno> {
        // SAFETY: all-zero is a valid value of a struct of numbers, and what the kernel asks for.
        let mut from: libc::seccomp_notif = unsafe { zeroed() };
        // SAFETY: `from` has the size that is part of the request's number.
        match check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut from) }.into()) {
            Ok(()) => Ok(Some(Notification { id: from.id, thread: from.pid, call: from.data.nr.into(), arguments: from.data.args })),
            Err(Errno::NOENT | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the caller still waits. While it does, it is alive, so its number names no other process.
    pub(crate) fn waits(&self, id: u64) -> bool {
        // SAFETY: the request reads the one number that it is given.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) }.into()).is_ok()
    }

    /// Ends the call with what it returns or an error. It fails with `ENOENT` when the caller is gone.
    pub(crate) fn answer(&self, id: u64, answer: Result<i64, Errno>) -> Result<(), Errno> {
        let error = answer.err().map_or(0, |errno| -errno.raw_os_error());
        let response = libc::seccomp_notif_resp { id, val: answer.unwrap_or(0), error, flags: 0 };
        // SAFETY: `response` has the size that is part of the request's number.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) }.into())
    }

    /// Ends the call with a copy of `file` among the caller's descriptors. Needs Linux 5.14.
    pub(crate) fn answer_with(&self, id: u64, file: BorrowedFd<'_>, close_on_execute: bool) -> Result<(), Errno> {
        let add = libc::seccomp_notif_addfd {
            id,
            flags: 2, // SECCOMP_ADDFD_FLAG_SEND
            srcfd: file.as_raw_fd().unsigned_abs(),
            newfd: 0,
            newfd_flags: if close_on_execute { libc::O_CLOEXEC.unsigned_abs() } else { 0 },
        };
        // SAFETY: `add` has the size that is part of the request's number.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const add) }.into())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A kernel whose notifications are longer than ours would write past our struct.
fn sizes_are_ours() -> Result<(), Errno> {
    // SAFETY: a struct of numbers.
    let mut sizes: libc::seccomp_notif_sizes = unsafe { zeroed() };
    // SAFETY: `sizes` is the struct that this operation fills.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, &raw mut sizes) })?;
    let ours = (size_of::<libc::seccomp_notif>(), size_of::<libc::seccomp_notif_resp>());
    if (usize::from(sizes.seccomp_notif), usize::from(sizes.seccomp_notif_resp)) == ours { Ok(()) } else { Err(Errno::NOSYS) }
}

/// Reads entries of an open directory by the system call `call`, which is `getdents64` or the older `getdents`; returns
/// how many bytes of `into` they take.
pub(crate) fn read_entries(call: i64, directory: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: both calls write at most as many bytes as they are told that there are.
    let read = unsafe { libc::syscall(call, directory.as_raw_fd(), into.as_mut_ptr(), into.len()) };
    check(read).and_then(|()| usize::try_from(read).map_err(|_| Errno::OVERFLOW))
}

/// The longest handle that a file system may give (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

/// A handle's type and bytes.
pub(crate) type Handle = (i32, Vec<u8>);

/// Returns the handle of `file`: its inode with the generation of that inode, so that a later file with the same inode
/// number has another one. It needs no privilege. A file system that cannot open by handle says `EOPNOTSUPP`.
pub(crate) fn file_handle(file: BorrowedFd<'_>) -> Result<Handle, Errno> {
    handle(file, libc::AT_EMPTY_PATH)
}

/// Returns a handle that serves to compare only, on almost every file system (Linux 6.5). Whether it holds a generation
/// is not known.
pub(crate) fn comparison_handle(file: BorrowedFd<'_>) -> Result<Handle, Errno> {
    handle(file, libc::AT_EMPTY_PATH | libc::AT_HANDLE_FID)
}

fn handle(file: BorrowedFd<'_>, flags: i32) -> Result<Handle, Errno> {
    #[repr(C)]
    struct FileHandle {
        length: u32,
        kind: i32,
        bytes: [u8; MAX_HANDLE],
    }
    let mut handle = FileHandle { length: MAX_HANDLE as u32, kind: 0, bytes: [0; MAX_HANDLE] };
    let mut mount = 0;
    let empty: &CStr = c"";
    // SAFETY: `handle` begins as `struct file_handle` does and has room for as many bytes as it says.
    let done =
        unsafe { libc::syscall(libc::SYS_name_to_handle_at, file.as_raw_fd(), empty.as_ptr(), &raw mut handle, &raw mut mount, flags) };
    check(done)?;
    let bytes = handle.bytes.get(..handle.length as usize).ok_or(Errno::OVERFLOW)?;
    Ok((handle.kind, bytes.to_vec()))
}
