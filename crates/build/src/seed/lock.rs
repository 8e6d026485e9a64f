//! `seed.lock`: every seed by name, version, hash and path in the archive.
//!
//! The file is JSON with one package a line, so that its diff can be read. Nothing in it names a mirror: the path is
//! where any Debian mirror has the file, and only the hash is trusted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base::{Arch, Digest};
use serde::{Deserialize, Serialize};
use source::debian::{Signature, Version};

use super::SeedError;

/// The format of the file.
const LOCK_FORMAT: u32 = 1;

/// The closed list of seeds for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The format of the file.
    format: u32,
    /// The architecture.
    pub arch: Arch,
    /// The suite and component it was resolved from.
    pub suite: String,
    /// The part of the archive.
    pub component: String,
    /// The release file it was resolved from: what a person may want to know, nothing that is trusted.
    pub release: Release,
    /// Packages in order of name.
    pub packages: Vec<Locked>,
    /// The sources of those whose code goes into packages of ours, in order of name.
    #[serde(default)]
    pub sources: Vec<LockedSource>,
}

/// The release file that a lock was resolved from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The point release, such as `13.8`.
    pub version: Option<String>,
    /// When it was made, as it says.
    pub date: Option<String>,
    /// What is known of its signature.
    pub signature: Signature,
}

/// One seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Debian's name for its architecture: `amd64`, `all`.
    pub arch: String,
    /// Where it lies below an archive's root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Digest,
    /// The seeds that it depends on, by name, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// What it depends on that was left out, as Debian writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

/// A source package of Debian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The seeds that are made from it, sorted.
    pub seeds: Vec<String>,
    /// Its files, as the suite lists them.
    pub files: Vec<LockedFile>,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Where it lies below an archive's root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash.
    pub sha256: Digest,
}

impl Lock {
    /// Makes a lock; the packages are put in order.
    #[must_use]
    pub fn new(arch: Arch, suite: String, component: String, release: Release, mut packages: Vec<Locked>) -> Self {
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Self { format: LOCK_FORMAT, arch, suite, component, release, packages, sources: Vec::new() }
    }

    /// Reads a lock, and checks that it is closed and in order.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(text).map_err(SeedError::Lock)?;
        if format != LOCK_FORMAT {
            return Err(SeedError::LockFormat { found: format, known: LOCK_FORMAT });
        }
        let lock: Self = serde_json::from_str(text).map_err(SeedError::Lock)?;
        let by_name: BTreeMap<_, _> = lock.packages.iter().map(|package| (&package.name, package)).collect();
        let wrong = |package: &Locked, what| Err(SeedError::LockEntry { package: package.name.clone(), what });
        for pair in lock.packages.windows(2) {
            if pair[0].name >= pair[1].name {
                return wrong(&pair[1], "is there twice or out of order");
            }
        }
        for package in &lock.packages {
            if package.depends.iter().any(|name| !by_name.contains_key(name)) {
                return wrong(package, "depends on a package that is not in the list");
            }
        }
        Ok(lock)
    }

    /// Whether both lock the same packages for the same architecture, whatever release files they were resolved from.
    #[must_use]
    pub fn same_packages(&self, other: &Self) -> bool {
        self.arch == other.arch && self.packages == other.packages
    }

    /// Writes the lock: the same text for the same lock.
    #[must_use]
    pub fn to_text(&self) -> String {
        fn lines<T: Serialize>(text: &mut String, all: &[T]) {
            for (at, one) in all.iter().enumerate() {
                let _ = write!(text, "{}\n{}", if at > 0 { "," } else { "" }, json(one));
            }
        }
        let mut text = format!("{{\n\"format\": {},\n", self.format);
        let _ = writeln!(text, "\"arch\": {},", json(&self.arch));
        let _ = writeln!(text, "\"suite\": {},", json(&self.suite));
        let _ = writeln!(text, "\"component\": {},", json(&self.component));
        let _ = writeln!(text, "\"release\": {},", json(&self.release));
        text.push_str("\"packages\": [");
        lines(&mut text, &self.packages);
        text.push_str("\n],\n\"sources\": [");
        lines(&mut text, &self.sources);
        text.push_str("\n]\n}\n");
        text
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use source::debian::{Signer, Unchecked};

    use super::*;

    pub(crate) fn locked(name: &str, depends: &[&str]) -> Locked {
        Locked {
            name: name.into(),
            version: "1-2".parse().unwrap(),
            arch: "amd64".into(),
            path: format!("pool/main/{name}_1-2_amd64.deb"),
            size: 7,
            sha256: Digest::of(name),
            depends: depends.iter().map(|&name| name.into()).collect(),
            dropped: Vec::new(),
        }
    }

    pub(crate) fn lock(packages: Vec<Locked>) -> Lock {
        let signature = Signature::Unchecked(Unchecked::Waived);
        let release = Release { version: Some("13.8".into()), date: None, signature };
        Lock::new(Arch::X86_64, "trixie".into(), "main".into(), release, packages)
    }

    #[test]
    fn reads_what_it_writes_one_package_a_line() {
        let mut lock = lock(vec![locked("b", &["a"]), locked("a", &[])]);
        lock.release.signature = Signature::Good(vec![Signer { key: "AB".into(), name: "N <n@x>".into() }]);
        let text = lock.to_text();
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        assert_eq!(text.lines().filter(|line| line.starts_with("{\"name\"")).count(), 2);
    }

    #[test]
    fn a_newer_release_file_alone_changes_no_package() {
        let old = lock(vec![locked("a", &[])]);
        let mut new = old.clone();
        new.release.date = Some("later".into());
        assert!(new != old && new.same_packages(&old));
        assert!(!lock(vec![locked("b", &[])]).same_packages(&old));
    }

    #[test]
    fn refuses_a_lock_that_was_changed_into_nonsense() {
        let text = lock(vec![locked("a", &[]), locked("b", &["a"])]).to_text();
        for (from, to) in [("\"format\": 1", "\"format\": 9"), ("\"depends\":[\"a\"]", "\"depends\":[\"c\"]"), ("\"suite\"", "\"siute\"")] {
            assert!(Lock::parse(&text.replace(from, to)).is_err(), "{to}");
        }
        let twice = lock(vec![locked("a", &[]), locked("a", &[])]).to_text();
        assert!(matches!(Lock::parse(&twice), Err(SeedError::LockEntry { .. })));
    }
}
