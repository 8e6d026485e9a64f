//! The launcher's own work: makes the namespaces, starts init, keeps the wall clock, records.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::error::{During as _, Failure, Step};
use crate::exec::record::{self, Means, Receiver, Recorder, Sender};
use crate::exec::{init, namespace};
use crate::message::{self, Reply};
use crate::ownership::Ownership;
use crate::plan::{Outcome, Plan};
use crate::system::{self, Side};

/// Runs `plan`; `channel` tells when the caller is gone. With a table, records ownership in it.
pub(super) fn run(plan: &Plan, ownership: Option<Ownership>, channel: &UnixStream) -> Result<Reply, Failure> {
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
    let (mut recording, sender) = ownership.map_or(Ok((Recording::Unasked, None)), |ownership| Recording::prepare(plan, ownership))?;
    let (report, status) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during(Step::Fork, "")?;
    match system::fork().during(Step::Fork, "")? {
        Side::Child => {
            drop((report, recording)); // nothing of the host stays open inside
            init::main(plan, channel, status, sender.as_ref())
        }
        Side::Parent(init) => {
            drop((status, sender));
            let ended = watch(plan, channel, init, &mut recording, started)?;
            if plan.terminal {
                take_terminal_back();
            }
            let outcome = match ended {
                Ended::TimedOut => Outcome::TimedOut,
                Ended::CallerGone => return Err(Failure::new(Step::Supervise, "", Errno::PIPE)),
                Ended::ByItself(status) => read_report(report, status)?,
            };
            Ok(recording.finish(outcome))
        }
    }
}

/// How far the record of ownership has come.
enum Recording {
    Unasked,
    Impossible(Failure),
    /// The command has not yet sent its listener.
    Awaited {
        receiver: Receiver,
        means: Means,
        ownership: Ownership,
    },
    On(Recorder),
    /// All whose calls it answers have ended.
    Over(Ownership),
}

impl Recording {
    fn prepare(plan: &Plan, ownership: Ownership) -> Result<(Self, Option<Sender>), Failure> {
        let means = match Means::take(plan) {
            Ok(means) => means,
            Err(failure) => return Ok((Self::Impossible(failure), None)),
        };
        let (sender, receiver) = record::pair().during(Step::Record, "")?;
        Ok((Self::Awaited { receiver, means, ownership }, Some(sender)))
    }

    /// What tells that there is something to do.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Awaited { receiver, .. } => Some(receiver.as_fd()),
            Self::On(recorder) => Some(recorder.as_fd()),
            Self::Unasked | Self::Impossible(_) | Self::Over(_) => None,
        }
    }

    /// Does it: takes the listener, or answers one call.
    fn advance(self, seen: PollFlags) -> Result<Self, Failure> {
        Ok(match self {
            Self::Awaited { receiver, means, ownership } => match receiver.receive() {
                Ok(listener) => Self::On(Recorder::new(listener, means, ownership)),
                Err(errno) => Self::Impossible(Failure::new(Step::Record, "", errno)),
            },
            Self::On(mut recorder) if seen.contains(PollFlags::IN) => {
                recorder.serve().during(Step::Record, "")?;
                Self::On(recorder)
            }
            Self::On(recorder) => Self::Over(recorder.finish()),
            other => other,
        })
    }

    fn finish(self, outcome: Outcome) -> Reply {
        match self {
            Self::Unasked => Reply::Outcome(outcome),
            Self::Impossible(failure) => Reply::Recorded(outcome, Err(failure)),
            // The command never came so far as to be recorded.
            Self::Awaited { ownership, .. } | Self::Over(ownership) => Reply::Recorded(outcome, Ok(ownership)),
            Self::On(recorder) => Reply::Recorded(outcome, Ok(recorder.finish())),
        }
    }
}

enum Ended {
    ByItself(WaitStatus),
    TimedOut,
    CallerGone,
}

/// Waits for init to end, and ends it when its time is up or the caller is gone. Meanwhile it records.
fn watch(plan: &Plan, channel: &UnixStream, init: Pid, recording: &mut Recording, started: Instant) -> Result<Ended, Failure> {
    let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).during(Step::Supervise, "")?;
    let why = loop {
        let left = plan.limits.wall.map(|wall| wall.saturating_sub(started.elapsed()));
        if left == Some(Duration::ZERO) {
            break Some(Ended::TimedOut);
        }
        let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN), PollFd::new(channel, PollFlags::RDHUP)];
        let asking = recording.as_fd();
        fds.extend(asking.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // A time too long for the kernel is no limit.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::new(Step::Supervise, "", errno)),
        }
        let seen: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        if !seen[0].is_empty() {
            break None;
        }
        if !seen[1].is_empty() {
            break Some(Ended::CallerGone);
        }
        if let Some(seen) = seen.get(2).filter(|seen| !seen.is_empty()) {
            *recording = std::mem::replace(recording, Recording::Unasked).advance(*seen)?;
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
        Ok(Reply::Findings(_) | Reply::Recorded(..)) | Err(_) => match status.terminating_signal() {
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
