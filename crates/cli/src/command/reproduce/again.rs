//! The hidden verb by which this program becomes the process of a second build.

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use base::{Arch, Store};
use build::reproduce::{Again, Remade};
use build::timeline::Timeline;
use build::{BuildError, Builder, Distro, Limits, OnFailure};
use serde::{Deserialize, Serialize};
use source::{Fetcher, Location, Settings};

use crate::failure::Message;
use crate::host::Local;

/// The first argument; nobody types it.
pub(super) const VERB: &str = "reproduce-again-internal";

/// What the process says at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The packages.
    Made(Remade),
    /// Why there are none.
    Failed {
        /// The error and its causes.
        chain: Vec<String>,
        /// The last lines of the build.
        tail: Vec<String>,
    },
}

/// Carries out a second build if that is what the first argument asks for.
pub(crate) fn if_asked() -> Option<ExitCode> {
    if std::env::args_os().nth(1)? != VERB {
        return None;
    }
    let answer = carry_out().map_or_else(|(chain, tail)| Answer::Failed { chain, tail }, Answer::Made);
    let text = serde_json::to_vec(&answer).unwrap_or_else(|error| unreachable!("an answer becomes JSON: {error}"));
    let written = std::io::Write::write_all(&mut std::io::stdout().lock(), &text);
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Failed = (Vec<String>, Vec<String>);

fn carry_out() -> Result<Remade, Failed> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).map_err(|error| failed(&error))?;
    let again: Again = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(again.umask));
    let arch = Arch::host().ok_or_else(|| (vec!["packages can not be built on this machine's architecture".to_owned()], Vec::new()))?;
    let distro = Distro::load(&again.distro, arch).map_err(|error| failed(&error))?;
    if let Some(mistaken) = distro.mistaken().next() {
        return Err((vec![mistaken.diagnostics.render(&mistaken.path.display().to_string(), &mistaken.text)], Vec::new()));
    }
    let store = Store::open(&again.store).map_err(|error| failed(&error))?;
    let mirror: Location = again.mirror.display().to_string().parse().map_err(|error: source::LocationError| failed(&error))?;
    let settings = Settings { mirrors: vec![mirror], offline: true, ..Settings::default() };
    let fetcher = Fetcher::new(&store, settings).map_err(|error| failed(&error))?;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let builder = Builder {
        distro: &distro,
        store: &store,
        fetcher: &fetcher,
        launcher: &crate::command::launch::launcher(),
        seeds: &[],
        limits: Limits::jobs(cpus),
        on_failure: OnFailure::Finish,
        timeline: &Timeline::default(),
        reporter: &(),
        host: &Local::new(cpus),
        variation: &again.variation,
        stop: &AtomicBool::new(false),
    };
    again.carry_out(&builder).map_err(|error| {
        let tail = if let BuildError::Step { tail, .. } = &error { tail.clone() } else { Vec::new() };
        (Message::of(&error).chain, tail)
    })
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Failed {
    (Message::of(error).chain, Vec::new())
}
