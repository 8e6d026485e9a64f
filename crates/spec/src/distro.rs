//! `distro.yaml`: how a distribution names itself, which machines it builds for, and the times it stamps.

use std::path::Path;

use base::Arch;
use serde::Serialize;

use crate::evaluate::known_archs;
use crate::package::{LoadError, read_text};
use crate::yaml::{Spanned, Text, record};
use crate::{Code, Diagnostic, Diagnostics, yaml};

record! {
    /// A distribution.
    Document is "`distro.yaml`" {
        /// Its name.
        "name" => name: Text,
        /// `ID` of os-release: small letters, digits and `.`, `_`, `-`.
        "id" => id: Text,
        /// `VERSION_ID` of os-release.
        "version-id" => version_id: Option<Text>,
        /// Name for people; the name when absent.
        "pretty-name" => pretty_name: Option<Text>,
        /// Home page.
        "home-url" => home_url: Option<Text>,
        /// Where bugs are reported.
        "bug-report-url" => bug_report_url: Option<Text>,
        /// The architectures it is built for.
        "archs" => archs: Vec<Text>,
        /// Time stamped on what has no source of its own, in seconds since 1970.
        "source-date-epoch" => source_date_epoch: Spanned<i64>,
        /// Latest time that is stamped on anything, in seconds since 1970.
        "source-date-ceiling" => source_date_ceiling: Option<Spanned<i64>>,
        /// Repositories, the first asked first.
        "repositories" => repositories: Vec<RepositoryDocument>,
    }

    /// A repository.
    RepositoryDocument is "a repository" {
        /// Its name.
        "name" => name: Text,
        /// Whether its packages were not built by this distribution.
        "foreign" => foreign: Option<bool>,
    }
}

/// A distribution, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Distro {
    /// Its name.
    pub name: String,
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version_id: Option<String>,
    /// Name for people.
    pub pretty_name: String,
    /// Home page.
    pub home_url: Option<String>,
    /// Where bugs are reported.
    pub bug_report_url: Option<String>,
    /// The architectures it is built for, as listed.
    pub archs: Vec<Arch>,
    /// Time stamped on what has no source of its own, in seconds since 1970.
    pub source_date_epoch: i64,
    /// Latest time that is stamped on anything, in seconds since 1970.
    pub source_date_ceiling: i64,
    /// Repositories, the first asked first.
    pub repositories: Vec<Repository>,
}

/// A repository of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Whether its packages were not built by this distribution.
    pub foreign: bool,
}

/// Parses `distro.yaml`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Distro, Diagnostics> {
    let (document, mut out) = yaml::read::<Document>(text);
    let distro = document.map(|document| check(&document, &mut out));
    out.finish(distro).map(|(distro, _)| distro)
}

/// Reads and parses the file at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Distro, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}

fn check(document: &Document, out: &mut Diagnostics) -> Distro {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
    // os-release(5): lower-case letters, digits, `.`, `_` and `-`.
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if document.id.is_empty() || !document.id.chars().all(good) {
        let error = Diagnostic::error(Code::BadValue, document.id.span, format!("`{}` is not an os-release ID", document.id));
        out.push(error.help("write small letters, digits and `.`, `_`, `-`"));
    }
    let archs = document.archs.iter().filter_map(|name| {
        let arch = name.parse().ok();
        if arch.is_none() {
            let error = Diagnostic::error(Code::UnknownArch, name.span, format!("there is no architecture `{name}`"));
            out.push(error.help(known_archs(name)));
        }
        arch
    });
    let archs = archs.collect();
    let epoch = document.source_date_epoch.value;
    let ceiling = document.source_date_ceiling.as_ref();
    if let Some(ceiling) = ceiling.filter(|ceiling| ceiling.value < epoch) {
        let error = Diagnostic::error(Code::BadValue, ceiling.span, "the ceiling lies before `source-date-epoch`");
        out.push(error.related(document.source_date_epoch.span, "which is this"));
    }
    Distro {
        name: document.name.value.clone(),
        id: document.id.value.clone(),
        version_id: text(&document.version_id),
        pretty_name: text(&document.pretty_name).unwrap_or_else(|| document.name.value.clone()),
        home_url: text(&document.home_url),
        bug_report_url: text(&document.bug_report_url),
        archs,
        source_date_epoch: epoch,
        source_date_ceiling: ceiling.map_or(epoch, |ceiling| ceiling.value),
        repositories: document
            .repositories
            .iter()
            .map(|r| Repository { name: r.name.value.clone(), foreign: r.foreign == Some(true) })
            .collect(),
    }
}
