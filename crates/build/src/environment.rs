//! Which packages a root holds: what is asked for, solved over what was built and the seeds.

use apk::Record;
use apk::solve::{Policy, Repository, World, solve};
use base::{Dependency, DependencyError, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::seed;

/// One package of a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// Its content: what it is keyed and extracted by.
    pub content: Digest,
    /// Whether it is a seed, not built by us.
    pub seed: bool,
}

/// A root can not be put together.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A definition asks for something that is no dependency.
    #[error("`environment` asks for `{text}`")]
    Want {
        /// What it asks for.
        text: String,
        /// What is wrong with it.
        #[source]
        source: DependencyError,
    },
    /// No set of packages fits.
    #[error("no packages fit together for a root with {}", wants.join(", "))]
    Unsolvable {
        /// What was asked for.
        wants: Vec<String>,
        /// Why.
        #[source]
        source: apk::solve::Unsolvable,
    },
    /// A package is in an index, and its bytes are in no store.
    #[error("{package} has no known content")]
    NoContent {
        /// Name and version.
        package: String,
    },
}

/// Finds the packages of a root in install order: ours first, a seed only where nothing of ours fits.
pub(crate) fn solved(wants: &[String], ours: &[Record], seeds: &[Record]) -> Result<Vec<Member>, EnvironmentError> {
    if wants.is_empty() {
        return Ok(Vec::new());
    }
    let parse = |text: &String| text.parse::<Dependency>().map_err(|source| EnvironmentError::Want { text: text.clone(), source });
    let world = World { wants: wants.iter().map(parse).collect::<Result<_, _>>()? };
    let seeds: Vec<Record> = seeds.iter().map(apart).collect();
    let repositories = [Repository::new(ours).ranked(0), Repository::new(&seeds).ranked(1)];
    let unsolvable = |source| EnvironmentError::Unsolvable { wants: wants.to_vec(), source };
    let solution = solve(&world, &repositories, Policy::Ranked, &[]).map_err(unsolvable)?;
    let member = |record: &Record| {
        let content = record.content.ok_or_else(|| EnvironmentError::NoContent { package: record.info.identity() })?;
        let info = &record.info;
        Ok(Member { name: info.name.clone(), version: info.version.clone(), content, seed: seed::is_seed(info) })
    };
    solution.packages.iter().map(|chosen| member(chosen.record)).collect()
}

/// Sets a seed's libraries apart from ours: its `so:NAME` is `seed:so:NAME`, provided and needed.
///
/// Seeds are of another C library and lie in directories of their own. A library of ours must not serve a seed's program,
/// nor the other way round, and both may be in one root: a compiler that uses zlib while zlib is a library to link.
fn apart(seed: &Record) -> Record {
    let rename = |list: &mut Vec<Dependency>| {
        for one in list.iter_mut().filter(|one| one.name.starts_with("so:")) {
            one.name = format!("seed:{}", one.name);
        }
    };
    let mut seed = seed.clone();
    rename(&mut seed.info.provides);
    rename(&mut seed.info.depends);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use apk::{Checksum, Info};

    fn record(name: &str, provides: &str, depends: &str) -> Record {
        let mut info = Info::new(name.parse().unwrap(), "1-r0".parse().unwrap(), "x86_64");
        info.provides = Dependency::parse_list(provides).unwrap();
        info.depends = Dependency::parse_list(depends).unwrap();
        Record { info, checksum: Checksum::sha1(name), size: 1, content: Some(Digest::of(name)), file: None, uninstallable: None }
    }

    fn solve(wants: &[&str], ours: &[Record], seeds: &[Record]) -> Result<String, EnvironmentError> {
        let wants: Vec<_> = wants.iter().map(|want| (*want).to_owned()).collect();
        let members = solved(&wants, ours, seeds)?;
        Ok(members.iter().map(|member| format!("{}{}", member.name, if member.seed { "*" } else { "" })).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn libraries_of_seeds_and_ours_stand_side_by_side() {
        let ours = [record("zlib", "so:libz.so.1=1.3.1", ""), record("zlib-dev", "", "so:libz.so.1")];
        let seeds = [record("zlib1g", "seed:zlib1g so:libz.so.1=1.3", ""), record("gcc", "seed:gcc", "so:libz.so.1")];
        assert_eq!(solve(&["gcc", "zlib-dev"], &ours, &seeds).unwrap(), "zlib1g* gcc* zlib zlib-dev");
        assert!(solve(&["zlib-dev"], &ours[1..], &seeds).is_err(), "a seed's library serves nothing of ours");
    }

    #[test]
    fn ours_comes_before_a_seed() {
        let ours = [record("make", "", "")];
        let seeds = [record("make", "seed:make", ""), record("sed", "seed:sed", "")];
        assert_eq!(solve(&["make", "sed"], &ours, &seeds).unwrap(), "make sed*");
    }
}
