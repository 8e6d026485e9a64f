//! Progress: a bar per task on a terminal, a plain line per task without one.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base::{Finish, Reporter, Task, TaskKind};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::{Printer, size};

/// Draws what the rooms report.
#[derive(Debug)]
pub(crate) struct Progress {
    bars: MultiProgress,
    drawn: bool,
    quiet: bool,
    verbose: bool,
    running: Mutex<HashMap<Task, Running>>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    bytes: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(printer: &Printer) -> Self {
        let drawn = std::io::stderr().is_terminal() && !printer.is_quiet();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bars: MultiProgress::with_draw_target(target),
            drawn,
            quiet: printer.is_quiet(),
            verbose: printer.is_verbose(),
            running: Mutex::default(),
        }
    }

    fn say(&self, line: &str) {
        if self.drawn {
            let _ = self.bars.println(line);
        } else {
            Self::plain(line);
        }
    }

    #[expect(clippy::print_stderr, reason = "without a terminal there are no bars to print around")]
    fn plain(line: &str) {
        eprintln!("{line}");
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Task, Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn verb(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Fetch => "fetch",
        TaskKind::Seed => "seed",
        TaskKind::Root => "root",
        TaskKind::Build => "build",
        TaskKind::Test => "test",
        TaskKind::Emit => "emit",
        TaskKind::Index => "index",
        TaskKind::Compose => "compose",
        TaskKind::Transfer => "blob",
    }
}

/// Tasks that come on by bytes.
fn is_bytes(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Fetch | TaskKind::Transfer)
}

/// Short tasks of which there are many: without a terminal only their end is told, and only when it took a while.
fn is_small(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::Seed | TaskKind::Root | TaskKind::Emit | TaskKind::Transfer)
}

impl Reporter for Progress {
    fn started(&self, task: &Task) {
        let bar = self.drawn.then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{prefix:>8} {spinner} {msg} {elapsed:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.set_prefix(verb(task.kind));
            bar.set_message(task.name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if !self.drawn && !self.quiet && matches!(task.kind, TaskKind::Build | TaskKind::Test) {
            self.say(&format!("{:>8} {}: started", verb(task.kind), task.name));
        }
        self.running().insert(task.clone(), Running { since: Instant::now(), bytes: 0, bar });
    }

    fn advanced(&self, task: &Task, done: u64, total: Option<u64>) {
        if let Some(running) = self.running().get_mut(task) {
            running.bytes = done;
            if let Some(bar) = &running.bar {
                let of = total.map_or(String::new(), |total| match task.kind {
                    TaskKind::Fetch | TaskKind::Transfer => format!(" of {}", size(total)),
                    _ => format!(" of {total}"),
                });
                let done = if is_bytes(task.kind) { size(done) } else { format!("step {done}") };
                bar.set_message(format!("{} ({done}{of})", task.name));
            }
        }
    }

    fn line(&self, task: &Task, line: &[u8]) {
        if self.verbose {
            self.say(&format!("{:>8} {} | {}", verb(task.kind), task.name, String::from_utf8_lossy(line)));
        }
    }

    fn finished(&self, task: &Task, how: Finish) {
        let Some(running) = self.running().remove(task) else { return };
        if let Some(bar) = &running.bar {
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
        let took = running.since.elapsed();
        let word = match how {
            Finish::Done => "done",
            Finish::Cached => "there already",
            Finish::Failed => "FAILED",
        };
        let small = is_small(task.kind) && took < Duration::from_secs(2);
        let told = how == Finish::Failed || self.verbose || (how == Finish::Done && !small);
        if told && !self.quiet {
            let bytes = if is_bytes(task.kind) && running.bytes > 0 { format!(", {}", size(running.bytes)) } else { String::new() };
            self.say(&format!("{:>8} {}: {word} in {:.1} s{bytes}", verb(task.kind), task.name, took.as_secs_f64()));
        }
    }

    fn warned(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }
}
