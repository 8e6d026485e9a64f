//! `undistro doctor`: what this machine lacks for builds, and how to mend it.

use sandbox::{Finding, Health};

use crate::args::Global;
use crate::failure::{Failure, Message};
use crate::printer::Printer;
use crate::project;

/// Say what this machine lacks for builds, and how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit 0 when builds can run here, 1 when something they need is missing.")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, printer: &Printer) -> Result<(), Failure> {
    let store = project::store(global)?;
    let mut findings = sandbox::probe(&super::launch::launcher(), &store.tmp_path("probe")).map_err(|error| Failure::fault(&error))?;
    findings.push(mirror());
    printer.json(&findings);
    for finding in &findings {
        let sign = match finding.health {
            Health::Good => "ok     ",
            Health::Degraded => "partly ",
            Health::Missing => "MISSING",
        };
        printer.line(format!("{sign}  {}: {}", finding.subject, finding.detail));
        if let Some(mend) = &finding.mend {
            printer.line(format!("         {mend}"));
        }
    }
    if findings.iter().any(|finding| finding.health == Health::Missing) {
        return Err(Failure::No(Message::text("builds can not run on this machine yet")));
    }
    Ok(())
}

/// Where `debian:` sources and seeds come from.
fn mirror() -> Finding {
    let found = project::debian_mirror();
    Finding {
        subject: "Debian mirror".to_owned(),
        health: if found.is_some() { Health::Good } else { Health::Degraded },
        detail: found.clone().unwrap_or_else(|| "none is known; only what the store or a mirror has can be built".to_owned()),
        mend: found.is_none().then(|| "set UNDISTRO_DEBIAN_MIRROR to the base URL of a mirror".to_owned()),
    }
}
