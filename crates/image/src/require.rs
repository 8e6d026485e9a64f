//! Which package of a set needs which: each dependency and who meets it.

use apk::Info;
use base::{Dependency, Version};

/// One dependency of a package, and a package that meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The place of the package that needs something.
    pub from: usize,
    /// What it needs.
    pub dependency: Dependency,
    /// The place of the package that meets it.
    pub to: usize,
}

/// Returns the requirements among `packages`, in order. A dependency that several meet is listed once for each.
///
/// What nothing meets, and what a package meets by itself, is left out.
#[must_use]
pub fn requirements(packages: &[&Info]) -> Vec<Requirement> {
    let mut found = Vec::new();
    for (from, info) in packages.iter().enumerate() {
        for dependency in info.depends.iter().filter(|dependency| !dependency.conflict) {
            let meets = providers(packages, dependency);
            if meets.contains(&from) {
                continue;
            }
            found.extend(meets.into_iter().map(|to| Requirement { from, dependency: dependency.clone(), to }));
        }
    }
    found
}

/// Returns the places of the packages that meet a dependency: by their name before those that only provide it.
#[must_use]
pub(crate) fn providers(packages: &[&Info], dependency: &Dependency) -> Vec<usize> {
    let accepts = |version: Option<&Version>| match version {
        Some(version) => dependency.constraint.accepts(version),
        None => dependency.constraint == base::Constraint::Any,
    };
    let by_name = |info: &Info| info.name.as_str() == dependency.name && accepts(Some(&info.version));
    let named: Vec<_> = packages.iter().enumerate().filter(|(_, info)| by_name(info)).map(|(place, _)| place).collect();
    if !named.is_empty() {
        return named;
    }
    let provides = |info: &Info| info.provides.iter().any(|it| it.name == dependency.name && accepts(it.provided_version()));
    packages.iter().enumerate().filter(|(_, info)| provides(info)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, depends: &str, provides: &str) -> Info {
        let info = Info::new(name.parse().unwrap(), "1.2-r0".parse().unwrap(), "x86_64");
        Info { depends: Dependency::parse_list(depends).unwrap(), provides: Dependency::parse_list(provides).unwrap(), ..info }
    }

    #[test]
    fn names_who_meets_each_dependency() {
        let infos = [
            info("nginx", "so:libz.so.1 musl>1 !apache cmd:sh absent so:own.so", "so:own.so=1"),
            info("zlib", "", "so:libz.so.1=1.3"),
            info("musl", "", "cmd:sh"),
            info("busybox", "musl>9", "cmd:sh=1"),
        ];
        let packages: Vec<_> = infos.iter().collect();
        let told: Vec<_> = requirements(&packages)
            .iter()
            .map(|one| format!("{} needs {}: {}", infos[one.from].name, one.dependency, infos[one.to].name))
            .collect();
        assert_eq!(
            told,
            ["nginx needs so:libz.so.1: zlib", "nginx needs musl>1: musl", "nginx needs cmd:sh: musl", "nginx needs cmd:sh: busybox"]
        );
    }
}
