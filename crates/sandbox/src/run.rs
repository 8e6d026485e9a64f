//! The caller's side: starts the launcher, hands it the request and collects what comes back.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Failure, SandboxError};
use crate::exec::HIDDEN_VERB;
use crate::message::{self, Reply, Request};
use crate::ownership::Ownership;
use crate::plan::{Outcome, Plan};
use crate::system;

/// What is read of the output at once; a pipe holds as much by default.
const CHUNK: usize = 64 << 10;

/// How often a run that says nothing looks whether it should stop: soon enough for a person at Ctrl-C.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The program that becomes the sandbox: it must call [`exec::main`](crate::exec::main) when its next argument
/// is [`HIDDEN_VERB`], before it starts a thread.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The executable; for a program that launches itself, `/proc/self/exe`.
    pub program: PathBuf,
    /// Arguments before [`HIDDEN_VERB`].
    pub arguments: Vec<OsString>,
    /// Set by anyone to end every run of this launcher: it is killed, and answers [`SandboxError::Stopped`].
    pub stop: Arc<AtomicBool>,
}

impl Launcher {
    /// A launcher that takes [`HIDDEN_VERB`] as its first argument.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), stop: Arc::default() }
    }
}

/// Runs `plan` to its end and says how the command ended.
///
/// `output` gets what the command writes to its standard output and error, in order, in pieces that need not end
/// with a line. It runs on the calling thread; while it does not return, the command waits when a pipe is full.
/// When this returns, by whatever way, every process of the run is dead. The same holds when the calling process
/// dies, by `SIGKILL` too.
pub fn run(plan: &Plan, launcher: &Launcher, output: &mut dyn FnMut(&[u8])) -> Result<Outcome, SandboxError> {
    match start(plan, None, launcher, output)? {
        Reply::Outcome(outcome) => Ok(outcome),
        other => Err(unexpected(launcher, other)),
    }
}

/// Runs `plan` as [`run()`] does, and records who is to own what.
///
/// Inside, `chown` to any id, `chmod` with set-id bits, `setcap` and `mknod` of devices then succeed. None of it
/// reaches a file of the host: it is written to `ownership`, which begins as it is handed in. So one table handed
/// through all runs of a workspace holds at the end what they said together. Files of file systems that end with the
/// run (`/tmp`, the overlay's top) are not in it.
///
/// Where the machine cannot do it, the command runs as with [`run()`], the table stays as it was, and
/// [`Recorded::unrecorded`] says why.
pub fn record(
    plan: &Plan,
    launcher: &Launcher,
    ownership: &mut Ownership,
    output: &mut dyn FnMut(&[u8]),
) -> Result<Recorded, SandboxError> {
    match start(plan, Some(ownership.clone()), launcher, output)? {
        Reply::Recorded(outcome, Ok(recorded)) => {
            *ownership = recorded;
            Ok(Recorded { outcome, unrecorded: None })
        }
        Reply::Recorded(outcome, Err(failure)) => Ok(Recorded { outcome, unrecorded: Some(failure) }),
        other => Err(unexpected(launcher, other)),
    }
}

/// How a recorded run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// How the command ended.
    pub outcome: Outcome,
    /// Why nothing was recorded, where this machine cannot.
    pub unrecorded: Option<Failure>,
}

fn start(plan: &Plan, ownership: Option<Ownership>, launcher: &Launcher, output: &mut dyn FnMut(&[u8])) -> Result<Reply, SandboxError> {
    plan.check()?;
    plan.root.prepare()?;
    ask(launcher, &Request::Run { plan: Box::new(plan.clone()), ownership }, plan.terminal, output)
}

fn unexpected(launcher: &Launcher, reply: Reply) -> SandboxError {
    match reply {
        Reply::Failed(failure) => failure.into(),
        _ => silent(launcher, "it answered another question"),
    }
}

/// Starts the launcher, asks it and waits for its answer.
pub(crate) fn ask(launcher: &Launcher, request: &Request, terminal: bool, output: &mut dyn FnMut(&[u8])) -> Result<Reply, SandboxError> {
    let (mut running, pipe) = Running::start(launcher, terminal)?;
    // When the launcher is gone already, its missing answer tells more than the broken pipe.
    let asked = message::write(&running.channel, request);
    let answered = running.collect(pipe, &launcher.stop, output)?;
    match answered {
        Ok(reply) => Ok(reply),
        Err(error) => {
            let status = running.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            let error = asked.err().unwrap_or(error);
            Err(silent(launcher, &format!("{status} ({error})")))
        }
    }
}

fn silent(launcher: &Launcher, status: &str) -> SandboxError {
    SandboxError::Silent { program: launcher.program.clone(), status: status.to_owned() }
}

/// A launcher at work. Dropping it kills the run.
struct Running {
    child: Child,
    channel: UnixStream,
}

impl Running {
    fn start(launcher: &Launcher, terminal: bool) -> Result<(Self, Option<PipeReader>), SandboxError> {
        let channel = |source| SandboxError::Channel { source };
        let (ours, theirs) = UnixStream::pair().map_err(channel)?;
        let mut command = Command::new(&launcher.program);
        command.args(&launcher.arguments).arg(HIDDEN_VERB).env_clear();
        let pipe = if terminal {
            None
        } else {
            let (read, write) = io::pipe().map_err(channel)?;
            command.stdin(Stdio::null()).stdout(write.try_clone().map_err(channel)?).stderr(write);
            Some(read)
        };
        system::pass_channel(&mut command, theirs.as_fd());
        let launch = |source| SandboxError::Launch { program: launcher.program.clone(), source };
        let child = command.spawn().map_err(launch)?;
        Ok((Self { child, channel: ours }, pipe))
    }

    /// Hands the output on until the answer is there, and then what is left of it.
    fn collect(
        &mut self,
        mut pipe: Option<PipeReader>,
        stop: &AtomicBool,
        output: &mut dyn FnMut(&[u8]),
    ) -> Result<io::Result<Reply>, SandboxError> {
        let failed = |source: io::Error| SandboxError::Output { source };
        let mut chunk = vec![0; CHUNK];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(SandboxError::Stopped);
            }
            let (readable, answered) = self.ready(pipe.as_ref()).map_err(failed)?;
            if let Some(reader) = pipe.as_mut().filter(|_| readable) {
                match reader.read(&mut chunk).map_err(failed)? {
                    0 => pipe = None,
                    length => output(&chunk[..length]),
                }
            } else if answered {
                break;
            }
        }
        let answer = message::read(&self.channel);
        // All that wrote is dead by now, so what the pipe holds is all there will be; but were the process
        // guard lifted, something may live and hold the pipe open, so do not wait for its end.
        if let Some(reader) = &mut pipe {
            rustix::io::ioctl_fionbio(&*reader, true).map_err(|errno| failed(errno.into()))?;
            loop {
                match reader.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(length) => output(&chunk[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(answer)
    }

    /// Waits until the pipe or the channel has something, but not long, and says which.
    fn ready(&self, pipe: Option<&PipeReader>) -> io::Result<(bool, bool)> {
        let mut fds = vec![PollFd::new(&self.channel, PollFlags::IN)];
        if let Some(pipe) = pipe {
            fds.push(PollFd::new(pipe, PollFlags::IN));
        }
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&LOOK)))?;
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok((ready(1), ready(0)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The launcher is ending by itself, or it sees its caller go, kills the run, and ends then: so after this
        // nothing of the run lives. Neither call can fail in a way that leaves something to do.
        let _ = self.channel.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}
