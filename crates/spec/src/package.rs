//! The package language as written: one origin package, its subpackages, and how they are built and tested.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::pipeline::Step;
use crate::update::Update;
use crate::yaml::{MAX_BYTES, Map, Spanned, Text, record};
use crate::{Diagnostics, image, yaml};

record! {
    /// A package definition.
    Document is "a package definition" {
        /// What the package is.
        "package" => package: Metadata,
        /// What the build sees.
        "environment" => environment: Option<image::ImageDocument>,
        /// Linux capabilities of the build's processes.
        "capabilities" => capabilities: Option<Capabilities>,
        /// Variables, used as `${{vars.NAME}}`.
        "vars" => vars: Map<Text>,
        /// Variables derived from others with a regular expression.
        "var-transforms" => var_transforms: Vec<Transform>,
        /// Tables for the `range` of subpackages.
        "data" => data: Vec<Table>,
        /// Variants of the build that can be switched on by name.
        "options" => options: Map<Variant>,
        /// The steps that make the package.
        "pipeline" => pipeline: Vec<Step>,
        /// Further packages from the same build.
        "subpackages" => subpackages: Vec<Subpackage>,
        /// How new versions are found.
        "update" => update: Option<Update>,
        /// How the package is tested.
        "test" => test: Option<Test>,
    }

    /// What a package is.
    Metadata is "`package`" {
        /// Its name.
        "name" => name: Text,
        /// Its version as upstream has it, in apk's form.
        "version" => version: Text,
        /// How often this version was packaged before; the `0` of `-r0`.
        "epoch" => epoch: Spanned<u64>,
        /// What it is, in one line.
        "description" => description: Option<Text>,
        /// Upstream's home page.
        "url" => url: Option<Text>,
        /// Commit of the definition.
        "commit" => commit: Option<Text>,
        /// Free annotations.
        "annotations" => annotations: Map<Text>,
        /// The architectures it is for; absent for all.
        "target-architecture" => target_architecture: Vec<Text>,
        /// Licences, all of which hold.
        "copyright" => copyright: Vec<Copyright>,
        /// What it needs, provides and replaces.
        "dependencies" => dependencies: Option<Dependencies>,
        /// Which dependencies are not found automatically.
        "options" => options: Option<Options>,
        /// Scripts that run when it is installed or removed.
        "scriptlets" => scriptlets: Option<Scriptlets>,
        /// Which checks of the result are off.
        "checks" => checks: Option<Checks>,
        /// Its name in the CPE dictionary.
        "cpe" => cpe: Option<Cpe>,
        /// File capabilities.
        "setcap" => setcap: Vec<SetCap>,
        /// How long the build may take.
        "timeout" => timeout: Option<Text>,
        /// What the build needs of the machine.
        "resources" => resources: Option<Resources>,
        /// What the tests need of the machine.
        "test-resources" => test_resources: Option<Resources>,
    }

    /// A licence and what it covers.
    Copyright is "`copyright`" {
        /// The files it covers.
        "paths" => paths: Vec<Text>,
        /// What the authors say.
        "attestation" => attestation: Option<Text>,
        /// SPDX expression.
        "license" => license: Option<Text>,
        /// File with the text, in the workspace.
        "license-path" => license_path: Option<Text>,
        /// What the licence detector says here, though it is wrong.
        "detection-override" => detection_override: Option<Text>,
        /// `AND` or `OR`, between `licenses`.
        "operator" => operator: Option<Text>,
        /// Licences that `operator` joins.
        "licenses" => licenses: Vec<Copyright>,
    }

    /// What a package needs, provides and replaces.
    Dependencies is "`dependencies`" {
        /// What must be installed with it.
        "runtime" => runtime: Vec<Text>,
        /// Other names it can be asked for by.
        "provides" => provides: Vec<Text>,
        /// Packages whose files it may overwrite.
        "replaces" => replaces: Vec<Text>,
        /// Which of several providers is taken: the greater number.
        "provider-priority" => provider_priority: Option<Text>,
        /// Which of several replacers keeps its file: the greater number.
        "replaces-priority" => replaces_priority: Option<Text>,
    }

    /// Which dependencies are not found automatically.
    Options is "`options`" {
        /// Nothing it contains is provided.
        "no-provides" => no_provides: Option<bool>,
        /// Nothing it links to is needed.
        "no-depends" => no_depends: Option<bool>,
        /// Its commands are neither provided nor needed.
        "no-commands" => no_commands: Option<bool>,
        /// Shared libraries are needed in any version.
        "no-versioned-shlib-deps" => no_versioned_shlib_deps: Option<bool>,
    }

    /// Scripts that run when a package is installed or removed; each begins with its `#!` line.
    Scriptlets is "`scriptlets`" {
        /// Runs when other packages change certain paths.
        "trigger" => trigger: Option<Trigger>,
        /// Runs before installation.
        "pre-install" => pre_install: Option<Text>,
        /// Runs after installation.
        "post-install" => post_install: Option<Text>,
        /// Runs before removal.
        "pre-deinstall" => pre_deinstall: Option<Text>,
        /// Runs after removal.
        "post-deinstall" => post_deinstall: Option<Text>,
        /// Runs before an upgrade.
        "pre-upgrade" => pre_upgrade: Option<Text>,
        /// Runs after an upgrade.
        "post-upgrade" => post_upgrade: Option<Text>,
    }

    /// A script that runs when other packages change certain paths.
    Trigger is "`trigger`" {
        /// The script.
        "script" => script: Option<Text>,
        /// The directories that are watched.
        "paths" => paths: Vec<Text>,
    }

    /// Which checks of the result are off.
    Checks is "`checks`" {
        /// Their names.
        "disabled" => disabled: Vec<Text>,
    }

    /// A name in the CPE dictionary.
    Cpe is "`cpe`" {
        /// `a` for applications, `o` for operating systems.
        "part" => part: Option<Text>,
        /// Vendor.
        "vendor" => vendor: Option<Text>,
        /// Product.
        "product" => product: Option<Text>,
        /// Edition (legacy).
        "edition" => edition: Option<Text>,
        /// Language.
        "language" => language: Option<Text>,
        /// Software edition.
        "sw_edition" => sw_edition: Option<Text>,
        /// Target software.
        "target_sw" => target_sw: Option<Text>,
        /// Target hardware.
        "target_hw" => target_hw: Option<Text>,
        /// Other.
        "other" => other: Option<Text>,
    }

    /// Capabilities that a file gets.
    SetCap is "`setcap`" {
        /// The file.
        "path" => path: Text,
        /// Names, joined by commas, and how they are set (`+ep`).
        "add" => add: Map<Text>,
        /// Why it needs them.
        "reason" => reason: Option<Text>,
    }

    /// What work needs of the machine.
    Resources is "`resources`" {
        /// Number of CPUs.
        "cpu" => cpu: Option<Text>,
        /// Kind of CPU.
        "cpumodel" => cpumodel: Option<Text>,
        /// Memory, such as `4Gi`.
        "memory" => memory: Option<Text>,
        /// Disk, such as `50Gi`.
        "disk" => disk: Option<Text>,
    }

    /// Linux capabilities of the build's processes.
    Capabilities is "`capabilities`" {
        /// Beyond the usual.
        "add" => add: Vec<Text>,
        /// Of the usual.
        "drop" => drop: Vec<Text>,
    }

    /// A variable made from another.
    Transform is "a transform" {
        /// Where it starts, such as `${{package.version}}`.
        "from" => from: Text,
        /// Regular expression (RE2).
        "match" => pattern: Text,
        /// What each match becomes; `$1` and `${1}` are groups.
        "replace" => replace: Text,
        /// Name of the new variable.
        "to" => to: Text,
    }

    /// A table for `range`.
    Table is "`data`" {
        /// Its name.
        "name" => name: Text,
        /// Its rows: `${{range.key}}` and `${{range.value}}`.
        "items" => items: Map<Text>,
    }

    /// A variant of the build.
    Variant is "an option" {
        /// Variables it changes.
        "vars" => vars: Map<Text>,
        /// How it changes the build root.
        "environment" => environment: Option<VariantEnvironment>,
    }

    /// How a variant changes the build root.
    VariantEnvironment is "the `environment` of an option" {
        /// The contents.
        "contents" => contents: Option<VariantContents>,
    }

    /// How a variant changes the contents of the build root.
    VariantContents is "the `contents` of an option" {
        /// The packages.
        "packages" => packages: Option<VariantPackages>,
    }

    /// How a variant changes the packages of the build root.
    VariantPackages is "the `packages` of an option" {
        /// Those that come in.
        "add" => add: Vec<Text>,
        /// Those that go.
        "remove" => remove: Vec<Text>,
    }

    /// A further package from the same build.
    Subpackage is "a subpackage" {
        /// Condition; the subpackage exists only when it holds.
        "if" => condition: Option<Text>,
        /// Table from `data`: one subpackage for each row.
        "range" => range: Option<Text>,
        /// Its name.
        "name" => name: Text,
        /// What it is, in one line.
        "description" => description: Option<Text>,
        /// Home page.
        "url" => url: Option<Text>,
        /// Commit of the definition.
        "commit" => commit: Option<Text>,
        /// Free annotations.
        "annotations" => annotations: Map<Text>,
        /// The architectures it is for; absent for all.
        "target-architecture" => target_architecture: Vec<Text>,
        /// What it needs, provides and replaces.
        "dependencies" => dependencies: Option<Dependencies>,
        /// Which dependencies are not found automatically.
        "options" => options: Option<Options>,
        /// Scripts that run when it is installed or removed.
        "scriptlets" => scriptlets: Option<Scriptlets>,
        /// Which checks of the result are off.
        "checks" => checks: Option<Checks>,
        /// File capabilities.
        "setcap" => setcap: Vec<SetCap>,
        /// The steps that fill it.
        "pipeline" => pipeline: Vec<Step>,
        /// How it is tested.
        "test" => test: Option<Test>,
    }

    /// How a package is tested.
    Test is "`test`" {
        /// What the test sees besides the package.
        "environment" => environment: Option<image::ImageDocument>,
        /// The steps.
        "pipeline" => pipeline: Vec<Step>,
    }
}

/// A package definition as written, with its text.
#[derive(Debug, Clone)]
pub struct Package {
    /// What it says.
    pub document: Document,
    /// The text that it was read from, for messages about it.
    pub text: Arc<str>,
    /// What should be changed in it.
    pub warnings: Diagnostics,
}

/// A definition can not be had from a path.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can not be read.
    #[error("read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds mistakes.
    #[error("{path} holds mistakes: {diagnostics}", path = path.display())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Its text, to show the mistakes in.
        text: String,
        /// The mistakes.
        diagnostics: Diagnostics,
    },
}

/// Parses a package definition.
///
/// # Errors
/// Every mistake in its shape; what it means is checked by [`crate::evaluate()`].
pub fn parse(text: &str) -> Result<Package, Diagnostics> {
    let (package, diagnostics) = read(text);
    diagnostics.finish(package).map(|(package, warnings)| Package { warnings, ..package })
}

/// Parses as much as can be read.
pub(crate) fn read(text: &str) -> (Option<Package>, Diagnostics) {
    let (document, diagnostics) = yaml::read::<Document>(text);
    (document.map(|document| Package { document, text: text.into(), warnings: Diagnostics::new() }), diagnostics)
}

/// Reads and parses the definition at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Package, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}

/// Reads a definition's text, never more than the language allows.
///
/// # Errors
/// The file can not be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, LoadError> {
    use std::io::Read as _;
    let error = |source| LoadError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    // One byte more than is allowed, so that the parser says what is wrong with a larger file.
    let limit = MAX_BYTES as u64 + 1;
    fs_err::File::open(path).map_err(error)?.take(limit).read_to_string(&mut text).map_err(error)?;
    Ok(text)
}
