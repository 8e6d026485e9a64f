//! Which crates of others may be taken: licences, sources, and names that are not.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Licences that may be linked into the binary.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "bzip2-1.0.6",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are not taken, and why.
const REFUSED: &[(&str, &str)] = &[
    ("serde_yaml", "no longer kept"),
    ("serde_yml", "unsound, and not kept well"),
    ("rsa", "timing side channel (RUSTSEC-2023-0071); aws-lc-rs signs"),
    ("openssl", "links a library that the binary would have to find"),
    ("openssl-sys", "links a library that the binary would have to find"),
    ("native-tls", "links a library that the binary would have to find"),
    ("sigstore", "superseded by the sigstore-* crates"),
];

/// Rooms have typed errors; `anyhow` is for tools and tests.
const TOOLS: &[&str] = &["xtask"];

/// Returns a line for every crate that may not be taken.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().exec()?;
    let ours: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if ours.contains(&package.id) {
            let uses_anyhow = package.dependencies.iter().any(|d| d.name == "anyhow" && d.kind == DependencyKind::Normal);
            if uses_anyhow && !TOOLS.contains(&name) {
                findings.push(format!("{name}: uses anyhow; a room has errors of its own"));
            }
            continue;
        }
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            findings.push(format!("{name}: not taken: {why}"));
        }
        if !package.source.as_ref().is_some_and(cargo_metadata::Source::is_crates_io) {
            findings.push(format!("{name}: does not come from the registry"));
        }
        match &package.license {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => findings.push(format!("{name}: the licence {licence} is not on the list")),
            None => findings.push(format!("{name}: states no licence")),
        }
    }
    Ok(findings)
}

/// Whether an SPDX expression can be satisfied with licences of the list.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough() {
        for expression in ["MIT", "MIT OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(is_allowed(expression), "{expression}");
        }
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", ""] {
            assert!(!is_allowed(expression), "{expression}");
        }
    }
}
