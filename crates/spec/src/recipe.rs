//! A package definition as meant, for one architecture: nothing left to substitute, to look up or to decide.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Arch, PackageName};
use serde::Serialize;

use crate::Diagnostics;
use crate::image::Accounts;

/// Where steps run, and where their outputs are.
pub const WORKSPACE: &str = "/home/build";
/// The folder that holds one folder for each package that is made.
pub const OUTPUTS: &str = "/home/build/melange-out";

/// One origin package for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// Its name.
    pub name: PackageName,
    /// Upstream's version.
    pub version: String,
    /// The number behind `-r`.
    pub epoch: u64,
    /// The architecture it was evaluated for.
    pub arch: Arch,
    /// Whether the definition is meant for this architecture at all.
    pub supported: bool,
    /// What it is, in one line.
    pub description: String,
    /// Upstream's home page.
    pub url: String,
    /// Commit of the definition, if it says so itself.
    pub commit: Option<String>,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
    /// Licences, all of which hold.
    pub copyright: Vec<Copyright>,
    /// What it needs, provides and replaces.
    pub dependencies: Dependencies,
    /// Which dependencies are not found automatically.
    pub options: PackageOptions,
    /// Scripts that run when it is installed or removed.
    pub scriptlets: Scriptlets,
    /// Checks of the result that are off.
    pub checks_disabled: Vec<String>,
    /// Its name in the CPE dictionary.
    pub cpe: Option<Cpe>,
    /// File capabilities.
    pub setcap: Vec<SetCap>,
    /// How long the build may take.
    #[serde(serialize_with = "seconds")]
    pub timeout: Option<Duration>,
    /// What the build needs of the machine.
    pub resources: Resources,
    /// What the tests need of the machine.
    pub test_resources: Resources,
    /// Linux capabilities of the build's processes.
    pub capabilities: Capabilities,
    /// What the build sees.
    pub environment: Environment,
    /// The steps that make the package.
    pub pipeline: Vec<Step>,
    /// Further packages from the same build, those whose condition holds.
    pub subpackages: Vec<Subpackage>,
    /// How it is tested.
    pub test: Option<Test>,
    /// How new versions are found.
    pub update: Option<Update>,
    /// What should be changed in the definition.
    #[serde(skip)]
    pub warnings: Diagnostics,
}

impl Recipe {
    /// Returns version and epoch as apk writes them: `1.2.3-r0`.
    #[must_use]
    pub fn full_version(&self) -> String {
        format!("{}-r{}", self.version, self.epoch)
    }
}

/// Writes a duration as seconds.
fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|d| d.as_secs_f64()).serialize(serializer)
}

/// A licence and what it covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copyright {
    /// The files it covers.
    pub paths: Vec<String>,
    /// What the authors say.
    pub attestation: Option<String>,
    /// SPDX expression.
    pub license: String,
    /// File with the text, in the workspace.
    pub license_path: Option<String>,
    /// What the licence detector says, though it is wrong.
    pub detection_override: Option<String>,
}

/// What a package needs, provides and replaces; each entry as apk writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependencies {
    /// What must be installed with it.
    pub runtime: Vec<String>,
    /// Other names it can be asked for by.
    pub provides: Vec<String>,
    /// Packages whose files it may overwrite.
    pub replaces: Vec<String>,
    /// Which of several providers is taken.
    pub provider_priority: Option<i64>,
    /// Which of several replacers keeps its file.
    pub replaces_priority: Option<i64>,
}

/// Which dependencies are not found automatically.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageOptions {
    /// Nothing it contains is provided.
    pub no_provides: bool,
    /// Nothing it links to is needed.
    pub no_depends: bool,
    /// Its commands are neither provided nor needed.
    pub no_commands: bool,
    /// Shared libraries are needed in any version.
    pub no_versioned_shlib_deps: bool,
}

/// Scripts that run when a package is installed or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scriptlets {
    /// Runs when other packages change certain paths.
    pub trigger: Option<Trigger>,
    /// Runs before installation.
    pub pre_install: Option<String>,
    /// Runs after installation.
    pub post_install: Option<String>,
    /// Runs before removal.
    pub pre_deinstall: Option<String>,
    /// Runs after removal.
    pub post_deinstall: Option<String>,
    /// Runs before an upgrade.
    pub pre_upgrade: Option<String>,
    /// Runs after an upgrade.
    pub post_upgrade: Option<String>,
}

/// A script and the directories it watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trigger {
    /// The script.
    pub script: String,
    /// The directories.
    pub paths: Vec<String>,
}

/// A name in the CPE dictionary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cpe {
    /// `a` or `o`.
    pub part: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// Product.
    pub product: Option<String>,
    /// Edition.
    pub edition: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Software edition.
    pub sw_edition: Option<String>,
    /// Target software.
    pub target_sw: Option<String>,
    /// Target hardware.
    pub target_hw: Option<String>,
    /// Other.
    pub other: Option<String>,
}

/// Capabilities that a file gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetCap {
    /// The file.
    pub path: String,
    /// Capability → how it is set (`+ep`).
    pub add: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
}

/// What work needs of the machine; empty where the definition says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// Number of CPUs.
    pub cpu: Option<String>,
    /// Kind of CPU.
    pub cpumodel: Option<String>,
    /// Memory.
    pub memory: Option<String>,
    /// Disk.
    pub disk: Option<String>,
}

/// Linux capabilities beyond or of the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Beyond the usual.
    pub add: Vec<String>,
    /// Of the usual.
    pub drop: Vec<String>,
}

/// What a build or a test sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Environment {
    /// Packages of the root, those that the steps need among them: sorted, each once.
    pub packages: Vec<String>,
    /// Repositories that the definition names.
    pub repositories: Vec<String>,
    /// Keys that the definition names.
    pub keyring: Vec<String>,
    /// Environment variables that the definition sets.
    pub env: BTreeMap<String, String>,
    /// Users and groups, and who runs.
    pub accounts: Accounts,
}

/// One step. Conditions are decided: what should not run is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Label in logs.
    pub name: Option<String>,
    /// The pipeline that it came from.
    pub origin: Option<String>,
    /// Environment variables, those of the steps above among them.
    pub environment: BTreeMap<String, String>,
    /// Directory to run in, that of the steps above if it has none; [`WORKSPACE`] when absent.
    pub working_directory: Option<String>,
    /// How many of the steps directly below had to run; it was checked.
    pub required_steps: Option<u32>,
    /// How often it is tried again.
    pub retry: Option<Retry>,
    /// What it does.
    pub action: Action,
}

/// How a failing step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// How often it is run at most.
    pub attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Before the second attempt, in milliseconds.
    pub initial_delay_ms: u64,
    /// At most, in milliseconds.
    pub max_delay_ms: u64,
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By the first delay each time.
    Linear,
    /// Twofold each time.
    #[default]
    Exponential,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Run a script with the shell.
    Run {
        /// The script.
        script: String,
    },
    /// Carry out a built-in pipeline.
    Native {
        /// Its name.
        pipeline: String,
        /// Its inputs, defaults filled in; an input without a value is not here.
        inputs: BTreeMap<String, String>,
    },
    /// Run steps in turn.
    Group(Vec<Step>),
}

/// A further package from the same build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subpackage {
    /// Its name.
    pub name: PackageName,
    /// What it is, in one line.
    pub description: String,
    /// Home page.
    pub url: String,
    /// Commit of the definition, if it says so itself.
    pub commit: Option<String>,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it needs, provides and replaces.
    pub dependencies: Dependencies,
    /// Which dependencies are not found automatically.
    pub options: PackageOptions,
    /// Scripts that run when it is installed or removed.
    pub scriptlets: Scriptlets,
    /// Checks of the result that are off.
    pub checks_disabled: Vec<String>,
    /// File capabilities.
    pub setcap: Vec<SetCap>,
    /// The steps that fill it.
    pub pipeline: Vec<Step>,
    /// How it is tested.
    pub test: Option<Test>,
}

/// How a package is tested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Test {
    /// What the test sees, the tested package among it.
    pub environment: Environment,
    /// The steps.
    pub pipeline: Vec<Step>,
}

/// How new versions are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Update {
    /// Whether to look at all.
    pub enabled: bool,
    /// Whether a person makes the change.
    pub manual: bool,
    /// Why it is not enabled.
    pub exclude_reason: Option<String>,
    /// Whether every version must be built in turn.
    pub require_sequential: bool,
    /// Whether packages that use it must be built again.
    pub shared: bool,
    /// What stands between the parts of upstream's version, if not a dot.
    pub version_separator: Option<String>,
    /// Versions to pass over; each compiles.
    pub ignore_regex_patterns: Vec<String>,
    /// How upstream's version becomes ours; each compiles.
    pub version_transform: Vec<VersionTransform>,
    /// How often to look.
    pub schedule: Option<Schedule>,
    /// Whether pre-releases count.
    pub enable_prerelease_tags: bool,
    /// Where to look.
    pub sources: Vec<UpdateSource>,
}

/// How one version becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionTransform {
    /// Regular expression.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What each match becomes.
    pub replace: String,
}

/// How often to look for new versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// The period.
    pub period: Period,
    /// Why.
    pub reason: Option<String>,
}

/// A period of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Once a day.
    Daily,
    /// Once a week.
    Weekly,
    /// Once a month.
    Monthly,
}

/// What is cut from and asked of upstream's tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TagFilter {
    /// What precedes the version.
    pub strip_prefix: Option<String>,
    /// What follows the version.
    pub strip_suffix: Option<String>,
    /// Only tags that begin so.
    pub prefix: Option<String>,
    /// Only tags that contain this.
    pub contains: Option<String>,
}

/// Where new versions are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum UpdateSource {
    /// A project on GitHub.
    GitHub {
        /// `owner/repository`.
        identifier: String,
        /// Which tags.
        filter: TagFilter,
        /// Whether tags are looked at rather than releases.
        use_tag: bool,
    },
    /// release-monitoring.org.
    ReleaseMonitor {
        /// Number of the project.
        identifier: u64,
        /// Which versions.
        filter: TagFilter,
    },
    /// The tags of the repository that is checked out.
    Git {
        /// Which tags.
        filter: TagFilter,
    },
    /// The tags of an OCI repository.
    Oci {
        /// The repository.
        identifier: String,
        /// Which tags.
        filter: TagFilter,
    },
    /// Lists of versions kept elsewhere.
    VersionData {
        /// How a version is put together.
        format: Option<String>,
        /// The lists: name, stream.
        sources: Vec<(String, Option<String>)>,
    },
}
