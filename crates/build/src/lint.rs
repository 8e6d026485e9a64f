//! Checks of a package's files. A check that finds something says so; only a check that breaks is an error.

use std::collections::BTreeMap;

use base::tree::{Entry, Kind, TreePath};
use serde::{Deserialize, Serialize};

use crate::analyse::Elf;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The package is not made.
    Required,
    /// Someone should look.
    Warning,
}

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The check; `checks.disabled` takes this name.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// The paths, sorted; at most ten are named.
    pub paths: Vec<TreePath>,
    /// How many there are.
    pub count: usize,
    /// What is wrong with them.
    pub problem: String,
}

/// How many paths a finding names.
const NAMED: usize = 10;

/// What the checks look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) entries: &'a [Entry],
    pub(crate) elf: &'a BTreeMap<TreePath, Elf>,
}

/// A check: its name as melange has it, and which entries it finds.
struct Check {
    name: &'static str,
    severity: Severity,
    problem: &'static str,
    finds: fn(&Subject<'_>, &Entry) -> bool,
}

#[rustfmt::skip]
const CHECKS: [Check; 16] = [
    Check { name: "dev", severity: Severity::Required, problem: "lies in /dev, which is made when a container starts", finds: |_, e| below(e, "dev/") },
    Check { name: "infodir", severity: Severity::Required, problem: "is the list of all info pages of a system, which no package owns", finds: |_, e| e.path.as_str() == "usr/share/info/dir" },
    Check { name: "libtool", severity: Severity::Required, problem: "is of libtool, and names paths of the build", finds: |_, e| is_file(e) && has_extension(e, "la") },
    Check { name: "opt", severity: Severity::Warning, problem: "lies in /opt, which is for what no package manager knows", finds: |_, e| below(e, "opt/") },
    Check { name: "object", severity: Severity::Warning, problem: "is an object file", finds: |s, e| is_file(e) && has_extension(e, "o") && !s.name.ends_with("-dev") },
    Check { name: "pycache", severity: Severity::Warning, problem: "is compiled Python, which holds times", finds: |_, e| has_extension(e, "pyc") },
    Check { name: "setuidgid", severity: Severity::Required, problem: "runs with its owner's or group's rights, or is sticky", finds: |_, e| is_file(e) && e.mode & 0o7000 != 0 },
    Check { name: "srv", severity: Severity::Warning, problem: "lies in /srv, which is the administrator's", finds: |_, e| below(e, "srv/") },
    Check { name: "staticarchive", severity: Severity::Warning, problem: "is a static library outside of a -dev or -static package", finds: |s, e| has_extension(e, "a") && !s.name.ends_with("-dev") && !s.name.ends_with("-static") },
    Check { name: "strip", severity: Severity::Warning, problem: "has a debug section; is `strip` missing?", finds: |s, e| s.elf.get(&e.path).is_some_and(|elf| elf.debug) && !s.name.ends_with("-dbg") && !s.name.ends_with("-debug") },
    Check { name: "tempdir", severity: Severity::Required, problem: "lies in a directory that is emptied or mounted over", finds: |_, e| ["tmp/", "var/tmp/", "run/", "var/run/"].iter().any(|dir| below(e, dir)) },
    Check { name: "usrlocal", severity: Severity::Warning, problem: "lies in /usr/local, which is the administrator's", finds: |_, e| below(e, "usr/local/") },
    Check { name: "usrmerge", severity: Severity::Required, problem: "lies in a directory that is a link into /usr", finds: |_, e| ["bin/", "lib/", "lib64/", "sbin/"].iter().any(|dir| below(e, dir)) },
    Check { name: "varempty", severity: Severity::Required, problem: "lies in /var/empty, which must be empty", finds: |_, e| below(e, "var/empty/") },
    Check { name: "worldwrite", severity: Severity::Required, problem: "can be written by everybody", finds: |_, e| is_file(e) && e.mode & 0o002 != 0 },
    Check { name: "maninfo", severity: Severity::Warning, problem: "is a manual outside of a -doc package", finds: |s, e| is_file(e) && (below(e, "usr/share/man/") || below(e, "usr/share/info/")) && !s.name.ends_with("-doc") },
];

fn below(entry: &Entry, directory: &str) -> bool {
    entry.path.as_str().starts_with(directory)
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { .. } | Kind::Hardlink { .. })
}

fn has_extension(entry: &Entry, extension: &str) -> bool {
    entry.path.file_name().rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

/// Runs every check that is not disabled.
pub(crate) fn lint(subject: &Subject<'_>, disabled: &[String]) -> Vec<Finding> {
    let finding = |check: &Check| {
        let paths: Vec<&TreePath> = subject.entries.iter().filter(|entry| (check.finds)(subject, entry)).map(|entry| &entry.path).collect();
        (!paths.is_empty()).then(|| Finding {
            check: check.name.to_owned(),
            severity: check.severity,
            count: paths.len(),
            paths: paths.into_iter().take(NAMED).cloned().collect(),
            problem: check.problem.to_owned(),
        })
    };
    let is_on = |check: &&Check| !disabled.iter().any(|name| name == check.name || name.split('/').next() == Some(check.name));
    let mut findings: Vec<_> = CHECKS.iter().filter(is_on).filter_map(finding).collect();
    findings.sort();
    findings
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<_> = self.paths.iter().map(TreePath::as_str).collect();
        write!(f, "{}", paths.join(", "))?;
        if self.count > self.paths.len() {
            write!(f, " and {} more", self.count - self.paths.len())?;
        }
        write!(f, ": {} ({})", self.problem, self.check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lints(name: &str, entries: &[(&str, u32)], disabled: &[&str]) -> Vec<String> {
        let file = |(path, mode): &(&str, u32)| Entry::new(TreePath::parse(path).unwrap(), Kind::File { size: 1, digest: None }, *mode, 0);
        let entries: Vec<_> = entries.iter().map(file).collect();
        let disabled: Vec<_> = disabled.iter().map(|name| (*name).to_owned()).collect();
        lint(&Subject { name, entries: &entries, elf: &BTreeMap::new() }, &disabled).into_iter().map(|f| f.check).collect()
    }

    #[test]
    fn each_check_finds_its_own() {
        for (path, mode, check) in [
            ("dev/null", 0o644, "dev"),
            ("usr/share/info/dir", 0o644, "infodir"),
            ("usr/lib/libx.la", 0o644, "libtool"),
            ("usr/lib/libx.a", 0o644, "staticarchive"),
            ("usr/bin/su", 0o4755, "setuidgid"),
            ("etc/open", 0o666, "worldwrite"),
            ("tmp/x", 0o644, "tempdir"),
            ("run/x", 0o644, "tempdir"),
            ("usr/local/bin/x", 0o755, "usrlocal"),
            ("bin/x", 0o755, "usrmerge"),
            ("usr/lib/x.o", 0o644, "object"),
        ] {
            let found = lints("x", &[(path, mode)], &[]);
            assert!(found.contains(&check.to_owned()), "{path}: {found:?}");
            assert!(!lints("x", &[(path, mode)], &[check]).contains(&check.to_owned()), "{path}");
        }
    }

    #[test]
    fn an_ordinary_package_has_no_findings() {
        assert!(lints("x", &[("usr/bin/x", 0o755), ("etc/x", 0o644), ("usr/lib/libx.so.1", 0o755)], &[]).is_empty());
        assert!(lints("x-dev", &[("usr/lib/libx.a", 0o644), ("usr/lib/crt1.o", 0o644)], &[]).is_empty());
    }

    #[test]
    fn a_finding_names_ten_paths_and_counts_the_rest() {
        let entries: Vec<_> = (0..12).map(|n| Entry::new(TreePath::parse(&format!("dev/{n:02}")).unwrap(), Kind::Fifo, 0o644, 0)).collect();
        let found = lint(&Subject { name: "x", entries: &entries, elf: &BTreeMap::new() }, &[]);
        assert!(found[0].to_string().ends_with("dev/09 and 2 more: lies in /dev, which is made when a container starts (dev)"));
    }
}
