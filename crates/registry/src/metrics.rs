//! Numbers for Prometheus: requests by kind and status, their time, bytes, uploads (text exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::Swept;

/// What requests are about; the order of the counters.
const KINDS: [&str; 9] = ["ping", "catalog", "blob", "upload", "manifest", "tags", "referrers", "health", "unknown"];

/// Upper bounds of the times that requests are counted by, in milliseconds.
const BOUNDS: [u64; 8] = [1, 5, 25, 100, 500, 2_500, 10_000, 60_000];

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    kinds: [Kind; KINDS.len()],
    sent: AtomicU64,
    pub(crate) uploading: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    sweeps: AtomicU64,
    freed: AtomicU64,
}

#[derive(Debug, Default)]
struct Kind {
    /// By the first digit of the status.
    statuses: [AtomicU64; 6],
    times: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, kind: &str, status: u16, bytes: u64, time: Duration) {
        let kind = &self.kinds[KINDS.iter().position(|one| *one == kind).unwrap_or(KINDS.len() - 1)];
        kind.statuses[usize::from(status / 100).min(5)].fetch_add(1, Ordering::Relaxed);
        let milliseconds = time.as_millis() as u64;
        let bucket = BOUNDS.iter().position(|bound| milliseconds < *bound).unwrap_or(BOUNDS.len());
        kind.times[bucket].fetch_add(1, Ordering::Relaxed);
        kind.microseconds.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a sweep.
    pub(crate) fn swept(&self, swept: &Swept) {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
        self.freed.fetch_add(swept.freed, Ordering::Relaxed);
    }

    /// Writes all of them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        head(&mut text, "undistro_requests_total", "counter", "Requests by what they are about and the class of their status.");
        for (name, kind) in KINDS.iter().zip(&self.kinds) {
            for (class, count) in kind.statuses.iter().enumerate().filter(|(_, count)| count.load(Ordering::Relaxed) > 0) {
                let count = count.load(Ordering::Relaxed);
                let _ = writeln!(text, "undistro_requests_total{{kind=\"{name}\",status=\"{class}xx\"}} {count}");
            }
        }
        head(&mut text, "undistro_request_seconds", "histogram", "Time until the head of the answer.");
        for (name, kind) in KINDS.iter().zip(&self.kinds) {
            let mut sum = 0;
            for (bound, count) in BOUNDS.iter().map(Some).chain([None]).zip(&kind.times) {
                sum += count.load(Ordering::Relaxed);
                let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| (*bound as f64 / 1000.0).to_string());
                let _ = writeln!(text, "undistro_request_seconds_bucket{{kind=\"{name}\",le=\"{bound}\"}} {sum}");
            }
            let seconds = kind.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
            let _ = writeln!(text, "undistro_request_seconds_sum{{kind=\"{name}\"}} {seconds}");
            let _ = writeln!(text, "undistro_request_seconds_count{{kind=\"{name}\"}} {sum}");
        }
        for (name, kind, help, value) in [
            ("undistro_sent_bytes_total", "counter", "Bytes of the bodies of answers.", self.sent.load(Ordering::Relaxed)),
            ("undistro_uploads", "gauge", "Bodies that are being received.", self.uploading.load(Ordering::Relaxed) as u64),
            ("undistro_connections", "gauge", "Open connections.", self.connections.load(Ordering::Relaxed) as u64),
            ("undistro_sweeps_total", "counter", "Sweeps of garbage by this process.", self.sweeps.load(Ordering::Relaxed)),
            ("undistro_swept_bytes_total", "counter", "Bytes that sweeps freed.", self.freed.load(Ordering::Relaxed)),
        ] {
            head(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_counted_once() {
        let metrics = Metrics::default();
        metrics.answered("blob", 206, 10, Duration::from_millis(30));
        metrics.answered("nothing known", 404, 0, Duration::from_secs(100));
        let text = metrics.text();
        for line in [
            "undistro_requests_total{kind=\"blob\",status=\"2xx\"} 1",
            "undistro_request_seconds_bucket{kind=\"blob\",le=\"0.025\"} 0",
            "undistro_request_seconds_bucket{kind=\"blob\",le=\"0.1\"} 1",
            "undistro_request_seconds_bucket{kind=\"unknown\",le=\"60\"} 0",
            "undistro_request_seconds_bucket{kind=\"unknown\",le=\"+Inf\"} 1",
            "undistro_sent_bytes_total 10",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}");
        }
    }
}
