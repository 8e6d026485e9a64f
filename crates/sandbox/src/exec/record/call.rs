//! The system calls that the recorder answers, as data.

use rustix::io::Errno;

use crate::exec::filter::LISTING;

/// `fchmodat2`, `setxattrat` and `removexattrat` have these numbers on every architecture; libc does not name them on all.
pub(in crate::exec) const FCHMODAT2: i64 = 452;
pub(in crate::exec) const SETXATTRAT: i64 = 463;
pub(in crate::exec) const REMOVEXATTRAT: i64 = 466;

/// An address in the memory of the caller.
pub(super) type Address = u64;

/// Where a relative path begins: a descriptor of the caller, or its working directory (`AT_FDCWD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Directory,
    Descriptor(i32),
}

/// How a call names a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    Descriptor(i32),
    Path {
        base: Base,
        path: Address,
        /// Whether a symbolic link at the end is followed.
        follow: bool,
        /// Whether the empty path means the base itself (`AT_EMPTY_PATH`).
        empty: bool,
    },
}

/// How a call names a file that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct New {
    pub(super) base: Base,
    pub(super) path: Address,
}

/// Where the value of an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    At {
        value: Address,
        size: u64,
        flags: u32,
    },
    /// In a `struct xattr_args` of this size.
    Packed {
        arguments: Address,
        size: u64,
    },
}

/// One call. An id of `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Chown { file: File, uid: Option<u32>, gid: Option<u32> },
    Chmod { file: File, mode: u32 },
    Mknod { new: New, mode: u32, device: u32 },
    Open { new: New, flags: u32, mode: u32 },
    SetAttribute { file: File, name: Address, value: Value },
    RemoveAttribute { file: File, name: Address },
    List { call: i64, directory: i32, into: Address, size: u32 },
}

impl Call {
    /// Reads number and arguments as the kernel does: of most it looks at 32 bits. Flags that the kernel does not
    /// know are an `EINVAL` here too; a call that nobody asked for is an `ENOSYS`.
    pub(super) fn decode(call: i64, arguments: &[u64; 6]) -> Result<Self, Errno> {
        let [a, b, c, d, e, f] = *arguments;
        Ok(match call {
            libc::SYS_fchown => Self::Chown { file: descriptor(a), uid: id(b), gid: id(c) },
            libc::SYS_fchownat => Self::Chown { file: at(a, b, low(e))?, uid: id(c), gid: id(d) },
            libc::SYS_fchmod => Self::Chmod { file: descriptor(a), mode: low(b) },
            libc::SYS_fchmodat => Self::Chmod { file: at(a, b, 0)?, mode: low(c) },
            FCHMODAT2 => Self::Chmod { file: at(a, b, low(d))?, mode: low(c) },
            libc::SYS_mknodat => Self::Mknod { new: New { base: base(a), path: b }, mode: low(c), device: low(d) },
            libc::SYS_openat => Self::Open { new: New { base: base(a), path: b }, flags: low(c), mode: low(d) },
            libc::SYS_setxattr => Self::SetAttribute { file: path(a, true), name: b, value: value(c, d, e) },
            libc::SYS_lsetxattr => Self::SetAttribute { file: path(a, false), name: b, value: value(c, d, e) },
            libc::SYS_fsetxattr => Self::SetAttribute { file: descriptor(a), name: b, value: value(c, d, e) },
            SETXATTRAT => Self::SetAttribute { file: at(a, b, low(c))?, name: d, value: Value::Packed { arguments: e, size: f } },
            libc::SYS_removexattr => Self::RemoveAttribute { file: path(a, true), name: b },
            libc::SYS_lremovexattr => Self::RemoveAttribute { file: path(a, false), name: b },
            libc::SYS_fremovexattr => Self::RemoveAttribute { file: descriptor(a), name: b },
            REMOVEXATTRAT => Self::RemoveAttribute { file: at(a, b, low(c))?, name: d },
            _ if LISTING.contains(&call) => Self::List { call, directory: low(a).cast_signed(), into: b, size: low(c) },
            _ => return Self::decode_old(call, arguments),
        })
    }

    /// Calls that only the older architectures have.
    #[cfg(target_arch = "x86_64")]
    fn decode_old(call: i64, [a, b, c, ..]: &[u64; 6]) -> Result<Self, Errno> {
        let new = New { base: Base::Directory, path: *a };
        Ok(match call {
            libc::SYS_chown => Self::Chown { file: path(*a, true), uid: id(*b), gid: id(*c) },
            libc::SYS_lchown => Self::Chown { file: path(*a, false), uid: id(*b), gid: id(*c) },
            libc::SYS_chmod => Self::Chmod { file: path(*a, true), mode: low(*b) },
            libc::SYS_mknod => Self::Mknod { new, mode: low(*b), device: low(*c) },
            libc::SYS_open => Self::Open { new, flags: low(*b), mode: low(*c) },
            libc::SYS_creat => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                Self::Open { new, flags: flags.unsigned_abs(), mode: low(*b) }
            }
            _ => return Err(Errno::NOSYS),
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn decode_old(_: i64, _: &[u64; 6]) -> Result<Self, Errno> {
        Err(Errno::NOSYS)
    }
}

#[allow(clippy::cast_possible_truncation)] // the kernel does not look at the rest
const fn low(argument: u64) -> u32 {
    argument as u32
}

const fn base(argument: u64) -> Base {
    match low(argument).cast_signed() {
        libc::AT_FDCWD => Base::Directory,
        fd => Base::Descriptor(fd),
    }
}

const fn descriptor(argument: u64) -> File {
    File::Descriptor(low(argument).cast_signed())
}

const fn path(path: Address, follow: bool) -> File {
    File::Path { base: Base::Directory, path, follow, empty: false }
}

fn at(directory: u64, path: Address, flags: u32) -> Result<File, Errno> {
    let has = |flag: i32| flags & flag.unsigned_abs() != 0;
    if flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH).unsigned_abs() != 0 {
        return Err(Errno::INVAL);
    }
    Ok(File::Path { base: base(directory), path, follow: !has(libc::AT_SYMLINK_NOFOLLOW), empty: has(libc::AT_EMPTY_PATH) })
}

fn id(argument: u64) -> Option<u32> {
    Some(low(argument)).filter(|id| *id != u32::MAX)
}

const fn value(value: Address, size: u64, flags: u64) -> Value {
    Value::At { value, size, flags: low(flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNUSED: u64 = 0xdead_beef;

    #[test]
    fn arguments_are_read_as_the_kernel_reads_them() {
        let minus_one = u64::from(u32::MAX);
        let here = (-100_i64).cast_unsigned();
        let file = |follow, empty| File::Path { base: Base::Directory, path: 0x1000, follow, empty };
        let cases = [
            (libc::SYS_fchown, [3, 33, minus_one], Call::Chown { file: File::Descriptor(3), uid: Some(33), gid: None }),
            (libc::SYS_fchown, [u64::MAX, u64::MAX, 1 << 32], Call::Chown { file: File::Descriptor(-1), uid: None, gid: Some(0) }),
            (libc::SYS_fchmodat, [here, 0x1000, 0o4755], Call::Chmod { file: file(true, false), mode: 0o4755 }),
            (libc::SYS_fchmodat, [0xffff_ff9c, 0x1000, 0o755], Call::Chmod { file: file(true, false), mode: 0o755 }),
            (libc::SYS_lremovexattr, [0x1000, 0x2000, 0], Call::RemoveAttribute { file: file(false, false), name: 0x2000 }),
        ];
        for (number, [a, b, c], expected) in cases {
            assert_eq!(Call::decode(number, &[a, b, c, UNUSED, UNUSED, UNUSED]), Ok(expected));
        }
        let chown = |flags: i32| Call::decode(libc::SYS_fchownat, &[here, 0x1000, 1, 2, flags.unsigned_abs().into(), UNUSED]);
        let owned = |follow, empty| Ok(Call::Chown { file: file(follow, empty), uid: Some(1), gid: Some(2) });
        assert_eq!(chown(0), owned(true, false));
        assert_eq!(chown(libc::AT_SYMLINK_NOFOLLOW), owned(false, false));
        assert_eq!(chown(libc::AT_EMPTY_PATH), owned(true, true));
        assert_eq!(chown(libc::AT_NO_AUTOMOUNT), Err(Errno::INVAL));
        assert_eq!(Call::decode(libc::SYS_read, &[0; 6]), Err(Errno::NOSYS));
    }
}
