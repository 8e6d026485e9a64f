//! A second build as a request that another process, of another user, can be handed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base::{Digest, PackageName, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::Variation;
use crate::builder::{Builder, Built};
use crate::environment::Member;
use crate::error::BuildError;
use crate::provenance::{ProvenanceError, materials, restore};

/// Everything that a second build is made of. The store holds the packages of the root and nothing that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// The definition.
    pub origin: PackageName,
    /// A folder of definitions that holds it.
    pub distro: PathBuf,
    /// The store.
    pub store: PathBuf,
    /// A folder of sources by digest, as `undistro source mirror` writes it.
    pub mirror: PathBuf,
    /// The packages of the root, in install order.
    pub environment: Vec<Member>,
    /// What is otherwise than usual.
    pub variation: Variation,
    /// The file mode creation mask of the process.
    pub umask: u32,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remade {
    /// The packages: content, and where the file lies.
    pub packages: BTreeMap<PackageName, (Digest, PathBuf)>,
    /// The key of the Run action.
    pub run: Option<Digest>,
    /// How long it took.
    pub seconds: f64,
}

impl Again {
    /// Copies the packages of the root into the store of the second build, whole: nothing is shared between the two.
    pub fn furnish(environment: &[Member], from: &Store, to: &Store) -> Result<(), StoreError> {
        for member in environment {
            if to.blob(&member.content).is_some() {
                continue;
            }
            let mut writer = to.blob_writer()?;
            std::io::copy(&mut from.open_blob(&member.content)?, &mut writer)
                .map_err(|source| StoreError::Io { doing: "copying a package to another store", source })?;
            writer.finish_expecting(&member.content, member.name.as_str())?;
        }
        Ok(())
    }

    /// Carries it out. `builder` is made of the parts that this names.
    pub fn carry_out(&self, builder: &Builder<'_>) -> Result<Remade, BuildError> {
        // Another attempt in the same store must run the steps again.
        builder.store.forget(crate::action::RUN_RECORDS)?;
        let built = builder.build_in(&self.origin, self.environment.clone())?;
        Ok(Remade::of(&built, builder.store))
    }
}

impl Remade {
    /// Says where the packages of a build lie.
    #[must_use]
    pub fn of(built: &Built, store: &Store) -> Self {
        let place = |record: &apk::Record| {
            let content = record.content?;
            Some((record.info.name.clone(), (content, store.blob(&content)?)))
        };
        Self { packages: built.packages.iter().filter_map(place).collect(), run: Some(built.actions.run), seconds: built.seconds }
    }
}

impl Builder<'_> {
    /// Writes the definition `origin` alone, with what it uses, as a folder of definitions elsewhere.
    pub fn copy_definition(&self, origin: &PackageName, into: &std::path::Path) -> Result<(), BuildError> {
        let definition = self.distro.definition(origin).ok_or_else(|| BuildError::NoDefinition(origin.clone()))?;
        let error = |source| BuildError::Provenance { package: origin.clone(), source: Box::new(source) };
        let all = materials(self.distro, definition).map_err(|source| error(ProvenanceError::Definition(source)))?;
        restore(all.iter(), into).map_err(error)
    }
}
