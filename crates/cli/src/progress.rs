//! Progress: on a terminal, what runs, what waits for what, and how long it may take yet; a plain line per task without one.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base::{Finish, Overview, Reporter, Task, TaskKind};
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
    /// The lines below the running tasks, once there is something to say there.
    below: Mutex<Option<Below>>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    bytes: u64,
    /// Which step of how many.
    step: Option<(u64, Option<u64>)>,
    /// What that step is called.
    label: String,
    /// How long it took before.
    expected: Option<Duration>,
    bar: Option<ProgressBar>,
}

/// What waits, and how far all is.
#[derive(Debug)]
struct Below {
    waiting: ProgressBar,
    overall: ProgressBar,
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
            below: Mutex::default(),
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

    fn below(&self) -> std::sync::MutexGuard<'_, Option<Below>> {
        self.below.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Task, Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Running {
    /// Says beside its spinner what it is about.
    fn draw(&self, task: &Task) {
        let Some(bar) = &self.bar else { return };
        let of = |total: Option<u64>, text: fn(u64) -> String| total.map_or(String::new(), |total| format!(" of {}", text(total)));
        let mut message = task.name.clone();
        match self.step {
            Some((done, total)) if is_bytes(task.kind) => message += &format!("  {}{}", size(done), of(total, size)),
            Some((done, total)) => message += &format!("  step {done}{}: {}", of(total, |total| total.to_string()), self.label),
            None => {}
        }
        if let Some(expected) = self.expected {
            message += &format!("  (took {} before)", clock(expected));
        }
        bar.set_message(message);
    }
}

impl Below {
    fn new(bars: &MultiProgress) -> Self {
        let style = |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let waiting = bars.add(ProgressBar::new_spinner());
        waiting.set_style(style("{msg:.dim}"));
        let overall = bars.add(ProgressBar::new(0));
        overall.set_style(style("     all [{bar:24}] {pos} of {len} done{msg}").progress_chars("=> "));
        Self { waiting, overall }
    }
}

/// What waits, the most urgent first, and for what.
fn waiting(overview: &Overview) -> String {
    /// How many names are told of what one waits for.
    const NAMES: usize = 3;
    let one = |waiting: &base::Waiting| {
        let shown = waiting.needs.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = waiting.needs.len().saturating_sub(NAMES);
        match (waiting.needs.is_empty(), more) {
            (true, _) => format!("    wait {}", waiting.name),
            (false, 0) => format!("    wait {} for {shown}", waiting.name),
            (false, more) => format!("    wait {} for {shown} and {more} more", waiting.name),
        }
    };
    let mut lines: Vec<String> = overview.next.iter().map(one).collect();
    if overview.waiting > overview.next.len() {
        lines.push(format!("    wait {} more", overview.waiting - overview.next.len()));
    }
    lines.join("\n")
}

/// How far all is, behind its bar.
fn told(overview: &Overview) -> String {
    let mut text = format!(", {} running, {} waiting", overview.running.len(), overview.waiting);
    if overview.failed > 0 {
        text += &format!(", {} FAILED", overview.failed);
    }
    if let Some(remaining) = overview.remaining {
        text += &format!(", about {} left", clock(remaining));
    }
    text
}

/// A time as a clock shows it.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
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
            let bar = match &*self.below() {
                Some(below) => self.bars.insert_before(&below.waiting, ProgressBar::new_spinner()),
                None => self.bars.add(ProgressBar::new_spinner()),
            };
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
        let running = Running { since: Instant::now(), bytes: 0, step: None, label: String::new(), expected: None, bar };
        self.running().insert(task.clone(), running);
    }

    fn advanced(&self, task: &Task, done: u64, total: Option<u64>) {
        if let Some(running) = self.running().get_mut(task) {
            if is_bytes(task.kind) {
                running.bytes = done;
            }
            running.step = Some((done, total));
            running.draw(task);
        }
    }

    fn step(&self, task: &Task, name: &str) {
        if let Some(running) = self.running().get_mut(task) {
            name.clone_into(&mut running.label);
        }
    }

    fn overview(&self, overview: &Overview) {
        if !self.drawn {
            return;
        }
        for one in &overview.running {
            let task = Task::new(TaskKind::Build, &one.name);
            if let Some(running) = self.running().get_mut(&task) {
                running.expected = one.expected;
                running.draw(&task);
            }
        }
        let mut below = self.below();
        let below = below.get_or_insert_with(|| Below::new(&self.bars));
        below.waiting.set_message(waiting(overview));
        below.overall.set_length(overview.total as u64);
        below.overall.set_position(overview.done as u64);
        below.overall.set_message(told(overview));
        if overview.done + overview.failed == overview.total {
            below.waiting.finish_and_clear();
            below.overall.finish_and_clear();
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

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(below) = &*self.below() {
            below.waiting.finish_and_clear();
            below.overall.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_how_far_all_is_reads_well() {
        let waiting_for = |name: &str, needs: &[&str]| base::Waiting {
            name: name.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        };
        let overview = Overview {
            total: 13,
            done: 4,
            failed: 1,
            running: Vec::new(),
            waiting: 8,
            next: vec![waiting_for("nginx", &["openssl", "pcre2", "zlib", "make"]), waiting_for("curl", &[])],
            remaining: Some(Duration::from_secs(3725)),
        };
        insta::assert_snapshot!(format!("{}\n{}", waiting(&overview), told(&overview)), @r"
            wait nginx for openssl, pcre2, zlib and 1 more
            wait curl
            wait 6 more
        , 0 running, 8 waiting, 1 FAILED, about 1:02:05 left
        ");
    }
}
