//! Prints how long a sandbox over many directories takes from call to end: `cargo run -p sandbox --example start`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sandbox::{Bind, HIDDEN_VERB, Launcher, Plan, Root, SandboxError, run};

/// As many directories as a build root of a C program with a few libraries has packages.
const LOWERS: usize = 60;
const RUNS: usize = 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == HIDDEN_VERB) {
        return sandbox::exec::main(arguments);
    }
    let home = std::env::temp_dir().join(format!("sandbox-start-{}", std::process::id()));
    let measured = measure(&home);
    let removed = sandbox::discard(&home);
    match measured.and_then(|times| removed.map(|()| times)) {
        Ok(mut times) => {
            times.sort();
            let text = format!("{LOWERS} directories, {RUNS} runs: best {:?}, median {:?}\n", times[0], times[RUNS / 2]);
            std::io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}"); // nobody is left to tell
            ExitCode::FAILURE
        }
    }
}

fn measure(home: &std::path::Path) -> Result<Vec<Duration>, SandboxError> {
    let lowers: Vec<_> = (0..LOWERS).map(|number| home.join(format!("lower/{number}"))).collect();
    for path in &lowers {
        fs_err::create_dir_all(path).map_err(|source| SandboxError::Scratch { path: path.clone(), source })?;
    }
    let mut plan = Plan::new(Root::overlay(lowers, home.join("scratch")), ["/bin/true"]);
    let programs = ["/usr", "/bin", "/lib", "/lib64"].into_iter().filter(|path| std::path::Path::new(path).exists());
    plan.binds = programs.map(|path| Bind { source: path.into(), target: path.to_owned(), writable: false }).collect();
    (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run(&plan, &Launcher::new("/proc/self/exe"), &mut |_| {})?;
            Ok(started.elapsed())
        })
        .collect()
}
