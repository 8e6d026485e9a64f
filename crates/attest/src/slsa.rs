//! SLSA provenance v1: how an artifact came to be (<https://slsa.dev/spec/v1.2/build-provenance>).
//!
//! What our build types mean by each field is written in `docs/provenance.md`; the URIs below name that text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::intoto::{Resource, Statement};

/// The type of the predicate.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A package was built from a definition.
pub const PACKAGE_BUILD: &str = "urn:undistro:build:package:1";

/// An image was composed from packages.
pub const IMAGE_BUILD: &str = "urn:undistro:build:image:1";

/// Where something was built, and so what can be said of it. Each mode has an identity of its own, as SLSA demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Someone's own machine: whoever runs it could have written any provenance.
    Local,
}

impl Mode {
    /// Returns the `builder.id` of this mode.
    #[must_use]
    pub const fn builder_id(self) -> &'static str {
        match self {
            Self::Local => "urn:undistro:builder:local:1",
        }
    }

    /// Returns the highest SLSA build level that this mode reaches, whatever is signed.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::Local => 1,
        }
    }

    /// Returns the mode of a `builder.id`, if it is one of ours.
    #[must_use]
    pub fn of_builder(id: &str) -> Option<Self> {
        [Self::Local].into_iter().find(|mode| mode.builder_id() == id)
    }
}

/// A statement of provenance.
pub type Provenance = Statement<Predicate>;

/// How an artifact came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// What was asked for, and what went in.
    pub build_definition: BuildDefinition,
    /// Who carried it out, when, and what else came of it.
    pub run_details: RunDetails,
}

/// What was asked for, and what went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// How the rest is to be read.
    pub build_type: String,
    /// What the user asked for: complete.
    pub external_parameters: BTreeMap<String, Value>,
    /// What the builder set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub internal_parameters: BTreeMap<String, Value>,
    /// Everything that was taken, by digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<Resource>,
}

/// Who carried it out, when, and what else came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// Who.
    pub builder: Builder,
    /// When.
    pub metadata: Metadata,
    /// Logs and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<Resource>,
}

/// The program and machine that built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// Whom one trusts who trusts this provenance.
    pub id: String,
    /// Programs and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
    /// The exact programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builder_dependencies: Vec<Resource>,
}

/// When it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Names this one build.
    pub invocation_id: String,
    /// UTC, to the second.
    pub started_on: String,
    /// UTC, to the second.
    pub finished_on: String,
}

impl Predicate {
    /// Makes a statement about `subject`.
    #[must_use]
    pub fn about(self, subject: Vec<Resource>) -> Provenance {
        Statement::new(subject, PROVENANCE, self)
    }

    /// Returns what was taken and is of `kind`, as the annotation of that name says.
    pub fn taken(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        self.build_definition.resolved_dependencies.iter().filter(move |one| one.annotation("kind") == Some(kind))
    }

    /// Says which SLSA build level this provenance can claim, and why: a line for a person.
    #[must_use]
    pub fn level(&self) -> String {
        match Mode::of_builder(&self.run_details.builder.id) {
            Some(mode @ Mode::Local) => format!("SLSA build level {}: built on someone's own machine, and not signed", mode.level()),
            None => format!("SLSA build level unknown: no builder of ours is called {}", self.run_details.builder.id),
        }
    }
}

/// Writes seconds since 1970 as the timestamps of statements are written.
#[must_use]
pub fn timestamp(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use base::Digest;

    use super::*;

    fn example() -> Predicate {
        let kind = |name: &str, kind: &str| Resource::sha256(name, &Digest::of(name)).annotate("kind", kind);
        Predicate {
            build_definition: BuildDefinition {
                build_type: PACKAGE_BUILD.into(),
                external_parameters: BTreeMap::from([("package".into(), "zlib".into())]),
                internal_parameters: BTreeMap::new(),
                resolved_dependencies: vec![kind("zlib.tar.gz", "source"), kind("musl", "package")],
            },
            run_details: RunDetails {
                builder: Builder { id: Mode::Local.builder_id().into(), version: BTreeMap::new(), builder_dependencies: vec![] },
                metadata: Metadata {
                    invocation_id: "1".into(),
                    started_on: timestamp(0).unwrap(),
                    finished_on: timestamp(86_399).unwrap(),
                },
                byproducts: Vec::new(),
            },
        }
    }

    #[test]
    fn is_written_as_the_specification_names_its_fields() {
        let statement = example().about(vec![Resource::sha256("zlib.apk", &Digest::of("x"))]);
        let text = serde_json::to_string_pretty(&statement.predicate).unwrap();
        for name in ["buildDefinition", "buildType", "externalParameters", "resolvedDependencies", "runDetails", "invocationId"] {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
        assert!(text.contains("\"startedOn\": \"1970-01-01T00:00:00Z\"") && text.contains("\"finishedOn\": \"1970-01-01T23:59:59Z\""));
        assert_eq!(serde_json::from_str::<Provenance>(&statement.to_json()).unwrap(), statement);
    }

    #[test]
    fn a_laptop_is_level_one_and_a_stranger_none() {
        let mut predicate = example();
        assert_eq!(predicate.level(), "SLSA build level 1: built on someone's own machine, and not signed");
        predicate.run_details.builder.id = "https://elsewhere.example/builder".into();
        assert!(predicate.level().starts_with("SLSA build level unknown"));
    }

    #[test]
    fn what_was_taken_is_found_by_kind() {
        let predicate = example();
        assert_eq!(predicate.taken("source").filter_map(|one| one.name.as_deref()).collect::<Vec<_>>(), ["zlib.tar.gz"]);
    }
}
