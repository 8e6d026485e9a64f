//! Checks that cargo does not make by itself: `cargo xtask <check>`.

mod arrows;
mod dependencies;
mod house;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "usage: cargo xtask check-arrows | check-dependencies | check-house";

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("check-arrows") => arrows::check(),
        Some("check-dependencies") => dependencies::check(),
        Some("check-house") => house::check(),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match outcome.and_then(report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints findings; any at all is a failure.
fn report(findings: Vec<String>) -> anyhow::Result<()> {
    for finding in &findings {
        tell(finding);
    }
    if findings.is_empty() { Ok(()) } else { bail!("{} finding(s)", findings.len()) }
}

#[expect(clippy::print_stderr, reason = "the one door to the terminal of this tool")]
fn tell(text: &str) {
    eprintln!("{text}");
}
