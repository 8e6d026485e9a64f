//! A package of this machine's shell and a few tools, with the libraries that they need: a seed that every machine has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::PathBuf;

use apk::{Info, Record, Scripts};
use base::tree::{Entry, Kind, TreePath};
use base::{Arch, Dependency, Store};
use build::analyse::{self, Content};
use fs_err as fs;

const TOOLS: [&str; 16] =
    ["sh", "cat", "chmod", "chown", "cp", "env", "id", "ln", "ls", "mkdir", "mv", "rm", "sleep", "stat", "touch", "wc"];

/// Where this machine keeps libraries.
fn library_directories() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].map(PathBuf::from).into();
    for base in ["/lib", "/usr/lib"] {
        let entries = fs::read_dir(base).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        directories.extend(entries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu")));
    }
    directories
}

fn find(directories: &[PathBuf], name: &str) -> PathBuf {
    directories.iter().map(|dir| dir.join(name)).find(|path| path.is_file()).unwrap_or_else(|| panic!("this machine has no {name}"))
}

/// Makes the package and keeps it in the store.
pub(crate) fn package(store: &Store) -> Record {
    let (libraries, programs) = (library_directories(), ["/usr/bin", "/bin"].map(PathBuf::from));
    let mut files: BTreeMap<TreePath, Vec<u8>> = BTreeMap::new();
    let mut waiting: Vec<(String, PathBuf)> = TOOLS.iter().map(|tool| (format!("usr/bin/{tool}"), find(&programs, tool))).collect();
    while let Some((place, from)) = waiting.pop() {
        let place = TreePath::parse(&place).unwrap();
        if files.contains_key(&place) {
            continue;
        }
        let bytes = fs::read(from).unwrap();
        let (interpreter, needed) = needs(&place, &bytes);
        files.insert(place, bytes);
        // The loader has a fixed path; with /lib and /lib64 as links into /usr it is found there.
        waiting.extend(
            interpreter.map(|path| (format!("usr/{}", path.trim_start_matches("/usr").trim_start_matches('/')), PathBuf::from(path))),
        );
        waiting.extend(needed.into_iter().map(|name| (format!("usr/lib/{name}"), find(&libraries, &name))));
    }
    store_files(store, &files)
}

fn needs(place: &TreePath, bytes: &[u8]) -> (Option<String>, Vec<String>) {
    let kind = Kind::File { size: bytes.len() as u64, digest: None };
    let entries = [Entry::new(place.clone(), kind, 0o755, 0)];
    let version = "1".parse().unwrap();
    let subject = analyse::Subject {
        version: &version,
        arch: Arch::host().unwrap(),
        entries: &entries,
        options: &analyse::Options::default(),
        siblings: &analyse::Libraries::default(),
    };
    let mut open = |_: &Entry| -> std::io::Result<Box<dyn Content>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    let found = analyse::analyse(&subject, &mut open).unwrap();
    found.elf.into_values().next().map(|elf| (elf.interpreter, elf.needed)).unwrap_or_default()
}

fn store_files(store: &Store, files: &BTreeMap<TreePath, Vec<u8>>) -> Record {
    let directories: BTreeSet<TreePath> = files.keys().flat_map(|path| path.ancestors().collect::<Vec<_>>()).collect();
    let mut entries: Vec<Entry> = directories.into_iter().map(|path| Entry::new(path, Kind::Directory, 0o755, 0)).collect();
    let file = |(path, bytes): (&TreePath, &Vec<u8>)| {
        Entry::new(path.clone(), Kind::File { size: bytes.len() as u64, digest: Some(base::Digest::of(bytes)) }, 0o755, 0)
    };
    entries.extend(files.iter().map(file));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut info = Info::new("host-tools".parse().unwrap(), "1-r0".parse().unwrap(), Arch::host().unwrap().apk());
    info.provides = Dependency::parse_list("seed:host-tools").unwrap();
    let mut open = |entry: &Entry| -> std::io::Result<Box<dyn std::io::Read>> { Ok(Box::new(Cursor::new(files[&entry.path].clone()))) };
    apk::package::store_package(store, &info, &Scripts::new(), &entries, &mut open, 0).unwrap().record().clone()
}
