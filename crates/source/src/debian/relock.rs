//! What became of pinned files of the archive: still listed, about to go, gone, and what stands in their place.
//!
//! A stable suite drops superseded files at a point release. This looks; it changes no definition.

use std::collections::BTreeMap;
use std::fmt;

use base::{Digest, Reporter};

use super::{Archive, ArchiveError, SourceFile, SourcePackage, Version};
use crate::expected::Expected;
use crate::fetch::{Fetcher, Place};

/// A `debian:` URI that a definition pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The definition, as a person knows it.
    pub package: String,
    /// The URI.
    pub uri: String,
    /// The hash.
    pub expected: Expected,
}

/// A pinned file, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The file.
    pub pinned: Pinned,
    /// How it stands.
    pub standing: Standing,
    /// What the suite has in its place, unless it has the file itself.
    pub replacement: Option<Replacement>,
}

/// How a pinned file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The suite lists it, with the hash that is pinned.
    Listed,
    /// The same, and for a version that is not the latest: suites keep those that something was built with.
    Older,
    /// The suite lists it with this hash, which is not the pinned one.
    OtherHash(Digest),
    /// The suite does not list it, but the mirror still has it; it may go at any time.
    Unlisted,
    /// The mirror does not have it.
    Gone,
}

/// What a suite has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The source package.
    pub source: String,
    /// Its version.
    pub version: Version,
    /// The file that does what the pinned one did.
    pub file: SourceFile,
    /// Whether the mirror has it; an index may be ahead of the files.
    pub there: bool,
}

/// Looks after every pinned file; those that are no `debian:` URIs are passed over.
///
/// Whether a mirror still has a file that is not listed is asked of the mirror, one request each.
pub fn look_after(
    archive: &Archive<'_>,
    component: &str,
    pinned: &[Pinned],
    fetcher: &Fetcher<'_>,
    reporter: &dyn Reporter,
) -> Result<Vec<Looked>, ArchiveError> {
    let sources = archive.sources(component, reporter)?;
    let listed: BTreeMap<&str, &SourceFile> =
        sources.values().flatten().flat_map(|package| &package.files).map(|file| (file.path.as_str(), file)).collect();
    let is_there = |uri: &str| {
        let debian = fetcher.settings().debian.as_ref();
        let place = Place::parse(uri, debian).map_err(|source| ArchiveError::Location { suite: uri.to_owned(), source })?;
        let security = Place::security(uri, debian);
        let ask = |place: &Place| fetcher.has(place).map_err(|error| ArchiveError::Fetch(Box::new(error)));
        Ok::<_, ArchiveError>(ask(&place)? || security.is_some_and(|place| ask(&place).unwrap_or(false)))
    };
    let mut all = Vec::new();
    for one in pinned {
        let Some(path) = one.uri.strip_prefix("debian:") else { continue };
        let latest = replacement(path, &sources);
        let standing = match listed.get(path) {
            Some(file) if matches!(one.expected, Expected::Sha256(digest) if digest != file.sha256) => Standing::OtherHash(file.sha256),
            Some(_) if latest.as_ref().is_some_and(|latest| latest.file.path != path) => Standing::Older,
            Some(_) => Standing::Listed,
            None if is_there(&one.uri)? => Standing::Unlisted,
            None => Standing::Gone,
        };
        let mut replacement = latest.filter(|_| standing != Standing::Listed);
        if let Some(one) = &mut replacement {
            one.there = is_there(&format!("debian:{}", one.file.path))?;
        }
        all.push(Looked { pinned: one.clone(), standing, replacement });
    }
    Ok(all)
}

/// Finds the file that does in the latest version what `path` did: upstream's tarball, Debian's changes.
fn replacement(path: &str, sources: &BTreeMap<String, Vec<SourcePackage>>) -> Option<Replacement> {
    // pool/<component>/<letter>/<source>/<file>
    let mut parts = path.rsplit('/');
    let (file, source) = (parts.next()?, parts.next()?);
    let wanted = role(source, file)?;
    let latest = sources.get(source)?.last()?;
    let file = latest.files.iter().find(|other| role(source, other.path.rsplit('/').next().unwrap_or("")).as_ref() == Some(&wanted))?;
    Some(Replacement { source: source.to_owned(), version: latest.version.clone(), file: file.clone(), there: false })
}

/// What a file is in its source package: `orig.tar`, `orig-docs.tar`, `debian.tar`, `diff`, `dsc`, `tar`.
fn role(source: &str, file: &str) -> Option<String> {
    let rest = file.strip_prefix(source)?.strip_prefix('_')?;
    if let Some(at) = rest.find(".orig.tar.").or_else(|| rest.find(".orig-")).or_else(|| rest.find(".debian.tar.")) {
        let role = &rest[at + 1..];
        let signature = role.ends_with(".asc");
        let end = role.find(".tar").map_or(role.len(), |at| at + 4);
        return Some(format!("{}{}", &role[..end], if signature { ".asc" } else { "" }));
    }
    let known = [(".diff.gz", "diff"), (".dsc", "dsc"), (".tar.gz", "tar"), (".tar.xz", "tar"), (".tar.bz2", "tar")];
    known.iter().find(|(end, _)| rest.ends_with(end)).map(|(_, role)| (*role).to_owned())
}

impl Looked {
    /// Whether a person has to do something.
    #[must_use]
    pub fn needs_change(&self) -> bool {
        self.standing != Standing::Listed
    }
}

/// As a diff: what is pinned, and what could be.
impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pinned { package, uri, expected } = &self.pinned;
        let standing = match self.standing {
            Standing::Listed => "is there".to_owned(),
            Standing::Older => "is of an older version".to_owned(),
            Standing::OtherHash(digest) => format!("has another hash now, {digest}"),
            Standing::Unlisted => "is superseded, and may go at any time".to_owned(),
            Standing::Gone => "is gone".to_owned(),
        };
        write!(f, "{package}: {uri} {standing}")?;
        if self.standing == Standing::Listed {
            return Ok(());
        }
        write!(f, "\n- {uri} {expected}")?;
        match &self.replacement {
            Some(Replacement { source, version, file, there }) => {
                let there = if *there { "" } else { "; this mirror does not have it yet" };
                write!(f, "\n+ debian:{} {} ({source} {version}{there})", file.path, file.sha256)
            }
            None => f.write_str("\n  the suite has nothing in its place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_a_file_is_in_its_package() {
        let cases = [
            ("musl_1.2.5.orig.tar.gz", Some("orig.tar")),
            ("musl_1.2.5.orig.tar.gz.asc", Some("orig.tar.asc")),
            ("musl_1.2.5-3~deb13u1.debian.tar.xz", Some("debian.tar")),
            ("musl_1.2.5.orig-docs.tar.xz", Some("orig-docs.tar")),
            ("musl_10.46-1~deb13u2.diff.gz", Some("diff")),
            ("musl_1.dsc", Some("dsc")),
            ("musl_20250419.tar.xz", Some("tar")),
            ("other_1.dsc", None),
            ("musl_1.exe", None),
        ];
        for (file, expected) in cases {
            assert_eq!(role("musl", file).as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn finds_what_does_the_same_in_the_latest_version() {
        let file = |name: &str| SourceFile { path: format!("pool/main/m/musl/{name}"), size: 1, sha256: Digest::of(name) };
        let version = |version: &str, files: &[&str]| SourcePackage {
            name: "musl".into(),
            version: version.parse().unwrap(),
            files: files.iter().map(|name| file(name)).collect(),
        };
        let versions = vec![
            version("1.2.5-1", &["musl_1.2.5.orig.tar.gz", "musl_1.2.5-1.debian.tar.xz"]),
            version("1.2.6-1", &["musl_1.2.6.orig.tar.xz", "musl_1.2.6-1.debian.tar.xz"]),
        ];
        let sources = BTreeMap::from([("musl".to_owned(), versions)]);
        let found = |path: &str| replacement(path, &sources).map(|one| one.file.path);
        assert_eq!(found("pool/main/m/musl/musl_1.2.4.orig.tar.gz").as_deref(), Some("pool/main/m/musl/musl_1.2.6.orig.tar.xz"));
        assert_eq!(found("pool/main/m/musl/musl_1.2.4-9.debian.tar.xz").as_deref(), Some("pool/main/m/musl/musl_1.2.6-1.debian.tar.xz"));
        assert_eq!(found("pool/main/m/musl/musl_1.dsc"), None);
        assert_eq!(found("pool/main/n/none/none_1.orig.tar.gz"), None);
    }
}
