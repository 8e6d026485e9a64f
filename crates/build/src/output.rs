//! Reads what a build left in an output directory, once, and keeps it: a file table and the files.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base::store::Contents;
use base::tree::{Entry, Kind, TreePath};
use base::{Digest, Hashing, Store, StoreError};
use fs_err as fs;
use sandbox::{Ownership, SET_ID, SandboxError};
use serde::{Deserialize, Serialize};

/// The form in which outputs are kept. Raised when the same files would be kept otherwise.
const FORMAT: u32 = 1;

/// Why an output could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A name is not UTF-8.
    #[error("the name {} is not UTF-8; packages hold no such names", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// A socket, or a device, which no sandbox can make.
    #[error("{path} is a {what}; packages hold none")]
    Special {
        /// The path in the package.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// Who owns a file can not be told.
    #[error(transparent)]
    Ownership(#[from] SandboxError),
    /// The operating system refused; its message names the path.
    #[error("while reading what was built")]
    Io(#[source] io::Error),
    /// The store failed.
    #[error("while keeping what was built")]
    Store(#[from] StoreError),
    /// The table in the store is not one.
    #[error("the file table {digest} can not be read")]
    Table {
        /// The table's blob.
        digest: Digest,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

/// A package's files as a build left them.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The digest of the table; it names the whole content.
    pub(crate) digest: Digest,
    /// The table, sorted.
    pub(crate) entries: Vec<Entry>,
    /// Where the files are.
    pub(crate) folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Table {
    format: u32,
    entries: Vec<Entry>,
}

impl Output {
    /// Keeps the directory `from`: its files move into the store. Times later than `epoch` become `epoch`; owners, set-id
    /// bits, capabilities and devices are those that `ownership` recorded.
    pub(crate) fn keep(store: &Store, from: &Path, epoch: i64, ownership: &Ownership) -> Result<Self, OutputError> {
        let entries = walk(from, epoch, ownership)?;
        let table = Table { format: FORMAT, entries };
        let text = serde_json::to_vec(&table).unwrap_or_else(|_| unreachable!("a table has text keys only"));
        let digest = store.put(&text)?;
        let folder = store.tree_of(&tree_key(&digest), &digest, |to| -> Result<Contents, OutputError> {
            for entry in fs::read_dir(from).map_err(OutputError::Io)? {
                let entry = entry.map_err(OutputError::Io)?;
                fs::rename(entry.path(), to.join(entry.file_name())).map_err(OutputError::Io)?;
            }
            Ok(base::store::contents(&table.entries))
        })?;
        Ok(Self { digest, entries: table.entries, folder })
    }

    /// Opens what was kept under `digest`; `None` when the store has it no more.
    pub(crate) fn open(store: &Store, digest: &Digest) -> Result<Option<Self>, OutputError> {
        let (Some(folder), Some(_)) = (store.tree(&tree_key(digest)), store.blob(digest)) else { return Ok(None) };
        let text = store.read_blob(digest)?;
        let table: Table = serde_json::from_slice(&text).map_err(|source| OutputError::Table { digest: *digest, source })?;
        Ok((table.format == FORMAT).then_some(Self { digest: *digest, entries: table.entries, folder }))
    }

    /// Opens a regular file of the output.
    pub(crate) fn file(&self, entry: &Entry) -> io::Result<fs::File> {
        fs::File::open(self.folder.join(&entry.path))
    }
}

fn tree_key(table: &Digest) -> Digest {
    Digest::of(format!("output {FORMAT} {table}"))
}

/// Reads the tree at `root` into a sorted table, hashing every file.
///
/// # Errors
/// It holds what no package can hold, or can not be read.
pub(crate) fn walk(root: &Path, epoch: i64, ownership: &Ownership) -> Result<Vec<Entry>, OutputError> {
    let mut walk = Walk { root, epoch, ownership, first_names: BTreeMap::new(), entries: Vec::new() };
    walk.directory("")?;
    Ok(walk.entries)
}

struct Walk<'a> {
    root: &'a Path,
    epoch: i64,
    ownership: &'a Ownership,
    /// Device and inode of files with more than one name, and the first of the names.
    first_names: BTreeMap<(u64, u64), TreePath>,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    /// Adds what the directory holds. Names in order of bytes, each followed by what it holds: the order of [`TreePath`].
    fn directory(&mut self, below: &str) -> Result<(), OutputError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(below)).map_err(OutputError::Io)? {
            let entry = entry.map_err(OutputError::Io)?;
            names.push(entry.file_name().into_string().map_err(|_| OutputError::Name { path: entry.path() })?);
        }
        names.sort();
        for name in names {
            let text = if below.is_empty() { name } else { format!("{below}/{name}") };
            let path = TreePath::parse(&text).map_err(|_| OutputError::Name { path: self.root.join(&text) })?;
            self.entry(path)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: TreePath) -> Result<(), OutputError> {
        let place = self.root.join(&path);
        let metadata = fs::symlink_metadata(&place).map_err(OutputError::Io)?;
        let kind = self.kind(&path, &place, &metadata)?;
        let mode = if metadata.is_symlink() { 0o777 } else { metadata.permissions().mode() & 0o7777 };
        let is_directory = kind == Kind::Directory;
        let below = path.as_str().to_owned();
        let entry = Entry::new(path, kind, mode & !SET_ID, metadata.mtime().min(self.epoch));
        let entry = self.recorded(entry, &place)?;
        self.entries.push(entry);
        if is_directory {
            open_up(&place, &metadata, 0o700)?;
            self.directory(&below)?;
        }
        Ok(())
    }

    /// Adds what the sandbox recorded of the file instead of doing it on the disk, where set-id bits mean nothing.
    fn recorded(&self, mut entry: Entry, place: &Path) -> Result<Entry, OutputError> {
        let Some(record) = self.ownership.at(place)? else { return Ok(entry) };
        (entry.uid, entry.gid) = (record.uid, record.gid);
        entry.mode |= record.set_id;
        if let Some(capability) = &record.capability {
            entry.xattrs.insert(crate::setcap::ATTRIBUTE.to_owned(), capability.bytes().to_vec());
        }
        if let Some(device) = record.device {
            let (major, minor) = (device.major, device.minor);
            entry.kind = if device.block { Kind::BlockDevice { major, minor } } else { Kind::CharDevice { major, minor } };
        }
        Ok(entry)
    }

    fn kind(&mut self, path: &TreePath, place: &Path, metadata: &std::fs::Metadata) -> Result<Kind, OutputError> {
        let special = |what| OutputError::Special { path: path.to_string(), what };
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            return Ok(Kind::Directory);
        }
        if file_type.is_symlink() {
            let target = fs::read_link(place).map_err(OutputError::Io)?;
            let target = target.into_os_string().into_string().map_err(|_| OutputError::Name { path: place.to_owned() })?;
            return Ok(Kind::Symlink { target });
        }
        if file_type.is_fifo() {
            return Ok(Kind::Fifo);
        }
        if !file_type.is_file() {
            return Err(special(if file_type.is_socket() { "socket" } else { "device" }));
        }
        if metadata.nlink() > 1 {
            let first = self.first_names.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.clone());
            if first != path {
                return Ok(Kind::Hardlink { target: first.clone() });
            }
        }
        open_up(place, metadata, 0o400)?;
        let mut file = Hashing::new(fs::File::open(place).map_err(OutputError::Io)?);
        io::copy(&mut file, &mut io::sink()).map_err(OutputError::Io)?;
        let (_, digest, size) = file.finish();
        Ok(Kind::File { size, digest: Some(digest) })
    }
}

/// Gives the owner the rights that reading needs. What the package says is in the table already.
fn open_up(place: &Path, metadata: &std::fs::Metadata, rights: u32) -> Result<(), OutputError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & rights == rights {
        return Ok(());
    }
    fs::set_permissions(place, std::fs::Permissions::from_mode(mode | rights)).map_err(OutputError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(epoch: i64) -> (tempfile::TempDir, Vec<Entry>) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("usr/lib-x")).unwrap();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/b"), "content").unwrap();
        fs::hard_link(root.join("usr/lib/b"), root.join("usr/lib/a")).unwrap();
        std::os::unix::fs::symlink("b", root.join("usr/lib/link")).unwrap();
        fs::write(root.join("usr/secret"), "s").unwrap();
        fs::set_permissions(root.join("usr/secret"), std::fs::Permissions::from_mode(0o1000)).unwrap();
        let entries = walk(root, epoch, &Ownership::new()).unwrap();
        (dir, entries)
    }

    #[test]
    fn the_table_is_sorted_and_clamped() {
        let (_dir, entries) = tree(1000);
        let paths: Vec<_> = entries.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, ["usr", "usr/lib", "usr/lib/a", "usr/lib/b", "usr/lib/link", "usr/lib-x", "usr/secret"]);
        assert!(entries.is_sorted_by(|a, b| a.path < b.path));
        assert!(entries.iter().all(|e| e.mtime == 1000 && e.uid == 0));
        assert_eq!(entries[3].kind, Kind::Hardlink { target: TreePath::parse("usr/lib/a").unwrap() });
        assert_eq!((entries[6].mode, entries[6].size()), (0o1000, 1));
    }

    #[test]
    fn equal_trees_are_kept_once_under_one_digest() {
        let store_dir = tempfile::tempdir().unwrap();
        let store = Store::open(store_dir.path()).unwrap();
        let kept = |epoch| Output::keep(&store, tree(epoch).0.path(), epoch, &Ownership::new()).unwrap();
        let (one, two) = (kept(1000), kept(1000));
        assert_eq!((one.digest, one.folder.clone()), (two.digest, two.folder));
        assert_ne!(kept(2000).digest, one.digest);
        let again = Output::open(&store, &one.digest).unwrap().unwrap();
        assert_eq!(again.entries, one.entries);
        assert_eq!(io::read_to_string(again.file(&again.entries[2]).unwrap()).unwrap(), "content");
        assert!(Output::open(&store, &Digest::of("other")).unwrap().is_none());
    }

    #[test]
    fn what_was_recorded_is_in_the_table() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("su"), "x").unwrap();
        fs::write(dir.path().join("null"), "").unwrap();
        let mut ownership = Ownership::new();
        let mut set = |name: &str, record| ownership.set(sandbox::FileId::at(&dir.path().join(name)).unwrap(), record);
        set("su", sandbox::Record { uid: 33, gid: 8, set_id: 0o4000, ..Default::default() });
        set("null", sandbox::Record { device: Some(sandbox::Device { block: false, major: 1, minor: 3 }), ..Default::default() });
        let entries = walk(dir.path(), 0, &ownership).unwrap();
        assert_eq!(entries[0].kind, Kind::CharDevice { major: 1, minor: 3 });
        assert_eq!((entries[1].uid, entries[1].gid, entries[1].mode & 0o7000), (33, 8, 0o4000));
    }

    #[test]
    fn a_socket_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        assert_eq!(walk(dir.path(), 0, &Ownership::new()).unwrap_err().to_string(), "s is a socket; packages hold none");
    }
}
