//! The launcher's own work: makes the namespaces, starts init, keeps the wall clock.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::error::{During as _, Failure, Step};
use crate::exec::{init, namespace};
use crate::message::{self, Reply};
use crate::plan::{Outcome, Plan};
use crate::system::{self, Side};

/// Runs `plan`; `channel` tells when the caller is gone.
pub(super) fn run(plan: &Plan, channel: &UnixStream) -> Result<Outcome, Failure> {
    let started = Instant::now();
    if !plan.terminal {
        // Away from the caller's terminal: Ctrl-C reaches the caller alone, whose end is ours.
        rustix::process::setsid().during(Step::Terminal, "")?;
    }
    namespace::enter(plan)?;
    // A change of user namespace may have reset it; and the caller may have died before it was set.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(Step::Supervise, "")?;
    if hung_up(channel).during(Step::Supervise, "")? {
        return Err(Failure::new(Step::Supervise, "", Errno::PIPE));
    }
    let (report, status) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during(Step::Fork, "")?;
    match system::fork().during(Step::Fork, "")? {
        Side::Child => {
            drop(report);
            init::main(plan, channel, status)
        }
        Side::Parent(init) => {
            drop(status);
            let ended = watch(plan, channel, init, started)?;
            if plan.terminal {
                take_terminal_back();
            }
            match ended {
                Ended::TimedOut => Ok(Outcome::TimedOut),
                Ended::CallerGone => Err(Failure::new(Step::Supervise, "", Errno::PIPE)),
                Ended::ByItself(status) => read_report(report, status),
            }
        }
    }
}

enum Ended {
    ByItself(WaitStatus),
    TimedOut,
    CallerGone,
}

/// Waits for init to end, and ends it when its time is up or the caller is gone.
fn watch(plan: &Plan, channel: &UnixStream, init: Pid, started: Instant) -> Result<Ended, Failure> {
    let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).during(Step::Supervise, "")?;
    let why = loop {
        let left = plan.limits.wall.map(|wall| wall.saturating_sub(started.elapsed()));
        if left == Some(Duration::ZERO) {
            break Some(Ended::TimedOut);
        }
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(channel, PollFlags::RDHUP)];
        // A time too long for the kernel is no limit.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::new(Step::Supervise, "", errno)),
        }
        if !fds[0].revents().is_empty() {
            break None;
        }
        if !fds[1].revents().is_empty() {
            break Some(Ended::CallerGone);
        }
    };
    if why.is_some() {
        rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).during(Step::Supervise, "")?;
    }
    // The kernel reports the death of a pid 1 only when all inside are dead.
    let status = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(init), WaitOptions::empty())).during(Step::Supervise, "")?;
    let (_, status) = status.ok_or_else(|| Failure::new(Step::Supervise, "", Errno::CHILD))?;
    Ok(why.unwrap_or(Ended::ByItself(status)))
}

/// What init said before it ended. When it could not, something killed it from outside: that is the outcome.
fn read_report(report: OwnedFd, status: WaitStatus) -> Result<Outcome, Failure> {
    match message::read(std::fs::File::from(report)) {
        Ok(Reply::Outcome(outcome)) => Ok(outcome),
        Ok(Reply::Failed(failure)) => Err(failure),
        Ok(Reply::Findings(_)) | Err(_) => match status.terminating_signal() {
            Some(signal) => Ok(Outcome::Signaled(signal)),
            None => Err(Failure::new(Step::Supervise, "", Errno::IO)),
        },
    }
}

/// Whether the other end of `channel` is closed.
fn hung_up(channel: impl AsFd) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(&channel, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::event::poll(&mut fds, Some(&now))? > 0)
}

/// Makes the caller's process group the terminal's foreground again, as it was before the shell took it.
fn take_terminal_back() {
    system::ignore_terminal_stop();
    // Standard input may be no terminal; then there is nothing to take back.
    let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpgrp());
}
