//! Finds which circumstance makes a package differ: by building it again with one thing varied at a time.

use std::collections::BTreeMap;
use std::fmt;

use base::{Digest, PackageName};
use build::reproduce::{Clock, Remade, Variation};
use build::{Builder, Built};
use serde::Serialize;

use super::second::Second;
use crate::failure::Failure;
use crate::printer::Printer;

/// A time at which the clock stands still: any will do, as long as it is one time.
const FROZEN: u32 = 1_800_000_000;

/// What makes a package differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    /// The time of the build: with a clock that stands still, two builds are equal.
    Clock,
    /// Something that differs from build to build though the clock stands still.
    Random,
    /// Where it is built: paths, user or environment outside.
    Place,
    /// The number of processors, and so of jobs.
    Cpus,
    /// The order in which directories list what they hold.
    Order,
    /// None of these alone: several together, or chance.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clock => "the clock: with one that stands still, two builds are equal",
            Self::Random => "chance: two builds differ though everything is as it was and the clock stands still (a random number, a race, a process id)",
            Self::Place => "the place: two builds in one place are equal, and differ from one elsewhere (a path, the user, the environment outside)",
            Self::Cpus => "the number of processors, and so of jobs",
            Self::Order => "the order in which directories list what they hold",
            Self::Unknown => "none that was varied alone; several together, or chance that struck once",
        })
    }
}

/// Builds `built` some more times.
pub(super) fn find(built: &Built, second: &Second, builder: &Builder<'_>, printer: &Printer) -> Result<Cause, Failure> {
    let first: Contents = built.packages.iter().filter_map(|record| Some((record.info.name.clone(), record.content?))).collect();
    let attempt = |what: &str, variation: Variation| {
        printer.talk(format!("again: {}, {what}", built.origin));
        second.build(built, &variation, builder).map(contents)
    };
    let ahead = second.all_varied().clock.map(|library| Variation { clock: Some(library), ..Variation::default() });
    let plain = attempt("nothing varied but the place", Variation::default())?;
    if plain == first {
        let cpus = Variation { cpus: second.all_varied().cpus, ..Variation::default() };
        let order = Variation { reverse_directories: true, ..Variation::default() };
        // The clock first: what records the second differs from the first build sooner or later, whatever else is varied.
        let single = [
            ("the clock ahead", ahead, Cause::Clock),
            ("fewer processors", Some(cpus), Cause::Cpus),
            ("directories in reverse", Some(order), Cause::Order),
        ];
        for (what, variation, cause) in single {
            if let Some(variation) = variation
                && attempt(what, variation)? != first
            {
                return Ok(cause);
            }
        }
        return Ok(Cause::Unknown);
    }
    if attempt("once more, in the same place", Variation::default())? == plain {
        // Two builds in a row may fall into one second, minute or day.
        return Ok(match ahead {
            Some(ahead) if attempt("the clock ahead", ahead.clone())? != plain => Cause::Clock,
            _ => Cause::Place,
        });
    }
    let Some(library) = second.make_clock("frozen", Clock::Frozen(FROZEN), builder)? else { return Ok(Cause::Random) };
    let frozen = Variation { clock: Some(library), ..Variation::default() };
    let (one, two) = (attempt("the clock standing still", frozen.clone())?, attempt("the clock standing still, once more", frozen)?);
    Ok(if one == two { Cause::Clock } else { Cause::Random })
}

type Contents = BTreeMap<PackageName, Digest>;

fn contents(remade: Remade) -> Contents {
    remade.packages.into_iter().map(|(name, (content, _))| (name, content)).collect()
}
