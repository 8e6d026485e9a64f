//! Which objects of the build root were linked into what was built: start files, and members of static libraries.
//!
//! Linkers keep no list, and builds call them in many ways. So the code itself is looked for: the bytes of each object's
//! executable sections, but for those that relocations change, as they lie in the root; found verbatim in a program or shared
//! library of the output, they were linked in. It works after `strip`, for any language and any linker.
//!
//! What it can not see: objects with less than [`MIN_BYTES`] fixed bytes of code (`crtn.o`, tables of data), objects that hold no
//! code but an intermediate form (LTO), code that a linker changed beyond the usual relaxations, and what a compiler copies from
//! headers. Equal code of two objects is told of both.

mod find;
mod object;

use std::collections::{BTreeMap, BTreeSet};

use apk::Package;
use apk::package::{Limits, PackageError};
use attest::spdx::{self, Purl};
use base::tree::{Entry, TreePath};
use base::{Digest, PackageName, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::environment::Member;
use crate::output::{Output, OutputError};

use find::Finder;
use object::{Code, codes};

/// Raised when the same files would give another answer.
pub const LINKED_FORMAT: u32 = 1;

/// Fixed bytes of code that must be found for an object to count. Shorter functions are the same in unrelated programs.
pub const MIN_BYTES: usize = 32;

/// The largest object or static library that is looked into: the largest that anyone ships, of a browser's engine, has some gigabytes
/// and no place in a root that links programs of ours.
const MAX_OBJECT: u64 = 512 << 20;

/// An object that is in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// The file that was built.
    pub file: TreePath,
    /// The package of the root that has the object.
    pub member: Member,
    /// The object: `usr/lib/libc.a(puts.lo)`.
    pub object: String,
}

/// What was linked into the packages of a build, by package.
pub type Linked = BTreeMap<PackageName, BTreeSet<Object>>;

/// Why it can not be told.
#[derive(Debug, thiserror::Error)]
pub enum LinkedError {
    /// A package of the root can not be read.
    #[error("while looking for objects to link")]
    Package(#[from] PackageError),
    /// What was built can not be read.
    #[error("while looking for what was linked")]
    Output(#[from] OutputError),
    /// A file can not be read.
    #[error("while looking for what was linked into {path}")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store failed.
    #[error("while noting what was linked")]
    Store(#[from] StoreError),
}

impl LinkedError {
    /// For errors of code that reads a package.
    fn read(path: &TreePath) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Read { path: path.clone(), source }
    }
}

/// Finds what of `environment` was linked into `outputs`. Asked again for the same, it is looked up.
pub(crate) fn linked(store: &Store, environment: &[Member], outputs: &BTreeMap<PackageName, Digest>) -> Result<Linked, LinkedError> {
    const KIND: &str = "linked";
    let contents: Vec<Digest> = environment.iter().map(|member| member.content).collect();
    let key = serde_json::to_vec(&(KIND, LINKED_FORMAT, outputs, &contents)).unwrap_or_else(|error| unreachable!("plain data: {error}"));
    let key = Digest::of(key);
    if let Some(known) = store.record(KIND, &key)? {
        return Ok(known);
    }
    let mut found = Linked::new();
    let mut finder: Option<Finder> = None;
    for (package, digest) in outputs {
        let Some(output) = Output::open(store, digest)? else { continue };
        for entry in output.entries.iter().filter(|entry| entry.size() > 0) {
            let read = LinkedError::read(&entry.path);
            let Some(bytes) = program(&output, entry).map_err(read)? else { continue };
            let finder = match &mut finder {
                Some(finder) => finder,
                none => none.insert(Finder::new(objects(store, environment)?)),
            };
            let objects = finder.find(&bytes).into_iter().map(|(member, object)| Object {
                file: entry.path.clone(),
                member: environment[member].clone(),
                object,
            });
            found.entry(package.clone()).or_default().extend(objects);
        }
    }
    store.put_record(KIND, &key, &found)?;
    Ok(found)
}

/// Describes the packages of which something was linked in, as SBOMs list them. A seed is named as its distributor names it.
pub(crate) fn elements(store: &Store, linked: &Linked, distro: &str) -> Result<BTreeMap<PackageName, Vec<spdx::Linked>>, LinkedError> {
    let element = |member: &Member| -> Result<spdx::Linked, LinkedError> {
        let package = Package::open_blob(store, &member.content)?;
        let info = package.info();
        let (name, own) = (member.name.as_str(), member.version.as_str());
        let foreign = info.commit.as_deref().and_then(|commit| commit.strip_prefix("debian:")?.split_once('='));
        let (version, purl) = match foreign.filter(|_| member.seed) {
            Some((name, version)) => (version, Purl::new("deb", name).namespace("debian").version(version)),
            None => (own, Purl::apk(distro, name, own, &info.arch, info.origin.as_ref().map(PackageName::as_str))),
        };
        Ok(spdx::Linked { name: name.to_owned(), version: version.to_owned(), purl, license: info.license.clone(), digest: member.content })
    };
    let mut all = BTreeMap::new();
    for (package, objects) in linked {
        let members: BTreeSet<&Member> = objects.iter().map(|object| &object.member).collect();
        all.insert(package.clone(), members.into_iter().map(element).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

/// Reads a program or shared library whole; `None` for anything else.
fn program(output: &Output, entry: &Entry) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::{Read as _, Seek as _};
    if !matches!(entry.kind, base::tree::Kind::File { .. }) {
        return Ok(None);
    }
    let mut file = output.file(entry)?;
    let mut front = [0; 18];
    if file.read_exact(&mut front).is_err() || !front.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    // e_type, in the file's byte order: 2 is a program, 3 a shared library or a program that can be loaded anywhere.
    let kind = if front[5] == 2 { u16::from_be_bytes([front[16], front[17]]) } else { u16::from_le_bytes([front[16], front[17]]) };
    if !matches!(kind, 2 | 3) {
        return Ok(None);
    }
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The code of every object that the packages of a root hold, with the package's place in the root.
fn objects(store: &Store, environment: &[Member]) -> Result<Vec<(usize, Code)>, LinkedError> {
    let mut all = Vec::new();
    for (place, member) in environment.iter().enumerate() {
        all.extend(of_package(store, &member.content)?.into_iter().map(|code| (place, code)));
    }
    Ok(all)
}

/// A package is read for this once in its life; then the store remembers.
fn of_package(store: &Store, content: &Digest) -> Result<Vec<Code>, LinkedError> {
    const KIND: &str = "objects";
    let key = Digest::of(format!("{KIND} {LINKED_FORMAT} {content}"));
    if let Some(known) = store.record(KIND, &key)? {
        return Ok(known);
    }
    let package = Package::open_blob(store, content)?;
    let mut found = Vec::new();
    package.read_data(&Limits::default(), |entry, reader| -> Result<(), LinkedError> {
        let is_object = entry.path.as_str().ends_with(".a") || entry.path.as_str().ends_with(".o");
        if is_object && (1..=MAX_OBJECT).contains(&entry.size()) {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(LinkedError::read(&entry.path))?;
            found.extend(codes(&entry.path, &bytes));
        }
        Ok(())
    })?;
    store.put_record(KIND, &key, &found)?;
    Ok(found)
}
