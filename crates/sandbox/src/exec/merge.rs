//! Merges stacked directories into one, for machines that can not stack so many, or none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// How a file gets into the merged directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By a second name, which costs no room. Whoever writes to it writes to the first: only for what is read.
    Link,
    /// By a copy, which shares blocks where the disk can do that.
    Copy,
}

/// Makes `into` what `lowers`, topmost first, show when they are stacked. It is whole when it is there.
pub(super) fn merge(lowers: &[PathBuf], into: &Path, how: How) -> io::Result<()> {
    if into.is_dir() {
        return Ok(());
    }
    let part = into.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    fs::create_dir(&part)?;
    Merge { how, copies: BTreeMap::new() }.directory(lowers, &part)?;
    fs::rename(&part, into)
}

struct Merge {
    how: How,
    /// Copies of files that have more names than one, by device and inode.
    copies: BTreeMap<(u64, u64), PathBuf>,
}

impl Merge {
    fn directory(&mut self, from: &[PathBuf], into: &Path) -> io::Result<()> {
        let mut names: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
        for folder in from {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                names.entry(entry.file_name()).or_default().push(entry.path());
            }
        }
        for (name, stacked) in names {
            let to = into.join(name);
            let metadata = fs::symlink_metadata(&stacked[0])?;
            if !metadata.is_dir() {
                self.file(&stacked[0], &metadata, &to)?;
                continue;
            }
            fs::create_dir(&to)?;
            // What lies below something else than a directory is hidden by it.
            let below = stacked.iter().take_while(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
            self.directory(&below.cloned().collect::<Vec<_>>(), &to)?;
            fs::set_permissions(&to, metadata.permissions())?;
            set_time(&to, &metadata)?;
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, metadata: &std::fs::Metadata, to: &Path) -> io::Result<()> {
        if metadata.is_symlink() {
            fs::os::unix::fs::symlink(fs::read_link(from)?, to)?;
            return set_time(to, metadata);
        }
        if self.how == How::Link && fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        // Another disk, or one without second names: a copy does too.
        let id = (metadata.dev(), metadata.ino());
        if let Some(first) = self.copies.get(&id) {
            return fs::hard_link(first, to);
        }
        if metadata.file_type().is_fifo() || metadata.file_type().is_socket() {
            return Ok(()); // no package brings one
        }
        fs::copy(from, to)?;
        set_time(to, metadata)?;
        if metadata.nlink() > 1 {
            self.copies.insert(id, to.to_owned());
        }
        Ok(())
    }
}

fn set_time(path: &Path, metadata: &std::fs::Metadata) -> io::Result<()> {
    let time = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn shows_what_stacked_directories_show() {
        for how in [How::Link, How::Copy] {
            let dir = tempfile::tempdir().unwrap();
            let (top, low, into) = (dir.path().join("top"), dir.path().join("low"), dir.path().join("into"));
            for folder in [top.join("both"), low.join("both/only"), low.join("hidden")] {
                fs::create_dir_all(folder).unwrap();
            }
            fs::write(top.join("both/file"), "top").unwrap();
            fs::write(low.join("both/file"), "low").unwrap();
            fs::write(low.join("both/only/file"), "low").unwrap();
            fs::hard_link(low.join("both/only/file"), low.join("both/second")).unwrap();
            fs::write(top.join("hidden"), "a file over a directory").unwrap();
            fs::write(low.join("hidden/file"), "").unwrap();
            std::os::unix::fs::symlink("both", top.join("link")).unwrap();
            set_time(&low.join("both/only"), &fs::metadata("/").unwrap()).unwrap();
            merge(&[top.clone(), low.clone()], &into, how).unwrap();
            assert_eq!((text(into.join("both/file")), text(into.join("hidden"))), ("top".into(), "a file over a directory".into()));
            assert_eq!(fs::read_link(into.join("link")).unwrap(), Path::new("both"));
            let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
            assert_eq!(inode(into.join("both/only/file")), inode(into.join("both/second")), "one file of two names");
            assert_eq!(inode(into.join("both/only/file")) == inode(low.join("both/only/file")), how == How::Link);
            let time = |path: PathBuf| fs::metadata(path).unwrap().mtime();
            assert_eq!(time(into.join("both/only")), time(low.join("both/only")));
            merge(&[], &into, how).unwrap();
            assert_eq!(text(into.join("both/file")), "top", "it is made once");
        }
    }
}
