//! `seed.yaml`: which foreign packages build the first of ours, and what of them is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::tree::TreePath;
use serde::Serialize;

use crate::package::{LoadError, read_text};
use crate::yaml::{Map, Text, record};
use crate::{Code, Diagnostic, Diagnostics, yaml};

record! {
    /// Seeds as written.
    Document is "`seed.yaml`" {
        /// The suite of Debian that they are taken from.
        "suite" => suite: Text,
        /// The part of the archive; `main` when absent.
        "component" => component: Option<Text>,
        /// The packages that are wanted; what they depend on comes with them.
        "packages" => packages: Vec<Text>,
        /// Packages that are not taken although others depend on them, each with the reason.
        "without" => without: Map<Text>,
        /// Symbolic links that the archive's packages leave to their scripts: package, path, target.
        "links" => links: Map<Map<Text>>,
        /// Licences of seeds of which something is linked into programs: package, SPDX expression.
        "licenses" => licenses: Map<Text>,
    }
}

/// Which foreign packages build the first of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seed {
    /// The suite of Debian that they are taken from.
    pub suite: String,
    /// The part of the archive.
    pub component: String,
    /// The packages that are wanted.
    pub packages: BTreeSet<String>,
    /// Packages that are not taken, each with the reason.
    pub without: BTreeMap<String, String>,
    /// Symbolic links by package, then by path, with their targets.
    pub links: BTreeMap<String, BTreeMap<TreePath, String>>,
    /// Licences by package, as SPDX expressions: SBOMs of what they are linked into tell them.
    pub licenses: BTreeMap<String, String>,
}

/// Parses `seed.yaml`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Seed, Diagnostics> {
    let (document, mut out) = yaml::read::<Document>(text);
    let seed = document.map(|document| check(&document, &mut out));
    out.finish(seed).map(|(seed, _)| seed)
}

/// Reads and parses the file at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Seed, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}

fn check(document: &Document, out: &mut Diagnostics) -> Seed {
    for name in document.packages.iter().filter(|name| document.without.contains_key(name.value.as_str())) {
        let error = Diagnostic::error(Code::BadValue, name.span, format!("`{name}` is wanted and also left out"));
        out.push(error.help("take it out of `packages` or of `without`"));
    }
    let mut links: BTreeMap<String, BTreeMap<TreePath, String>> = BTreeMap::new();
    for (package, paths) in &document.links {
        for (path, target) in paths {
            match TreePath::parse(&path.value) {
                Ok(parsed) => drop(links.entry(package.value.clone()).or_default().insert(parsed, target.value.clone())),
                Err(error) => out.push(Diagnostic::error(Code::BadValue, path.span, error.to_string())),
            }
        }
    }
    Seed {
        suite: document.suite.value.clone(),
        component: document.component.as_ref().map_or_else(|| "main".to_owned(), |component| component.value.clone()),
        packages: document.packages.iter().map(|name| name.value.clone()).collect(),
        without: document.without.iter().map(|(name, reason)| (name.value.clone(), reason.value.clone())).collect(),
        links,
        licenses: document.licenses.iter().map(|(name, license)| (name.value.clone(), license.value.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "suite: trixie\npackages: [bash, make]\nwithout:\n  base-files: ours\nlinks:\n  bash:\n    /usr/bin/sh: bash\n";

    #[test]
    fn reads_what_is_wanted() {
        let seed = parse(TEXT).unwrap();
        assert_eq!((seed.suite.as_str(), seed.component.as_str(), seed.packages.len()), ("trixie", "main", 2));
        assert_eq!(seed.without["base-files"], "ours");
        assert_eq!(seed.links["bash"][&TreePath::parse("usr/bin/sh").unwrap()], "bash");
    }

    #[test]
    fn refuses_what_contradicts_itself_or_leads_outside() {
        for (from, to) in [("base-files", "bash"), ("/usr/bin/sh", "/usr/../../sh"), ("suite", "siute")] {
            assert!(parse(&TEXT.replace(from, to)).is_err(), "{to}");
        }
    }
}
