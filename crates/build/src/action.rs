//! The three actions, what each is keyed by, and what is recorded of it.
//!
//! | action | keyed by | result |
//! |---|---|---|
//! | Run | steps, sources, contents of the environment, architecture, epoch, variables | output trees |
//! | Emit | output trees, what the packages say of themselves | packages |
//! | Test | contents of the root (the package among them), the test's steps | passed |
//!
//! Each key holds a format number, raised by hand when this code would make something else of the same inputs. It stands
//! in place of the tool's version: a new undistro builds nothing again unless it must.

use std::collections::BTreeMap;

use apk::Record;
use base::{Arch, Digest, PackageName, Store, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::environment::Member;
use crate::lint::Finding;
use crate::provenance::Event;
use crate::work::Job;

/// Raised when the same Run inputs would give other output trees: prelude, constants, native steps, how trees are read.
pub const RUN_FORMAT: u32 = 2;
/// Raised when the same Emit inputs would give other packages: analysis, SBOM, the package format.
pub const EMIT_FORMAT: u32 = 2;
/// Raised when a test that passed might not pass again.
pub const TEST_FORMAT: u32 = 1;

/// The kind of the records of Runs.
pub(crate) const RUN_RECORDS: &str = "run";

/// An action: its fields are its key.
pub(crate) trait Action: Serialize {
    /// What is recorded of it.
    type Result: Serialize + DeserializeOwned;
    /// The kind of its records.
    const KIND: &'static str;
    /// Its format number.
    const FORMAT: u32;

    /// The digest of its canonical JSON: fields in the order of their types, maps in the order of their keys.
    fn key(&self) -> Digest {
        let keyed = serde_json::to_vec(&(Self::KIND, Self::FORMAT, self));
        Digest::of(keyed.unwrap_or_else(|_| unreachable!("actions are plain data with text keys")))
    }

    /// What is recorded of it.
    fn recorded(&self, store: &Store) -> Result<Option<Self::Result>, StoreError> {
        store.record(Self::KIND, &self.key())
    }

    /// Records that it was done.
    fn record(&self, store: &Store, result: &Self::Result) -> Result<(), StoreError> {
        store.put_record(Self::KIND, &self.key(), result)
    }
}

/// Runs the steps of a definition.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run<'a> {
    pub(crate) arch: Arch,
    pub(crate) epoch: i64,
    /// Contents of the packages of the root, in install order.
    pub(crate) environment: Vec<Digest>,
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The files beside the definition, if there are any.
    pub(crate) files: Option<Digest>,
    /// The packages that are made; each has a directory even before the first step.
    pub(crate) outputs: Vec<&'a PackageName>,
    pub(crate) jobs: &'a [Job],
    /// Files of the workspace that hold licences, and are kept.
    pub(crate) licenses: Vec<&'a str>,
}

/// What a Run left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunResult {
    /// The digest of each package's file table.
    pub(crate) outputs: BTreeMap<PackageName, Digest>,
    /// The environment, for whoever asks what a package was made in.
    pub(crate) environment: Vec<Member>,
    /// The log.
    pub(crate) log: Option<Digest>,
    /// The files of the workspace that hold licences, as far as they were there.
    pub(crate) licenses: BTreeMap<String, Digest>,
    /// How long it took.
    pub(crate) seconds: f64,
    /// When it was, and by whom; absent where an older undistro ran it.
    #[serde(default)]
    pub(crate) event: Option<Event>,
}

impl Action for Run<'_> {
    type Result = RunResult;
    const KIND: &'static str = RUN_RECORDS;
    const FORMAT: u32 = RUN_FORMAT;
}

/// Makes packages of output trees.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Emit<'a> {
    pub(crate) arch: Arch,
    pub(crate) epoch: i64,
    pub(crate) outputs: &'a BTreeMap<PackageName, Digest>,
    /// All that the packages say of themselves, and where they come from.
    pub(crate) about: serde_json::Value,
}

/// The packages that were made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EmitResult {
    pub(crate) packages: Vec<Emitted>,
}

/// One package that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Emitted {
    pub(crate) record: Record,
    pub(crate) findings: Vec<Finding>,
}

impl Action for Emit<'_> {
    type Result = EmitResult;
    const KIND: &'static str = "emit";
    const FORMAT: u32 = EMIT_FORMAT;
}

/// Runs the tests of one package.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Test<'a> {
    pub(crate) arch: Arch,
    pub(crate) epoch: i64,
    pub(crate) package: &'a PackageName,
    /// Contents of the packages of the root, the tested one among them.
    pub(crate) environment: Vec<Digest>,
    pub(crate) variables: &'a BTreeMap<String, String>,
    pub(crate) files: Option<Digest>,
    pub(crate) jobs: &'a [Job],
}

/// A test that passed; one that failed is not recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TestResult {
    pub(crate) log: Option<Digest>,
    pub(crate) seconds: f64,
}

impl Action for Test<'_> {
    type Result = TestResult;
    const KIND: &'static str = "test";
    const FORMAT: u32 = TEST_FORMAT;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that changes means that everything is built again, everywhere. When that is meant, raise the format number.
    #[test]
    fn keys_are_what_they_were() {
        let (name, variables): (PackageName, _) = ("zlib".parse().unwrap(), BTreeMap::from([("CC".to_owned(), "cc".to_owned())]));
        let jobs = [Job {
            label: "not part of it".to_owned(),
            context: name.clone(),
            environment: BTreeMap::new(),
            directory: None,
            retry: None,
            work: crate::work::Work::Script("make".to_owned()),
        }];
        let environment = vec![Digest::of("a"), Digest::of("b")];
        let run = Run {
            arch: Arch::X86_64,
            epoch: 1,
            environment: environment.clone(),
            variables: &variables,
            files: None,
            outputs: vec![&name],
            jobs: &jobs,
            licenses: vec!["COPYING"],
        };
        let outputs = BTreeMap::from([(name.clone(), Digest::of("tree"))]);
        let emit = Emit { arch: Arch::X86_64, epoch: 1, outputs: &outputs, about: serde_json::json!({ "version": "1-r0" }) };
        let test = Test {
            arch: Arch::X86_64,
            epoch: 1,
            package: &name,
            environment,
            variables: &variables,
            files: Some(Digest::of("f")),
            jobs: &jobs,
        };
        insta::assert_snapshot!(format!("{}\n{}\n{}", run.key(), emit.key(), test.key()), @r"
        sha256:5765c692a33f389ca95d50e65f2dce7fc3a4be7d30d6b92fc22dd6a81be4faa6
        sha256:72ec852b7f90d1239778edfb67da1f7eed2768cf0449d7ab2bb438a7dcb110ca
        sha256:4cfaa56f23fede4555adb645fb1bf3c2bd88603117a506b6cbc671fa47a0e5c3
        ");
        assert_ne!(Run { epoch: 2, ..run.clone() }.key(), run.key());
    }
}
