//! Prints how long a sandbox over many directories takes from call to end, and what the record of ownership costs:
//! `cargo run --release -p sandbox --example speed`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sandbox::{Bind, HIDDEN_VERB, Launcher, Ownership, Plan, Root, SandboxError, record, run};

/// As many directories as a build root of a C program with a few libraries has packages.
const LOWERS: usize = 60;
const RUNS: usize = 20;
const FILES: usize = 10_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == HIDDEN_VERB) {
        return sandbox::exec::main(arguments);
    }
    let home = std::env::temp_dir().join(format!("sandbox-speed-{}", std::process::id()));
    let measured = measure(&home);
    // What can not be removed stays in the folder for temporary files.
    let _ = fs_err::remove_dir_all(&home);
    let (out, exit) = match measured {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("{error}\n"), ExitCode::FAILURE),
    };
    std::io::stdout().write_all(out.as_bytes()).map_or(ExitCode::FAILURE, |()| exit)
}

fn measure(home: &Path) -> Result<String, SandboxError> {
    let lowers: Vec<_> = (0..LOWERS).map(|number| home.join(format!("lower/{number}"))).collect();
    lowers.iter().try_for_each(make)?;
    make(&home.join("work/files"))?;
    let mut plan = Plan::new(Root::overlay(lowers, home.join("scratch")), [""; 0]);
    let programs = ["/usr", "/bin", "/lib", "/lib64"].into_iter().filter(|path| Path::new(path).exists());
    plan.binds = programs.map(|path| Bind { source: path.into(), target: path.to_owned(), writable: false }).collect();
    plan.binds.push(Bind { source: home.join("work"), target: "/home/build".to_owned(), writable: true });
    plan.directory = "/home/build".to_owned();
    let mut script = |script: &str| {
        plan.command = ["/bin/sh", "-c", script].map(str::to_owned).into();
        plan.clone()
    };

    let plain = script("exec true");
    let mut times = (0..RUNS).map(|_| unrecorded(&plain)).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    let start = format!("{LOWERS} directories, {RUNS} runs: best {:?}, median {:?}\n", times[0], times[RUNS / 2]);

    unrecorded(&script(&format!("cd files; seq {FILES} | xargs touch")))?;
    // The owner that the files have already: the one change that goes without a record too.
    let without = unrecorded(&script("exec chown -R 0:0 files"))?;
    let mut ownership = Ownership::new();
    let started = Instant::now();
    record(&script("exec chown -R 33:33 files"), &launcher(), &mut ownership, &mut |_| {})?;
    let with = started.elapsed();
    let each = with.saturating_sub(without) / u32::try_from(ownership.len().max(1)).unwrap_or(u32::MAX);
    Ok(format!("{start}chown of {} files: {without:?} without, {with:?} with a record: {each:?} each\n", ownership.len()))
}

fn make(path: &PathBuf) -> Result<(), SandboxError> {
    fs_err::create_dir_all(path).map_err(|source| SandboxError::Scratch { path: path.clone(), source })
}

fn unrecorded(plan: &Plan) -> Result<Duration, SandboxError> {
    let started = Instant::now();
    run(plan, &launcher(), &mut |_| {})?;
    Ok(started.elapsed())
}

fn launcher() -> Launcher {
    Launcher::new("/proc/self/exe")
}
