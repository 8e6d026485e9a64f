//! The last steps before the command: gives up what it must not have, then becomes it.

use std::ffi::CString;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, CpuSet};

use crate::error::{During as _, Failure, Step};
use crate::exec::record::Sender;
use crate::exec::{filter, restrict};
use crate::plan::{Guard, Limits, Plan};
use crate::system;

/// What root inside may do to its own files and processes. Not among them: `MKNOD` and `SYS_ADMIN` (what they make
/// would outlive the sandbox or open it), and everything of the network's administration.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// What `setcap` wants to have before it asks. Only for recorded runs: there every call that this allows is answered by
/// the recorder, and none reaches the kernel.
const KEPT_RECORDED: CapabilitySet = KEPT.union(CapabilitySet::SETFCAP);

/// Where a program is looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// Turns this process into the command of `plan`; returns only when that failed. With a `sender`, the run is recorded.
pub(super) fn become_command(plan: &Plan, sender: Option<&Sender>) -> Failure {
    match prepare(plan, sender) {
        Ok(program) => program.execute(),
        Err(failure) => failure,
    }
}

fn prepare(plan: &Plan, sender: Option<&Sender>) -> Result<Program, Failure> {
    if plan.terminal {
        take_terminal()?;
    } else {
        // Opened inside, so that the command sees its own /dev/null.
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()).during(Step::Device, "/dev/null")?;
        rustix::stdio::dup2_stdin(&null).during(Step::Device, "/dev/null")?;
    }
    rustix::process::chdir(&plan.directory).during(Step::Directory, &plan.directory)?;
    limit(&plan.limits)?;
    let program = Program::new(plan)?;
    system::reset_signals();
    system::close_on_execute().during(Step::Execute, "")?;
    rustix::thread::set_no_new_privs(true).during(Step::NoNewPrivileges, "")?;
    let recorded = sender.map_or(Ok(false), |sender| hand_over(plan, sender))?;
    drop_capabilities(if recorded { KEPT_RECORDED } else { KEPT })?;
    if plan.guards(Guard::Landlock) {
        restrict::apply(plan)?;
    }
    if plan.guards(Guard::SystemCalls) {
        filter::apply(recorded)?;
    }
    Ok(program)
}

/// Makes the listener and gives it to the launcher; where that is impossible, says why, and the run goes on without.
fn hand_over(plan: &Plan, sender: &Sender) -> Result<bool, Failure> {
    let made = filter::listen(plan.reverse_directories);
    sender.send(&made).during(Step::Record, "")?;
    Ok(made.is_ok())
}

/// Makes the command the foreground of the caller's terminal, so that its job control works.
fn take_terminal() -> Result<(), Failure> {
    let stdin = rustix::stdio::stdin();
    if !rustix::termios::isatty(stdin) {
        return Ok(());
    }
    system::ignore_terminal_stop();
    rustix::process::setpgid(None, None).during(Step::Terminal, "")?;
    rustix::termios::tcsetpgrp(stdin, rustix::process::getpid()).during(Step::Terminal, "")
}

fn limit(limits: &Limits) -> Result<(), Failure> {
    // A core dump would go to a handler of the host.
    set_limit(Resource::Core, "core size", 0)?;
    set_limit(Resource::Nproc, "processes", limits.processes)?;
    set_limit(Resource::Nofile, "open files", limits.open_files)?;
    set_limit(Resource::Fsize, "file size", limits.file_size)?;
    if let Some(cpus) = limits.cpus {
        use_cpus(cpus, limits.first_cpu).during(Step::Limits, "CPUs")?;
    }
    if let Some(seconds) = limits.cpu_seconds {
        set_limit(Resource::Cpu, "CPU time", seconds)?;
    }
    Ok(())
}

/// Keeps this process on `count` of its CPUs, from `first` on and round.
fn use_cpus(count: usize, first: usize) -> Result<(), Errno> {
    let all = rustix::thread::sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    let mut few = CpuSet::new();
    let skip = first % cpus.len().max(1);
    cpus.iter().cycle().skip(skip).take(count.min(cpus.len()).max(1)).for_each(|cpu| few.set(*cpu));
    rustix::thread::sched_setaffinity(None, &few)
}

/// Lowers a limit, hard and soft; what the caller has less of stays as it is.
fn set_limit(resource: Resource, name: &str, wanted: u64) -> Result<(), Failure> {
    let maximum = rustix::process::getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let limit = Rlimit { current: Some(maximum), maximum: Some(maximum) };
    rustix::process::setrlimit(resource, limit).during(Step::Limits, name)
}

fn drop_capabilities(kept: CapabilitySet) -> Result<(), Failure> {
    for capability in CapabilitySet::all().iter().filter(|capability| !kept.contains(*capability)) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel is older than the capability.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(Failure::new(Step::Capabilities, format!("{capability:?}"), errno)),
        }
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).during(Step::Capabilities, "")
}

/// The command in the form that the kernel takes.
struct Program {
    candidates: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn new(plan: &Plan) -> Result<Self, Failure> {
        let text = |text: String| CString::new(text).map_err(|_| Failure::new(Step::Execute, "", Errno::INVAL));
        let name = plan.command.first().ok_or_else(|| Failure::new(Step::Execute, "", Errno::INVAL))?;
        let candidates = if name.contains('/') {
            vec![text(name.clone())?]
        } else {
            let path = plan.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
            path.split(':').map(|directory| text(format!("{directory}/{name}"))).collect::<Result<_, _>>()?
        };
        let arguments = plan.command.iter().cloned().map(text).collect::<Result<_, _>>()?;
        let environment = plan.environment.iter().map(|(name, value)| text(format!("{name}={value}"))).collect::<Result<_, _>>()?;
        Ok(Self { candidates, arguments, environment })
    }

    fn execute(&self) -> Failure {
        let mut worst = Errno::NOENT;
        for candidate in &self.candidates {
            let errno = system::execute(candidate, &self.arguments, &self.environment);
            // As execvp does: what is not there, go on; what may not be run, go on but remember.
            match errno {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => worst = errno,
                _ => {
                    worst = errno;
                    break;
                }
            }
        }
        Failure::new(Step::Execute, self.arguments.first().map_or_else(String::new, |name| name.to_string_lossy().into_owned()), worst)
    }
}
