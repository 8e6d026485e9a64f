//! The SBOM of an image, composed of the SBOMs of its packages. No package is left out, and none is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base::Digest;

use super::document::{
    Algorithm, Checksum, Document, Element, ExternalRef, ExtractedLicense, File, Purpose, Relation, Relationship, VerificationCode,
};
use super::id::{Id, short};
use super::package::{Component, add};
use super::purl::Purl;
use super::{NO_ASSERTION, NONE, SpdxError};

/// An image, as its SBOM tells of it.
#[derive(Debug, Clone)]
pub struct Contents<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Its architecture, as OCI names it.
    pub arch: &'a str,
    /// The time of the newest package, in seconds since 1970.
    pub created: i64,
    /// Who supplies it.
    pub supplier: Option<&'a str>,
    /// The distribution: `ID` and `VERSION_ID` of os-release, where the image has one.
    pub distro: Option<(&'a str, &'a str)>,
    /// Its packages.
    pub parts: &'a [Part],
    /// Which package needs which when it runs: places in `parts`.
    pub requires: &'a [(usize, usize)],
    /// Files that no package brings: composing made them.
    pub made: &'a [MadeFile],
}

/// A file, or a symbolic link, that composing made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFile {
    /// Its path, without a leading `/`.
    pub path: String,
    /// The SHA-1 of its bytes in hex, which SPDX demands; of a symbolic link's target.
    pub sha1: String,
    /// The sha256 of the same.
    pub sha256: Digest,
    /// Where it points, if it is a symbolic link.
    pub target: Option<String>,
}

/// A package of an image.
#[derive(Debug, Clone)]
pub struct Part {
    /// What the package says of itself outside its SBOM.
    pub component: Component,
    /// The digest of its control and data members.
    pub content: Digest,
    /// The SBOM that lies in the package. Without one, the component alone is told.
    pub document: Option<Document>,
}

/// Makes the SBOM of an image. `namespace` is a base URI of the distribution.
pub fn image(contents: &Contents<'_>, namespace: &str) -> Result<Document, SpdxError> {
    let mut document = Document::new(contents.name, contents.created, contents.supplier)?;
    let whole = describe(contents);
    let id = whole.id.clone();
    document.packages.push(whole);
    document.relationships.push(Relationship::new(&document.id.clone(), Relation::DESCRIBES, &id));
    let mut wholes = vec![id.clone()];
    if let Some((name, version)) = contents.distro {
        let system = Element {
            version_info: Some(version.to_owned()),
            supplier: Some(supplier(contents)),
            copyright_text: IN_PACKAGES.into(),
            primary_package_purpose: Some(Purpose::OPERATING_SYSTEM),
            ..Element::new(Id::new("OperatingSystem", name), name)
        };
        document.relationships.push(Relationship::new(&id, Relation::CONTAINS, &system.id));
        wholes.push(system.id.clone());
        document.packages.push(system);
    }
    let mut ids = Vec::with_capacity(contents.parts.len());
    for part in contents.parts {
        let own = part.own_document()?;
        let part_id = merge(&mut document, own, part)?;
        document.relationships.push(Relationship::new(&id, Relation::CONTAINS, &part_id));
        ids.push(part_id);
    }
    for (from, to) in contents.requires {
        document.relationships.push(Relationship::new(&ids[*from], Relation::DEPENDS_ON, &ids[*to]));
    }
    conclude(&mut document, &wholes, &ids);
    add_made(&mut document, &id, contents);
    document.seal(namespace)
}

/// Lists the files that composing made, as a package of their own: of the packages' files each package's database entry tells.
fn add_made(document: &mut Document, image: &Id, contents: &Contents<'_>) {
    if contents.made.is_empty() {
        return;
    }
    let name = format!("{}-made", contents.name);
    let made = Element {
        version_info: Some(contents.manifest.to_string()),
        supplier: Some(supplier(contents)),
        files_analyzed: true,
        package_verification_code: Some(verification_code(contents.made)),
        summary: Some("what composing the image made: accounts, the package database, links".into()),
        // It is put together from what the packages and the definition say; there is no work of anybody in it.
        license_concluded: NONE.into(),
        copyright_text: NONE.into(),
        ..Element::new(Id::new("Made", contents.name), name)
    };
    document.relationships.push(Relationship::new(image, Relation::CONTAINS, &made.id));
    for file in contents.made {
        let sha1 = Checksum { algorithm: Algorithm::SHA1, checksum_value: file.sha1.clone() };
        let listed = File {
            id: Id::new("File", &file.path),
            file_name: format!("./{}", file.path),
            checksums: vec![sha1, Checksum::sha256(&file.sha256)],
            license_concluded: NONE.into(),
            license_info_in_files: Vec::new(),
            copyright_text: NONE.into(),
            comment: file.target.as_ref().map(|target| format!("a symbolic link to {target}")),
        };
        document.relationships.push(Relationship::new(&made.id, Relation::CONTAINS, &listed.id));
        document.files.push(listed);
    }
    document.packages.push(made);
}

/// SHA-1 over the sorted SHA-1s of the files (clause 7.9).
fn verification_code(files: &[MadeFile]) -> VerificationCode {
    let mut sums: Vec<_> = files.iter().map(|file| file.sha1.as_str()).collect();
    sums.sort_unstable();
    let code = digest(&SHA1_FOR_LEGACY_USE_ONLY, sums.concat().as_bytes());
    let hex = code.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    VerificationCode { package_verification_code_value: hex, package_verification_code_excluded_files: Vec::new() }
}

/// Where an image's copyright notices are.
const IN_PACKAGES: &str = "the notices of the packages that it contains";

/// States of the image and its distribution that the licences of all packages hold together.
fn conclude(document: &mut Document, wholes: &[Id], parts: &[Id]) {
    let of_part = |element: &&Element| parts.contains(&element.id) && ![NO_ASSERTION, NONE].contains(&element.license_concluded.as_str());
    let all: BTreeSet<String> = document.packages.iter().filter(of_part).map(|element| element.license_concluded.clone()).collect();
    if all.is_empty() {
        return;
    }
    let one = |text: &String| if text.contains(" OR ") || text.contains(" AND ") { format!("({text})") } else { text.clone() };
    let together = all.iter().map(one).collect::<Vec<_>>().join(" AND ");
    for whole in document.packages.iter_mut().filter(|element| wholes.contains(&element.id)) {
        whole.license_concluded.clone_from(&together);
    }
}

fn supplier(contents: &Contents<'_>) -> String {
    contents.supplier.map_or_else(|| NO_ASSERTION.to_owned(), |name| format!("Organization: {name}"))
}

fn describe(contents: &Contents<'_>) -> Element {
    let purl = Purl::new("oci", contents.name.to_lowercase()).version(contents.manifest.to_string()).qualifier("arch", contents.arch);
    Element {
        version_info: Some(contents.manifest.to_string()),
        supplier: Some(supplier(contents)),
        checksums: vec![Checksum::sha256(&contents.manifest)],
        external_refs: vec![ExternalRef::purl(&purl)],
        copyright_text: IN_PACKAGES.into(),
        primary_package_purpose: Some(Purpose::CONTAINER),
        ..Element::new(Id::new("Image", contents.name), contents.name)
    }
}

impl Part {
    fn own_document(&self) -> Result<Document, SpdxError> {
        if let Some(document) = &self.document {
            return Ok(document.clone());
        }
        let mut document = Document::new(&self.component.name, 0, None)?;
        add(&mut document, &self.component);
        Ok(document)
    }

    /// The element of `document` that is this package.
    fn subject(&self, document: &Document) -> Result<Id, SpdxError> {
        let is_this = |element: &&Element| {
            element.name == self.component.name && element.version_info.as_deref() == Some(self.component.version.as_str())
        };
        let found = document.described().find(is_this).or_else(|| document.packages.iter().find(is_this));
        found.map(|element| element.id.clone()).ok_or_else(|| {
            let names: Vec<_> =
                document.described().map(|one| format!("{} {}", one.name, one.version_info.as_deref().unwrap_or("?"))).collect();
            let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            SpdxError::Subject { package: format!("{} {}", self.component.name, self.component.version), found }
        })
    }
}

/// Takes all of a package's document into the image's, and returns the package's identifier there.
///
/// What both hold alike is held once; what only shares an identifier gets another.
fn merge(document: &mut Document, mut own: Document, part: &Part) -> Result<Id, SpdxError> {
    let subject = part.subject(&own)?;
    if let Some(element) = own.packages.iter_mut().find(|element| element.id == subject) {
        let content = Checksum::sha256(&part.content);
        if !element.checksums.contains(&content) {
            element.checksums.push(content);
            element.checksums.sort();
        }
    }
    rename_licenses(document, &mut own);
    let owner = format!("{}-{}", part.component.name, part.component.version);
    let mut renamed = BTreeMap::new();
    for mut element in std::mem::take(&mut own.packages) {
        match document.packages.iter().find(|other| other.id == element.id) {
            Some(other) if *other == element => continue,
            Some(_) => rename(&mut renamed, &mut element.id, &owner),
            None => {}
        }
        document.packages.push(element);
    }
    for mut file in std::mem::take(&mut own.files) {
        // Old melange wrote absolute names, which SPDX forbids (clause 8.1).
        if file.file_name.starts_with('/') {
            file.file_name.insert(0, '.');
        }
        if document.files.iter().any(|other| other.id == file.id) {
            rename(&mut renamed, &mut file.id, &owner);
        }
        document.files.push(file);
    }
    let is_cover = |one: &Relationship| one.spdx_element_id == own.id && one.relationship_type == Relation::DESCRIBES;
    for mut relationship in own.relationships.iter().filter(|one| !is_cover(one)).cloned() {
        for end in [&mut relationship.spdx_element_id, &mut relationship.related_spdx_element] {
            if let Some(new) = renamed.get(end) {
                *end = new.clone();
            }
        }
        document.relationships.push(relationship);
    }
    document.has_extracted_licensing_infos.extend(own.has_extracted_licensing_infos);
    Ok(renamed.get(&subject).cloned().unwrap_or(subject))
}

fn rename(renamed: &mut BTreeMap<Id, Id>, id: &mut Id, owner: &str) {
    let new = id.of(owner);
    renamed.insert(std::mem::replace(id, new.clone()), new);
}

/// Gives another name to each licence of `own` whose name `document` uses for another text.
fn rename_licenses(document: &Document, own: &mut Document) {
    let mut renamed = BTreeMap::new();
    for license in &mut own.has_extracted_licensing_infos {
        let clash = |other: &&ExtractedLicense| other.license_id == license.license_id && *other != license;
        if document.has_extracted_licensing_infos.iter().find(clash).is_some() {
            let new = format!("{}-{}", license.license_id, short(&license.extracted_text));
            renamed.insert(std::mem::replace(&mut license.license_id, new.clone()), new);
        }
    }
    if renamed.is_empty() {
        return;
    }
    let stated = own.packages.iter_mut().flat_map(|one| [&mut one.license_declared, &mut one.license_concluded]);
    for text in stated.chain(own.files.iter_mut().map(|file| &mut file.license_concluded)) {
        *text = replace_words(text, &renamed);
    }
    for text in own.files.iter_mut().flat_map(|file| &mut file.license_info_in_files) {
        *text = replace_words(text, &renamed);
    }
}

/// Replaces whole identifiers of an expression.
fn replace_words(text: &str, renamed: &BTreeMap<String, String>) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let name = word.trim_matches(['(', ')']);
        words.push(renamed.get(name).map_or_else(|| word.to_owned(), |new| word.replace(name, new)));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::package::{package, tests::zlib};
    use super::*;

    const BASE: &str = "https://undistro.example/spdx";

    fn part(component: Component, with_document: bool) -> Part {
        let document = with_document.then(|| package(&component, 5, BASE).unwrap());
        Part { content: Digest::of(&component.name), component, document }
    }

    fn contents(parts: &[Part]) -> Contents<'_> {
        Contents {
            name: "nginx",
            manifest: Digest::of("manifest"),
            arch: "amd64",
            created: 5,
            supplier: Some("Undistro"),
            distro: Some(("undistro", "1")),
            parts,
            requires: &[],
            made: &[],
        }
    }

    fn named(name: &str) -> Component {
        Component { name: name.into(), ..zlib() }
    }

    #[test]
    fn holds_every_package_with_or_without_an_sbom_of_its_own() {
        let parts = [part(zlib(), true), part(named("zlib-dev"), false), part(Component { sources: vec![], ..named("bare") }, false)];
        let document = image(&Contents { requires: &[(1, 0)], ..contents(&parts) }, BASE).unwrap();
        let held: Vec<_> = document
            .relationships
            .iter()
            .filter(|one| one.spdx_element_id.as_str() == "SPDXRef-Image-nginx")
            .map(|one| one.related_spdx_element.as_str())
            .collect();
        assert_eq!(
            held,
            [
                "SPDXRef-OperatingSystem-undistro",
                "SPDXRef-Package-bare-1.3.1-r0",
                "SPDXRef-Package-zlib-1.3.1-r0",
                "SPDXRef-Package-zlib-dev-1.3.1-r0"
            ]
        );
        assert_eq!(document.packages.iter().filter(|element| element.name == "fix.patch").count(), 1, "a shared source is told once");
        assert_eq!(document.relationships.iter().filter(|one| one.relationship_type == Relation::DEPENDS_ON).count(), 1);
    }

    #[test]
    fn the_order_of_packages_changes_nothing() {
        let [a, b] = [part(zlib(), true), part(named("zlib-dev"), true)];
        let one = image(&contents(&[a.clone(), b.clone()]), BASE).unwrap();
        assert_eq!(one.to_json(), image(&contents(&[b, a]), BASE).unwrap().to_json());
    }

    #[test]
    fn refuses_the_sbom_of_another_package() {
        let lying = Part { document: Some(package(&named("other"), 0, BASE).unwrap()), ..part(zlib(), false) };
        let error = image(&contents(&[lying]), BASE).unwrap_err();
        assert_eq!(error.to_string(), "the SBOM in zlib 1.3.1-r0 does not describe zlib 1.3.1-r0: it describes other 1.3.1-r0");
    }

    #[test]
    fn takes_over_the_files_that_a_foreign_document_lists() {
        let mut foreign = part(zlib(), true);
        let Some(document) = &mut foreign.document else { panic!("it has one") };
        let id = Id::new("File", "usr/lib/libz.so");
        document.files.push(File {
            id: id.clone(),
            file_name: "/usr/lib/libz.so".into(),
            checksums: Vec::new(),
            license_concluded: NO_ASSERTION.into(),
            license_info_in_files: Vec::new(),
            copyright_text: NO_ASSERTION.into(),
            comment: None,
        });
        let owner = document.packages.iter().find(|one| one.version_info.as_deref() == Some("1.3.1-r0")).unwrap().id.clone();
        document.relationships.push(Relationship::new(&owner, Relation::CONTAINS, &id));
        let document = image(&contents(&[foreign]), BASE).unwrap();
        assert_eq!(document.files[0].file_name, "./usr/lib/libz.so", "SPDX has no absolute names");
    }

    #[test]
    fn lists_what_composing_made() {
        let made = ["etc/passwd", "etc/group"].map(|path| MadeFile {
            path: path.into(),
            sha1: "ab".repeat(20),
            sha256: Digest::of(path),
            target: None,
        });
        let document = image(&Contents { made: &made, ..contents(&[]) }, BASE).unwrap();
        let files: Vec<_> = document.files.iter().map(|file| file.file_name.as_str()).collect();
        assert_eq!(files, ["./etc/group", "./etc/passwd"]);
        let holder = document.packages.iter().find(|one| one.name == "nginx-made").unwrap();
        // printf 'abab…' | sha1sum, of eighty digits.
        let code = holder.package_verification_code.as_ref().map(|code| code.package_verification_code_value.as_str());
        assert_eq!(code, Some("37c571a0fb984b7724c5f7ca30dc0528f0d09c41"));
    }

    #[test]
    fn one_name_with_two_meanings_becomes_two_names() {
        let custom = |name: &str, text: &str| Component {
            license: "MIT AND Custom".into(),
            license_texts: BTreeMap::from([("Custom".to_owned(), text.to_owned())]),
            ..named(name)
        };
        let mut second = part(custom("b", "two"), true);
        // A foreign document that calls its package's source as another does.
        if let Some(document) = &mut second.document {
            let source = document.packages.iter_mut().find(|one| one.name == "zlib").unwrap();
            source.source_info = Some("from elsewhere".into());
        }
        let document = image(&contents(&[part(custom("a", "one"), true), second]), BASE).unwrap();
        let texts: Vec<_> = document.has_extracted_licensing_infos.iter().map(|one| one.extracted_text.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(document.packages.iter().filter(|one| one.name == "zlib").count(), 2);
        let b = document.packages.iter().find(|one| one.name == "b").unwrap();
        assert!(b.license_declared.contains(&document.has_extracted_licensing_infos[1].license_id), "{}", b.license_declared);
    }
}
