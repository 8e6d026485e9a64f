//! The verbs, a file each.

pub(crate) mod apk;
pub(crate) mod attest;
pub(crate) mod build;
mod bundle;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod download;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod graph;
pub(crate) mod index;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod launch;
pub(crate) mod lineage;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod policy;
pub(crate) mod provenance;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rebuild;
pub(crate) mod registry;
pub(crate) mod render;
pub(crate) mod reproduce;
pub(crate) mod sbom;
pub(crate) mod schema;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod sign;
pub(crate) mod sigstore;
pub(crate) mod source;
pub(crate) mod store;
pub(crate) mod tags;
pub(crate) mod test;
pub(crate) mod tree;
pub(crate) mod trust;
pub(crate) mod verify;

pub(crate) use apk::keys::KeyArgs;
pub(crate) use build::build;
pub(crate) use compose::{images, make};
pub(crate) use pull::fetch;

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::printer::Printer;

/// Does what was asked.
pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    let global = &args.global;
    match args.command {
        Command::Build(args) => build::run(&args, global, printer).and_then(|()| store::trim(global, printer)),
        Command::Test(args) => test::run(&args, global, printer),
        Command::Compose(args) => compose::run(&args, global, printer).and_then(|()| store::trim(global, printer)),
        Command::Push(args) => push::run(&args, printer),
        Command::Pull(args) => pull::run(&args, global, printer).and_then(|()| store::trim(global, printer)),
        Command::Copy(args) => copy::run(&args, printer),
        Command::Tree(args) => tree::run(&args, printer),
        Command::Tags(args) => tags::run(&args, printer),
        Command::Inspect(args) => inspect::run(&args, global, printer),
        Command::Reproduce(args) => reproduce::run(&args, global, printer),
        Command::Rebuild(args) => rebuild::run(&args, global, printer),
        Command::Lock(args) => lock::run(&args, global, printer),
        Command::Provenance(args) => provenance::run(&args, global, printer),
        Command::Sbom(args) => sbom::run(&args, global, printer),
        Command::Explain(args) => explain::run(&args, global, printer),
        Command::Diff(args) => diff::run(&args, global, printer),
        Command::Lineage(args) => lineage::run(&args, global, printer),
        Command::Graph(args) => graph::run(&args, global, printer),
        Command::Check(args) => check::run(&args, global, printer),
        Command::Render(args) => render::run(&args, global, printer),
        Command::Fmt(args) => fmt::run(&args, global, printer),
        Command::Schema(args) => schema::run(&args, printer),
        Command::Apk(args) => apk::run(&args, printer),
        Command::Shell(args) => shell::run(&args, global, printer),
        Command::Keygen(args) => keygen::run(&args, printer),
        Command::Sign(args) => sign::run(&args, printer),
        Command::Attest(args) => attest::run(&args, printer),
        Command::Verify(args) => verify::run(&args, global, printer),
        Command::Download(args) => download::run(&args, global, printer),
        Command::Policy(args) => policy::run(&args, global, printer),
        Command::Log(args) => log::run(&args, global, printer),
        Command::Trust(args) => trust::run(&args, printer),
        Command::Sigstore(args) => sigstore::run(&args, printer),
        Command::Index(args) => index::run(&args, global, printer),
        Command::Registry(args) => registry::run(&args, global, printer),
        Command::Serve(args) => serve::run(&args, global, printer),
        Command::Source(args) => source::run(&args, global, printer),
        Command::Store(args) => store::run(&args, global, printer),
        Command::Seed(args) => seed::run(&args, global, printer),
        Command::Init(args) => init::run(&args, global, printer),
        Command::Doctor(_) => doctor::run(global, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
