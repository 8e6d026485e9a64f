//! The recorder: answers the calls by which a build gives files an owner, set-id bits, capabilities or a device.
//!
//! It runs in the launcher, which is outside the process namespace of what it serves, unseen and out of reach, and owns
//! the user namespace, so that it may read the callers' memory and descriptors. The filter sends it every call of a
//! kind; none is ever handed back to the kernel ("continue"), since the arguments in memory could be others by then. It
//! does by itself what a file of the host may see of the call, and writes the rest to the table.
//!
//! As root inside has no privilege that matters over files of the host, neither does the recorder use one: it touches
//! only files of the one user, on mounts that are writable inside, never through links of `/proc`, never in `/proc`.
//! Nor does it wait for anything: files are opened as paths, which asks no device, pipe or lease.

mod call;
mod deed;
mod handover;
mod ledger;
mod list;
mod target;

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::WaitOptions;

pub(super) use call::{FCHMODAT2, REMOVEXATTRAT, SETXATTRAT};
pub(super) use handover::{Receiver, Sender, pair};

use crate::error::{During as _, Failure, Step};
use crate::exec::filter;
use crate::notify::{Listener, Notification};
use crate::ownership::Ownership;
use crate::plan::{Guard, Plan, Root};
use crate::system::{self, Side};
use call::Call;
use deed::{Answer, Deed};
use ledger::Ledger;
use target::Target;

/// What must be taken before the root changes.
pub(super) struct Means {
    /// `/proc` of the host: the one inside does not show the callers as we see them.
    proc: OwnedFd,
    /// Our own descriptors in it.
    own: OwnedFd,
    /// The file systems that outlive the run.
    devices: BTreeSet<u64>,
}

impl Means {
    /// Looks whether recording is possible, and takes what it needs.
    pub(super) fn take(plan: &Plan) -> Result<Self, Failure> {
        let record = Step::Record;
        if !plan.guards(Guard::SystemCalls) || !plan.guards(Guard::Processes) || plan.root == Root::HostUnsafe {
            return Err(Failure::new(record, "in an open sandbox", Errno::PERM));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).during(record, "/proc")?;
        // Were it the /proc of another process namespace, numbers would name other processes.
        let shown = rustix::fs::readlinkat(&proc, "self", Vec::new()).during(record, "/proc/self")?;
        if shown.to_bytes() != rustix::process::getpid().as_raw_pid().to_string().as_bytes() {
            return Err(Failure::new(record, "with the /proc of other processes", Errno::SRCH));
        }
        let own = rustix::fs::openat(&proc, "self/fd", flags, Mode::empty()).during(record, "/proc/self/fd")?;
        let device = |path: &Path| Some(rustix::fs::stat(path).ok()?.st_dev);
        let binds = plan.binds.iter().filter(|bind| bind.writable).map(|bind| bind.source.as_path());
        let root = if let Root::Directory { path } = &plan.root { Some(path.as_path()) } else { None };
        Ok(Self { proc, own, devices: binds.chain(root).filter_map(device).collect() })
    }
}

/// Answers the calls of one run.
pub(super) struct Recorder {
    listener: Listener,
    means: Means,
    ledger: Ledger,
}

impl Recorder {
    pub(super) fn new(listener: Listener, means: Means, ownership: Ownership) -> Self {
        Self { listener, means, ledger: Ledger::new(ownership) }
    }

    /// Becomes readable when a call waits.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers one call.
    pub(super) fn serve(&mut self) -> Result<(), Errno> {
        let Some(call) = self.listener.receive()? else { return Ok(()) };
        let answered = match self.answer(&call) {
            Ok(Answer::Value(value)) => self.listener.answer(call.id, Ok(value)),
            Ok(Answer::Descriptor { file, close_on_execute }) => {
                match self.listener.answer_with(call.id, file.as_fd(), close_on_execute) {
                    Err(Errno::NOENT) | Ok(()) => Ok(()),
                    // The caller has too many open files.
                    Err(errno) => self.listener.answer(call.id, Err(errno)),
                }
            }
            Err(errno) => self.listener.answer(call.id, Err(errno)),
        };
        match answered {
            Err(Errno::NOENT) => Ok(()), // the caller was killed meanwhile
            other => other,
        }
    }

    fn answer(&mut self, call: &Notification) -> Result<Answer, Errno> {
        let target = Target::open(self.means.proc.as_fd(), call.thread)?;
        let deed = Deed::read(Call::decode(call.call, &call.arguments)?, &target)?;
        // It waits still, so all that was read and opened was its own.
        if !self.listener.waits(call.id) {
            return Err(Errno::SRCH);
        }
        deed.carry_out(&self.means.own, &mut self.ledger)
    }

    /// The table, without files that end with the run.
    pub(super) fn finish(self) -> Ownership {
        let devices = self.means.devices;
        self.ledger.finish(|file| devices.iter().any(|device| file.is_on(*device)))
    }
}

/// Has a process of its own change the owner of `directory`, and records that.
pub(super) fn try_out(directory: &Path) -> Result<(), Failure> {
    let step = Step::Record;
    let means = Means::take(&Plan::new(Root::Directory { path: directory.to_owned() }, ["/"]))?;
    let (sender, receiver) = pair().during(step, "")?;
    match system::fork().during(Step::Fork, "")? {
        Side::Child => {
            drop((receiver, means));
            system::exit_now(ask_for_owner(&sender, directory).map_or_else(Errno::raw_os_error, |()| 0))
        }
        Side::Parent(child) => {
            drop(sender);
            let listener = receiver.receive().during(step, "")?;
            let mut recorder = Recorder::new(listener, means, Ownership::new());
            loop {
                let mut fds = [PollFd::from_borrowed_fd(recorder.as_fd(), PollFlags::IN)];
                rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None)).during(step, "")?;
                if !fds[0].revents().contains(PollFlags::IN) {
                    break; // the child has ended
                }
                recorder.serve().during(step, "")?;
            }
            let status = rustix::process::waitpid(Some(child), WaitOptions::empty()).during(step, "")?;
            match status.and_then(|(_, status)| status.exit_status()) {
                Some(0) if recorder.finish().len() == 1 => Ok(()),
                code => Err(Failure::new(step, "", code.map_or(Errno::IO, Errno::from_raw_os_error))),
            }
        }
    }
}

fn ask_for_owner(sender: &Sender, directory: &Path) -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)?;
    let made = filter::listen(false);
    sender.send(&made)?;
    drop(made?); // the other end alone must hold it, so that its death wakes us
    rustix::fs::chown(directory, Some(rustix::fs::Uid::from_raw(1)), None)
}
