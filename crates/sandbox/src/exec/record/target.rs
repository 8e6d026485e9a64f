//! The thread that waits for an answer: its memory, and the files that its descriptors and paths mean.
//!
//! Whatever a path means is decided once: text is copied out of the caller's memory, resolved to an open file, and
//! everything else is done to that file. Memory or links that change later change nothing.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags};

use super::call::{Address, Base, File, New};

/// The kernel's own bounds on a path and on the name of an attribute, with the NUL.
const PATH_MAX: usize = 4096;
const NAME_MAX: usize = 256;
/// What is read first of a text: most paths are shorter.
const FIRST_READ: usize = 512;

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = PATH.union(OFlags::DIRECTORY);

/// The thread.
pub(super) struct Target {
    /// Its directory in the `/proc` of the host. It stays this thread's when the thread's number is used again.
    proc: OwnedFd,
    memory: OwnedFd,
}

/// A place for a new file.
pub(super) struct Place {
    pub(super) parent: OwnedFd,
    pub(super) name: Vec<u8>,
}

impl Target {
    /// Opens thread `number`. The caller checks afterwards that the thread still waits, and so that it is the one.
    pub(super) fn open(host_proc: BorrowedFd<'_>, number: u32) -> Result<Self, Errno> {
        let proc = rustix::fs::openat(host_proc, number.to_string(), DIRECTORY, Mode::empty())?;
        let memory = rustix::fs::openat(&proc, "mem", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { proc, memory })
    }

    /// Makes the root directory of the thread our own, so that paths mean to us what they mean to it.
    fn share_root(&self) -> Result<(), Errno> {
        let root = rustix::fs::openat(&self.proc, "root", DIRECTORY, Mode::empty())?;
        rustix::process::fchdir(root)?;
        rustix::process::chroot(".")
    }

    /// Reads exactly `length` bytes.
    pub(super) fn bytes(&self, address: Address, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        if self.read(address, &mut bytes)? == length { Ok(bytes) } else { Err(Errno::FAULT) }
    }

    /// Reads the name of an attribute.
    pub(super) fn name(&self, address: Address) -> Result<Vec<u8>, Errno> {
        let name = self.text(address, NAME_MAX)?.ok_or(Errno::RANGE)?;
        if name.is_empty() { Err(Errno::RANGE) } else { Ok(name) }
    }

    fn path(&self, address: Address) -> Result<Vec<u8>, Errno> {
        self.text(address, PATH_MAX)?.ok_or(Errno::NAMETOOLONG)
    }

    /// Reads up to a NUL; `None` when there is none within `most` bytes.
    fn text(&self, address: Address, most: usize) -> Result<Option<Vec<u8>>, Errno> {
        let mut text = Vec::new();
        let mut next = FIRST_READ.min(most);
        while text.len() < most {
            let start = text.len();
            text.resize(next, 0);
            let read = self.read(address.wrapping_add(start as u64), &mut text[start..])?;
            if let Some(end) = text[start..start + read].iter().position(|byte| *byte == 0) {
                text.truncate(start + end);
                return Ok(Some(text));
            }
            if read < next - start {
                return Err(Errno::FAULT);
            }
            next = most;
        }
        Ok(None)
    }

    /// Reads what is mapped, from the beginning on.
    fn read(&self, address: Address, into: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < into.len() {
            match rustix::io::pread(&self.memory, &mut into[done..], address.wrapping_add(done as u64)) {
                Ok(0) | Err(Errno::IO | Errno::INVAL | Errno::FAULT) if done > 0 => break,
                Ok(0) | Err(Errno::IO | Errno::INVAL) => return Err(Errno::FAULT),
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }

    /// Writes to the memory of the thread; all of it, or it is an error.
    pub(super) fn write(&self, address: Address, bytes: &[u8]) -> Result<(), Errno> {
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pwrite(&self.memory, &bytes[done..], address.wrapping_add(done as u64)) {
                Ok(0) | Err(Errno::IO | Errno::INVAL) => return Err(Errno::FAULT),
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The file creation mask.
    pub(super) fn umask(&self) -> Result<Mode, Errno> {
        let mask = self.status("Umask:")?;
        u32::from_str_radix(&mask, 8).map(Mode::from_raw_mode).map_err(|_| Errno::NOSYS)
    }

    /// A descriptor of the thread's process as our own, with the place up to which it was read.
    pub(super) fn share(&self, fd: i32) -> Result<OwnedFd, Errno> {
        let process: i32 = self.status("Tgid:")?.parse().map_err(|_| Errno::SRCH)?;
        // The number is that of the process in the `/proc` of the host, and so in our process namespace.
        let process = rustix::process::Pid::from_raw(process).ok_or(Errno::SRCH)?;
        let process = rustix::process::pidfd_open(process, PidfdFlags::empty())?;
        rustix::process::pidfd_getfd(process, fd, PidfdGetfdFlags::empty())
    }

    fn status(&self, name: &str) -> Result<String, Errno> {
        let status = rustix::fs::openat(&self.proc, "status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let text = std::io::read_to_string(std::fs::File::from(status)).map_err(|_| Errno::SRCH)?;
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned()).ok_or(Errno::NOSYS)
    }

    /// Opens, as a path only, the file that a call names.
    pub(super) fn file(&self, file: File) -> Result<OwnedFd, Errno> {
        not_of_the_kernel(self.any_file(file)?)
    }

    fn any_file(&self, file: File) -> Result<OwnedFd, Errno> {
        match file {
            File::Descriptor(fd) => self.descriptor(fd),
            File::Path { base, path, follow, empty } => {
                let path = self.path(path)?;
                self.share_root()?;
                if path.is_empty() && empty {
                    return self.base(base);
                }
                let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
                match Through::read(&path) {
                    Some(Through { link, rest: b"" }) if follow => self.link(link),
                    Some(Through { link, rest }) if !rest.is_empty() => open(self.link(link)?.as_fd(), relative(rest), PATH | nofollow),
                    _ => open(self.base_of(base, &path)?.as_fd(), &path, PATH | nofollow),
                }
            }
        }
    }

    /// Opens the directory in which a call makes a file.
    pub(super) fn place(&self, new: New) -> Result<Place, Errno> {
        let path = self.path(new.path)?;
        let (parent, name) = split(&path)?;
        self.share_root()?;
        let parent = match Through::read(parent) {
            Some(Through { link, rest }) => open(self.link(link)?.as_fd(), relative(rest), DIRECTORY)?,
            None => open(self.base_of(new.base, parent)?.as_fd(), parent, DIRECTORY)?,
        };
        Ok(Place { parent: not_of_the_kernel(parent)?, name: name.to_owned() })
    }

    fn base_of(&self, base: Base, path: &[u8]) -> Result<OwnedFd, Errno> {
        // An absolute path does not look at its base, which then need not be open.
        self.base(if path.starts_with(b"/") { Base::Directory } else { base })
    }

    fn base(&self, base: Base) -> Result<OwnedFd, Errno> {
        match base {
            Base::Directory => self.link(Link::Directory),
            Base::Descriptor(fd) => self.descriptor(fd),
        }
    }

    fn descriptor(&self, fd: i32) -> Result<OwnedFd, Errno> {
        self.link(Link::Descriptor(fd))
    }

    /// Follows a link of the kernel's to an open file of the thread.
    fn link(&self, link: Link) -> Result<OwnedFd, Errno> {
        match link {
            Link::Directory => rustix::fs::openat(&self.proc, "cwd", PATH, Mode::empty()),
            Link::Root => rustix::fs::openat(&self.proc, "root", PATH, Mode::empty()),
            Link::Descriptor(fd) => match rustix::fs::openat(&self.proc, format!("fd/{fd}"), PATH, Mode::empty()) {
                Err(Errno::NOENT) => Err(Errno::BADF),
                opened => opened,
            },
        }
    }
}

/// Opens below the root that is the thread's and now ours. What the kernel's own links in `/proc` lead to is not
/// reached: with more privileges than the thread we could follow links that it can not (`/proc/1/exe`), to files outside.
fn open(base: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(base, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

/// Refuses what is in `/proc`. Its files ask who opens them, and we are more than the thread (`/proc/1/mem`).
fn not_of_the_kernel(file: OwnedFd) -> Result<OwnedFd, Errno> {
    if rustix::fs::fstatfs(&file)?.f_type == rustix::fs::PROC_SUPER_MAGIC { Err(Errno::PERM) } else { Ok(file) }
}

/// The part behind such a link as a path below it.
fn relative(rest: &[u8]) -> &[u8] {
    let start = rest.iter().position(|byte| *byte != b'/').unwrap_or(rest.len());
    if start == rest.len() { b"." } else { &rest[start..] }
}

/// Splits a path into the directory, as a path, and the name in it, which is a plain one.
fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let (parent, name): (&[u8], &[u8]) = match path.iter().rposition(|byte| *byte == b'/') {
        None => (b".", path),
        Some(0) => (b"/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
    };
    match name {
        b"" => Err(Errno::NOENT),
        b"." | b".." => Err(Errno::EXIST),
        _ => Ok((parent, name)),
    }
}

/// A link of the kernel's to an open file of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Descriptor(i32),
    Directory,
    Root,
}

/// A path through `/proc/self`, which is no such place to us as it is to the thread. C libraries use it where the
/// kernel lacks a call (`fchmodat` that does not follow links).
#[derive(Debug, PartialEq, Eq)]
struct Through<'a> {
    link: Link,
    /// What follows: nothing, or a `/` and more.
    rest: &'a [u8],
}

impl<'a> Through<'a> {
    fn read(path: &'a [u8]) -> Option<Self> {
        let own = [&b"/proc/self/"[..], b"/proc/thread-self/"].iter().find_map(|prefix| path.strip_prefix(*prefix));
        let (name, rest) = match (own, path.strip_prefix(b"/dev/fd/")) {
            (Some(rest), _) => match rest.strip_prefix(b"fd/") {
                Some(rest) => component(rest),
                None => return Self::of_directory(rest),
            },
            (None, Some(rest)) => component(rest),
            (None, None) => return None,
        };
        let number = std::str::from_utf8(name).ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Self { link: Link::Descriptor(number.parse().ok()?), rest })
    }

    fn of_directory(path: &'a [u8]) -> Option<Self> {
        match component(path) {
            (b"cwd", rest) => Some(Self { link: Link::Directory, rest }),
            (b"root", rest) => Some(Self { link: Link::Root, rest }),
            _ => None,
        }
    }
}

fn component(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().position(|byte| *byte == b'/').unwrap_or(path.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_through_self_are_told_from_others() {
        let through = |path: &'static str| Through::read(path.as_bytes()).map(|through| (through.link, through.rest));
        type Found = Option<(Link, &'static [u8])>;
        let cases: &[(&str, Found)] = &[
            ("/proc/self/fd/7", Some((Link::Descriptor(7), b""))),
            ("/proc/thread-self/fd/12/a/b", Some((Link::Descriptor(12), b"/a/b"))),
            ("/dev/fd/0", Some((Link::Descriptor(0), b""))),
            ("/proc/self/cwd", Some((Link::Directory, b""))),
            ("/proc/self/root/../x", Some((Link::Root, b"/../x"))),
            ("/proc/self/fd", None),
            ("/proc/self/fd/", None),
            ("/proc/self/fd/x", None),
            ("/proc/self/fd/-1", None),
            ("/proc/self/fd/99999999999", None),
            ("/proc/self/exe", None),
            ("/proc/1/fd/3", None),
            ("proc/self/fd/3", None),
            ("/home/proc/self/fd/3", None),
        ];
        for (path, expected) in cases {
            assert_eq!(through(path), *expected, "{path}");
        }
    }

    #[test]
    fn a_new_file_has_a_plain_name() {
        type Parts = Result<(&'static str, &'static str), Errno>;
        let cases: &[(&str, Parts)] = &[
            ("a", Ok((".", "a"))),
            ("/a", Ok(("/", "a"))),
            ("b/../a", Ok(("b/..", "a"))),
            ("//a", Ok(("/", "a"))),
            ("", Err(Errno::NOENT)),
            ("a/", Err(Errno::NOENT)),
            ("/", Err(Errno::NOENT)),
            ("a/.", Err(Errno::EXIST)),
            ("..", Err(Errno::EXIST)),
        ];
        for (path, expected) in cases {
            assert_eq!(split(path.as_bytes()), expected.map(|(parent, name)| (parent.as_bytes(), name.as_bytes())), "{path}");
        }
        assert_eq!((relative(b"//x/y"), relative(b"/"), relative(b"")), (&b"x/y"[..], &b"."[..], &b"."[..]));
    }
}
