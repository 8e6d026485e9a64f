//! An image definition as meant.

use std::collections::BTreeMap;

use base::Arch;
use serde::Serialize;

/// An image: everything checked, included files merged, command lines divided into words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Config {
    /// What goes in.
    pub contents: Contents,
    /// What runs when a container starts.
    pub entrypoint: Entrypoint,
    /// The arguments of what runs.
    pub cmd: Vec<String>,
    /// Users and groups, and who runs.
    pub accounts: Accounts,
    /// Environment variables that the definition sets.
    pub environment: BTreeMap<String, String>,
    /// Changes of the file system after installation, in order.
    pub paths: Vec<PathMutation>,
    /// Architectures, each once, sorted; empty when the definition leaves it to whoever composes.
    pub archs: Vec<Arch>,
    /// The directory in which a container starts.
    pub work_dir: Option<String>,
    /// The signal that stops a container.
    pub stop_signal: Option<String>,
    /// Paths that containers mount something at.
    pub volumes: Vec<String>,
    /// Annotations of manifest and index, and labels of the image.
    pub annotations: BTreeMap<String, String>,
    /// How the contents are divided into layers; one layer when absent.
    pub layering: Option<Layering>,
    /// Where the definition is kept.
    pub vcs_url: Option<String>,
    /// Certificates to trust.
    pub certificates: Certificates,
    /// How layers are written.
    pub format: Format,
    /// How layers are compressed.
    pub compression: Compression,
}

/// What goes in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Contents {
    /// Repositories for composing, also written into the image; a tagged one is `@tag url`.
    pub repositories: Vec<String>,
    /// Repositories for composing only.
    pub build_repositories: Vec<String>,
    /// Repositories that are only written into the image.
    pub runtime_repositories: Vec<String>,
    /// Keys that are trusted.
    pub keyring: Vec<String>,
    /// Keys that are only written into the image.
    pub runtime_keyring: Vec<Key>,
    /// What is asked for, each entry as in apk's world.
    pub packages: Vec<String>,
    /// An image to build upon.
    pub baseimage: Option<BaseImage>,
}

/// A key with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// File name.
    pub name: String,
    /// PEM text.
    pub content: String,
}

/// An image to build upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseImage {
    /// OCI layout.
    pub image: String,
    /// Index of what it contains.
    pub apkindex: String,
}

/// What runs when a container starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrypoint {
    /// Nothing is said.
    #[default]
    None,
    /// A command.
    Command(Vec<String>),
    /// A script for `/bin/sh -c`.
    ShellFragment(String),
    /// Services below a supervisor: name → command.
    ServiceBundle(BTreeMap<String, String>),
}

impl Entrypoint {
    /// Returns what the OCI configuration holds as `Entrypoint`.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        match self {
            Self::None => Vec::new(),
            Self::Command(command) => command.clone(),
            Self::ShellFragment(script) => words(&["/bin/sh", "-c", script]),
            Self::ServiceBundle(_) => words(&["/bin/s6-svscan", "/sv"]),
        }
    }
}

/// Users and groups, and who runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accounts {
    /// User name or number that runs, as written.
    pub run_as: Option<String>,
    /// Users.
    pub users: Vec<User>,
    /// Groups.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Returns what the OCI configuration holds as `User`: the number of a user that is listed here, else the text as it is.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let run_as = self.run_as.as_ref()?;
        let listed = self.users.iter().find(|user| &user.username == run_as);
        Some(listed.map_or_else(|| run_as.clone(), |user| user.uid.to_string()))
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Name.
    pub username: String,
    /// Number.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Login shell.
    pub shell: String,
    /// Home directory.
    pub homedir: String,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Name.
    pub groupname: String,
    /// Number.
    pub gid: u32,
    /// Names of users.
    pub members: Vec<String>,
}

/// A change of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathMutation {
    /// The path, absolute or relative to the root; it does not climb out.
    pub path: String,
    /// What is made or changed.
    pub kind: PathKind,
    /// Owner; unchanged when neither owner nor group is given.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Mode.
    pub permissions: Option<u32>,
    /// Whether everything below is changed too.
    pub recursive: bool,
}

/// What a path mutation makes or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A directory, and those above it.
    Directory,
    /// An empty file.
    EmptyFile,
    /// A further name of a file.
    HardLink(String),
    /// A symbolic link to this.
    SymLink(String),
    /// Only mode and owner.
    Permissions,
}

/// How the contents are divided into layers: by origin, at most this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Layering {
    /// Largest number of layers.
    pub budget: u32,
}

/// Certificates to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Certificates {
    /// Certificates with their text.
    pub additional: Vec<Key>,
    /// Names of packages that may supply the bundle.
    pub providers: Vec<String>,
}

/// How layers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As tar.
    #[default]
    Tar,
    /// As a file system image (experimental in apko).
    Erofs,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As gzip, which every client reads.
    #[default]
    Gzip,
    /// As zstd: smaller and faster to unpack; Docker reads it since 23.0, Podman and containerd for longer.
    Zstd,
}
