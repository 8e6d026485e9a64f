//! The image language as written (apko's), also used for the environment of builds and tests.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::package::{LoadError, read_text};
use crate::schema::Definitions;
use crate::yaml::{Decode, Kind, Map, Node, Spanned, Text, record};
use crate::{Diagnostics, yaml};

mod accounts;
mod command;
mod config;
mod evaluate;
mod merge;
mod paths;

pub(crate) use accounts::accounts;
pub use command::split;
pub use config::*;
pub use evaluate::{Includes, check, evaluate};

record! {
    /// An image definition.
    ImageDocument is "an image definition" {
        /// Another definition that this one adds to.
        "include" => include: Option<Text>,
        /// What goes in.
        "contents" => contents: Option<ContentsDocument>,
        /// What runs when a container starts.
        "entrypoint" => entrypoint: Option<EntrypointDocument>,
        /// The arguments of what runs.
        "cmd" => cmd: Option<Spanned<Words>>,
        /// The signal that stops a container.
        "stop-signal" => stop_signal: Option<Text>,
        /// The directory in which a container starts.
        "work-dir" => work_dir: Option<Text>,
        /// Users and groups, and who runs.
        "accounts" => accounts: Option<AccountsDocument>,
        /// Environment variables.
        "environment" => environment: Map<Text>,
        /// Changes of the file system after installation, in order.
        "paths" => paths: Vec<PathDocument>,
        /// Architectures.
        "archs" => archs: Vec<Text>,
        /// Annotations of manifest and index, and labels of the image.
        "annotations" => annotations: Map<Text>,
        /// Paths that containers mount something at.
        "volumes" => volumes: Vec<Text>,
        /// Where the definition is kept.
        "vcs-url" => vcs_url: Option<Text>,
        /// How the contents are divided into layers.
        "layering" => layering: Option<LayeringDocument>,
        /// Certificates to trust.
        "certificates" => certificates: Option<CertificatesDocument>,
        /// `tar` or `erofs`.
        "format" => format: Option<Text>,
        /// `gzip` or `zstd`: how layers are compressed (which apko can not say).
        "compression" => compression: Option<Text>,
    }

    /// What goes in.
    ContentsDocument is "`contents`" {
        /// Repositories for composing, also written into the image.
        "repositories" => repositories: Vec<Text>,
        /// Repositories for composing only.
        "build_repositories" => build_repositories: Vec<Text>,
        /// Repositories that are only written into the image.
        "runtime_repositories" => runtime_repositories: Vec<Text>,
        /// Keys that are trusted, by path or address.
        "keyring" => keyring: Vec<Text>,
        /// Keys that are only written into the image.
        "runtime_keyring" => runtime_keyring: Vec<KeyDocument>,
        /// What is asked for, as in apk's world.
        "packages" => packages: Vec<Text>,
        /// An image to build upon.
        "baseimage" => baseimage: Option<BaseImageDocument>,
    }

    /// A key with its text.
    KeyDocument is "a key" {
        /// File name.
        "name" => name: Text,
        /// PEM text.
        "content" => content: Text,
    }

    /// An image to build upon.
    BaseImageDocument is "`baseimage`" {
        /// OCI layout.
        "image" => image: Text,
        /// Index of what it contains.
        "apkindex" => apkindex: Text,
    }

    /// What runs when a container starts.
    EntrypointDocument is "`entrypoint`" {
        /// `service-bundle`, or nothing.
        "type" => kind: Option<Text>,
        /// A command, divided into words as a shell does.
        "command" => command: Option<Spanned<Words>>,
        /// A script for `/bin/sh -c`.
        "shell-fragment" => shell_fragment: Option<Text>,
        /// The services of a service bundle, by name.
        "services" => services: Map<Text>,
    }

    /// Users and groups, and who runs.
    AccountsDocument is "`accounts`" {
        /// User name or number that runs.
        "run-as" => run_as: Option<Text>,
        /// Users.
        "users" => users: Vec<UserDocument>,
        /// Groups.
        "groups" => groups: Vec<GroupDocument>,
    }

    /// A user.
    UserDocument is "a user" {
        /// Name.
        "username" => username: Text,
        /// Number, not 0.
        "uid" => uid: Option<Spanned<u32>>,
        /// Number of the group; that of the user when absent.
        "gid" => gid: Option<u32>,
        /// Login shell; `/bin/sh` when absent.
        "shell" => shell: Option<Text>,
        /// Home directory; `/home/NAME` when absent.
        "homedir" => homedir: Option<Text>,
    }

    /// A group.
    GroupDocument is "a group" {
        /// Name.
        "groupname" => groupname: Text,
        /// Number.
        "gid" => gid: Option<Spanned<u32>>,
        /// Names of users.
        "members" => members: Vec<Text>,
    }

    /// A change of the file system.
    PathDocument is "a path" {
        /// The path.
        "path" => path: Text,
        /// `directory`, `empty-file`, `hardlink`, `symlink` or `permissions`.
        "type" => kind: Text,
        /// Owner.
        "uid" => uid: Option<u32>,
        /// Group.
        "gid" => gid: Option<u32>,
        /// Mode; octal with a leading 0 or 0o.
        "permissions" => permissions: Option<Spanned<Permissions>>,
        /// What a link points to.
        "source" => source: Option<Text>,
        /// Whether everything below is changed too.
        "recursive" => recursive: Option<bool>,
    }

    /// How the contents are divided into layers.
    LayeringDocument is "`layering`" {
        /// `origin`.
        "strategy" => strategy: Option<Text>,
        /// Largest number of layers.
        "budget" => budget: Option<Spanned<u32>>,
    }

    /// Certificates to trust.
    CertificatesDocument is "`certificates`" {
        /// Certificates with their text.
        "additional" => additional: Vec<CertificateDocument>,
        /// Names of packages that may supply the bundle.
        "providers" => providers: Vec<Text>,
    }

    /// A certificate.
    CertificateDocument is "a certificate" {
        /// Name.
        "name" => name: Option<Text>,
        /// PEM text.
        "content" => content: Text,
    }
}

/// A command line: one text, or the words themselves (which apko does not have).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// To be divided as a shell does.
    Line(String),
    /// Divided already.
    List(Vec<String>),
}

impl Decode for Words {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(_) => Vec::decode(node, out).map(Self::List),
            _ => String::decode(node, out).map(Self::Line),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [String::schema(definitions), Vec::<String>::schema(definitions)] })
    }
}

/// The mode of a file, at most 0o7777.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl Decode for Permissions {
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self> {
        let mode = u32::decode(node, out)?;
        if mode > 0o7777 {
            let written = node.as_str().unwrap_or_default();
            let mut error = crate::Diagnostic::error(crate::Code::BadNumber, node.span, format!("`{written}` is no file mode"));
            if written.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
                error = error.help(format!("modes are octal: write `0{written}`")).fix(node.span, format!("0{written}"));
            }
            out.push(error);
            return None;
        }
        Some(Self(mode))
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": ["integer", "string"] })
    }
}

/// An image definition as written, with its text.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it says.
    pub document: ImageDocument,
    /// The text that it was read from, for messages about it.
    pub text: Arc<str>,
    /// What should be changed in it.
    pub warnings: Diagnostics,
}

/// Parses an image definition.
///
/// # Errors
/// Every mistake in its shape; what it means is checked by [`evaluate()`].
pub fn parse(text: &str) -> Result<Image, Diagnostics> {
    let (image, diagnostics) = read(text);
    diagnostics.finish(image).map(|(image, warnings)| Image { warnings, ..image })
}

/// Parses as much as can be read.
pub(crate) fn read(text: &str) -> (Option<Image>, Diagnostics) {
    let (document, diagnostics) = yaml::read::<ImageDocument>(text);
    (document.map(|document| Image { document, text: text.into(), warnings: Diagnostics::new() }), diagnostics)
}

/// Reads and parses the definition at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Image, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}
