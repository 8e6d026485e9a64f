//! Removes symbols: finds the programs and libraries on the host, and has the build root's own `strip` change them.
//!
//! It is the one native step that needs a program of the root, since the result must be what that toolchain makes.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base::{PackageName, Task};
use fs_err as fs;
use sandbox::{FileId, Record};
use spec::recipe::OUTPUTS;

use super::{Means, Site, StepError};

/// Files for one call: their names stay far below what a command line may hold (`ARG_MAX`, 2 MiB).
const AT_ONCE: usize = 200;

/// Strips every program and shared library of `package`.
pub(super) fn strip(site: &mut Site, package: &PackageName, options: &[String], means: &Means<'_>, task: &Task) -> Result<(), StepError> {
    let root = site.output(package).map_err(|source| StepError::Place { place: package.to_string(), source })?;
    let mut found = Vec::new();
    find(&root, Path::new(""), &mut BTreeSet::new(), &mut found).map_err(StepError::Io)?;
    for files in found.chunks(AT_ONCE) {
        let modes = open_up(&root, files).map_err(StepError::Io)?;
        let inside = files.iter().map(|file| format!("{OUTPUTS}/{package}/{}", file.display()));
        let command = std::iter::once("strip".to_owned()).chain(options.iter().cloned()).chain(inside);
        let plan = site.plan(command.collect());
        let owned = records(site, &root, files)?;
        let done = site.command(&plan, means, task);
        // A stripped file may be a new one, and is owned as the one before it.
        for (file, record) in owned {
            site.ownership.set(FileId::at(&root.join(file))?, record);
        }
        for (file, mode) in modes {
            fs::set_permissions(root.join(file), std::fs::Permissions::from_mode(mode)).map_err(StepError::Io)?;
        }
        done?;
    }
    Ok(())
}

fn records<'a>(site: &Site, root: &Path, files: &'a [PathBuf]) -> Result<Vec<(&'a Path, Record)>, StepError> {
    let mut records = Vec::new();
    for file in files {
        records.extend(site.ownership.at(&root.join(file))?.map(|record| (file.as_path(), record.clone())));
    }
    Ok(records)
}

/// Collects ELF programs and shared libraries in order, each file once however many names it has.
fn find(root: &Path, below: &Path, seen: &mut BTreeSet<(u64, u64)>, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut names = fs::read_dir(root.join(below))?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = below.join(name);
        let metadata = fs::symlink_metadata(root.join(&path))?;
        if metadata.is_dir() {
            find(root, &path, seen, found)?;
        } else if metadata.is_file() && seen.insert((metadata.dev(), metadata.ino())) && is_linked(&root.join(&path))? {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether the file is ELF and the linker's last work: `ET_EXEC` or `ET_DYN`, of no machine that has no system.
fn is_linked(path: &Path) -> std::io::Result<bool> {
    const ET_EXEC: u16 = 2;
    const ET_DYN: u16 = 3;
    const STANDALONE: u8 = 255;
    let mut header = Vec::new();
    fs::File::open(path)?.take(18).read_to_end(&mut header)?;
    let &[0x7f, b'E', b'L', b'F', _, endian, _, system, .., a, b] = header.as_slice() else { return Ok(false) };
    let kind = if endian == 2 { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
    Ok(header.len() == 18 && system != STANDALONE && matches!(kind, ET_EXEC | ET_DYN))
}

/// Lets the owner write to the files, and returns those that it could not, with the mode they had.
fn open_up<'a>(root: &Path, files: &'a [PathBuf]) -> std::io::Result<Vec<(&'a Path, u32)>> {
    let mut changed = Vec::new();
    for file in files {
        let path = root.join(file);
        let mode = fs::symlink_metadata(&path)?.permissions().mode() & 0o7777;
        if mode & 0o600 != 0o600 {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | 0o600))?;
            changed.push((file.as_path(), mode));
        }
    }
    Ok(changed)
}
