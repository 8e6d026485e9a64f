//! The Emit action: output trees become packages. One table per package feeds analysis, checks, SBOM and archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};

use apk::{Info, PackageError, Scripts};
use attest::spdx::{self, Checksum, Component, Source, SourceKind, SpdxError};
use base::tree::{Entry, Kind, TreePath};
use base::{Dependency, DependencyError, Digest, PackageName, Store, StoreError, Version};
use source::Expected;
use spec::fixes::Fixes;
use spec::recipe::{Recipe, Scriptlets};

use crate::action::{Action as _, Emit, EmitResult, Emitted};
use crate::analyse::{self, AnalyseError, Analysis, Content, Libraries};
use crate::distro::{Product, products};
use crate::fixes::{self, Applied};
use crate::licenses;
use crate::lint::{self, Finding, Severity};
use crate::output::{Output, OutputError};
use crate::setcap::{self, SetCapError};
use crate::sources;
use crate::timeline::{Phase, Timeline};
use crate::work::{Fetch, Job, Work};

/// Why packages could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The definition says something that apk can not hold.
    #[error("{package}: `{field}`: `{text}`")]
    Dependency {
        /// The package.
        package: PackageName,
        /// Where.
        field: &'static str,
        /// What it says.
        text: String,
        /// What is wrong.
        #[source]
        source: DependencyError,
    },
    /// The version is none that apk knows.
    #[error("{package}")]
    Version {
        /// The package.
        package: PackageName,
        /// What is wrong.
        #[source]
        source: base::VersionError,
    },
    /// A priority is negative.
    #[error("{package}: a priority is a number from 0, not {value}")]
    Priority {
        /// The package.
        package: PackageName,
        /// What it says.
        value: i64,
    },
    /// A file can not have the capabilities that the definition asks for.
    #[error("{package}")]
    SetCap {
        /// The package.
        package: PackageName,
        /// Which, and why.
        #[source]
        source: SetCapError,
    },
    /// A check found what must not be.
    #[error("{package} holds what no package may hold:\n{}", list(findings))]
    Findings {
        /// The package.
        package: PackageName,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// Output can not be read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file can not be looked at.
    #[error("{package}")]
    Analyse {
        /// The package.
        package: PackageName,
        /// Which file, and why.
        #[source]
        source: AnalyseError,
    },
    /// The SBOM can not be written.
    #[error("the SBOM of {package}")]
    Sbom {
        /// The package.
        package: PackageName,
        /// Why.
        #[source]
        source: SpdxError,
    },
    /// It can not be packed.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The store failed.
    #[error("while keeping packages")]
    Store(#[from] StoreError),
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {finding}")).collect::<Vec<_>>().join("\n")
}

/// What Emit is given besides the trees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) jobs: &'a [Job],
    pub(crate) distro: &'a spec::distro::Distro,
    pub(crate) fixes: Option<&'a Fixes>,
    pub(crate) epoch: i64,
    /// What of the build root was linked into each package.
    pub(crate) linked: &'a BTreeMap<PackageName, Vec<spdx::Linked>>,
    /// The files that hold licences, by their path in the workspace.
    pub(crate) licenses: &'a BTreeMap<String, String>,
    /// Hears how long analysis takes.
    pub(crate) timeline: &'a Timeline,
}

impl About<'_> {
    /// The part of the key that is no tree: everything that packages say of themselves.
    pub(crate) fn key(&self) -> serde_json::Value {
        let recipe = self.recipe;
        let product = |product: &Product<'_>| {
            serde_json::json!({
                "name": product.name,
                "description": product.description,
                "url": product.url,
                "dependencies": product.dependencies,
                "options": product.options,
                "scriptlets": product.scriptlets,
                "checks-disabled": product.checks_disabled,
                "setcap": product.setcap,
            })
        };
        let linked =
            |one: &spdx::Linked| serde_json::json!([one.name, one.version, one.purl.to_string(), one.license, one.supplier, one.digest]);
        let source = |fetch: &Fetch| serde_json::json!([fetch.expected, fetch.uri, fetch.purl]);
        let mut key = serde_json::json!({
            "version": recipe.full_version(),
            "copyright": recipe.copyright,
            "cpe": recipe.cpe,
            "products": products(recipe).iter().map(product).collect::<Vec<_>>(),
            "sources": sources::pinned(self.jobs).map(source).collect::<Vec<_>>(),
            "patches": patches(self.jobs),
            "distro": [&self.distro.id, &self.distro.name],
            "home-url": self.distro.home_url,
            "licenses": self.licenses,
            "linked": self.linked.iter().map(|(name, all)| (name.to_string(), all.iter().map(linked).collect())).collect::<serde_json::Map<_, _>>(),
        });
        if let Some(fixes) = self.fixes {
            key["fixes"] = serde_json::json!(fixes::applied(fixes));
        }
        key
    }
}

/// What Emit gave.
#[derive(Debug)]
pub(crate) struct Emission {
    pub(crate) packages: Vec<Emitted>,
    /// The key of the action.
    pub(crate) key: Digest,
    /// Whether they had been made before.
    pub(crate) was_there: bool,
}

/// Makes the packages of a recipe, or finds that they were made.
pub(crate) fn emit(about: &About<'_>, outputs: &BTreeMap<PackageName, Digest>, store: &Store) -> Result<Emission, EmitError> {
    let action = Emit { arch: about.recipe.arch, epoch: about.epoch, outputs, about: about.key() };
    let key = action.key();
    if let Some(done) = action.recorded(store)? {
        let is_whole = |one: &Emitted| one.record.content.is_some_and(|content| store.blob(&content).is_some());
        if done.packages.iter().all(is_whole) {
            return Ok(Emission { packages: done.packages, key, was_there: true });
        }
    }
    let mut trees = BTreeMap::new();
    for (name, digest) in outputs {
        trees.insert(name, Output::open(store, digest)?.ok_or(StoreError::Missing { digest: *digest })?);
    }
    let siblings = siblings(about.recipe, &trees)?;
    let mut packages = Vec::new();
    for product in products(about.recipe) {
        let Some(tree) = trees.get(product.name) else { continue };
        packages.push(emit_one(about, &product, tree, &siblings, store)?);
    }
    let result = EmitResult { packages };
    action.record(store, &result)?;
    Ok(Emission { packages: result.packages, key, was_there: false })
}

fn siblings(recipe: &Recipe, trees: &BTreeMap<&PackageName, Output>) -> Result<Libraries, EmitError> {
    let mut siblings = Libraries::default();
    for (name, tree) in trees {
        let error = |source| EmitError::Analyse { package: (*name).clone(), source };
        siblings.extend(Libraries::of(&tree.entries, recipe.arch, &mut |entry| open(tree, entry)).map_err(error)?);
    }
    Ok(siblings)
}

fn open(tree: &Output, entry: &Entry) -> io::Result<Box<dyn Content>> {
    Ok(Box::new(tree.file(entry)?))
}

fn emit_one(about: &About<'_>, product: &Product<'_>, tree: &Output, siblings: &Libraries, store: &Store) -> Result<Emitted, EmitError> {
    let analysing = about.timeline.measure(about.recipe.name.as_str(), Phase::Analyse, product.name.as_str());
    let analysis = look(about.recipe, product, tree, siblings)?;
    drop(analysing);
    let subject = lint::Subject { name: product.name.as_str(), entries: &tree.entries, elf: &analysis.elf };
    let findings = lint::lint(&subject, product.checks_disabled);
    let required: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Required).cloned().collect();
    if !required.is_empty() {
        return Err(EmitError::Findings { package: product.name.clone(), findings: required });
    }
    let info = info(about, product, &analysis)?;
    let (mut entries, extra) = with_sbom(tree, sbom(about, product)?, &info, about.epoch);
    setcap::apply(product.setcap, &mut entries).map_err(|source| EmitError::SetCap { package: product.name.clone(), source })?;
    let mut open = |entry: &Entry| -> io::Result<Box<dyn Read>> {
        match extra.get(&entry.path) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Ok(Box::new(tree.file(entry)?)),
        }
    };
    let package = apk::package::store_package(store, &info, &scripts(product.scriptlets), &entries, &mut open, about.epoch)?;
    Ok(Emitted { record: package.record().clone(), findings })
}

fn look(recipe: &Recipe, product: &Product<'_>, tree: &Output, siblings: &Libraries) -> Result<Analysis, EmitError> {
    let options = analyse::Options {
        no_provides: product.options.no_provides,
        no_depends: product.options.no_depends,
        no_commands: product.options.no_commands,
        library_directories: Vec::new(),
    };
    let version = version(recipe)?;
    let subject = analyse::Subject { version: &version, arch: recipe.arch, entries: &tree.entries, options: &options, siblings };
    let error = |source| EmitError::Analyse { package: product.name.clone(), source };
    analyse::analyse(&subject, &mut |entry| open(tree, entry)).map_err(error)
}

fn version(recipe: &Recipe) -> Result<Version, EmitError> {
    let error = |source| EmitError::Version { package: recipe.name.clone(), source };
    recipe.full_version().parse().map_err(error)
}

/// What the package says of itself: what its definition says, and what was found in it.
fn info(about: &About<'_>, product: &Product<'_>, analysis: &Analysis) -> Result<Info, EmitError> {
    let recipe = about.recipe;
    let parse = |field: &'static str, texts: &[String]| {
        let parse = |text: &String| {
            let error = |source| EmitError::Dependency { package: product.name.clone(), field, text: text.clone(), source };
            text.parse::<Dependency>().map_err(error)
        };
        texts.iter().map(parse).collect::<Result<Vec<_>, _>>()
    };
    let priority = |value: Option<i64>| {
        let error = |value| EmitError::Priority { package: product.name.clone(), value };
        value.map(|value| u64::try_from(value).map_err(|_| error(value))).transpose()
    };
    let mut provides = parse("provides", &product.dependencies.provides)?;
    let explicit: BTreeSet<String> = provides.iter().map(|one| one.name.clone()).collect();
    provides.extend(analysis.provides.iter().filter(|found| !explicit.contains(&found.name)).cloned());
    let mut depends = parse("runtime", &product.dependencies.runtime)?;
    // What the definition says of a name stands; and what the package provides itself it does not need.
    let stated: BTreeSet<String> = depends.iter().map(|one| one.name.clone()).chain(explicit).collect();
    depends.extend(analysis.depends.iter().filter(|found| !stated.contains(&found.name)).cloned());
    let sorted = |mut list: Vec<Dependency>| {
        list.sort_by_cached_key(Dependency::to_string);
        list.dedup();
        list
    };
    let mut info = Info::new(product.name.clone(), version(recipe)?, recipe.arch.apk());
    info.description = product.description.to_owned();
    info.url = product.url.to_owned();
    info.license = license(recipe);
    info.origin = Some(recipe.name.clone());
    info.build_time = Some(about.epoch);
    info.provides = sorted(provides);
    info.depends = sorted(depends);
    info.replaces = sorted(parse("replaces", &product.dependencies.replaces)?);
    info.provider_priority = priority(product.dependencies.provider_priority)?;
    info.replaces_priority = priority(product.dependencies.replaces_priority)?;
    info.triggers = product.scriptlets.trigger.as_ref().map(|trigger| trigger.paths.clone()).unwrap_or_default();
    Ok(info)
}

/// The licences that all hold, as one SPDX expression.
fn license(recipe: &Recipe) -> String {
    let mut licenses: Vec<&str> = Vec::new();
    for license in recipe.copyright.iter().map(|one| one.license.as_str()).filter(|license| !license.is_empty()) {
        if !licenses.contains(&license) {
            licenses.push(license);
        }
    }
    let many = licenses.len() > 1;
    // `A OR B AND C` would mean `A OR (B AND C)`.
    let grouped = licenses.iter().map(|one| if many && one.contains(" OR ") { format!("({one})") } else { (*one).to_owned() });
    grouped.collect::<Vec<_>>().join(" AND ")
}

fn scripts(scriptlets: &Scriptlets) -> Scripts {
    let trigger = scriptlets.trigger.as_ref().map(|trigger| &trigger.script);
    let all = [
        (".trigger", trigger),
        (".pre-install", scriptlets.pre_install.as_ref()),
        (".post-install", scriptlets.post_install.as_ref()),
        (".pre-deinstall", scriptlets.pre_deinstall.as_ref()),
        (".post-deinstall", scriptlets.post_deinstall.as_ref()),
        (".pre-upgrade", scriptlets.pre_upgrade.as_ref()),
        (".post-upgrade", scriptlets.post_upgrade.as_ref()),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.clone().into_bytes()))).collect()
}

/// The patches that the steps name, in order.
fn patches(jobs: &[Job]) -> Vec<&str> {
    let named = jobs.iter().filter_map(|job| match &job.work {
        Work::Patch { patches, .. } => Some(patches),
        _ => None,
    });
    named.flatten().map(String::as_str).collect()
}

fn sbom(about: &About<'_>, product: &Product<'_>) -> Result<Vec<u8>, EmitError> {
    let recipe = about.recipe;
    let component = Component {
        name: product.name.to_string(),
        version: recipe.full_version(),
        arch: recipe.arch.apk().to_owned(),
        distro: about.distro.id.clone(),
        supplier: Some(about.distro.name.clone()),
        description: product.description.to_owned(),
        license: license(recipe),
        license_texts: license_texts(about),
        copyright: copyright(about),
        notices: about.licenses.values().map(|text| text.trim_end().to_owned()).collect(),
        homepage: Some(product.url.to_owned()).filter(|url| !url.is_empty()),
        origin: (product.name != &recipe.name).then(|| recipe.name.to_string()),
        cpe: recipe.cpe.as_ref().map(|cpe| cpe_name(recipe, cpe)),
        sources: came_from(about),
        linked: about.linked.get(product.name).cloned().unwrap_or_default(),
    };
    let namespace = about.distro.home_url.as_deref().unwrap_or(spdx::DEFAULT_NAMESPACE);
    let error = |source| EmitError::Sbom { package: product.name.clone(), source };
    Ok(spdx::package(&component, about.epoch, namespace).map_err(error)?.to_json().into_bytes())
}

/// The texts of licences, by their names in the definition: used for those that SPDX does not list.
fn license_texts(about: &About<'_>) -> BTreeMap<String, String> {
    let text = |one: &spec::recipe::Copyright| Some((one.license.clone(), about.licenses.get(one.license_path.as_ref()?)?.clone()));
    about.recipe.copyright.iter().filter_map(text).collect()
}

/// What the definition attests, else the notices in the licences' files. `NONE` where these hold none, and where nothing of
/// anybody else's went in.
fn copyright(about: &About<'_>) -> Option<String> {
    let attested: Vec<String> = about.recipe.copyright.iter().filter_map(|one| one.attestation.clone()).collect();
    let notices = if attested.is_empty() { licenses::notices(about.licenses.values()) } else { attested };
    if !notices.is_empty() {
        return Some(notices.join("\n"));
    }
    let is_known = !about.licenses.is_empty() || sources::pinned(about.jobs).next().is_none();
    is_known.then(|| spdx::NONE.to_owned())
}

/// Everything a package is made of: what the steps fetch, and the patches that lie in it.
fn came_from(about: &About<'_>) -> Vec<Source> {
    let fetched: Vec<&Fetch> = sources::pinned(about.jobs).collect();
    let applied = about.fixes.map(fixes::applied).unwrap_or_default();
    // The first archive that carries no patches is what they change.
    let carries = |fetch: &Fetch| applied.iter().any(|one| one.uri == fetch.uri);
    let of = fetched.iter().position(|fetch| fetch.unpack.is_some() && !carries(fetch));
    let patch = |one: &Applied<'_>| SourceKind::Patch { of, fixes: one.cves.clone() };
    let by_debian = |uri: &str| uri.starts_with("debian:").then(|| format!("as distributed by Debian: {uri}"));
    let file = |fetch: &&Fetch| Source {
        name: if fetch.purl.0.is_empty() { fetch.file_name.clone() } else { fetch.purl.0.clone() },
        version: Some(fetch.purl.1.clone()).filter(|version| !version.is_empty()),
        kind: match applied.iter().find(|one| one.inside.is_none() && one.uri == fetch.uri) {
            Some(one) => patch(one),
            None if fetch.unpack.is_some() => SourceKind::Archive,
            None => SourceKind::File,
        },
        locations: vec![fetch.uri.clone()],
        checksums: match &fetch.expected {
            Expected::Sha256(digest) => vec![Checksum::sha256(digest)],
            Expected::Sha512(_) => Vec::new(),
        },
        note: by_debian(&fetch.uri),
    };
    let inside = applied.iter().filter_map(|one| {
        let path = one.inside.as_ref()?;
        let carrier = fetched.iter().find(|fetch| fetch.uri == one.uri)?;
        let note = by_debian(one.uri).unwrap_or_else(|| one.uri.to_owned());
        Some(Source {
            name: one.patch.to_owned(),
            version: None,
            kind: patch(one),
            locations: vec![format!("{}#{path}", one.uri)],
            checksums: Vec::new(),
            note: Some(format!("{path} in the file with {}; {note}", carrier.expected)),
        })
    });
    fetched.iter().map(file).chain(inside).collect()
}

/// The CPE 2.3 name (NISTIR 7695, section 6.2).
fn cpe_name(recipe: &Recipe, cpe: &spec::recipe::Cpe) -> String {
    let part = |text: &Option<String>, absent: &str| text.clone().unwrap_or_else(|| absent.to_owned());
    let mut fields = vec![part(&cpe.part, "a"), part(&cpe.vendor, "*"), part(&cpe.product, "*"), recipe.version.clone()];
    fields.push("*".to_owned());
    fields.extend([&cpe.edition, &cpe.language, &cpe.sw_edition, &cpe.target_sw, &cpe.target_hw, &cpe.other].map(|text| part(text, "*")));
    format!("cpe:2.3:{}", fields.join(":"))
}

/// Adds the SBOM to the table, with the directories above it.
fn with_sbom(tree: &Output, sbom: Vec<u8>, info: &Info, epoch: i64) -> (Vec<Entry>, BTreeMap<TreePath, Vec<u8>>) {
    let text = format!("var/lib/db/sbom/{}-{}.spdx.json", info.name, info.version);
    let path = TreePath::parse(&text).unwrap_or_else(|_| unreachable!("names and versions hold no slash"));
    let mut entries = tree.entries.clone();
    let held: BTreeSet<TreePath> = entries.iter().map(|entry| entry.path.clone()).collect();
    for above in path.ancestors().filter(|above| !held.contains(above)) {
        entries.push(Entry::new(above, Kind::Directory, 0o755, epoch));
    }
    let kind = Kind::File { size: sbom.len() as u64, digest: Some(Digest::of(&sbom)) };
    entries.retain(|entry| entry.path != path);
    entries.push(Entry::new(path.clone(), kind, 0o644, epoch));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    (entries, BTreeMap::from([(path, sbom)]))
}
