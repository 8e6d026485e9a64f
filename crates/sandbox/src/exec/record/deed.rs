//! What is done for a call: the part of it that a file of the host may see, and the record of the rest.

use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::call::{Address, Call, File, New, Value};
use super::ledger::Ledger;
use super::list::Listing;
use super::target::{Place, Target};
use crate::ownership::{Capability, Device, Record, SET_ID};

const CAPABILITY: &[u8] = b"security.capability";
/// The kernel's bound on the value of an attribute.
const XATTR_SIZE_MAX: u64 = 65536;
/// `struct xattr_args`: address, size, flags.
const XATTR_ARGS: u64 = 16;

/// A call with all that it names opened and read: nothing of it lies in the caller's memory any more.
pub(super) enum Deed<'a> {
    Chown { file: OwnedFd, uid: Option<u32>, gid: Option<u32> },
    Chmod { file: OwnedFd, mode: u32 },
    Mknod { place: Place, mode: u32, umask: Mode, device: Option<Device> },
    Open { existing: Option<OwnedFd>, place: Place, flags: OFlags, mode: u32, umask: Mode },
    SetAttribute { file: OwnedFd, name: Vec<u8>, value: Vec<u8>, flags: XattrFlags },
    RemoveAttribute { file: OwnedFd, name: Vec<u8> },
    List(Listing<'a>),
}

/// What the caller gets.
pub(super) enum Answer {
    Value(i64),
    Descriptor { file: OwnedFd, close_on_execute: bool },
}

impl<'a> Deed<'a> {
    /// Reads and opens what `call` names; changes nothing.
    pub(super) fn read(call: Call, target: &'a Target) -> Result<Self, Errno> {
        Ok(match call {
            Call::Chown { file, uid, gid } => Self::Chown { file: target.file(file)?, uid, gid },
            Call::Chmod { file, mode } => Self::Chmod { file: target.file(file)?, mode },
            Call::Mknod { new, mode, device } => {
                let device = match FileType::from_raw_mode(mode) {
                    FileType::CharacterDevice => Some(decode_device(false, device)),
                    FileType::BlockDevice => Some(decode_device(true, device)),
                    FileType::RegularFile => None,
                    _ if mode & libc::S_IFMT == 0 => None,
                    _ => return Err(Errno::PERM),
                };
                Self::Mknod { place: target.place(new)?, mode, umask: target.umask()?, device }
            }
            Call::Open { new, flags, mode } => Self::read_open(target, new, OFlags::from_bits_retain(flags), mode)?,
            Call::SetAttribute { file, name, value } => {
                let name = allowed(target.name(name)?)?;
                let (value, flags) = read_value(target, value)?;
                Self::SetAttribute { file: target.file(file)?, name, value, flags }
            }
            Call::RemoveAttribute { file, name } => {
                let name = allowed(target.name(name)?)?;
                Self::RemoveAttribute { file: target.file(file)?, name }
            }
            Call::List { call, directory, into, size } => Self::List(Listing::new(target, call, directory, into, size)?),
        })
    }

    fn read_open(target: &'a Target, new: New, flags: OFlags, mode: u32) -> Result<Self, Errno> {
        if flags.intersects(OFlags::PATH | OFlags::DIRECTORY) {
            return Err(Errno::INVAL);
        }
        let follow = !flags.intersects(OFlags::NOFOLLOW | OFlags::EXCL);
        let existing = match target.file(File::Path { base: new.base, path: new.path, follow, empty: false }) {
            Ok(_) if flags.contains(OFlags::EXCL) => return Err(Errno::EXIST),
            Ok(file) => Some(file),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(errno),
        };
        Ok(Self::Open { existing, place: target.place(new)?, flags, mode, umask: target.umask()? })
    }

    /// Does it. `own` is our own directory of descriptors: through it, a file that is open as a path only can be
    /// changed.
    pub(super) fn carry_out(self, own: &OwnedFd, ledger: &mut Ledger) -> Result<Answer, Errno> {
        match self {
            Self::Chown { file, uid, gid } => chown(ledger, &file, uid, gid),
            Self::Chmod { file, mode } => chmod(ledger, own, &file, mode),
            Self::Mknod { place, mode, umask, device } => {
                let set_id = if device.is_some() { 0 } else { mode & SET_ID };
                let record = Record { device, set_id, ..Record::default() };
                make(ledger, &place, OFlags::WRONLY, mode, umask, record).map(drop)
            }
            Self::Open { existing, place, flags, mode, umask } => {
                let file = match existing {
                    Some(file) => reopen(own, &file, flags)?,
                    None => make(ledger, &place, flags, mode, umask, Record { set_id: mode & SET_ID, ..Record::default() })?,
                };
                return Ok(Answer::Descriptor { file, close_on_execute: flags.contains(OFlags::CLOEXEC) });
            }
            Self::SetAttribute { file, name, value, flags } if name == CAPABILITY => set_capability(ledger, &file, &value, flags),
            Self::RemoveAttribute { file, name } if name == CAPABILITY => remove_capability(ledger, &file),
            Self::SetAttribute { file, name, value, flags } => {
                rustix::process::fchdir(own)?;
                rustix::fs::setxattr(file.as_raw_fd().to_string(), name, &value, flags)
            }
            Self::RemoveAttribute { file, name } => {
                rustix::process::fchdir(own)?;
                rustix::fs::removexattr(file.as_raw_fd().to_string(), name)
            }
            Self::List(listing) => return listing.reversed().map(Answer::Value),
        }
        .map(|()| Answer::Value(0))
    }
}

/// Names that anyone may set. Others take privileges that nobody inside has; but we do, on file systems of ours.
fn allowed(name: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let begins = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if name == CAPABILITY || begins(&[b"user.", b"system.posix_acl_"]) {
        return Ok(name);
    }
    Err(if begins(&[b"security.", b"trusted."]) { Errno::PERM } else { Errno::OPNOTSUPP })
}

fn read_value(target: &Target, value: Value) -> Result<(Vec<u8>, XattrFlags), Errno> {
    let (address, size, flags) = match value {
        Value::At { value, size, flags } => (value, size, flags),
        Value::Packed { arguments, size } => {
            if size < XATTR_ARGS {
                return Err(Errno::INVAL);
            }
            if size > XATTR_ARGS {
                return Err(Errno::TOOBIG); // of a newer kernel
            }
            let bytes = target.bytes(arguments, 16)?;
            let (address, rest) = bytes.split_first_chunk().ok_or(Errno::FAULT)?;
            let (size, rest) = rest.split_first_chunk().ok_or(Errno::FAULT)?;
            let flags = rest.first_chunk().ok_or(Errno::FAULT)?;
            (Address::from_le_bytes(*address), u32::from_le_bytes(*size).into(), u32::from_le_bytes(*flags))
        }
    };
    let flags = XattrFlags::from_bits(flags).ok_or(Errno::INVAL)?;
    if size > XATTR_SIZE_MAX {
        return Err(Errno::TOOBIG);
    }
    let size = usize::try_from(size).map_err(|_| Errno::TOOBIG)?;
    Ok((target.bytes(address, size)?, flags))
}

/// Does to `file` all of a change of owner but the change: the kernel refuses it where it would refuse the real one
/// (read-only, immutable), and an overlay copies the file up, after which its identity no longer changes.
fn touch(file: &OwnedFd) -> Result<u32, Errno> {
    let status = rustix::fs::fstat(file)?;
    if status.st_uid != 0 {
        return Err(Errno::PERM); // of someone whom there is not inside
    }
    rustix::fs::chownat(file, "", None, None, AtFlags::EMPTY_PATH)?;
    Ok(status.st_mode)
}

fn chown(ledger: &mut Ledger, file: &OwnedFd, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    let mode = touch(file)?;
    ledger.change(file, |record| {
        record.uid = uid.unwrap_or(record.uid);
        record.gid = gid.unwrap_or(record.gid);
        // As the kernel does for root too, so that a program does not pass on its owner's rights.
        if FileType::from_raw_mode(mode) != FileType::Directory {
            record.set_id &= !libc::S_ISUID;
            if mode & libc::S_IXGRP != 0 {
                record.set_id &= !libc::S_ISGID;
            }
            record.capability = None;
        }
        Ok(())
    })
}

fn chmod(ledger: &mut Ledger, own: &OwnedFd, file: &OwnedFd, mode: u32) -> Result<(), Errno> {
    if FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) == FileType::Symlink {
        return Err(Errno::OPNOTSUPP);
    }
    rustix::fs::chmodat(own, file.as_raw_fd().to_string(), without_set_id(mode), AtFlags::empty())?;
    ledger.change(file, |record| {
        let now = mode & SET_ID;
        record.cleared = (record.cleared | record.set_id) & !now;
        record.set_id = now;
        Ok(())
    })
}

/// Makes a regular file, which was not there, with `record`.
fn make(ledger: &mut Ledger, place: &Place, flags: OFlags, mode: u32, umask: Mode, record: Record) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::process::umask(umask);
    let file = rustix::fs::openat(&place.parent, place.name.as_slice(), flags, without_set_id(mode))?;
    let recorded = ledger.set(&file, record);
    if let Err(errno) = recorded {
        // Without its record it would be something else than was asked for.
        let _ = rustix::fs::unlinkat(&place.parent, place.name.as_slice(), AtFlags::empty());
        return Err(errno);
    }
    Ok(file)
}

/// Opens a regular file that was there; its mode then does not count.
fn reopen(own: &OwnedFd, file: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    match FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        FileType::Symlink => return Err(Errno::LOOP),
        _ => return Err(Errno::PERM), // to open it could take for ever
    }
    // A lease on the file must not hold us up either.
    let reopening = (flags - (OFlags::CREATE | OFlags::NOFOLLOW)) | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(own, file.as_raw_fd().to_string(), reopening, Mode::empty())?;
    if !flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(&opened, rustix::fs::fcntl_getfl(&opened)? - OFlags::NONBLOCK)?;
    }
    Ok(opened)
}

fn set_capability(ledger: &mut Ledger, file: &OwnedFd, value: &[u8], flags: XattrFlags) -> Result<(), Errno> {
    let capability = Capability::parse(value).ok_or(Errno::INVAL)?;
    if FileType::from_raw_mode(touch(file)?) != FileType::RegularFile {
        return Err(Errno::PERM); // no program
    }
    ledger.change(file, |record| {
        if record.capability.is_some() && flags.contains(XattrFlags::CREATE) {
            return Err(Errno::EXIST);
        }
        if record.capability.is_none() && flags.contains(XattrFlags::REPLACE) {
            return Err(Errno::NODATA);
        }
        record.capability = Some(capability);
        Ok(())
    })
}

fn remove_capability(ledger: &mut Ledger, file: &OwnedFd) -> Result<(), Errno> {
    touch(file)?;
    ledger.change(file, |record| record.capability.take().map(drop).ok_or(Errno::NODATA))
}

fn without_set_id(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777 & !SET_ID)
}

/// As `new_decode_dev` of the kernel.
const fn decode_device(block: bool, number: u32) -> Device {
    Device { block, major: (number & 0xf_ff00) >> 8, minor: (number & 0xff) | ((number >> 12) & 0xf_ff00) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_read_as_makedev_writes_them() {
        for (major, minor) in [(1, 3), (8, 0), (0, 0), (259, 0xf_ffff), (0xfff, 0x1_2345)] {
            let number = u32::try_from(libc::makedev(major, minor)).unwrap();
            assert_eq!(decode_device(true, number), Device { block: true, major, minor });
        }
    }

    #[test]
    fn attributes_that_take_privileges_are_refused() {
        let allowed = |name: &str| allowed(name.as_bytes().to_vec()).map(drop);
        for name in ["security.capability", "user.comment", "system.posix_acl_access"] {
            assert_eq!(allowed(name), Ok(()));
        }
        for name in ["security.capabilities", "security.selinux", "security.ima", "trusted.overlay.opaque"] {
            assert_eq!(allowed(name), Err(Errno::PERM), "{name}");
        }
        assert_eq!(allowed("comment"), Err(Errno::OPNOTSUPP));
    }
}
