//! `undistro shell`: a shell in a package's build root.

use sandbox::Outcome;

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::workshop::{FetchArgs, Workshop};

/// Open a shell in a package's build root.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The root is what the package is built in, closed as in a build; its sources are unpacked in /home/build.

Examples:
  undistro shell nginx                 before the first step
  undistro shell nginx --failed        where the last build failed, as it was
  undistro shell nginx --failed --test where the last test failed")]
pub(crate) struct Args {
    /// The package.
    name: String,
    /// Open it where the last build failed.
    #[arg(long)]
    failed: bool,
    /// With --failed: where the last test failed.
    #[arg(long, requires = "failed")]
    test: bool,
    #[command(flatten)]
    fetch: FetchArgs,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::open(global, &args.fetch, printer)?;
    let plan = workshop.with_builder(|builder| {
        let told = |error| super::build::failure(&error, printer);
        if !args.failed {
            return builder.shell(&args.name).map_err(told);
        }
        let (failed, plan) = builder.failed_shell(&args.name, args.test).map_err(told)?;
        printer.talk(format!("where `{}` failed, in {}", failed.label, failed.directory));
        Ok(plan)
    })?;
    let outcome = sandbox::run(&plan, &super::launch::launcher(), &mut |_| {}).map_err(|error| {
        let message = Message::of(&error);
        Failure::Fault(match error.hint() {
            Some(hint) => message.hint(hint),
            None => message,
        })
    })?;
    match outcome {
        Outcome::Exited(0) => Ok(()),
        _ => Err(Failure::Said),
    }
}
