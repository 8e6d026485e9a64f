//! The types of an SPDX 2.3 document as its JSON schema names them, and the one way of writing them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base::Digest;
use serde::{Deserialize, Serialize};

use super::id::{Id, clean};
use super::{SpdxError, TOOL};

/// What sort of SBOM it is, in the words of CISA's "Types of SBOM" (2023); SPDX 2.3 has no member for it.
const KIND: &str = "SBOM type: Build";

/// A term of an open list: those that we use are constants, foreign ones are kept as they stand.
macro_rules! terms {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            $($(#[$item_doc])* pub const $item: Self = Self(Cow::Borrowed($text));)*

            /// Returns the term as SPDX writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

terms! {
    /// How one element stands to another (clause 11.1).
    Relation {
        /// A document and its subject.
        DESCRIBES = "DESCRIBES",
        /// A whole and its part.
        CONTAINS = "CONTAINS",
        /// A package and the source it was built from.
        GENERATED_FROM = "GENERATED_FROM",
        /// A patch and the source it changes.
        PATCH_FOR = "PATCH_FOR",
        /// A package and what was linked into it.
        STATIC_LINK = "STATIC_LINK",
        /// A package and one that it needs when it runs.
        DEPENDS_ON = "DEPENDS_ON",
    }
}

terms! {
    /// What a package is for (clause 7.24).
    Purpose {
        /// Something that runs.
        APPLICATION = "APPLICATION",
        /// Something that others link.
        LIBRARY = "LIBRARY",
        /// A container image.
        CONTAINER = "CONTAINER",
        /// The distribution.
        OPERATING_SYSTEM = "OPERATING-SYSTEM",
        /// Source code.
        SOURCE = "SOURCE",
        /// A file that was taken as it is.
        FILE = "FILE",
    }
}

terms! {
    /// How a checksum is made (clause 7.10).
    Algorithm {
        /// SHA-1, which SPDX demands of every file that it lists.
        SHA1 = "SHA1",
        /// SHA-256.
        SHA256 = "SHA256",
        /// SHA-512.
        SHA512 = "SHA512",
    }
}

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `SPDX-2.3`.
    pub spdx_version: String,
    /// `CC0-1.0`, as SPDX demands.
    pub data_license: String,
    /// `SPDXRef-DOCUMENT`.
    #[serde(rename = "SPDXID")]
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// A URI that no other document has.
    pub document_namespace: String,
    /// Who made it and when.
    pub creation_info: CreationInfo,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Packages, sources, images.
    #[serde(default)]
    pub packages: Vec<Element>,
    /// Files, where they are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// How they stand to each other.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
    /// Licences that are not on SPDX's list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has_extracted_licensing_infos: Vec<ExtractedLicense>,
}

/// Who made a document, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationInfo {
    /// UTC, `2024-01-31T00:00:00Z`.
    pub created: String,
    /// `Tool: …`, `Organization: …`.
    pub creators: Vec<String>,
    /// Which licence list was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_list_version: Option<String>,
}

/// What SPDX calls a package: an apk, a source, an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// Its identifier in this document.
    #[serde(rename = "SPDXID")]
    pub id: Id,
    /// What it is called.
    pub name: String,
    /// Which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_info: Option<String>,
    /// Its file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_file_name: Option<String>,
    /// `Organization: …` or `Person: …` from whom it was had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Who first made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator: Option<String>,
    /// Where it can be had, or `NOASSERTION`.
    pub download_location: String,
    /// Whether its files are listed.
    #[serde(default = "default_true")]
    pub files_analyzed: bool,
    /// A digest of the listed files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_verification_code: Option<VerificationCode>,
    /// Digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    /// Its web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// How it was come by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    /// The licence that an analysis found.
    #[serde(default = "no_assertion")]
    pub license_concluded: String,
    /// The licence that its makers state.
    #[serde(default = "no_assertion")]
    pub license_declared: String,
    /// Copyright notices.
    #[serde(default = "no_assertion")]
    pub copyright_text: String,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Package URLs, CPEs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalRef>,
    /// Notices that must be passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attribution_texts: Vec<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_package_purpose: Option<Purpose>,
}

fn default_true() -> bool {
    true
}

fn no_assertion() -> String {
    super::NO_ASSERTION.into()
}

/// A digest of all listed files of a package (clause 7.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationCode {
    /// SHA-1 of the sorted SHA-1s.
    pub package_verification_code_value: String,
    /// Files that it leaves out, such as the document itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub package_verification_code_excluded_files: Vec<String>,
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checksum {
    /// How it was made.
    pub algorithm: Algorithm,
    /// Lower-case hex.
    pub checksum_value: String,
}

/// A name in another scheme.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRef {
    /// `PACKAGE-MANAGER` or `SECURITY`.
    pub reference_category: String,
    /// `purl`, `cpe23Type`, `advisory`.
    pub reference_type: String,
    /// The name.
    pub reference_locator: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its identifier in this document.
    #[serde(rename = "SPDXID")]
    pub id: Id,
    /// Its path, `./usr/bin/x`.
    pub file_name: String,
    /// Digests; SHA1 must be among them.
    pub checksums: Vec<Checksum>,
    /// The licence that an analysis found.
    #[serde(default = "no_assertion")]
    pub license_concluded: String,
    /// Licences that the file itself states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub license_info_in_files: Vec<String>,
    /// Copyright notices.
    #[serde(default = "no_assertion")]
    pub copyright_text: String,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// How one element stands to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    /// The one.
    pub spdx_element_id: Id,
    /// How.
    pub relationship_type: Relation,
    /// The other.
    pub related_spdx_element: Id,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A licence that is not on SPDX's list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractedLicense {
    /// `LicenseRef-…`.
    pub license_id: String,
    /// Its text.
    pub extracted_text: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Checksum {
    /// A SHA-256.
    #[must_use]
    pub fn sha256(digest: &Digest) -> Self {
        Self { algorithm: Algorithm::SHA256, checksum_value: digest.hex() }
    }
}

impl ExternalRef {
    /// A package URL.
    #[must_use]
    pub fn purl(purl: &super::Purl) -> Self {
        Self { reference_category: "PACKAGE-MANAGER".into(), reference_type: "purl".into(), reference_locator: purl.to_string() }
    }

    /// A CPE 2.3 name.
    #[must_use]
    pub fn cpe(name: &str) -> Self {
        Self { reference_category: "SECURITY".into(), reference_type: "cpe23Type".into(), reference_locator: name.to_owned() }
    }

    /// The record of a vulnerability by its CVE number (annex F.2.3).
    #[must_use]
    pub fn advisory(cve: &str) -> Self {
        let locator = format!("https://www.cve.org/CVERecord?id={cve}");
        Self { reference_category: "SECURITY".into(), reference_type: "advisory".into(), reference_locator: locator }
    }
}

impl Element {
    /// Makes an element of which nothing is known but its name.
    #[must_use]
    pub fn new(id: Id, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            version_info: None,
            package_file_name: None,
            supplier: None,
            originator: None,
            download_location: no_assertion(),
            files_analyzed: false,
            package_verification_code: None,
            checksums: Vec::new(),
            homepage: None,
            source_info: None,
            license_concluded: no_assertion(),
            license_declared: no_assertion(),
            copyright_text: no_assertion(),
            summary: None,
            description: None,
            comment: None,
            external_refs: Vec::new(),
            attribution_texts: Vec::new(),
            primary_package_purpose: None,
        }
    }
}

impl Relationship {
    /// States that `from` stands to `to` as `relation` says.
    #[must_use]
    pub fn new(from: &Id, relation: Relation, to: &Id) -> Self {
        Self { spdx_element_id: from.clone(), relationship_type: relation, related_spdx_element: to.clone(), comment: None }
    }
}

impl Document {
    /// Begins a document. `created` is in seconds since 1970: the epoch of what is described, never the clock.
    pub fn new(name: impl Into<String>, created: i64, organization: Option<&str>) -> Result<Self, SpdxError> {
        let time = jiff::Timestamp::from_second(created).map_err(|_| SpdxError::Time(created))?;
        let creators = [Some(TOOL.to_owned()), organization.map(|name| format!("Organization: {name}"))];
        Ok(Self {
            spdx_version: "SPDX-2.3".into(),
            data_license: "CC0-1.0".into(),
            id: Id::document(),
            name: name.into(),
            document_namespace: String::new(),
            creation_info: CreationInfo {
                created: time.to_string(),
                creators: creators.into_iter().flatten().collect(),
                license_list_version: Some(license_list_version()),
            },
            comment: Some(KIND.into()),
            packages: Vec::new(),
            files: Vec::new(),
            relationships: Vec::new(),
            has_extracted_licensing_infos: Vec::new(),
        })
    }

    /// Ends a document: sorts it, checks that it holds together, and derives its namespace below `base` from the rest.
    pub fn seal(mut self, base: &str) -> Result<Self, SpdxError> {
        self.packages.sort_by(|a, b| a.id.cmp(&b.id));
        self.files.sort_by(|a, b| a.id.cmp(&b.id));
        self.relationships.sort();
        self.relationships.dedup();
        self.has_extracted_licensing_infos.sort();
        self.has_extracted_licensing_infos.dedup();
        self.check()?;
        self.document_namespace.clear();
        let digest = Digest::of(self.to_json()).hex();
        self.document_namespace = format!("{}/{}-{digest}", base.trim_end_matches('/'), clean(&self.name));
        Ok(self)
    }

    /// Refuses an identifier used twice and a relationship that leads nowhere.
    fn check(&self) -> Result<(), SpdxError> {
        let mut ids = BTreeSet::from([&self.id]);
        for id in self.packages.iter().map(|element| &element.id).chain(self.files.iter().map(|file| &file.id)) {
            if !ids.insert(id) {
                return Err(SpdxError::Duplicate { document: self.name.clone(), id: id.clone() });
            }
        }
        let ends = self.relationships.iter().flat_map(|one| [&one.spdx_element_id, &one.related_spdx_element]);
        match ends.into_iter().find(|id| !ids.contains(id) && !id.is_outside()) {
            Some(id) => Err(SpdxError::Dangling { document: self.name.clone(), id: id.clone() }),
            None => Ok(()),
        }
    }

    /// Reads a document. `package` names whose it is in errors. Members that this module does not know are passed over.
    pub fn from_json(text: &[u8], package: &str) -> Result<Self, SpdxError> {
        let document: Self = serde_json::from_slice(text).map_err(|source| SpdxError::Parse { package: package.to_owned(), source })?;
        if matches!(document.spdx_version.as_str(), "SPDX-2.3" | "SPDX-2.2") {
            Ok(document)
        } else {
            Err(SpdxError::Version { package: package.to_owned(), found: document.spdx_version })
        }
    }

    /// Returns the document as indented JSON with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings, lists and booleans are always JSON");
        text.push('\n');
        text
    }

    /// Returns the elements that the document is about.
    pub fn described(&self) -> impl Iterator<Item = &Element> {
        let described: BTreeSet<_> = self
            .relationships
            .iter()
            .filter(|one| one.spdx_element_id == self.id && one.relationship_type == Relation::DESCRIBES)
            .map(|one| &one.related_spdx_element)
            .collect();
        self.packages.iter().filter(move |element| described.contains(&element.id))
    }
}

/// The licence list's version, as SPDX writes it: two numbers.
fn license_list_version() -> String {
    spdx_list::license_version().split('.').take(2).collect::<Vec<_>>().join(".")
}
