//! `undistro apk`: packages and indexes of apk, ours and others'.

mod files;
mod info;
pub(crate) mod keys;
mod sign;
mod solve;
mod verify;
mod version;

use crate::failure::Failure;
use crate::printer::Printer;

/// Look into, verify and sign apk packages; compare versions; solve.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say what a package says of itself.
    Info(info::Args),
    /// List what a package holds.
    Files(files::Args),
    /// Verify packages and indexes: signature, hashes, every file.
    Verify(verify::Args),
    /// Sign a package.
    Sign(sign::Args),
    /// Compare two versions, or check some.
    Version(version::Args),
    /// Find the packages that a world needs, as apk or apko would.
    Solve(solve::Args),
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    match &args.verb {
        Verb::Info(args) => info::run(args, printer),
        Verb::Files(args) => files::run(args, printer),
        Verb::Verify(args) => verify::run(args, printer),
        Verb::Sign(args) => sign::run(args, printer),
        Verb::Version(args) => version::run(args, printer),
        Verb::Solve(args) => solve::run(args, printer),
    }
}

/// What a user sees of a package that can not be opened or is not sound.
fn package_failure(error: &apk::PackageError) -> Failure {
    let message = crate::failure::with_usual_hints(crate::failure::Message::of(error), error);
    match &*error.problem {
        // The file is not there, or the disk fails: nothing was said about a package.
        apk::Problem::Io { .. } | apk::Problem::Store(_) => Failure::Input(message),
        _ => Failure::No(message),
    }
}
