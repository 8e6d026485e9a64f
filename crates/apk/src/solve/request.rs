//! What is asked of a solve: the world, how to prefer, and what apk's options say about single names.

use std::ops::{BitOr, BitOrAssign};

use base::Dependency;

/// What the user wants installed, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// Names, constraints, pins (`name@tag`) and conflicts (`!name`), as in `/etc/apk/world`.
    pub wants: Vec<Dependency>,
}

impl World {
    /// Parses wants separated by white space.
    pub fn parse(text: &str) -> Result<Self, base::DependencyError> {
        Dependency::parse_list(text).map(|wants| Self { wants })
    }

    /// Returns the wants in the order in which they are worked through: by name, without regard to case first.
    pub(crate) fn sorted(&self) -> Vec<&Dependency> {
        let mut wants: Vec<_> = self.wants.iter().collect();
        wants.sort_by(|a, b| display_order(&a.name, &b.name));
        wants.dedup();
        wants
    }
}

/// Compares names as apk lists them.
pub(crate) fn display_order(a: &str, b: &str) -> std::cmp::Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower)).then_with(|| a.cmp(b))
}

/// How one candidate is preferred over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// apk's way: what is installed stays, then the highest version in any untagged repository, then `provider_priority`, then the
    /// repository with the lower rank. An unversioned `provides` without a priority is never a reason to install a package.
    #[default]
    Apk,
    /// apko's way: nothing is installed; what has the origin and version of a package that is chosen already, then the highest version, then `provider_priority`, then the package's own version, then its name.
    /// An unversioned `provides` without a priority is a reason to install a package.
    Apko,
    /// As `Apk`, but the repository with the lower rank comes before the version: a seed is taken only where nothing of ours fits.
    Ranked,
}

/// What apk's options ask for some names, or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special: what is installed stays where it can.
    pub const NONE: Self = Self(0);
    /// Take the highest version even where another is installed (`--upgrade`).
    pub const UPGRADE: Self = Self(1);
    /// Prefer what a repository still has over what is only installed (`--available`).
    pub const AVAILABLE: Self = Self(2);
    /// Take the highest version or fail (`--latest`).
    pub const LATEST: Self = Self(4);
    /// Install again what is installed (`fix --reinstall`).
    pub const REINSTALL: Self = Self(8);
    /// Keep what is installed in spite of `UPGRADE` (`upgrade --ignore`).
    pub const KEEP: Self = Self(16);
    /// The user asked for its removal: that it is installed counts for nothing (`del`).
    pub const REMOVE: Self = Self(32);

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns these flags without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Flags for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// All packages that have or provide this name.
    pub name: String,
    /// What is asked of them.
    pub flags: Flags,
    /// What is asked of all that they depend on.
    pub inherited: Flags,
}

/// All that is asked of a solve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What the user wants.
    pub world: World,
    /// How candidates are preferred.
    pub policy: Policy,
    /// Flags for the whole world and all it depends on.
    pub flags: Flags,
    /// Flags for single names.
    pub marks: Vec<Mark>,
    /// Prefer what is installed but for the marked names (the step in which apk upgrades itself first).
    pub preupgrade: bool,
    /// Leave out wants that can not be met beside those before them (`--force-broken-world`).
    pub lenient: bool,
}

impl Request {
    /// Asks for a world by a policy, without flags.
    #[must_use]
    pub fn new(world: World, policy: Policy) -> Self {
        Self { world, policy, ..Self::default() }
    }
}
