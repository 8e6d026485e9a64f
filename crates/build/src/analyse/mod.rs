//! Finds from a package's files what it provides and what it needs: shared libraries, commands, pkg-config names, interpreters.
//!
//! It looks at a file table and opens what it must; it neither runs anything nor knows other packages. The same
//! function serves what we built and what we took as a seed.

mod command;
mod elf;
mod pkgconfig;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek};

use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Dependency, Version};

pub use elf::Elf;

/// What a file is read through.
pub trait Content: Read + Seek {}

impl<T: Read + Seek> Content for T {}

/// Opens a regular file of the table.
pub type Opener<'a> = dyn FnMut(&Entry) -> io::Result<Box<dyn Content>> + 'a;

/// The package that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its full version, with revision: that of the commands it provides.
    pub version: &'a Version,
    /// The architecture it is for; ELF files for others are no programs or libraries here.
    pub arch: Arch,
    /// Its files.
    pub entries: &'a [Entry],
    /// What is looked for.
    pub options: &'a Options,
    /// The libraries of the packages that were built with it, itself included or not: a `libz.so` in a `-dev` package
    /// leads to a file of another.
    pub siblings: &'a Libraries,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Nothing is provided (melange: `no-provides`).
    pub no_provides: bool,
    /// Nothing is needed (melange: `no-depends`).
    pub no_depends: bool,
    /// No command is provided (melange: `no-commands`).
    pub no_commands: bool,
    /// Directories, without a leading `/`, in which the dynamic linker looks besides `lib`, `usr/lib`, `lib64`, `usr/lib64`
    /// and those that the package's own `etc/ld.so.conf.d` names.
    pub library_directories: Vec<String>,
}

/// What a package provides and needs, each sorted and without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// `so:NAME=VERSION`, `cmd:NAME=VERSION`, `pc:NAME=VERSION`.
    pub provides: Vec<Dependency>,
    /// `so:NAME`, `cmd:NAME`, `pc:NAME`.
    pub depends: Vec<Dependency>,
    /// Every ELF file for the architecture, for the checks that come after.
    pub elf: BTreeMap<TreePath, Elf>,
}

/// Where shared libraries lie and what they are called: the part of an analysis that siblings see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Libraries(BTreeMap<TreePath, String>);

/// A file of the package can not be read.
#[derive(Debug, thiserror::Error)]
#[error("while looking at {path}")]
pub struct AnalyseError {
    /// The file.
    pub path: TreePath,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The directories of the dynamic linker of every libc.
const LIBRARY_DIRECTORIES: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];

/// The largest `ld.so.conf.d` file that is read.
const MAX_CONF: u64 = 1 << 16;

/// Finds what a package provides and needs.
///
/// # Errors
/// A file can not be read.
pub fn analyse(subject: &Subject<'_>, open: &mut Opener<'_>) -> Result<Analysis, AnalyseError> {
    let table = Table::new(subject.entries);
    let directories = library_directories(subject, open)?;
    let mut found = Found::default();
    for entry in subject.entries {
        look_at(entry, subject, &table, &directories, &mut found, open)?;
    }
    for entry in subject.entries {
        found.link(entry, subject, &table, &directories);
    }
    Ok(found.finish(subject.options))
}

impl Libraries {
    /// Collects the shared libraries of a package.
    ///
    /// # Errors
    /// A file can not be read.
    pub fn of(entries: &[Entry], arch: Arch, open: &mut Opener<'_>) -> Result<Self, AnalyseError> {
        let mut libraries = BTreeMap::new();
        for entry in entries {
            let Some(elf) = read_elf(entry, arch, open)?.filter(|elf| elf.shared) else { continue };
            // A position-independent program is a shared object too, and nobody's library.
            let name = library_name(entry, &elf);
            if is_library_name(&name) {
                libraries.insert(entry.path.clone(), name);
            }
        }
        Ok(Self(libraries))
    }

    /// Adds those of another package.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Entries by path.
struct Table<'a>(BTreeMap<&'a TreePath, &'a Entry>);

/// How many links may lead to one another; Linux's own bound (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

impl<'a> Table<'a> {
    fn new(entries: &'a [Entry]) -> Self {
        Self(entries.iter().map(|entry| (&entry.path, entry)).collect())
    }

    /// Returns what a link leads to, as far as the package holds it.
    fn resolve(&self, link: &TreePath, target: &str) -> Option<&'a Entry> {
        let mut path = follow(link, target)?;
        for _ in 0..MAX_LINKS {
            let entry = *self.0.get(&path)?;
            match &entry.kind {
                Kind::Symlink { target } => path = follow(&entry.path, target)?,
                _ => return Some(entry),
            }
        }
        None
    }
}

/// Returns the path that `target` means at `link`, by its text alone.
fn follow(link: &TreePath, target: &str) -> Option<TreePath> {
    let parent = link.parent();
    let mut parts: Vec<&str> = match (&parent, target.starts_with('/')) {
        (Some(parent), false) => parent.as_str().split('/').collect(),
        _ => Vec::new(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    TreePath::parse(&parts.join("/")).ok()
}

#[derive(Default)]
struct Found {
    elf: BTreeMap<TreePath, Elf>,
    /// Name to version, of what others may ask for.
    provides: BTreeMap<String, Option<Version>>,
    /// What is needed.
    depends: BTreeSet<String>,
    /// What the package has for itself, wherever it lies.
    own: BTreeSet<String>,
}

fn look_at(
    entry: &Entry,
    subject: &Subject<'_>,
    table: &Table<'_>,
    directories: &[String],
    found: &mut Found,
    open: &mut Opener<'_>,
) -> Result<(), AnalyseError> {
    if command::is_command(entry, table) && !subject.options.no_commands {
        found.provides.insert(format!("cmd:{}", entry.path.file_name()), Some(subject.version.clone()));
    }
    if let Some(elf) = read_elf(entry, subject.arch, open)? {
        found.elf(entry, elf, directories);
    } else if command::may_be_script(entry) {
        let first = read_first(entry, command::MAX_LINE as u64, open)?;
        found.depends.extend(command::interpreter(&first).map(|command| format!("cmd:{command}")));
    } else if let Some(name) = pkgconfig::name(entry, directories).filter(|_| matches!(entry.kind, Kind::File { .. })) {
        let text = read_first(entry, pkgconfig::MAX_BYTES, open)?;
        let file = pkgconfig::parse(&String::from_utf8_lossy(&text));
        found.provides.insert(format!("pc:{name}"), Some(file.version.replace('-', "_").parse().unwrap_or_else(|_| zero())));
        found.depends.extend(file.requires.iter().map(|name| format!("pc:{name}")));
    }
    Ok(())
}

impl Found {
    fn elf(&mut self, entry: &Entry, elf: Elf, directories: &[String]) {
        if let Some(interpreter) = &elf.interpreter {
            self.depends.extend(interpreter.rsplit('/').next().map(|name| format!("so:{name}")));
        }
        self.depends.extend(elf.needed.iter().map(|name| format!("so:{}", name.rsplit('/').next().unwrap_or(name))));
        if elf.shared {
            let name = library_name(entry, &elf);
            self.own.insert(format!("so:{}", entry.path.file_name()));
            self.own.insert(format!("so:{name}"));
            let is_library = is_in(&entry.path, directories) && is_library_name(&name) && is_library_name(entry.path.file_name());
            // A program may be built as a shared object with a name; only one that is called like a library is one.
            if is_library {
                let version = library_version(entry.path.file_name());
                let names = [Some(name.as_str()), is_loader(entry.path.file_name()).then(|| entry.path.file_name())];
                self.provides.extend(names.into_iter().flatten().map(|name| (format!("so:{name}"), Some(version.clone()))));
            }
        }
        self.elf.insert(entry.path.clone(), elf);
    }

    /// Looks at a symbolic link to a library: the loader's own name is provided; a link out of the package is a need.
    fn link(&mut self, entry: &Entry, subject: &Subject<'_>, table: &Table<'_>, directories: &[String]) {
        let Kind::Symlink { target } = &entry.kind else { return };
        let name = entry.path.file_name();
        let is_library = is_in(&entry.path, directories) && is_library_name(name);
        match table.resolve(&entry.path, target) {
            Some(file) if is_library => {
                let is_shared = self.elf.get(&file.path).is_some_and(|elf| elf.shared);
                if is_shared {
                    self.own.insert(format!("so:{name}"));
                }
                if is_shared && is_loader(name) {
                    self.provides.insert(format!("so:{name}"), Some(library_version(file.path.file_name())));
                }
            }
            Some(_) => {}
            None => {
                let sibling = follow(&entry.path, target).and_then(|path| subject.siblings.name(&path, is_library));
                self.depends.extend(sibling.map(|name| format!("so:{name}")));
            }
        }
    }

    fn finish(self, options: &Options) -> Analysis {
        let depends = self
            .depends
            .iter()
            .filter(|name| !options.no_depends && !self.provides.contains_key(*name) && !self.own.contains(*name))
            .filter_map(|name| dependency(name, None))
            .collect();
        let provides = self
            .provides
            .iter()
            .filter(|_| !options.no_provides)
            .filter_map(|(name, version)| dependency(name, version.as_ref()))
            .collect();
        Analysis { provides, depends, elf: self.elf }
    }
}

impl Libraries {
    /// Returns the name of the library at `path`. With `by_soname`, `path` may be a link that carries the library's name.
    fn name(&self, path: &TreePath, by_soname: bool) -> Option<&str> {
        let by_name = || {
            if !by_soname {
                return None;
            }
            // `libz.so -> libz.so.1` where `libz.so.1` is itself a link: its name is the soname of the file beside it.
            let mut beside = self.0.iter().filter(|(file, _)| file.parent() == path.parent());
            beside.find(|(_, name)| name.as_str() == path.file_name()).map(|(_, name)| name)
        };
        self.0.get(path).or_else(by_name).map(String::as_str)
    }
}

/// Makes a dependency of a name found in a file; `None` where no dependency can have that name.
fn dependency(name: &str, version: Option<&Version>) -> Option<Dependency> {
    let plain: Dependency = name.parse().ok()?;
    (plain == Dependency::any(name)).then(|| match version {
        Some(version) => Dependency::exactly(name, version.clone()),
        None => plain,
    })
}

fn library_name(entry: &Entry, elf: &Elf) -> String {
    // Without a name of its own, the linker records the file's: that is how programs ask for musl's libc.so.
    elf.soname.clone().unwrap_or_else(|| entry.path.file_name().to_owned())
}

fn is_library_name(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

/// Programs name their loader by its path, whatever its soname is.
fn is_loader(file_name: &str) -> bool {
    file_name.starts_with("ld-") && is_library_name(file_name)
}

/// The version in a library's file name, or 0: `libz.so.1.3.1` has 1.3.1.
fn library_version(file_name: &str) -> Version {
    file_name.split_once(".so.").and_then(|(_, version)| version.parse().ok()).unwrap_or_else(zero)
}

/// The version of what has none. Something is written, since apk installs nothing for the sake of an unversioned name.
fn zero() -> Version {
    "0".parse().unwrap_or_else(|_| unreachable!("0 is a version"))
}

fn is_in(path: &TreePath, directories: &[String]) -> bool {
    path.parent().is_some_and(|parent| directories.iter().any(|known| known == parent.as_str()))
}

fn library_directories(subject: &Subject<'_>, open: &mut Opener<'_>) -> Result<Vec<String>, AnalyseError> {
    let mut directories: Vec<String> = LIBRARY_DIRECTORIES.map(str::to_owned).into();
    directories.extend(subject.options.library_directories.iter().cloned());
    for entry in subject.entries {
        let is_conf = entry.path.as_str().starts_with("etc/ld.so.conf.d/") && entry.path.as_str().ends_with(".conf");
        if is_conf && matches!(entry.kind, Kind::File { .. }) {
            let text = read_first(entry, MAX_CONF, open)?;
            let lines = String::from_utf8_lossy(&text).into_owned();
            let lines = lines.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
            directories.extend(lines.filter_map(|line| line.strip_prefix('/')).map(|line| line.trim_end_matches('/').to_owned()));
        }
    }
    Ok(directories)
}

/// The shortest ELF header.
const ELF_HEADER: u64 = 52;

fn read_elf(entry: &Entry, arch: Arch, open: &mut Opener<'_>) -> Result<Option<Elf>, AnalyseError> {
    if !matches!(entry.kind, Kind::File { size, .. } if size >= ELF_HEADER) {
        return Ok(None);
    }
    let error = |source| AnalyseError { path: entry.path.clone(), source };
    elf::read(open(entry).map_err(error)?, arch).map_err(error)
}

fn read_first(entry: &Entry, limit: u64, open: &mut Opener<'_>) -> Result<Vec<u8>, AnalyseError> {
    let error = |source| AnalyseError { path: entry.path.clone(), source };
    let mut bytes = Vec::new();
    open(entry).map_err(error)?.take(limit).read_to_end(&mut bytes).map_err(error)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
