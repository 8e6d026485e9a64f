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
    /// Code of a seed is in a package, and nobody said under which licence.
    #[error("{object} of the seed {seed} is linked into {package}, and `licenses` in seed.yaml does not say under which licence it is")]
    Unlicensed {
        /// What was built.
        package: PackageName,
        /// The seed.
        seed: PackageName,
        /// One of its objects.
        object: String,
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
            found.entry(package.clone()).or_default().extend(named(finder, &bytes, &entry.path, environment));
        }
    }
    store.put_record(KIND, &key, &found)?;
    Ok(found)
}

/// Finds what of `environment` was linked into a package, wherever the package came from.
pub fn in_package(store: &Store, package: &Package, environment: &[Member]) -> Result<BTreeSet<Object>, LinkedError> {
    let mut finder: Option<Finder> = None;
    let mut found = BTreeSet::new();
    package.read_data(&Limits::default(), |entry, reader| -> Result<(), LinkedError> {
        let mut front = [0; FRONT];
        if entry.size() < FRONT as u64 || entry.size() > MAX_OBJECT || reader.read_exact(&mut front).is_err() || !is_program(&front) {
            return Ok(());
        }
        let mut bytes = front.to_vec();
        reader.read_to_end(&mut bytes).map_err(LinkedError::read(&entry.path))?;
        let finder = match &mut finder {
            Some(finder) => finder,
            none => none.insert(Finder::new(objects(store, environment)?)),
        };
        found.extend(named(finder, &bytes, &entry.path, environment));
        Ok(())
    })?;
    Ok(found)
}

fn named(finder: &Finder, program: &[u8], file: &TreePath, environment: &[Member]) -> Vec<Object> {
    let object = |(member, object): (usize, String)| Object { file: file.clone(), member: environment[member].clone(), object };
    finder.find(program).into_iter().map(object).collect()
}

/// The licences that `seed.yaml` states, if there is one.
pub(crate) fn seed_licenses(distro: &std::path::Path) -> BTreeMap<String, String> {
    spec::seed::load(&distro.join("seed.yaml")).map(|seed| seed.licenses).unwrap_or_default()
}

/// Describes the packages of which something was linked in, as SBOMs list them. A seed is named as its distributor names it.
///
/// `licenses` are those of seeds, whose packages state none that a program could read: what of a seed goes into a package without
/// a licence being stated is refused, since whoever passes the package on would not know what it asks of them.
pub(crate) fn elements(
    store: &Store,
    linked: &Linked,
    distro: &spec::distro::Distro,
    licenses: &BTreeMap<String, String>,
) -> Result<BTreeMap<PackageName, Vec<spdx::Linked>>, LinkedError> {
    let element = |member: &Member| -> Result<spdx::Linked, LinkedError> {
        let package = Package::open_blob(store, &member.content)?;
        let info = package.info();
        let (name, own) = (member.name.as_str(), member.version.as_str());
        let foreign = info.commit.as_deref().and_then(|commit| commit.strip_prefix("debian:")?.split_once('='));
        let (version, purl) = match foreign.filter(|_| member.seed) {
            Some((name, version)) => (version, Purl::new("deb", name).namespace("debian").version(version)),
            None => (own, Purl::apk(&distro.id, name, own, &info.arch, info.origin.as_ref().map(PackageName::as_str))),
        };
        let supplier = match foreign.filter(|_| member.seed) {
            Some(_) => Some("Debian".to_owned()),
            None => (!member.seed).then(|| distro.name.clone()),
        };
        let license = licenses.get(name).filter(|_| member.seed).unwrap_or(&info.license).clone();
        Ok(spdx::Linked { name: name.to_owned(), version: version.to_owned(), purl, license, supplier, digest: member.content })
    };
    let mut all = BTreeMap::new();
    for (package, objects) in linked {
        if let Some(object) = objects.iter().find(|object| object.member.seed && !licenses.contains_key(object.member.name.as_str())) {
            let Object { member, object, .. } = object.clone();
            return Err(LinkedError::Unlicensed { package: package.clone(), seed: member.name, object });
        }
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
    let mut front = [0; FRONT];
    if file.read_exact(&mut front).is_err() || !is_program(&front) {
        return Ok(None);
    }
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// How much of a file tells whether it is a program.
const FRONT: usize = 18;

/// Whether a file that begins so is a program or a shared library (`e_type` 2 or 3, in the file's byte order).
fn is_program(front: &[u8; FRONT]) -> bool {
    let kind = [front[16], front[17]];
    let kind = if front[5] == 2 { u16::from_be_bytes(kind) } else { u16::from_le_bytes(kind) };
    front.starts_with(b"\x7fELF") && matches!(kind, 2 | 3)
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use fs_err as fs;

    use super::*;

    /// Compiles with this machine's compiler; `None` where there is none.
    fn compile(arguments: &[&str]) -> Option<()> {
        let status = Command::new("cc").args(arguments).stderr(Stdio::null()).status().ok()?;
        status.success().then_some(())
    }

    const ONE: &str = "int shared(int a, int b) { int r = 0; for (int i = a; i < b; i++) r += i * b ^ (a << 3); return r * 7919 + 31; }";
    const TWO: &str = "long other(long *p, int n) { long r = 1; for (int i = 0; i < n; i++) r = r * 1000003 ^ p[i]; return r / 17; }";
    const MAIN: &str = "int shared(int, int); int main(int n, char **v) { return shared(n, 12); }";

    #[test]
    fn finds_the_object_that_was_linked_and_not_its_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for (name, text) in [("one.c", ONE), ("two.c", TWO), ("main.c", MAIN)] {
            fs::write(path(name), text).unwrap();
        }
        let objects = |options: &[&str]| {
            ["one", "two"].iter().try_for_each(|name| {
                let (source, object) = (path(&format!("{name}.c")), path(&format!("{name}.o")));
                compile(&[options, &["-O2", "-c", &source, "-o", &object]].concat())
            })
        };
        if objects(&["-fPIC"]).is_none() {
            return;
        }
        let (main, one, two, program) = (path("main.c"), path("one.o"), path("two.o"), path("program"));
        compile(&["-O2", "-s", &main, &one, "-o", &program]).unwrap();
        let codes: Vec<(usize, Code)> = [(0, &one), (1, &two)]
            .iter()
            .flat_map(|(place, object)| {
                let name = TreePath::parse(if *place == 0 { "one.o" } else { "two.o" }).unwrap();
                codes(&name, &fs::read(object).unwrap()).into_iter().map(|code| (*place, code)).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(codes.len(), 2, "each has code enough to be known by");
        let found = Finder::new(codes).find(&fs::read(&program).unwrap());
        assert_eq!(found, BTreeSet::from([(0, "one.o".to_owned())]));
    }

    #[test]
    fn what_is_no_object_has_no_code() {
        assert!(codes(&TreePath::parse("x.a").unwrap(), b"!<arch>\nnonsense").is_empty());
        assert!(codes(&TreePath::parse("x.o").unwrap(), b"\x7fELF").is_empty());
        assert!(Finder::new(Vec::new()).find(b"\x7fELF nonsense").is_empty());
    }

    #[test]
    fn what_of_a_seed_is_linked_in_needs_a_licence() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut info = apk::Info::new("libgcc".parse().unwrap(), "14-r0".parse().unwrap(), "x86_64");
        info.license = "NOASSERTION".to_owned();
        info.commit = Some("debian:libgcc=14-1".to_owned());
        let none = &mut |_: &Entry| unreachable!("there are no files");
        let package = apk::package::store_package(&store, &info, &apk::Scripts::new(), &[], none, 1).unwrap();
        let content = package.record().content.unwrap();
        let member = Member { name: "libgcc".parse().unwrap(), version: info.version.clone(), content, seed: true };
        let object = Object { file: TreePath::parse("usr/bin/app").unwrap(), member, object: "usr/lib/libgcc.a(_muldi3.o)".to_owned() };
        let linked = Linked::from([("app".parse().unwrap(), BTreeSet::from([object]))]);
        let distro = spec::distro::parse("name: Test\nid: test\narchs: [x86_64]\nsource-date-epoch: 1\nsource-date-ceiling: 2\n").unwrap();
        let stated = BTreeMap::from([("libgcc".to_owned(), "GPL-3.0-or-later WITH GCC-exception-3.1".to_owned())]);
        let elements = elements(&store, &linked, &distro, &stated).unwrap();
        assert_eq!((elements["app"][0].license.as_str(), elements["app"][0].version.as_str()), (stated["libgcc"].as_str(), "14-1"));
        let error = super::elements(&store, &linked, &distro, &BTreeMap::new()).unwrap_err();
        assert!(matches!(error, LinkedError::Unlicensed { seed, .. } if seed.as_str() == "libgcc"));
    }
}
