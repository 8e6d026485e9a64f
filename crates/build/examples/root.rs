//! Prints how long it takes from asking for a build root of packages in a store until the first command in it runs:
//! `root STORE RUNS CONTENT...`, topmost last. Each run opens the store anew, so that nothing is known from the one before.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use base::{Digest, Store};
use sandbox::{HIDDEN_VERB, Launcher, Ownership, Plan, Root};

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == HIDDEN_VERB) {
        return sandbox::exec::main(arguments);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (text, exit) = match measure(&arguments) {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (format!("{error}\n"), ExitCode::FAILURE),
    };
    std::io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| exit)
}

fn measure(arguments: &[String]) -> Result<String, Failed> {
    let [store, runs, contents @ ..] = arguments else { return Err("root STORE RUNS CONTENT...".into()) };
    let store = Path::new(store);
    let contents = contents.iter().map(|text| text.parse()).collect::<Result<Vec<Digest>, _>>()?;
    let mut times = Vec::new();
    for _ in 0..runs.parse::<usize>()? {
        times.push(once(store, &contents)?);
    }
    times.sort_by_key(|time| time.command);
    let Time { opened, root, command } = times.get(times.len() / 2).ok_or("no runs")?;
    let first = times.first().ok_or("no runs")?.command;
    Ok(format!(
        "{{\"packages\":{},\"runs\":{},\"command_ms\":{:.1},\"best_ms\":{:.1},\"opened_ms\":{:.1},\"root_ms\":{:.1}}}\n",
        contents.len(),
        times.len(),
        ms(*command),
        ms(first),
        ms(*opened),
        ms(*root)
    ))
}

/// Times from the beginning: the store is open, the root is there, the command runs.
struct Time {
    opened: Duration,
    root: Duration,
    command: Duration,
}

fn once(store: &Path, contents: &[Digest]) -> Result<Time, Failed> {
    let start = Instant::now();
    let store = Store::open(store)?;
    let opened = start.elapsed();
    let lowers = image::root::make(&store, contents, &())?.lowers;
    let root = start.elapsed();
    let scratch = store.tmp_path("scratch");
    let mut plan = Plan::new(Root::overlay(lowers, scratch), ["/bin/sh", "-c", "echo running"]);
    plan.environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    let mut command = None;
    let mut output = |_: &[u8]| {
        command.get_or_insert_with(|| start.elapsed());
    };
    let ran = sandbox::record(&plan, &Launcher::new("/proc/self/exe"), &mut Ownership::new(), &mut output)?;
    let command = command.filter(|_| ran.outcome.success()).ok_or("the command did not run")?;
    Ok(Time { opened, root, command })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
