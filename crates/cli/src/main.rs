//! The undistro command: a file per verb, one printer.
#![forbid(unsafe_code)]

mod args;
mod beside;
mod claims;
mod command;
mod definitions;
mod environment;
mod failure;
mod guard;
mod host;
mod images;
mod nearest;
mod printer;
mod progress;
mod project;
#[cfg(test)]
mod reference;
mod remote;
mod replace;
mod repository;
mod secret;
mod subject;
mod timings;
mod workshop;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::printer::Printer;

fn main() -> ExitCode {
    if let Some(code) = command::launch::if_asked().or_else(command::reproduce::if_asked) {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return printer::usage(&error),
    };
    let printer = Printer::new(&args.global);
    match command::run(args, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            failure.exit_code()
        }
    }
}
