//! Which room may use which: arrows point strictly down.

use cargo_metadata::MetadataCommand;

/// The rooms by level. A room may use every room of a lower level, and none of its own or a higher one.
const LEVELS: &[&[&str]] =
    &[&["base", "sandbox"], &["spec", "attest", "oci"], &["apk", "source", "registry"], &["image"], &["build"], &[], &["cli"]];

/// Stand beside the building: no room may use them.
const OUTSIDE: &[&str] = &["fuzz", "xtask"];

/// Returns a line for every edge that does not point down, development edges included.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let from = package.name.as_str();
        let Some(level) = level(from) else {
            if !OUTSIDE.contains(&from) {
                findings.push(format!("{from}: not in the table of rooms (xtask/src/arrows.rs)"));
            }
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| names.contains(&d.name.as_str())) {
            let to = dependency.name.as_str();
            if level_below(to, level).is_none() {
                findings.push(format!("{from} -> {to} ({:?}): arrows point strictly down", dependency.kind));
            }
        }
    }
    Ok(findings)
}

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().position(|rooms| rooms.contains(&room))
}

fn level_below(room: &str, than: usize) -> Option<usize> {
    level(room).filter(|level| *level < than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_may_not_use_its_own_level_or_a_higher_one() {
        let apk = level("apk").unwrap();
        assert!(level_below("base", apk).is_some());
        assert!(level_below("source", apk).is_none());
        assert!(level_below("cli", apk).is_none());
        assert!(level_below("xtask", apk).is_none());
    }

    #[test]
    fn the_workspace_obeys() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }
}
