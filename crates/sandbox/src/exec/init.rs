//! Pid 1 of the sandbox: builds the root, starts the command, reaps, and ends with the command.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};

use crate::error::{During as _, Failure, Step};
use crate::exec::record::Sender;
use crate::exec::{command, root};
use crate::message::{self, Reply};
use crate::plan::{Outcome, Plan};
use crate::system::{self, Side};

/// Never returns: writes to `status` how the command ended, or why it could not start, and ends.
pub(super) fn main(plan: &Plan, channel: &UnixStream, status: OwnedFd, sender: Option<&Sender>) -> ! {
    let status = std::fs::File::from(status);
    let reply = match live(plan, channel, &status, sender) {
        Ok(outcome) => Reply::Outcome(outcome),
        Err(failure) => Reply::Failed(failure),
    };
    // The launcher reads the first report only; it makes its own when there is none.
    let _ = message::write(&status, &reply);
    system::exit_now(0)
}

fn live(plan: &Plan, channel: &UnixStream, status: &std::fs::File, sender: Option<&Sender>) -> Result<Outcome, Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(Step::Supervise, "")?;
    // The launcher dies before that call only when its caller did, and then the caller's end is closed.
    let mut fds = [PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if rustix::event::poll(&mut fds, Some(&now)).during(Step::Supervise, "")? > 0 {
        return Err(Failure::new(Step::Supervise, "", Errno::PIPE));
    }
    root::enter(plan)?;
    // What runs inside has our uid: it must not read our memory or our open files.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during(Step::Supervise, "")?;
    match system::fork().during(Step::Fork, "")? {
        Side::Child => {
            let failure = command::become_command(plan, sender);
            let _ = message::write(status, &Reply::Failed(failure));
            system::exit_now(127)
        }
        Side::Parent(main) => reap_until(main),
    }
}

/// Waits for everything that ends, until it is the command.
fn reap_until(main: Pid) -> Result<Outcome, Failure> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return Ok(outcome(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::new(Step::Supervise, "", errno)),
        }
    }
}

fn outcome(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, Some(signal)) => Outcome::Signaled(signal),
        // Without the flags that ask for stops, a wait tells of nothing else.
        (None, None) => Outcome::Signaled(0),
    }
}
