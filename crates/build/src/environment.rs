//! Which packages a root holds: what is asked for, solved over what was built and the seeds.

use apk::Record;
use apk::solve::{Policy, Repository, World, solve};
use base::{Dependency, DependencyError, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::seed;

/// One package of a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    let repositories = [Repository::new(ours).ranked(0), Repository::new(seeds).ranked(1)];
    let unsolvable = |source| EnvironmentError::Unsolvable { wants: wants.to_vec(), source };
    let solution = solve(&world, &repositories, Policy::Ranked, &[]).map_err(unsolvable)?;
    let member = |record: &Record| {
        let content = record.content.ok_or_else(|| EnvironmentError::NoContent { package: record.info.identity() })?;
        let info = &record.info;
        Ok(Member { name: info.name.clone(), version: info.version.clone(), content, seed: seed::is_seed(info) })
    };
    solution.packages.iter().map(|chosen| member(chosen.record)).collect()
}
