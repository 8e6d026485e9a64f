//! Who owns what a build made: the table that the sandbox writes instead of changing files of the host.
//!
//! A build runs as the one user there is inside. What it asks for beyond that (other owners, set-id bits, file
//! capabilities, device nodes) is recorded here, and the package carries it.
//!
//! # Why a table beside the files
//! A mark on the file itself, as a `user.` attribute, would come along by itself. But symbolic links, pipes and
//! sockets take no such attribute, so there would be a table anyway, and some file systems have none at all. Programs
//! inside would see the marks, and copy them to files that nobody gave them: `cp -a` copies attributes, so a copy
//! made on purpose without the set-id bits would have them. And the marks would have to be taken off again.
//!
//! What an attribute does by itself, the key must do: a record follows its file through renames and to every hard
//! link, and ends with it. Path and inode number do not: `sed -i` frees an inode, and the next new file gets its
//! number. A [`FileId`] therefore holds the kernel's file handle, in which the file system has put the generation
//! of the inode, so that it is the same for as long as the file lives and never again. Where a file system has no
//! handles, the time of birth does, and the recorder keeps what it recorded from being reused for as long as it runs.
//!
//! # What it does not know
//! Programs inside see with `stat` what the disk has: owner 0, no set-id bits, an empty file for a device. So a
//! program that reads owner or mode and writes them to another file (`cp -a`, `tar -c`, `mv` to another file system)
//! writes 0 and none, and one that adds to a mode it has read (`chmod g-w`) drops recorded set-id bits;
//! [`Record::cleared`] tells of those. `setgid` on a directory is not inherited.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::notify::{comparison_handle, file_handle};

/// The set-user-id and set-group-id bits.
pub const SET_ID: u32 = 0o6000;

/// The most records of one table. The largest trees that belong to another user than root (a browser's or a search
/// engine's modules) stay below 200,000 files; without a bound a build could fill the launcher's memory.
pub(crate) const MAX_RECORDS: usize = 1 << 18;

/// What was recorded of the files of a workspace. Plain data; it grows over the runs that it is handed to.
///
/// A file without a record belongs to 0:0 and has neither set-id bits nor a capability: what the disk says about
/// these means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ownership {
    records: BTreeMap<FileId, Record>,
}

impl Ownership {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is recorded: then no file needs to be looked up.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many files have a record, those among them that are gone included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the record of the file at `path`, of a symbolic link that of the link. `None`: as root owns it.
    pub fn at(&self, path: &Path) -> Result<Option<&Record>, SandboxError> {
        if self.is_empty() {
            return Ok(None);
        }
        Ok(self.get(&FileId::at(path)?))
    }

    /// Returns the record of a file.
    pub fn get(&self, file: &FileId) -> Option<&Record> {
        self.records.get(file)
    }

    /// Sets the record of a file, for a step that wrote a file anew and knows what it took the place of.
    pub fn set(&mut self, file: FileId, record: Record) {
        if record == Record::default() {
            self.records.remove(&file);
        } else {
            self.records.insert(file, record);
        }
    }

    /// Keeps the records of files for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&FileId) -> bool) {
        self.records.retain(|file, _| keep(file));
    }

    /// Sets the record of a file, or fails as a full disk does when the table has no room.
    pub(crate) fn try_set(&mut self, file: FileId, record: Record) -> Result<(), Errno> {
        if self.records.len() >= MAX_RECORDS && !self.records.contains_key(&file) && record != Record::default() {
            return Err(Errno::NOSPC);
        }
        self.set(file, record);
        Ok(())
    }
}

/// What a build said about one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Owner.
    #[serde(skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// Group.
    #[serde(skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// Set-id bits of the mode ([`SET_ID`] at most); all other bits are on the file.
    #[serde(skip_serializing_if = "is_zero")]
    pub set_id: u32,
    /// Set-id bits that were recorded and that a later `chmod` took away. As programs inside do not see the bits, one
    /// that adds to the mode it sees takes them away without meaning to: worth a warning.
    #[serde(skip_serializing_if = "is_zero")]
    pub cleared: u32,
    /// The attribute `security.capability`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Capability>,
    /// The device that this file stands for. Its content then means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Whether it is a block device; otherwise a character device.
    pub block: bool,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// The bytes of a `security.capability` attribute (`struct vfs_ns_cap_data` of linux/capability.h), of revision 2, or
/// of revision 3 for another user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability(Vec<u8>);

impl Capability {
    /// Accepts what the kernel accepts from `setxattr`. Revision 3 for root is written as revision 2: which of the two
    /// a program writes depends on the namespace it thinks it is in.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        match (number(0)? >> 24, bytes.len()) {
            (2, 20) => Some(Self(bytes.to_vec())),
            (3, 24) if number(20)? == 0 => {
                let mut plain = bytes[..20].to_vec();
                plain[3] = 2;
                Some(Self(plain))
            }
            (3, 24) => Some(Self(bytes.to_vec())),
            _ => None,
        }
    }

    /// The attribute's value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Capability {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |digit: char| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
        let bytes = digits
            .filter(|digits| digits.len() % 2 == 0)
            .map(|digits| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>());
        bytes.and_then(|bytes| Self::parse(&bytes)).ok_or_else(|| "no file capability in hexadecimal digits".to_owned())
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        hexadecimal(&capability.0)
    }
}

/// Names a file for as long as it lives, on this machine: its device and file handle, as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(String);

/// Stands where the type of a handle stands, in hexadecimal digits, when there is no handle.
const BIRTH: &str = "birth";

impl FileId {
    /// The file at `path`; of a symbolic link, the link.
    pub fn at(path: &Path) -> Result<Self, SandboxError> {
        rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .and_then(Self::of)
            .map_err(|errno| SandboxError::Identify { path: path.to_owned(), source: errno.into() })
    }

    /// An open file, also one that was opened as a path only.
    pub(crate) fn of(file: impl AsFd) -> Result<Self, Errno> {
        let device = rustix::fs::fstat(&file)?.st_dev;
        match file_handle(file.as_fd()) {
            Ok((kind, bytes)) => Ok(Self(format!("{device:x}.{kind:x}.{}", hexadecimal(&bytes)))),
            Err(Errno::OPNOTSUPP) => Self::by_birth(file, device),
            Err(errno) => Err(errno),
        }
    }

    /// For a file system without such handles (an overlay in a container, mostly): the time of birth tells a file from a
    /// later one with its number, as far as the clock's steps of some milliseconds do.
    fn by_birth(file: impl AsFd, device: u64) -> Result<Self, Errno> {
        let bytes = match comparison_handle(file.as_fd()) {
            Ok((_, bytes)) => bytes,
            Err(Errno::OPNOTSUPP | Errno::INVAL) => Vec::new(),
            Err(errno) => return Err(errno),
        };
        let status = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::BTIME)?;
        let born = status.stx_btime;
        let born = format!("{:x}.{:x}.{:x}", status.stx_ino, born.tv_sec, born.tv_nsec);
        Ok(Self(format!("{device:x}.{BIRTH}.{born}.{}", hexadecimal(&bytes))))
    }

    /// Whether a file that is gone could share it with one that is made within the same step of the clock.
    pub(crate) fn is_vague(&self) -> bool {
        self.0.split('.').nth(1) == Some(BIRTH)
    }

    /// Whether the file is on the device with this number.
    pub(crate) fn is_on(&self, device: u64) -> bool {
        self.0.split_once('.').is_some_and(|(ours, _)| u64::from_str_radix(ours, 16) == Ok(device))
    }
}

impl Display for FileId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a String does not fail
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_BIND: &str = "0100000200040000000000000000000000000000";

    #[test]
    fn an_identity_outlives_a_rename_and_ends_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs_err::write(path("a"), "").unwrap();
        let first = FileId::at(&path("a")).unwrap();
        fs_err::hard_link(path("a"), path("link")).unwrap();
        fs_err::rename(path("a"), path("b")).unwrap();
        assert_eq!(FileId::at(&path("b")).unwrap(), first);
        assert_eq!(FileId::at(&path("link")).unwrap(), first);
        fs_err::remove_file(path("b")).unwrap();
        fs_err::remove_file(path("link")).unwrap();
        // On most file systems some of these have the number of the file that is gone.
        for number in 0..50 {
            fs_err::write(path("new"), "").unwrap();
            assert_ne!(FileId::at(&path("new")).unwrap(), first, "file {number}");
            fs_err::remove_file(path("new")).unwrap();
        }
    }

    #[test]
    fn without_handles_the_time_of_birth_tells_files_apart() {
        let dir = tempfile::tempdir().unwrap();
        let id = |name: &str| FileId::by_birth(fs_err::File::open(dir.path().join(name)).unwrap(), 7).unwrap();
        fs_err::write(dir.path().join("a"), "").unwrap();
        let first = id("a");
        fs_err::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert_eq!(id("b"), first);
        assert!(first.is_on(7) && first.is_vague());
        fs_err::remove_file(dir.path().join("b")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20)); // file systems keep time in steps of up to 10 ms
        fs_err::write(dir.path().join("c"), "").unwrap();
        assert_ne!(id("c"), first);
    }

    #[test]
    fn every_kind_of_file_has_an_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        fs_err::create_dir(path("directory")).unwrap();
        rustix::fs::mknodat(CWD, path("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let ids: Vec<FileId> = ["link", "directory", "pipe"].iter().map(|name| FileId::at(&path(name)).unwrap()).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        let device = rustix::fs::stat(dir.path()).unwrap().st_dev;
        assert!(ids.iter().all(|id| id.is_on(device) && !id.is_on(device + 1)));
        assert!(matches!(FileId::at(&path("missing")), Err(SandboxError::Identify { .. })));
    }

    #[test]
    fn a_table_survives_json_and_holds_no_ordinary_file() {
        let mut table = Ownership::new();
        let file = |name: &str| FileId(name.to_owned());
        let capability = Capability::try_from(NET_BIND.to_owned()).unwrap();
        table.set(file("a"), Record { uid: 33, set_id: 0o4000, ..Record::default() });
        table.set(file("b"), Record { capability: Some(capability), ..Record::default() });
        table.set(file("c"), Record { device: Some(Device { block: false, major: 1, minor: 3 }), ..Record::default() });
        table.set(file("d"), Record { gid: 5, ..Record::default() });
        table.set(file("d"), Record::default());
        let text = serde_json::to_string(&table).unwrap();
        insta::assert_snapshot!(text, @r#"{"a":{"uid":33,"set_id":2048},"b":{"capability":"0100000200040000000000000000000000000000"},"c":{"device":{"block":false,"major":1,"minor":3}}}"#);
        assert_eq!(serde_json::from_str::<Ownership>(&text).unwrap(), table);
    }

    #[test]
    fn a_full_table_takes_no_further_file_but_changes_of_those_it_has() {
        let mut table = Ownership::new();
        let owned = |uid| Record { uid, ..Record::default() };
        for number in 0..MAX_RECORDS {
            table.try_set(FileId(number.to_string()), owned(1)).unwrap();
        }
        assert_eq!(table.try_set(FileId("more".to_owned()), owned(1)), Err(Errno::NOSPC));
        table.try_set(FileId("more".to_owned()), Record::default()).unwrap();
        table.try_set(FileId("7".to_owned()), owned(2)).unwrap();
        table.try_set(FileId("7".to_owned()), Record::default()).unwrap();
        table.try_set(FileId("more".to_owned()), owned(1)).unwrap();
    }

    #[test]
    fn capabilities_are_what_the_kernel_takes() {
        let bytes = |text: &str| Capability::try_from(text.to_owned()).map(String::from);
        assert_eq!(bytes(NET_BIND).unwrap(), NET_BIND);
        let for_root = format!("01000003{}00000000", &NET_BIND[8..]);
        assert_eq!(bytes(&for_root).unwrap(), NET_BIND, "both say the same");
        let for_another = format!("01000003{}e8030000", &NET_BIND[8..]);
        assert_eq!(bytes(&for_another).unwrap(), for_another);
        for wrong in ["", "01", "010000020004", &NET_BIND.replacen("02", "01", 1), &format!("{NET_BIND}00"), &"00".repeat(65536)] {
            assert!(bytes(wrong).is_err(), "{wrong:.40}");
        }
    }
}
