//! Compares `fixes.yaml` with the steps that apply patches, and with the patches that pinned sources carry.
//!
//! What the steps say is compared whenever definitions are loaded: packages state in their SBOM which holes are closed,
//! so a definition that states it wrongly can not be built. What the sources carry needs the sources; [`review`] reads
//! them from the store and never fetches.

mod carrier;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{PackageName, StoreError, Version};
use source::Fetcher;
use spec::fixes::{Cve, Fate, Fix, Fixes};
use spec::package::LoadError;
use spec::{Code, Diagnostic, Diagnostics, Recipe};

use crate::distro::Distro;
use crate::sources;
use crate::work::{self, Fetch, Job, Work, WorkError};

pub use carrier::CarrierError;

/// The name of the file beside a definition.
const FILE: &str = "fixes.yaml";

/// The list of patches in Debian's archives (dpkg-source(1), format 3.0).
const SERIES: &str = "debian/patches/series";

/// Why fixes could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum FixesError {
    /// `fixes.yaml` can not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A step is none that can be carried out.
    #[error("{package}")]
    Work {
        /// The definition.
        package: PackageName,
        /// Which, and why.
        #[source]
        source: WorkError,
    },
    /// A source that carries patches can not be read.
    #[error("{package}: the patches in {uri}")]
    Carrier {
        /// The definition.
        package: PackageName,
        /// The source.
        uri: String,
        /// Why.
        #[source]
        source: CarrierError,
    },
    /// The store failed.
    #[error("while looking for the sources of {package}")]
    Store {
        /// The definition.
        package: PackageName,
        /// What it said.
        #[source]
        source: StoreError,
    },
}

/// What was found about the fixes of one definition.
#[derive(Debug)]
pub struct Review {
    /// The file that the findings are about: `fixes.yaml`, or `package.yaml` where there is none.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What was found.
    pub found: Diagnostics,
    /// What could not be compared.
    pub unchecked: Vec<Unchecked>,
}

/// Something that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unchecked {
    /// The store does not have this source.
    NotStored {
        /// Its address.
        uri: String,
    },
    /// The sources are Debian's, and the file with its patches is not pinned.
    NotPinned,
}

/// Compares the fixes of one definition with its steps and, where a fetcher gives its store, with what the sources carry.
///
/// A definition that pins no patches of others and has no `fixes.yaml` gives nothing.
pub fn review(recipe: &Recipe, folder: &Path, fetcher: Option<&Fetcher<'_>>) -> Result<Option<Review>, FixesError> {
    let jobs = work::jobs(recipe).map_err(|source| FixesError::Work { package: recipe.name.clone(), source })?;
    let carriers: Vec<&Fetch> = sources::pinned(&jobs).filter(|fetch| carrier::is_carrier(&fetch.file_name)).collect();
    let path = folder.join(FILE);
    if !path.is_file() {
        // Of Debian's own programs there is one archive, and no file with patches beside it (dpkg-source(1), 3.0 native).
        let from_debian = sources::pinned(&jobs).any(|fetch| fetch.uri.starts_with("debian:") && fetch.uri.contains(".orig"));
        return if carriers.is_empty() && !from_debian { Ok(None) } else { without_file(folder, &carriers).map(Some) };
    }
    let text = spec::package::read_text(&path)?;
    let mut review = Review { path, text, found: Diagnostics::new(), unchecked: Vec::new() };
    let fixes = match spec::fixes::parse(&review.text) {
        Ok(fixes) => fixes,
        Err(found) => return Ok(Some(Review { found, ..review })),
    };
    review.found = against_steps(&fixes, recipe, &jobs);
    for fetch in &carriers {
        if fixes.carrier.as_ref().is_none_or(|carrier| carrier.uri.value != fetch.uri) {
            review.found.push(uncovered(fetch));
        }
    }
    let Some(carrier) = &fixes.carrier else {
        return Ok(Some(review));
    };
    // A carrier that no step fetches is a finding already.
    let Some(fetch) = sources::pinned(&jobs).find(|fetch| fetch.uri == carrier.uri.value) else { return Ok(Some(review)) };
    let store_error = |source| FixesError::Store { package: recipe.name.clone(), source };
    let stored = fetcher.map(|fetcher| fetcher.stored(&fetch.expected)).transpose().map_err(store_error)?.flatten();
    let (Some(stored), Some(fetcher)) = (stored, fetcher) else {
        review.unchecked.push(Unchecked::NotStored { uri: fetch.uri.clone() });
        return Ok(Some(review));
    };
    let series = carrier.series.as_ref().map_or(SERIES, |series| series.value.as_str());
    let error = |source| FixesError::Carrier { package: recipe.name.clone(), uri: fetch.uri.clone(), source };
    let carried = carrier::read(fetcher.store(), &stored.digest, &fetch.file_name, series).map_err(error)?;
    against_series(&fixes, &carried, &mut review.found);
    Ok(Some(review))
}

fn without_file(folder: &Path, carriers: &[&Fetch]) -> Result<Review, FixesError> {
    let path = folder.join("package.yaml");
    let text = spec::package::read_text(&path)?;
    let mut found = Diagnostics::new();
    carriers.iter().for_each(|fetch| found.push(uncovered(fetch)));
    let unchecked = if carriers.is_empty() { vec![Unchecked::NotPinned] } else { Vec::new() };
    Ok(Review { path, text, found, unchecked })
}

/// A file with patches that no `fixes.yaml` tells of.
fn uncovered(fetch: &Fetch) -> Diagnostic {
    let text = format!("`{}` carries patches, and no `fixes.yaml` says what became of them", fetch.uri);
    let error = Diagnostic { span: None, ..Diagnostic::error(Code::UnlistedFix, spec::yaml::Span::default(), text) };
    error.help("name it as `source:` in `fixes.yaml`, with each patch of its series: applied, or waived with the reason")
}

/// Compares what `fixes.yaml` says with what the steps of the definition do.
pub(crate) fn against_steps(fixes: &Fixes, recipe: &Recipe, jobs: &[Job]) -> Diagnostics {
    let mut found = Diagnostics::new();
    let mut untrue = |span, text: String, help: &str| found.push(Diagnostic::error(Code::UntrueFix, span, text).help(help));
    let pinned: BTreeMap<&str, &str> = sources::pinned(jobs).map(|fetch| (fetch.uri.as_str(), fetch.file_name.as_str())).collect();
    if let Some(carrier) = fixes.carrier.as_ref().filter(|carrier| !pinned.contains_key(carrier.uri.value.as_str())) {
        let text = format!("`package.yaml` does not fetch `{}`", carrier.uri);
        untrue(carrier.uri.span, text, "after a change of version, name the new file and go through its series again");
    }
    let current: Option<Version> = recipe.full_version().parse().ok();
    for fix in &fixes.fixes {
        match fix.source.as_ref().map(|source| (source, pinned.get(source.value.as_str()))) {
            Some((source, None)) => {
                untrue(source.span, format!("`package.yaml` does not fetch `{source}`"), "fetch it there by hash");
            }
            Some((_, Some(name))) if *name != fix.patch.value => {
                untrue(fix.patch.span, format!("the file of `{}` is called `{name}`", fix.patch), "call the patch so");
            }
            _ => {}
        }
        match (&fix.fate, is_used(fix, fixes, jobs)) {
            (Fate::Applied(_), false) => {
                let text = format!("`{}` is said to be applied, and no `patch` step names it", fix.patch);
                untrue(fix.patch.span, text, "name it in a `patch` step, or write `waived:` with the reason");
            }
            (Fate::Waived(_), true) => {
                let text = format!("`{}` is said to be waived, and a `patch` step applies it", fix.patch);
                untrue(fix.patch.span, text, "write `applied:` with our first version that has it");
            }
            _ => {}
        }
        if let (Fate::Applied(since), Some(current)) = (&fix.fate, &current)
            && since.value > *current
        {
            let text = format!("{since} is later than the version of the definition, {current}");
            untrue(since.span, text, "write our first version that has the patch");
        }
    }
    found
}

/// Whether a `patch` step applies it, by its name or by the whole series.
fn is_used(fix: &Fix, fixes: &Fixes, jobs: &[Job]) -> bool {
    let ends_with = |path: &str, name: &str| path == name || path.strip_suffix(name).is_some_and(|above| above.ends_with('/'));
    let series = fixes.carrier.as_ref().filter(|_| fix.source.is_none());
    let series = series.map(|carrier| carrier.series.as_ref().map_or(SERIES, |series| series.value.as_str()));
    jobs.iter().any(|job| match &job.work {
        Work::Patch { patches, series: whole, .. } => {
            patches.iter().any(|path| ends_with(path, &fix.patch))
                || whole.as_deref().is_some_and(|whole| series.is_some_and(|series| ends_with(whole, series) || ends_with(series, whole)))
        }
        _ => false,
    })
}

/// Compares what `fixes.yaml` lists with what the source carries.
fn against_series(fixes: &Fixes, carried: &carrier::Carried, found: &mut Diagnostics) {
    let Some(carrier) = &fixes.carrier else { return };
    let place = carrier.series.as_ref().unwrap_or(&carrier.uri);
    if let (Some(series), None) = (&carrier.series, &carried.series) {
        found.push(Diagnostic::error(Code::UntrueFix, series.span, format!("`{}` holds no `{series}`", carrier.uri)));
    }
    let series = carried.series.as_deref().unwrap_or_default();
    let listed: Vec<&Fix> = fixes.fixes.iter().filter(|fix| fix.source.is_none()).collect();
    for name in series.iter().filter(|name| !listed.iter().any(|fix| fix.patch.value == **name)) {
        let error = Diagnostic::error(Code::UnlistedFix, place.span, format!("`{name}` is carried and neither applied nor waived"));
        found.push(error.help("add it to `fixes`: apply it and write `applied:`, or write `waived:` with the reason"));
    }
    let others: Vec<&Fix> = listed.into_iter().filter(|fix| !series.contains(&fix.patch.value)).collect();
    // A diff of format 1.0 is itself a patch, and its name is whatever the steps call it.
    let mut others = others.as_slice();
    if carried.is_patch {
        match others.split_first() {
            Some((_, rest)) => others = rest,
            None => {
                let text = format!("`{}` is itself a patch, neither applied nor waived", carrier.uri);
                found.push(
                    Diagnostic::error(Code::UnlistedFix, carrier.uri.span, text)
                        .help("add it to `fixes`, under the name that the steps use"),
                );
            }
        }
    }
    for fix in others {
        let error = Diagnostic::error(Code::UntrueFix, fix.patch.span, format!("`{}` is not carried by `{}`", fix.patch, carrier.uri));
        found.push(error.help("take it out, or correct the name"));
    }
}

/// A patch that is applied, as packages tell of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Applied<'a> {
    /// Its name.
    pub(crate) patch: &'a str,
    /// The address of the pinned file that is it, or that it is in.
    pub(crate) uri: &'a str,
    /// Where in that file, if the file has more in it.
    pub(crate) inside: Option<String>,
    /// The holes that it closes.
    pub(crate) cves: Vec<String>,
}

/// Every patch that is applied, in the order of `fixes.yaml`.
pub(crate) fn applied(fixes: &Fixes) -> Vec<Applied<'_>> {
    let carrier = fixes.carrier.as_ref();
    fixes.applied().filter_map(|(fix, _)| applied_one(fix, carrier)).collect()
}

fn applied_one<'a>(fix: &'a Fix, carrier: Option<&'a spec::fixes::Carrier>) -> Option<Applied<'a>> {
    let cves = fix.cves.iter().map(Cve::to_string).collect();
    if let Some(source) = &fix.source {
        return Some(Applied { patch: &fix.patch, uri: source, inside: None, cves });
    }
    let carrier = carrier?;
    let series = carrier.series.as_ref().map_or(SERIES, |series| series.value.as_str());
    let folder = series.rsplit_once('/').map_or("", |(folder, _)| folder);
    let inside = (!carrier::is_diff(&carrier.uri)).then(|| format!("{folder}/{}", fix.patch).trim_start_matches('/').to_owned());
    Some(Applied { patch: &fix.patch, uri: &carrier.uri, inside, cves })
}

/// Which holes are closed, by definition and by our first version in which they are: what Alpine calls `secfixes`.
///
/// A hole that several patches close is closed by the last of them.
#[must_use]
pub fn secfixes(distro: &Distro) -> BTreeMap<PackageName, BTreeMap<Version, Vec<Cve>>> {
    let mut all = BTreeMap::new();
    for definition in distro.definitions() {
        let mut closed: BTreeMap<Cve, &Version> = BTreeMap::new();
        for (fix, since) in definition.fixes.iter().flat_map(Fixes::applied) {
            for cve in &fix.cves {
                let last = closed.entry(*cve).or_insert(since);
                *last = (*last).max(since);
            }
        }
        let mut by_version: BTreeMap<Version, Vec<Cve>> = BTreeMap::new();
        for (cve, since) in closed {
            by_version.entry(since.clone()).or_default().push(cve);
        }
        if !by_version.is_empty() {
            all.insert(definition.recipe.name.clone(), by_version);
        }
    }
    all
}

/// Reads the fixes beside a definition, and compares them with its steps.
pub(crate) fn beside(folder: &Path, recipe: &Recipe) -> Result<Option<Fixes>, LoadError> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = spec::package::read_text(&path)?;
    let compared = spec::fixes::parse(&text).and_then(|fixes| {
        // Steps that can not be carried out are told of when they are to be.
        let found = work::jobs(recipe).map(|jobs| against_steps(&fixes, recipe, &jobs)).unwrap_or_default();
        if found.is_empty() { Ok(fixes) } else { Err(found) }
    });
    compared.map(Some).map_err(|diagnostics| LoadError::Mistakes { path, text, diagnostics })
}
