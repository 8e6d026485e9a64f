//! The launcher: what the program becomes when it is started with [`HIDDEN_VERB`].

mod command;
mod device;
mod filter;
mod init;
mod look;
mod merge;
mod namespace;
mod overlay;
mod record;
mod restrict;
mod root;
mod supervise;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::message::{self, Reply, Request};
use crate::system;

/// The verb under which a program offers itself as a [`Launcher`](crate::Launcher).
pub const HIDDEN_VERB: &str = "__sandbox";

/// Serves one request of the caller and says on the channel how it went.
///
/// `arguments` are those after [`HIDDEN_VERB`]. Call it first thing in `main`: a process with a second thread
/// may not enter a user namespace. It prints nothing; the exit code matters to nobody but the curious.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(channel) = arguments.next().and_then(|argument| system::adopt_channel(&argument)) else {
        return ExitCode::from(2);
    };
    let Ok(request) = message::read(&channel) else { return ExitCode::from(2) };
    let reply = match request {
        Request::Run { plan, ownership } => supervise::run(&plan, ownership, &channel).unwrap_or_else(Reply::Failed),
        Request::Probe { directory } => Reply::Findings(look::look(&directory)),
    };
    // A caller that is gone needs no answer.
    message::write(&channel, &reply).map_or(ExitCode::from(3), |()| ExitCode::SUCCESS)
}
