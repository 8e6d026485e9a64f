//! `distro.lock`: what every definition and every image becomes, to the byte. Committed, so that a change of it is seen in review
//! and a machine elsewhere can say that it built the same.
//!
//! The file is JSON with a value a line. Nothing in it depends on who built, when, where or with which key.

mod difference;

use std::collections::BTreeMap;

use base::{Arch, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::action::{EMIT_FORMAT, RUN_FORMAT};
use crate::builder::{Actions, Built};

pub use difference::{Change, difference};

/// The format of the file.
const FORMAT: u32 = 1;

/// What a distribution becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The format of the file.
    format: u32,
    /// The formats of the actions: another undistro with the same ones gives the same.
    pub formats: Formats,
    /// Definitions by name, then by architecture.
    pub packages: BTreeMap<PackageName, BTreeMap<Arch, Definition>>,
    /// Images by name, then by architecture.
    pub images: BTreeMap<String, BTreeMap<Arch, Image>>,
}

/// The format numbers that went into the keys of the actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formats {
    /// Of Run.
    pub run: u32,
    /// Of Emit.
    pub emit: u32,
    /// Of seeds.
    pub seed: u32,
}

impl Formats {
    /// Those of this undistro.
    pub const OWN: Self = Self { run: RUN_FORMAT, emit: EMIT_FORMAT, seed: crate::seed::FORMAT };
}

/// What a definition becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Version and revision.
    pub version: Version,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: i64,
    /// The keys of its actions.
    pub actions: Actions,
    /// The content of each package.
    pub contents: BTreeMap<PackageName, Digest>,
}

/// What an image becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// The index that holds this architecture alone.
    pub index: Digest,
    /// The manifest.
    pub manifest: Digest,
    /// The configuration.
    pub config: Digest,
    /// The SBOM.
    pub sbom: Digest,
    /// The layers before compression, lowest first.
    pub diff_ids: Vec<Digest>,
    /// The packages by name; their contents stand above.
    pub packages: BTreeMap<PackageName, Version>,
}

/// The file is no lock that this undistro reads.
#[derive(Debug, thiserror::Error)]
pub enum LockedError {
    /// It is not in this form.
    #[error("distro.lock can not be read; write it anew with `undistro lock`")]
    Parse(#[source] serde_json::Error),
    /// It is in another form.
    #[error(
        "distro.lock has format {found}, this undistro knows {FORMAT}; use the undistro that made it, or write it anew with `undistro lock`"
    )]
    Format {
        /// Its format.
        found: u32,
    },
}

impl Default for Locked {
    fn default() -> Self {
        Self { format: FORMAT, formats: Formats::OWN, packages: BTreeMap::new(), images: BTreeMap::new() }
    }
}

impl Locked {
    /// Reads a lock.
    pub fn parse(text: &str) -> Result<Self, LockedError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } = serde_json::from_str(text).map_err(LockedError::Parse)?;
        if format != FORMAT {
            return Err(LockedError::Format { found: format });
        }
        serde_json::from_str(text).map_err(LockedError::Parse)
    }

    /// Writes the lock: the same text for the same lock.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|error| unreachable!("plain values become JSON: {error}"));
        text.push('\n');
        text
    }

    /// Notes what a definition became.
    pub fn add(&mut self, built: &Built, arch: Arch) {
        let Some(main) = built.packages.first() else { return };
        let contents = built.packages.iter().filter_map(|record| Some((record.info.name.clone(), record.content?)));
        let definition =
            Definition { version: main.info.version.clone(), epoch: built.epoch, actions: built.actions, contents: contents.collect() };
        self.packages.entry(built.origin.clone()).or_default().insert(arch, definition);
    }

    /// Notes what an image became.
    pub fn add_image(&mut self, name: &str, lock: &image::Lock, composed: &image::Composed, index: Digest) {
        let image = Image {
            index,
            manifest: composed.manifest.digest,
            config: composed.config.digest,
            sbom: composed.sbom,
            diff_ids: composed.layers.iter().map(|layer| layer.diff_id).collect(),
            packages: lock.packages.iter().map(|one| (one.name.clone(), one.version.clone())).collect(),
        };
        self.images.entry(name.to_owned()).or_default().insert(lock.arch, image);
    }

    /// Keeps only what is for `arch`.
    #[must_use]
    pub fn only(mut self, arch: Arch) -> Self {
        self.packages.values_mut().for_each(|by_arch| by_arch.retain(|one, _| *one == arch));
        self.images.values_mut().for_each(|by_arch| by_arch.retain(|one, _| *one == arch));
        self.packages.retain(|_, by_arch| !by_arch.is_empty());
        self.images.retain(|_, by_arch| !by_arch.is_empty());
        self
    }

    /// Adds what `other` says of architectures other than `arch`, as far as this lock has the definition or image at all.
    pub fn keep_others(&mut self, other: &Self, arch: Arch) {
        for (name, by_arch) in &mut self.packages {
            let others = other.packages.get(name).into_iter().flatten().filter(|(one, _)| **one != arch);
            by_arch.extend(others.map(|(arch, one)| (*arch, one.clone())));
        }
        for (name, by_arch) in &mut self.images {
            let others = other.images.get(name).into_iter().flatten().filter(|(one, _)| **one != arch);
            by_arch.extend(others.map(|(arch, one)| (*arch, one.clone())));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Locked {
        let definition = Definition {
            version: "1.3.1-r0".parse().unwrap(),
            epoch: 1_706_000_000,
            actions: Actions { run: Digest::of("run"), emit: Digest::of("emit") },
            contents: BTreeMap::from([("zlib".parse().unwrap(), Digest::of("zlib")), ("zlib-dev".parse().unwrap(), Digest::of("dev"))]),
        };
        let image = Image {
            index: Digest::of("index"),
            manifest: Digest::of("manifest"),
            config: Digest::of("config"),
            sbom: Digest::of("sbom"),
            diff_ids: vec![Digest::of("a"), Digest::of("b")],
            packages: BTreeMap::from([("zlib".parse().unwrap(), "1.3.1-r0".parse().unwrap())]),
        };
        let mut locked = Locked::default();
        locked.packages.insert("zlib".parse().unwrap(), BTreeMap::from([(Arch::X86_64, definition)]));
        locked.images.insert("static".into(), BTreeMap::from([(Arch::X86_64, image)]));
        locked
    }

    #[test]
    fn reads_what_it_writes_a_value_a_line() {
        let text = example().to_text();
        assert_eq!(Locked::parse(&text).unwrap(), example());
        assert!(text.lines().all(|line| line.matches("sha256:").count() <= 1));
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn refuses_another_format_and_unknown_fields() {
        let text = example().to_text();
        let error = |from: &str, to: &str| Locked::parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error("\"format\": 1", "\"format\": 2"), LockedError::Format { found: 2 }));
        assert!(matches!(error("\"epoch\"", "\"epohc\""), LockedError::Parse(_)));
        assert!(matches!(error("sha256:", "sha1:"), LockedError::Parse(_)));
    }

    #[test]
    fn another_machine_keeps_what_it_can_not_build() {
        let mut other = example();
        let definition = other.packages.values().next().unwrap()[&Arch::X86_64].clone();
        other.packages.values_mut().next().unwrap().insert(Arch::Aarch64, definition);
        let mut new = example();
        new.keep_others(&other, Arch::X86_64);
        assert_eq!(new, other);
        assert_eq!(other.only(Arch::X86_64), example());
    }
}
