//! What apk prints of a solution.

use std::fmt;

use super::culprit::indented;
use super::request::display_order;
use super::solution::{Change, Chosen, Kind, Solution};

/// The lines `(1/3) Installing a (1-r0)` of a solution, and the line that ends it.
#[derive(Debug)]
pub struct Transcript<'s, 'a> {
    solution: &'s Solution<'a>,
    /// Whether to tell more (`-v`).
    verbose: bool,
}

impl<'s, 'a> Transcript<'s, 'a> {
    /// Makes the transcript of a solution.
    #[must_use]
    pub const fn new(solution: &'s Solution<'a>) -> Self {
        Self { solution, verbose: false }
    }

    /// Tells more.
    #[must_use]
    pub const fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Returns the names of packages that no repository has any more, as apk lists them.
    fn unavailable(&self) -> Vec<String> {
        let gone = self.solution.packages.iter().filter(|chosen| chosen.orphaned && !chosen.record.info.name.as_str().starts_with('.'));
        let mut names: Vec<String> = gone.map(|chosen| chosen.record.info.name.to_string()).collect();
        names.sort_by(|a, b| display_order(a, b));
        names
    }
}

impl fmt::Display for Transcript<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gone = self.unavailable();
        if self.verbose && !gone.is_empty() {
            writeln!(f, "NOTE: Consider running apk upgrade with --prune and/or --available.")?;
            let intro = "The following packages are no longer available from a repository:\n";
            writeln!(f, "{}", indented(intro, 2, &gone))?;
        }
        let done: Vec<_> = self.solution.changes.iter().filter(|change| change.kind != Kind::Keep).collect();
        for (at, change) in done.iter().enumerate() {
            writeln!(f, "({}/{}) {change}", at + 1, done.len())?;
        }
        let size: u64 = self.solution.packages.iter().map(|chosen| chosen.record.info.installed_size).sum();
        let count = self.solution.packages.len();
        if self.verbose {
            write!(f, "OK: {count} packages, 0 dirs, 0 files, {}", human(size))
        } else {
            write!(f, "OK: {} in {count} packages", human(size))
        }
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            Kind::Keep => "Keeping",
            Kind::Install => "Installing",
            Kind::Purge => "Purging",
            Kind::Reinstall if self.new.as_ref().is_some_and(|new| new.source.is_none()) => "[APK unavailable, skipped] Reinstalling",
            Kind::Reinstall => "Reinstalling",
            Kind::Repin => "Updating pinning",
            Kind::Upgrade => "Upgrading",
            Kind::Downgrade => "Downgrading",
            Kind::Replace => "Replacing",
        };
        let Some(shown) = self.new.as_ref().or(self.old.as_ref()) else { return Ok(()) };
        let tag = self.new.as_ref().and_then(|new| new.tag).map(|tag| format!("@{tag}")).unwrap_or_default();
        write!(f, "{verb} {}{tag} (", shown.record.info.name)?;
        let version = |chosen: &Chosen<'_>| chosen.record.info.version.to_string();
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if !matches!(self.kind, Kind::Keep | Kind::Reinstall | Kind::Repin) => {
                write!(f, "{} -> {})", version(old), version(new))
            }
            _ => write!(f, "{})", version(shown)),
        }
    }
}

/// Prints a size as apk does: no more than four digits before the unit, one after the point from MiB on.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut shown, mut unit) = (bytes as f64, 0);
    while shown >= 10000.0 && unit < UNITS.len() - 1 {
        shown /= 1024.0;
        unit += 1;
    }
    if unit < 2 { format!("{} {}", bytes >> (10 * unit), UNITS[unit]) } else { format!("{shown:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_sizes_as_apk_does() {
        for (bytes, text) in [(0, "0 B"), (9999, "9999 B"), (10_000, "9 KiB"), (10_240_000, "9.8 MiB"), (10 << 40, "10.0 TiB")] {
            assert_eq!(human(bytes), text);
        }
    }
}
