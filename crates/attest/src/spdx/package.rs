//! The SBOM of one package: the package, what it was built from, and what was linked into it.

use std::collections::BTreeMap;

use base::Digest;

use super::document::{Checksum, Document, Element, ExternalRef, Purpose, Relation, Relationship};
use super::id::Id;
use super::license::licenses;
use super::purl::Purl;
use super::{NO_ASSERTION, SpdxError};

/// A package, as its SBOM tells of it. Plain data: whoever builds or installs it fills in what is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version with revision.
    pub version: String,
    /// Its architecture, as apk names it.
    pub arch: String,
    /// The distribution it belongs to: `ID` of os-release, the namespace of its package URL.
    pub distro: String,
    /// Who supplies it: the organization that `distro.yaml` names.
    pub supplier: Option<String>,
    /// One line on what it is.
    pub description: String,
    /// Its licence as the definition writes it; several are joined by ` AND `.
    pub license: String,
    /// Texts of licences that SPDX does not list, by the name used in `license`.
    pub license_texts: BTreeMap<String, String>,
    /// Copyright notices, as the definition or the licence's file states them; `NONE` where there are none.
    pub copyright: Option<String>,
    /// Texts that must be passed on with it: the files that hold its licences.
    pub notices: Vec<String>,
    /// Its web page.
    pub homepage: Option<String>,
    /// The package that it was split from, if that is another.
    pub origin: Option<String>,
    /// Its CPE 2.3 name.
    pub cpe: Option<String>,
    /// What it was built from, in order of use.
    pub sources: Vec<Source>,
    /// What was linked into it and is no package beside it.
    pub linked: Vec<Linked>,
}

/// Something that a package was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called: `zlib`, or a patch's file name.
    pub name: String,
    /// Its version; a source without one is named by its digest.
    pub version: Option<String>,
    /// What sort of source it is.
    pub kind: SourceKind,
    /// Where it can be had, best first, as the definition writes it.
    pub locations: Vec<String>,
    /// Its digests. May be empty for git alone.
    pub checksums: Vec<Checksum>,
    /// How it was come by, where that matters: "as distributed by Debian".
    pub note: Option<String>,
}

/// What sort of source it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A release archive.
    Archive,
    /// A commit of a repository; the first location is the repository.
    Git {
        /// The full commit id.
        commit: String,
        /// The tag that it had.
        tag: Option<String>,
    },
    /// A patch, and the place in the list of sources of what it changes.
    Patch {
        /// Which source it changes, if one is known.
        of: Option<usize>,
        /// The vulnerabilities that it closes: CVE numbers, sorted.
        fixes: Vec<String>,
    },
    /// A single file, used as it is.
    File,
}

/// Something linked in statically, such as an object of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its package URL.
    pub purl: Purl,
    /// Its licence, as its makers write it.
    pub license: String,
    /// Who supplies it.
    pub supplier: Option<String>,
    /// The digest of the package it came from.
    pub digest: Digest,
}

/// Makes the SBOM that lies inside a package. `created` is the package's epoch, `namespace` a base URI of the distribution.
pub fn package(component: &Component, created: i64, namespace: &str) -> Result<Document, SpdxError> {
    let name = format!("{}-{}", component.name, component.version);
    let mut document = Document::new(name, created, component.supplier.as_deref())?;
    let id = add(&mut document, component);
    document.relationships.push(Relationship::new(&document.id.clone(), Relation::DESCRIBES, &id));
    document.seal(namespace)
}

/// Adds a component with all that it came from, and returns its identifier.
pub(super) fn add(document: &mut Document, component: &Component) -> Id {
    let element = describe(document, component);
    let id = element.id.clone();
    document.packages.push(element);
    let sources: Vec<_> = component.sources.iter().map(describe_source).collect();
    for (element, source) in sources.iter().zip(&component.sources) {
        document.relationships.push(Relationship::new(&id, Relation::GENERATED_FROM, &element.id));
        if let SourceKind::Patch { of: Some(of), .. } = source.kind
            && let Some(patched) = sources.get(of)
        {
            document.relationships.push(Relationship::new(&element.id, Relation::PATCH_FOR, &patched.id));
        }
    }
    let linked: Vec<_> = component.linked.iter().map(|linked| describe_linked(document, linked)).collect();
    for element in &linked {
        document.relationships.push(Relationship::new(&id, Relation::STATIC_LINK, &element.id));
    }
    for element in sources.into_iter().chain(linked) {
        if !document.packages.contains(&element) {
            document.packages.push(element);
        }
    }
    id
}

fn describe(document: &mut Document, component: &Component) -> Element {
    let declared = licenses(&component.license, &component.license_texts);
    document.has_extracted_licensing_infos.extend(declared.extracted);
    let purl = Purl::apk(&component.distro, &component.name, &component.version, &component.arch, component.origin.as_deref());
    let cpe = component.cpe.as_deref().map(ExternalRef::cpe);
    let supplier = component.supplier.as_ref().map_or_else(|| NO_ASSERTION.to_owned(), |name| format!("Organization: {name}"));
    Element {
        version_info: Some(component.version.clone()),
        supplier: Some(supplier),
        homepage: component.homepage.clone().filter(|page| is_web(page)),
        // The definition is written by whoever supplies the package: what it declares is what the supplier concludes.
        license_concluded: declared.expression.clone(),
        license_declared: declared.expression,
        copyright_text: component.copyright.clone().unwrap_or_else(|| NO_ASSERTION.into()),
        attribution_texts: component.notices.clone(),
        summary: Some(component.description.clone()).filter(|text| !text.is_empty()),
        external_refs: [Some(ExternalRef::purl(&purl)), cpe].into_iter().flatten().collect(),
        primary_package_purpose: Some(Purpose::APPLICATION),
        ..Element::new(Id::new("Package", &format!("{}-{}", component.name, component.version)), &component.name)
    }
}

fn describe_source(source: &Source) -> Element {
    let (identity, purpose) = match &source.kind {
        SourceKind::Git { commit, .. } => (commit.clone(), Purpose::SOURCE),
        SourceKind::File => (digest_of(source), Purpose::FILE),
        SourceKind::Archive | SourceKind::Patch { .. } => (digest_of(source), Purpose::SOURCE),
    };
    let short: String = identity.chars().take(16).collect();
    // A patch inside an archive has no digest of its own: the archive is pinned, and the note says which it is.
    let has_identity = !source.checksums.is_empty() || !matches!(source.kind, SourceKind::Patch { .. });
    let version = source.version.clone().or_else(|| has_identity.then(|| identity.clone()));
    let location = location(source);
    let purl = source_purl(source, &location);
    let closed: &[String] = if let SourceKind::Patch { fixes, .. } = &source.kind { fixes } else { &[] };
    Element {
        version_info: version,
        supplier: Some(NO_ASSERTION.into()),
        download_location: location,
        checksums: source.checksums.clone(),
        source_info: source.note.clone(),
        external_refs: std::iter::once(ExternalRef::purl(&purl)).chain(closed.iter().map(|cve| ExternalRef::advisory(cve))).collect(),
        primary_package_purpose: Some(purpose),
        comment: matches!(source.kind, SourceKind::Patch { .. }).then(|| match closed {
            [] => "a patch".into(),
            closed => format!("a patch; fixes {}", closed.join(", ")),
        }),
        license_declared: NO_ASSERTION.into(),
        ..Element::new(Id::new("Source", &format!("{}-{short}", source.name)), &source.name)
    }
}

/// The identity of a source that is a file: its first digest.
fn digest_of(source: &Source) -> String {
    source.checksums.first().map_or_else(|| Digest::of(source.locations.join("\n")).hex(), |checksum| checksum.checksum_value.clone())
}

/// The first location that SPDX can write (clause 7.7): a web or git address. A `debian:` address is told in the note.
fn location(source: &Source) -> String {
    match &source.kind {
        SourceKind::Git { commit, .. } => {
            source.locations.first().map_or_else(|| NO_ASSERTION.into(), |repository| format!("git+{repository}@{commit}"))
        }
        _ => source.locations.iter().find(|uri| is_web(uri)).cloned().unwrap_or_else(|| NO_ASSERTION.into()),
    }
}

fn is_web(uri: &str) -> bool {
    ["https://", "http://", "ftp://"].iter().any(|scheme| uri.starts_with(scheme))
}

fn source_purl(source: &Source, location: &str) -> Purl {
    let purl = Purl::new("generic", &source.name);
    let purl = match &source.version {
        Some(version) => purl.version(version),
        None => purl,
    };
    if let SourceKind::Git { .. } = source.kind {
        return purl.qualifier("vcs_url", location);
    }
    let checksums: Vec<_> =
        source.checksums.iter().map(|one| format!("{}:{}", one.algorithm.as_str().to_lowercase(), one.checksum_value)).collect();
    let url = if location == NO_ASSERTION { "" } else { location };
    purl.qualifier("checksum", checksums.join(",")).qualifier("download_url", url)
}

fn describe_linked(document: &mut Document, linked: &Linked) -> Element {
    let declared = licenses(&linked.license, &BTreeMap::new());
    document.has_extracted_licensing_infos.extend(declared.extracted);
    Element {
        version_info: Some(linked.version.clone()),
        supplier: Some(linked.supplier.as_ref().map_or_else(|| NO_ASSERTION.to_owned(), |name| format!("Organization: {name}"))),
        checksums: vec![Checksum::sha256(&linked.digest)],
        license_concluded: declared.expression.clone(),
        license_declared: declared.expression,
        copyright_text: "its notices are with the licence that it is under".into(),
        external_refs: vec![ExternalRef::purl(&linked.purl)],
        primary_package_purpose: Some(Purpose::LIBRARY),
        ..Element::new(Id::new("Linked", &format!("{}-{}", linked.name, linked.version)), &linked.name)
    }
}

#[cfg(test)]
pub(crate) mod tests;
