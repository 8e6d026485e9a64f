//! Prints as JSON how long it takes from asking for a build root of packages in a store until the first command in it runs:
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
    let before = processor()?;
    let mut times = Vec::new();
    for _ in 0..runs.parse::<usize>()? {
        times.push(once(store, &contents)?);
    }
    let list = |of: &dyn Fn(&Time) -> Duration| times.iter().map(|time| format!("{:.1}", ms(of(time)))).collect::<Vec<_>>().join(",");
    Ok(format!(
        "{{\"packages\":{},\"command_ms\":[{}],\"root_ms\":[{}],\"opened_ms\":[{}],\"cpu_ms\":[{:.1}],\"mb\":{:.1}}}\n",
        contents.len(),
        list(&|time| time.command),
        list(&|time| time.root),
        list(&|time| time.opened),
        ms(processor()?.saturating_sub(before)) / times.len() as f64,
        peak()?
    ))
}

/// Times from the beginning: the store is open, the root is there, the command runs.
struct Time {
    opened: Duration,
    root: Duration,
    command: Duration,
}

/// The processor time of this process and of those that it waited for.
fn processor() -> Result<Duration, Failed> {
    let text = fs_err::read_to_string("/proc/self/stat")?;
    // proc_pid_stat(5): fields 14 to 17, counted behind the name in brackets; in hundredths of a second.
    let fields = text.rsplit(')').next().ok_or("no stat")?.split_whitespace().skip(11).take(4);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// The peak of resident memory, in MB.
fn peak() -> Result<f64, Failed> {
    let text = fs_err::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1000.0)
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
