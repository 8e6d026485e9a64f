//! What exactly goes into an image: each package by the digest of its content.

use apk::solve::{Policy, Repository, Request, Universe, Unsolvable, World};
use base::{Arch, Dependency, DependencyError, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};
use spec::image::Config;

/// The packages of an image for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// For which machines.
    pub arch: Arch,
    /// What was asked for.
    pub wants: Vec<Dependency>,
    /// The packages in install order.
    pub packages: Vec<Locked>,
}

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// The sha256 of its control and data members: the same whoever signed it.
    pub content: Digest,
}

/// Why an image can not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// An entry of `contents.packages` is no dependency.
    #[error("`contents.packages`")]
    Want(#[from] DependencyError),
    /// There is no set of packages that meets what was asked for.
    #[error(transparent)]
    Unsolvable(#[from] Unsolvable),
    /// The index does not say which content a package has.
    #[error("the index gives no digest of the content of {package}; bring the package into the store first")]
    NoContent {
        /// The package.
        package: String,
    },
}

/// Chooses the packages of an image.
///
/// `repositories` are those that may go into an image: seeds are none of them.
pub fn lock(definition: &Config, repositories: &[Repository<'_>], arch: Arch, policy: Policy) -> Result<Lock, LockError> {
    let wants = definition.contents.packages.iter().map(|text| text.parse()).collect::<Result<Vec<Dependency>, _>>()?;
    let universe = Universe::new(repositories, &[], Some(arch.apk()));
    let solution = universe.solve(&Request::new(World { wants: wants.clone() }, policy))?;
    let locked = |chosen: &apk::solve::Chosen<'_>| {
        let info = &chosen.record.info;
        let content = chosen.record.content.ok_or_else(|| LockError::NoContent { package: info.identity() })?;
        Ok(Locked { name: info.name.clone(), version: info.version.clone(), content })
    };
    Ok(Lock { arch, wants, packages: solution.packages.iter().map(locked).collect::<Result<_, LockError>>()? })
}

#[cfg(test)]
mod tests {
    use apk::{Info, Record};

    use super::*;

    fn record(name: &str, depends: &str, content: bool) -> Record {
        let info = Info::new(name.parse().unwrap(), "1-r0".parse().unwrap(), "x86_64");
        let info = Info { depends: Dependency::parse_list(depends).unwrap(), ..info };
        let content = content.then(|| Digest::of(name));
        Record { info, checksum: apk::Checksum::sha1(name), size: 1, content, file: None, uninstallable: None }
    }

    fn wanting(packages: &str) -> Config {
        spec::image::evaluate(&spec::image::parse(&format!("contents: {{packages: [{packages}]}}")).unwrap(), &(), None).unwrap()
    }

    #[test]
    fn names_exact_packages_in_install_order_and_is_read_back() {
        let records = [record("a", "b", true), record("b", "", true), record("c", "", true)];
        let lock = lock(&wanting("a"), &[Repository::new(&records)], Arch::X86_64, Policy::Apko).unwrap();
        let names: Vec<_> = lock.packages.iter().map(|one| (one.name.as_str(), one.content)).collect();
        assert_eq!(names, [("b", Digest::of("b")), ("a", Digest::of("a"))]);
        let text = serde_json::to_string(&lock).unwrap();
        assert_eq!(serde_json::from_str::<Lock>(&text).unwrap(), lock);
    }

    #[test]
    fn says_what_it_lacks() {
        let records = [record("a", "nothing", true), record("b", "", false)];
        let fail = |wants| lock(&wanting(wants), &[Repository::new(&records)], Arch::X86_64, Policy::Apko).unwrap_err();
        assert!(matches!(fail("a"), LockError::Unsolvable(_)));
        assert!(matches!(fail("absent"), LockError::Unsolvable(_)));
        assert!(matches!(fail("b"), LockError::NoContent { package } if package == "b-1-r0"));
    }
}
