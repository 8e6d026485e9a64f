//! The files that hold licences: kept when a build ends, and told with the package.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base::{Digest, Reporter, Store, StoreError};
use fs_err as fs;
use spec::Recipe;

use crate::native::place::Workspace;

/// The largest licence file that is kept. The longest in use, of a browser with all that it contains, has some hundred kilobytes.
const MAX_LICENSE: u64 = 1 << 20;

/// The most copyright notices that an SBOM lists of one package.
const MAX_NOTICES: usize = 200;

/// The files that a recipe names, sorted, each once.
pub(crate) fn paths(recipe: &Recipe) -> Vec<&str> {
    let all: BTreeSet<&str> = recipe.copyright.iter().filter_map(|one| one.license_path.as_deref()).collect();
    all.into_iter().collect()
}

/// Keeps those that the workspace has. One that is missing is warned of: the licence itself is in the definition.
pub(crate) fn keep(
    recipe: &Recipe,
    workspace: &Workspace,
    store: &Store,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, Digest>, StoreError> {
    let mut kept = BTreeMap::new();
    for path in paths(recipe) {
        let read = || {
            let mut bytes = Vec::new();
            fs::File::open(workspace.existing(None, path).ok()?).ok()?.take(MAX_LICENSE).read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        match read() {
            Some(bytes) => drop(kept.insert(path.to_owned(), store.put(&bytes)?)),
            None => reporter.warned(&format!("{}: the workspace has no {path}, which `license-path` names", recipe.name)),
        }
    }
    Ok(kept)
}

/// Reads what was kept.
pub(crate) fn read(kept: &BTreeMap<String, Digest>, store: &Store) -> Result<BTreeMap<String, String>, StoreError> {
    let text = |(path, digest): (&String, &Digest)| {
        let bytes = store.read_blob(digest)?;
        Ok((path.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    };
    kept.iter().map(text).collect()
}

/// The lines of licence files that claim a copyright, in their order, each once.
pub(crate) fn notices<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in texts.flat_map(|text| text.lines()) {
        let line = line.trim_matches(|c: char| c.is_whitespace() || "*#/;-".contains(c));
        let lower = line.to_lowercase();
        let claims = lower.starts_with("copyright") || lower.starts_with("(c)") || line.starts_with('©');
        if claims && line.bytes().any(|byte| byte.is_ascii_digit()) && !found.iter().any(|known| known == line) {
            found.push(line.to_owned());
        }
    }
    found.truncate(MAX_NOTICES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_lines_that_claim_a_copyright() {
        let text = " * Copyright (c) 2002-2021 Igor Sysoev\n * All rights reserved.\nCopyright notices must stay.\n(C) 1995 A\n\tCopyright (c) 2002-2021 Igor Sysoev\n";
        assert_eq!(notices([text.to_owned()].iter()), ["Copyright (c) 2002-2021 Igor Sysoev", "(C) 1995 A"]);
    }
}
