//! From the elements of an SPDX document to components.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Bom, Component, Dependency, Diff, Hash, LicenseChoice, Lifecycle, Metadata, Organization, Patch, Pedigree, Property, Reference, Text,
    Tools, uuid,
};
use crate::spdx::{Checksum, Document, Element, File, Id, NO_ASSERTION, Purpose, Relation};

pub(super) fn bom(document: &Document) -> Bom {
    let graph = Graph::new(document);
    let subject = document.described().next();
    // What something else is built from, or holds linked in, is told where that something is.
    let within: BTreeSet<&Id> = [Relation::GENERATED_FROM, Relation::STATIC_LINK].iter().flat_map(|it| graph.targets(it)).collect();
    let is_outer = |element: &&Element| !within.contains(&element.id) && Some(&element.id) != subject.map(|it| &it.id);
    let outer: Vec<_> = document.packages.iter().filter(is_outer).collect();
    let refs = outer.iter().copied().chain(subject);
    let mut dependencies: Vec<_> = refs.map(|element| graph.dependency(element)).collect();
    dependencies.sort_by(|a, b| a.from.cmp(&b.from));
    Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: uuid(&document.document_namespace),
        version: 1,
        metadata: Metadata {
            timestamp: document.creation_info.created.clone(),
            lifecycles: [Lifecycle { phase: "build" }],
            tools: Tools { components: tools(document) },
            component: subject.map(|element| graph.component(element)),
            supplier: subject.and_then(supplier),
        },
        components: outer.iter().map(|element| graph.component(element)).collect(),
        dependencies,
    }
}

fn tools(document: &Document) -> Vec<Component> {
    let tools = document.creation_info.creators.iter().filter_map(|creator| creator.strip_prefix("Tool: "));
    let tool = |name: &str| {
        let (name, version) = name.rsplit_once('-').map_or((name, None), |(name, version)| (name, Some(version.to_owned())));
        Component { kind: "application", name: name.to_owned(), version, ..Component::default() }
    };
    tools.map(tool).collect()
}

/// A document's elements and relationships, by identifier.
struct Graph<'a> {
    document: &'a Document,
    elements: BTreeMap<&'a Id, &'a Element>,
    relations: BTreeMap<(&'a Id, &'a Relation), Vec<&'a Id>>,
}

impl<'a> Graph<'a> {
    fn new(document: &'a Document) -> Self {
        let mut relations: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &document.relationships {
            relations.entry((&one.spdx_element_id, &one.relationship_type)).or_default().push(&one.related_spdx_element);
        }
        Self { document, elements: document.packages.iter().map(|element| (&element.id, element)).collect(), relations }
    }

    fn targets(&self, relation: &Relation) -> impl Iterator<Item = &'a Id> {
        self.relations.iter().filter(move |((_, kind), _)| *kind == relation).flat_map(|(_, targets)| targets.iter().copied())
    }

    fn related(&self, from: &Element, relation: &Relation) -> Vec<&'a Element> {
        let ids = self.relations.get(&(&from.id, relation)).into_iter().flatten();
        ids.filter_map(|id| self.elements.get(id).copied()).collect()
    }

    fn dependency(&self, element: &Element) -> Dependency {
        let needs = [Relation::CONTAINS, Relation::DEPENDS_ON].map(|relation| self.related(element, &relation)).concat();
        let ids: BTreeSet<_> = needs.into_iter().map(|element| element.id.to_string()).collect();
        Dependency { from: element.id.to_string(), depends_on: ids.into_iter().collect() }
    }

    /// An element with what it was built from and what was linked into it.
    fn component(&self, element: &Element) -> Component {
        let mut component = self.bare(element);
        component.bom_ref = Some(element.id.to_string());
        let linked = self.related(element, &Relation::STATIC_LINK).into_iter().map(|linked| self.bare(linked));
        component.components = linked.chain(self.files(element)).collect();
        let mut pedigree = Pedigree::default();
        for source in self.related(element, &Relation::GENERATED_FROM) {
            if self.relations.contains_key(&(&source.id, &Relation::PATCH_FOR)) || source.comment.as_deref() == Some("a patch") {
                pedigree.patches.push(patch(source));
                component.properties.extend(source.checksums.iter().map(|sum| Property {
                    name: format!("undistro:patch:{}:{}", source.name, sum.algorithm.as_str().to_lowercase()),
                    value: sum.checksum_value.clone(),
                }));
            } else {
                pedigree.ancestors.push(self.bare(source));
            }
        }
        if pedigree != Pedigree::default() {
            component.pedigree = Some(pedigree);
        }
        component
    }

    /// The files that are listed of an element.
    fn files(&self, element: &Element) -> impl Iterator<Item = Component> {
        let held: BTreeSet<_> = self.relations.get(&(&element.id, &Relation::CONTAINS)).into_iter().flatten().copied().collect();
        let hashes = |file: &File| file.checksums.iter().filter_map(hash).collect();
        self.document.files.iter().filter(move |file| held.contains(&file.id)).map(move |file| Component {
            kind: "file",
            bom_ref: Some(file.id.to_string()),
            name: file.file_name.trim_start_matches('.').to_owned(),
            description: file.comment.clone(),
            hashes: hashes(file),
            ..Component::default()
        })
    }

    fn bare(&self, element: &Element) -> Component {
        let reference =
            |kind: &str| element.external_refs.iter().find(|one| one.reference_type == kind).map(|one| one.reference_locator.clone());
        let (licenses, properties) = self.licenses(&element.license_declared);
        Component {
            kind: kind(element),
            supplier: supplier(element),
            name: element.name.clone(),
            version: element.version_info.clone(),
            description: element.summary.clone().or_else(|| element.source_info.clone()),
            hashes: element.checksums.iter().filter_map(hash).collect(),
            licenses,
            copyright: Some(element.copyright_text.clone()).filter(|text| is_stated(text)),
            cpe: reference("cpe23Type"),
            purl: reference("purl"),
            external_references: references(element),
            properties,
            ..Component::default()
        }
    }

    /// A single licence with its text where SPDX has no text for it, else the expression; then the texts are properties.
    fn licenses(&self, expression: &str) -> (Vec<LicenseChoice>, Vec<Property>) {
        if !is_stated(expression) {
            return (Vec::new(), Vec::new());
        }
        let words: BTreeSet<_> = expression.split([' ', '(', ')']).collect();
        let own: Vec<_> = self.document.has_extracted_licensing_infos.iter().filter(|it| words.contains(it.license_id.as_str())).collect();
        if let [only] = own.as_slice()
            && only.license_id == expression
        {
            let name = only.name.clone().unwrap_or_else(|| only.license_id.clone());
            return (vec![LicenseChoice::License { name, text: Text { content: only.extracted_text.clone() } }], Vec::new());
        }
        let property = |it: &&crate::spdx::ExtractedLicense| Property {
            name: format!("undistro:license-text:{}", it.license_id),
            value: it.extracted_text.clone(),
        };
        (vec![LicenseChoice::Expression(expression.to_owned())], own.iter().map(property).collect())
    }
}

fn is_stated(text: &str) -> bool {
    !matches!(text, NO_ASSERTION | "NONE" | "")
}

fn supplier(element: &Element) -> Option<Organization> {
    let stated = element.supplier.as_deref().filter(|text| is_stated(text))?;
    let name = stated.split_once(": ").map_or(stated, |(_, name)| name);
    Some(Organization { name: name.to_owned() })
}

fn patch(source: &Element) -> Patch {
    let url = Some(source.download_location.clone()).filter(|url| is_stated(url));
    Patch { kind: "unofficial", diff: url.map(|url| Diff { url }) }
}

fn references(element: &Element) -> Vec<Reference> {
    let kind = if element.download_location.starts_with("git+") { "vcs" } else { "distribution" };
    let location = Some(Reference { kind, url: element.download_location.clone() }).filter(|it| is_stated(&it.url));
    let homepage = element.homepage.clone().filter(|url| is_stated(url)).map(|url| Reference { kind: "website", url });
    homepage.into_iter().chain(location).collect()
}

fn kind(element: &Element) -> &'static str {
    match element.primary_package_purpose.as_ref().map(Purpose::as_str) {
        Some("CONTAINER") => "container",
        Some("OPERATING-SYSTEM") => "operating-system",
        Some("FILE") => "file",
        Some("APPLICATION") => "application",
        _ => "library",
    }
}

fn hash(sum: &Checksum) -> Option<Hash> {
    Some(Hash { alg: algorithm(sum.algorithm.as_str())?, content: sum.checksum_value.clone() })
}

fn algorithm(name: &str) -> Option<&'static str> {
    match name {
        "SHA1" => Some("SHA-1"),
        "SHA256" => Some("SHA-256"),
        "SHA384" => Some("SHA-384"),
        "SHA512" => Some("SHA-512"),
        "MD5" => Some("MD5"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spdx::{self, Component as Package, Contents, Linked, MadeFile, Part, Purl};

    fn image() -> Document {
        let linked = Linked {
            supplier: Some("Debian".into()),
            name: "libgcc-12-dev".into(),
            version: "12.2.0-14".into(),
            purl: Purl::new("deb", "libgcc-12-dev").namespace("debian").version("12.2.0-14"),
            license: "GPL-3.0-or-later WITH GCC-exception-3.1".into(),
            digest: base::Digest::of("deb"),
        };
        let custom = Package { license: "Custom".into(), name: "custom".into(), ..spdx::example() };
        let parts = [Package { linked: vec![linked], ..spdx::example() }, custom].map(|component| Part {
            content: base::Digest::of(&component.name),
            component,
            document: None,
        });
        let contents = Contents {
            name: "nginx",
            manifest: base::Digest::of("manifest"),
            arch: "amd64",
            created: 5,
            supplier: Some("Undistro"),
            distro: Some(("undistro", "1")),
            parts: &parts,
            requires: &[(1, 0)],
            made: &[MadeFile { path: "etc/passwd".into(), sha1: "ab".repeat(20), sha256: base::Digest::of("passwd"), target: None }],
        };
        spdx::image(&contents, "https://undistro.example/spdx").unwrap()
    }

    #[test]
    fn says_what_the_spdx_document_says() {
        insta::assert_snapshot!(bom(&image()).to_json());
    }

    #[test]
    fn two_documents_have_two_serial_numbers() {
        let package = spdx::package(&spdx::example(), 5, "https://undistro.example/spdx").unwrap();
        let [one, other] = [bom(&package), bom(&image())].map(|bom| bom.serial_number);
        assert_ne!(one, other);
        assert_eq!(one.len(), "urn:uuid:".len() + 36);
    }
}
