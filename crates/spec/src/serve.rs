//! `serve.yaml`: how the registry is run.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::access::{self, Access, AccessDocument};
use crate::package::{LoadError, read_text};
use crate::yaml::{Spanned, Text, record};
use crate::{Code, Diagnostic, Diagnostics, duration, yaml};

record! {
    /// How the registry is run.
    Document is "`serve.yaml`" {
        /// The address to listen on: `127.0.0.1:5000`.
        "listen" => listen: Option<Text>,
        /// The store: a folder, or `s3://bucket/prefix`.
        "store" => store: Option<Text>,
        /// No other process writes to the store.
        "single-writer" => single_writer: Option<bool>,
        /// Clients get blobs from the bucket itself, by addresses that are good for some minutes.
        "redirect" => redirect: Option<bool>,
        /// The file to which every write is logged, a JSON object a line.
        "audit" => audit: Option<Text>,
        /// Who may do what. Without it everyone may do everything.
        "access" => access: Option<AccessDocument>,
        /// Bounds on what clients may send.
        "limits" => limits: Option<LimitsDocument>,
        /// When and how garbage is swept.
        "sweep" => sweep: Option<SweepDocument>,
        /// Which tags stay, the first rule that fits.
        "retention" => retention: Vec<RuleDocument>,
    }

    /// Bounds on what clients may send.
    LimitsDocument is "`limits`" {
        /// The largest manifest: `4MiB`.
        "manifest" => manifest: Option<Text>,
        /// The largest blob: `64GiB`.
        "blob" => blob: Option<Text>,
        /// Manifests kept in memory: `64MiB`.
        "cache" => cache: Option<Text>,
        /// How many bodies are received at once.
        "uploads" => uploads: Option<Spanned<i64>>,
        /// How many connections are open at once.
        "connections" => connections: Option<Spanned<i64>>,
        /// How many requests one address may make in a second, over some time.
        "requests-per-second" => requests_per_second: Option<Spanned<i64>>,
    }

    /// When and how garbage is swept.
    SweepDocument is "`sweep`" {
        /// How long from one sweep to the next: `6h`. Without it, `undistro registry gc` sweeps and the server does not.
        "every" => every: Option<Text>,
        /// What is younger stays: `24h`.
        "grace" => grace: Option<Text>,
        /// Uploads that nothing was added to for so long are given up: `168h`.
        "uploads" => uploads: Option<Text>,
    }

    /// What stays of the tags of some repositories.
    RuleDocument is "a rule of `retention`" {
        /// Which repositories: `team/**`.
        "repositories" => repositories: Text,
        /// Which tags: `*-rc*`; all, when absent.
        "tags" => tags: Option<Text>,
        /// So many of the newest stay.
        "newest" => newest: Option<Spanned<i64>>,
        /// What is younger stays: `720h`.
        "younger" => younger: Option<Text>,
        /// Manifests without a tag go when they are older.
        "untagged" => untagged: Option<Text>,
    }
}

/// How the registry is run, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Serve {
    /// The address to listen on.
    pub listen: Option<String>,
    /// The store.
    pub store: Option<String>,
    /// No other process writes to the store.
    pub single_writer: bool,
    /// Clients get blobs from the bucket itself.
    pub redirect: bool,
    /// The file to which writes are logged.
    pub audit: Option<String>,
    /// Who may do what; `None` where everyone may do everything.
    pub access: Option<Access>,
    /// The largest manifest, in bytes.
    pub manifest: Option<u64>,
    /// The largest blob, in bytes.
    pub blob: Option<u64>,
    /// Manifests kept in memory, in bytes.
    pub cache: Option<u64>,
    /// Bodies that are received at once.
    pub uploads: Option<usize>,
    /// Connections that are open at once.
    pub connections: Option<usize>,
    /// Requests of one address in a second.
    pub requests_per_second: Option<u32>,
    /// From one sweep to the next.
    pub sweep_every: Option<Duration>,
    /// What is younger stays.
    pub grace: Option<Duration>,
    /// When uploads are given up.
    pub abandoned: Option<Duration>,
    /// Rules for tags.
    pub retention: Vec<Rule>,
}

/// What stays of the tags of some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Which repositories.
    pub repositories: String,
    /// Which tags.
    pub tags: String,
    /// So many of the newest stay.
    pub newest: Option<usize>,
    /// What is younger stays.
    pub younger: Option<Duration>,
    /// Manifests without a tag go when they are older.
    pub untagged: Option<Duration>,
}

/// The shortest grace period: a push of a large image takes as long.
pub const SHORTEST_GRACE: Duration = Duration::from_secs(60 * 60);

/// Parses `serve.yaml`.
///
/// # Errors
/// Every mistake in it.
pub fn parse(text: &str) -> Result<Serve, Diagnostics> {
    let (document, mut out) = yaml::read::<Document>(text);
    let serve = document.map(|document| check(&document, &mut out));
    out.finish(serve).map(|(serve, _)| serve)
}

/// Reads and parses the file at `path`.
///
/// # Errors
/// The file can not be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Serve, LoadError> {
    let text = read_text(path)?;
    parse(&text).map_err(|diagnostics| LoadError::Mistakes { path: path.to_owned(), text, diagnostics })
}

fn check(document: &Document, out: &mut Diagnostics) -> Serve {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
    let mut serve = Serve {
        listen: text(&document.listen),
        store: text(&document.store),
        single_writer: document.single_writer == Some(true),
        redirect: document.redirect == Some(true),
        audit: text(&document.audit),
        access: document.access.as_ref().map(|access| access::check(access, out)),
        ..Serve::default()
    };
    if let Some(limits) = &document.limits {
        serve.manifest = size(limits.manifest.as_ref(), out);
        serve.blob = size(limits.blob.as_ref(), out);
        serve.cache = size(limits.cache.as_ref(), out);
        serve.uploads = number(limits.uploads.as_ref(), out);
        serve.connections = number(limits.connections.as_ref(), out);
        serve.requests_per_second = number(limits.requests_per_second.as_ref(), out);
    }
    if let Some(sweep) = &document.sweep {
        serve.sweep_every = time(sweep.every.as_ref(), out);
        serve.grace = time(sweep.grace.as_ref(), out);
        serve.abandoned = time(sweep.uploads.as_ref(), out);
        if let Some(grace) = sweep.grace.as_ref().filter(|_| serve.grace.is_some_and(|grace| grace < SHORTEST_GRACE)) {
            let error = Diagnostic::error(Code::BadValue, grace.span, "a push may take longer than this grace period");
            out.push(error.help("write at least `1h`"));
        }
    }
    serve.retention = document
        .retention
        .iter()
        .map(|rule| Rule {
            repositories: rule.repositories.value.clone(),
            tags: text(&rule.tags).unwrap_or_else(|| "*".to_owned()),
            newest: number(rule.newest.as_ref(), out),
            younger: time(rule.younger.as_ref(), out),
            untagged: time(rule.untagged.as_ref(), out),
        })
        .collect();
    serve
}

fn time(text: Option<&Text>, out: &mut Diagnostics) -> Option<Duration> {
    let text = text?;
    let time = duration::parse(&text.value);
    if time.is_none() {
        let error = Diagnostic::error(Code::BadValue, text.span, format!("`{text}` is no length of time"));
        out.push(error.help("write it as `90s`, `6h`, `1h30m`"));
    }
    time
}

fn number<T: TryFrom<i64>>(number: Option<&Spanned<i64>>, out: &mut Diagnostics) -> Option<T> {
    let number = number?;
    let value = T::try_from(number.value).ok().filter(|_| number.value > 0);
    if value.is_none() {
        out.push(Diagnostic::error(Code::BadValue, number.span, format!("{} is not a number from 1 on", number.value)));
    }
    value
}

/// Reads a number of bytes: `4096`, `4KiB`, `64GiB`.
fn size(text: Option<&Text>, out: &mut Diagnostics) -> Option<u64> {
    const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let text = text?;
    let (digits, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((text.value.strip_suffix(unit)?, *shift))).unwrap_or((text.value.as_str(), 0));
    let bytes = digits.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    if bytes.is_none() {
        let error = Diagnostic::error(Code::BadValue, text.span, format!("`{text}` is no number of bytes"));
        out.push(error.help("write it as `4MiB` or `64GiB`"));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_operators_write() {
        let text = "\
listen: 0.0.0.0:5000
store: s3://images/registry
audit: /var/log/undistro/audit.log
limits: { blob: 10GiB, uploads: 64, requests-per-second: 100 }
sweep: { every: 6h, grace: 24h }
retention:
  - repositories: team/**
    tags: \"*-rc*\"
    newest: 10
    younger: 720h
";
        let serve = parse(text).unwrap();
        assert_eq!((serve.blob, serve.uploads, serve.requests_per_second), (Some(10 << 30), Some(64), Some(100)));
        assert_eq!((serve.sweep_every, serve.retention[0].newest), (Some(Duration::from_secs(6 * 3600)), Some(10)));
    }

    #[test]
    fn names_every_mistake() {
        let text = "limits: { blob: much, uploads: 0 }\nsweep: { grace: 1m, every: 6 }\nretention: [{ tags: a }]\nport: 1\n";
        let mistakes = parse(text).unwrap_err();
        assert_eq!(mistakes.iter().count(), 6);
    }
}
