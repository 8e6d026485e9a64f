//! `fixes.yaml`: what became of each patch that somebody carries for the revision a definition pins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base::Version;
use serde::{Serialize, Serializer};

use crate::package::{LoadError, read_text};
use crate::yaml::{Span, Spanned, Text, record};
use crate::{Code, Diagnostic, Diagnostics, yaml};

record! {
    /// Fixes as written.
    Document is "`fixes.yaml`" {
        /// The pinned file that carries the patches, as `package.yaml` fetches it, its version written out.
        "source" => source: Option<Text>,
        /// The list of patches in it; `debian/patches/series` when absent.
        "series" => series: Option<Text>,
        /// Every patch of the list, and those that are fetched by themselves.
        "fixes" => fixes: Vec<FixDocument>,
        /// Holes that are known and not closed here.
        "open" => open: Vec<OpenDocument>,
    }

    /// One patch, and what became of it.
    FixDocument is "a fix" {
        /// Its name in the series; of one that is fetched by itself, the name of its file.
        "patch" => patch: Text,
        /// The pinned file that is the patch, where the series does not have it.
        "source" => source: Option<Text>,
        /// The holes that it closes.
        "cves" => cves: Vec<Text>,
        /// The first version of ours that has it, with the revision.
        "applied" => applied: Option<Text>,
        /// Why it is not applied.
        "waived" => waived: Option<Text>,
        /// Whatever else should be known.
        "note" => note: Option<Text>,
    }

    /// A hole that is known and not closed here.
    OpenDocument is "an open hole" {
        /// Its number.
        "cve" => cve: Text,
        /// What it takes to use it, or why it is left open.
        "why" => why: Text,
    }
}

/// The number of a vulnerability: `CVE-2025-26519`. In order of year, then number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cve {
    year: u16,
    number: u64,
}

/// The text is no CVE number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a CVE number, such as CVE-2025-26519")]
pub struct CveError(pub String);

/// What became of each patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fixes {
    /// The pinned file that carries a series of patches, if there is one.
    pub carrier: Option<Carrier>,
    /// Every patch, in the order of the file.
    pub fixes: Vec<Fix>,
    /// Holes that are known and not closed.
    pub open: BTreeMap<Cve, String>,
}

/// A pinned file that carries patches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carrier {
    /// Its address, as `package.yaml` has it once its variables are replaced.
    pub uri: Text,
    /// The list in it, if the file names it.
    pub series: Option<Text>,
}

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fix {
    /// Its name.
    pub patch: Text,
    /// The pinned file that is the patch; absent where the carrier's series has it.
    pub source: Option<Text>,
    /// The holes that it closes.
    pub cves: BTreeSet<Cve>,
    /// What became of it.
    pub fate: Fate,
    /// Whatever else should be known.
    pub note: Option<String>,
}

/// What became of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is applied, since this version of ours.
    Applied(Spanned<Version>),
    /// It is not, for this reason.
    Waived(String),
}

impl Fixes {
    /// The patches that are applied, with our first version that has each.
    pub fn applied(&self) -> impl Iterator<Item = (&Fix, &Version)> {
        self.fixes.iter().filter_map(|fix| match &fix.fate {
            Fate::Applied(since) => Some((fix, &since.value)),
            Fate::Waived(_) => None,
        })
    }
}

impl FromStr for Cve {
    type Err = CveError;

    fn from_str(text: &str) -> Result<Self, CveError> {
        let parse = || {
            let (year, number) = text.strip_prefix("CVE-")?.split_once('-')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            // Four digits at least, filled with zeros; since 2014 more where they are needed. The first year is 1999.
            let filled = number.len() == 4 || number.len() > 4 && !number.starts_with('0');
            let right = year.len() == 4 && digits(year) && digits(number) && filled;
            let cve = Self { year: year.parse().ok()?, number: number.parse().ok()? };
            (right && cve.year >= 1999).then_some(cve)
        };
        parse().ok_or_else(|| CveError(text.to_owned()))
    }
}

impl fmt::Display for Cve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CVE-{}-{:04}", self.year, self.number)
    }
}

impl Serialize for Cve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses `fixes.yaml`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Fixes, Diagnostics> {
    let (document, mut out) = yaml::read::<Document>(text);
    let fixes = document.map(|document| check(&document, &mut out));
    out.finish(fixes).map(|(fixes, _)| fixes)
}

/// Reads and parses the file at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Fixes, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}

fn check(document: &Document, out: &mut Diagnostics) -> Fixes {
    if let (None, Some(series)) = (&document.source, &document.series) {
        let error = Diagnostic::error(Code::MissingKey, series.span, "a series is named, and not the file that it is in");
        out.push(error.help("write `source:` with the address of the file, as `package.yaml` fetches it"));
    }
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut fixes = Vec::new();
    for fix in &document.fixes {
        if let Some(first) = seen.insert(&fix.patch, fix.patch.span) {
            let error = Diagnostic::error(Code::BadValue, fix.patch.span, format!("`{}` stands here twice", fix.patch));
            out.push(error.related(first, "the first time"));
        }
        if document.source.is_none() && fix.source.is_none() {
            let error = Diagnostic::error(Code::MissingKey, fix.patch.span, format!("nothing says which file `{}` is in", fix.patch));
            out.push(error.help("write `source:` at the top with the file that carries the series, or here with the patch's own address"));
        }
        let cves = fix.cves.iter().filter_map(|text| cve(text, out)).collect();
        fixes.extend(fate(fix, out).map(|fate| Fix {
            patch: fix.patch.clone(),
            source: fix.source.clone(),
            cves,
            fate,
            note: fix.note.as_ref().map(|note| note.value.clone()),
        }));
    }
    let open = open(document, &fixes, out);
    let carrier = document.source.as_ref().map(|uri| Carrier { uri: uri.clone(), series: document.series.clone() });
    Fixes { carrier, fixes, open }
}

/// Applied or waived: one of both, the one with a version, the other with a reason.
fn fate(fix: &FixDocument, out: &mut Diagnostics) -> Option<Fate> {
    let at = |code, span, text| Diagnostic::error(code, span, text);
    match (&fix.applied, &fix.waived) {
        (Some(_), Some(waived)) => {
            let error = at(Code::BadValue, waived.span, format!("`{}` is applied and also waived", fix.patch));
            out.push(error.help("a patch is one of both"));
            None
        }
        (None, None) => {
            let error = at(Code::MissingKey, fix.patch.span, format!("`{}` is neither applied nor waived", fix.patch));
            out.push(error.help("write `applied:` with our first version that has it, or `waived:` with the reason"));
            None
        }
        (None, Some(reason)) if reason.trim().is_empty() => {
            let error = at(Code::BadValue, fix.patch.span, format!("`{}` is waived without a reason", fix.patch));
            out.push(error.help("say after `waived:` why it is not applied"));
            None
        }
        (None, Some(reason)) => Some(Fate::Waived(reason.value.clone())),
        (Some(text), None) => {
            let version = text.parse::<Version>().ok().filter(|_| text.contains("-r"));
            if version.is_none() {
                let error = at(Code::BadVersion, text.span, format!("`{text}` is not a version of a package"));
                out.push(error.help("write our first version that has the patch, with its revision: 1.2.5-r0"));
            }
            version.map(|version| Fate::Applied(Spanned::new(version, text.span)))
        }
    }
}

fn cve(text: &Text, out: &mut Diagnostics) -> Option<Cve> {
    let parsed = text.parse::<Cve>();
    parsed.map_err(|error| out.push(Diagnostic::error(Code::BadCve, text.span, error.to_string()))).ok()
}

fn open(document: &Document, fixes: &[Fix], out: &mut Diagnostics) -> BTreeMap<Cve, String> {
    let mut open = BTreeMap::new();
    for hole in &document.open {
        let Some(number) = cve(&hole.cve, out) else { continue };
        let closes = |fix: &&Fix| matches!(fix.fate, Fate::Applied(_)) && fix.cves.contains(&number);
        if let Some(fix) = fixes.iter().find(closes) {
            let error = Diagnostic::error(Code::BadValue, hole.cve.span, format!("{number} is open and also fixed"));
            out.push(error.related(fix.patch.span, "by this"));
        }
        if hole.why.trim().is_empty() {
            let error = Diagnostic::error(Code::BadValue, hole.cve.span, format!("{number} is open without a word on why"));
            out.push(error.help("say after `why:` what it takes to use it, or why it is left open"));
        }
        if open.insert(number, hole.why.value.clone()).is_some() {
            out.push(Diagnostic::error(Code::BadValue, hole.cve.span, format!("{number} stands here twice")));
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_numbers_are_written_in_one_way() {
        for text in ["CVE-1999-0067", "CVE-2014-123456", "CVE-2025-26519"] {
            assert_eq!(text.parse::<Cve>().unwrap().to_string(), text);
        }
        for text in ["", "CVE-2025", "CVE-2025-123", "cve-2025-1234", "CVE-25-1234", "CVE-1998-1234", "CVE-2025-01234", "CVE-2025-+123"] {
            assert!(text.parse::<Cve>().is_err(), "{text}");
        }
        assert!("CVE-2024-99999".parse::<Cve>().unwrap() < "CVE-2025-1000".parse().unwrap());
        assert!("CVE-2025-9999".parse::<Cve>().unwrap() < "CVE-2025-10000".parse().unwrap());
    }

    #[test]
    fn tells_what_is_applied_since_when() {
        let text = "source: debian:a\nfixes:\n  - patch: a\n    cves: [CVE-2025-2000, CVE-2025-1000]\n    applied: 1.2-r3\n  - patch: b\n    waived: tests\n  - patch: c\n    source: https://example.org/c\n    applied: 1.2-r0\n";
        let fixes = parse(text).unwrap();
        let applied: Vec<_> = fixes.applied().map(|(fix, since)| format!("{} {since}", fix.patch)).collect();
        assert_eq!(applied, ["a 1.2-r3", "c 1.2-r0"]);
        assert_eq!(fixes.fixes[1].fate, Fate::Waived("tests".into()));
        assert_eq!(fixes.fixes[0].cves.first().unwrap().to_string(), "CVE-2025-1000");
    }
}
