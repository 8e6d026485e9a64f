//! The command line as typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::environment;

/// Builds a container undistribution: upstream source, signed packages, distroless images.
#[derive(Debug, Parser)]
#[command(name = "undistro", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  undistro build nginx                 build nginx and what it needs, from source
  undistro compose nginx -o ./out      compose the image as an OCI layout
  undistro inspect ./out               say what is in it
  undistro push ./out HOST/nginx:1     push it to a registry
  undistro check distro                read every definition, list all mistakes
  undistro doctor                      say what this machine lacks, and how to mend it

Exit codes: 0 done, 1 the answer is no (findings, a failed step), 2 usage or input, 3 our fault.";

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// Print results as JSON on stdout.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Show the output of builds and every task.
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub(crate) verbose: bool,
    /// Say nothing but errors and results.
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// The folder that keeps sources, packages, images and results [default: ~/.cache/undistro].
    #[arg(long, global = true, value_name = "DIR", env = environment::STORE.name, help_heading = "Global options")]
    pub(crate) store: Option<PathBuf>,
    /// The folder of definitions [default: the first with a distro.yaml, here or above].
    #[arg(long, global = true, value_name = "DIR", env = environment::DISTRO.name, help_heading = "Global options")]
    pub(crate) distro: Option<PathBuf>,
    /// How many jobs a build runs at once [default: the number of processors].
    #[arg(short, long, global = true, value_name = "N", env = environment::JOBS.name, help_heading = "Global options")]
    pub(crate) jobs: Option<usize>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build packages from source, with everything they need.
    Build(crate::command::build::Args),
    /// Run the tests of packages against what was built.
    Test(crate::command::test::Args),
    /// Compose an image from packages.
    Compose(crate::command::compose::Args),
    /// Push an image that lies here to a registry.
    Push(crate::command::push::Args),
    /// Pull an image from a registry.
    Pull(crate::command::pull::Args),
    /// Copy an image between registries, with everything that refers to it.
    Copy(crate::command::copy::Args),
    /// Show an image in a registry as a tree: index, manifests, layers, and what refers to them.
    Tree(crate::command::tree::Args),
    /// List the tags of a repository in a registry.
    Tags(crate::command::tags::Args),
    /// Say what is in an image: layers, packages, sizes, user, entrypoint.
    Inspect(crate::command::inspect::Args),
    /// Build packages and images again, with everything varied that can be, and compare them byte for byte.
    Reproduce(crate::command::reproduce::Args),
    /// Build a package from nothing but its provenance and its sources, and compare.
    Rebuild(crate::command::rebuild::Args),
    /// Write or check distro.lock: what every definition and image becomes, to the byte.
    Lock(crate::command::lock::Args),
    /// Say what went into a package or an image: sources, packages, seeds, the program that built it.
    Provenance(crate::command::provenance::Args),
    /// Print the SBOM of a package or an image, or check that it, the package database and the files agree.
    Sbom(crate::command::sbom::Args),
    /// Say why each package is in an image, or which package a file is of.
    Explain(crate::command::explain::Args),
    /// Say what differs between two packages or images.
    Diff(crate::command::diff::Args),
    /// Say which foreign packages a package descends from.
    Lineage(crate::command::lineage::Args),
    /// Say what builds on what.
    Graph(crate::command::graph::Args),
    /// Read definitions and list every mistake.
    Check(crate::command::check::Args),
    /// Print the evaluated form of a definition as JSON.
    Render(crate::command::render::Args),
    /// Put definitions into canonical order and style.
    Fmt(crate::command::fmt::Args),
    /// Print the JSON Schema of a language, for editors.
    Schema(crate::command::schema::Args),
    /// Look into, verify and sign apk packages; compare versions; solve.
    Apk(crate::command::apk::Args),
    /// Open a shell in a package's build root.
    Shell(crate::command::shell::Args),
    /// Make a key for signing packages, claims or logs.
    Keygen(crate::command::keygen::Args),
    /// Sign a file or an image by its digest, and enter the signature into a log.
    Sign(crate::command::sign::Args),
    /// Claim something about a file or an image: its SBOM, its provenance, or anything else that has a type.
    Attest(crate::command::attest::Args),
    /// Say what is known of a file or an image from the claims beside it, and whether a policy is met.
    Verify(crate::command::verify::Args),
    /// Print a claim from beside an image, once it is verified: its SBOM, its provenance, its lock.
    Download(crate::command::download::Args),
    /// Read a policy, and say what it asks for.
    Policy(crate::command::policy::Args),
    /// Begin, show and audit a transparency log.
    Log(crate::command::log::Args),
    /// Write the file of what verifiers trust from the start.
    Trust(crate::command::trust::Args),
    /// Verify Sigstore bundles as its conformance suite asks clients to.
    Sigstore(crate::command::sigstore::Args),
    /// Write a signed repository of what was built.
    Index(crate::command::index::Args),
    /// Serve images to every OCI client: a registry over a folder, or over S3-compatible storage.
    Serve(crate::command::serve::Args),
    /// Look after what a registry keeps: sweep garbage, check every byte, count.
    Registry(crate::command::registry::Args),
    /// Keep and renew the sources that definitions pin.
    Source(crate::command::source::Args),
    /// Say what the store holds, verify it, and remove what is not needed.
    Store(crate::command::store::Args),
    /// Convert and renew the foreign packages that builds start from.
    Seed(crate::command::seed::Args),
    /// Begin a definition from a template.
    Init(crate::command::init::Args),
    /// Say what this machine lacks for builds, and how to mend it.
    Doctor(crate::command::doctor::Args),
    /// Print the completion script of a shell.
    Completions(crate::command::completions::Args),
}
