//! `undistro store`: what the store holds, whether it is right, and what of it can go.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::store::{Collected, Keep, Usage, Verified};
use base::{Digest, Store, StoreError};
use serde::Serialize;

use crate::args::Global;
use crate::environment;
use crate::failure::{Failure, Message};
use crate::printer::{Printer, count, size};
use crate::project;

/// Say what the store holds, verify it, and remove what is not needed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Hash everything that is kept and say what is damaged.
    #[command(after_help = "\
Every blob is compared with its name, every file of a tree with the tree's seal, every record with its checksum, and every named
image with the blobs it refers to. Exit 1 when something is damaged.

Examples:
  undistro store verify
  undistro store verify --repair       remove what is damaged; it is made or fetched again when it is next wanted")]
    Verify {
        /// Remove what is damaged. No other process may use the store meanwhile.
        #[arg(long)]
        repair: bool,
    },
    /// Remove what nothing needs.
    #[command(after_help = "\
Kept are: what the lock files of the distribution name, the last image of each name, results that were used lately with all they
refer to, and sources, since they can not always be fetched again. With --max-size, what was not used for longest goes first and
sources go last. No other process may use the store meanwhile; what a running one works with is never removed.

Examples:
  undistro store gc --dry-run          what would go
  undistro store gc --max-size 20G     at most 20 GiB are left")]
    Gc {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        /// The most that is to be left: bytes, or a number with K, M, G or T.
        #[arg(long, value_name = "SIZE", env = environment::MAX_SIZE.name)]
        max_size: Option<Size>,
        /// Results that were not used for so many days go.
        #[arg(long, value_name = "DAYS", default_value_t = UNUSED_DAYS)]
        unused_for: u64,
    },
    /// Say how much room the store takes, and for what.
    #[command(after_help = "Example:\n  undistro store du --json | jq .total.bytes")]
    Du,
}

/// A month: long enough that a branch one comes back to is warm.
const UNUSED_DAYS: u64 = 30;

/// A number of bytes as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no size; write bytes, or a number with K, M, G or T: 20G");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let shift = match text[digits..].to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(wrong()),
        };
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    match &args.verb {
        Verb::Verify { repair } => verify(*repair, global, printer),
        Verb::Gc { dry_run, max_size, unused_for } => gc(*dry_run, *max_size, *unused_for, global, printer),
        Verb::Du => du(global, printer),
    }
}

/// What `--json` prints of a verification.
#[derive(Debug, Serialize)]
struct VerifyReport<'a> {
    #[serde(flatten)]
    verified: &'a Verified,
    repaired: bool,
}

fn verify(repair: bool, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let store = if repair { alone(global)? } else { project::store(global)? };
    let verified = base::store::verify(&store).map_err(|error| Failure::fault(&error))?;
    let left = match repair {
        true => base::store::repair(&store, &verified).map_err(|error| Failure::fault(&error))?,
        false => verified.damage.len(),
    };
    printer.json(&VerifyReport { verified: &verified, repaired: repair });
    for damage in &verified.damage {
        printer.line(format!("{}: {}", damage.path.display(), damage.what));
    }
    let looked = format!(
        "{}, {} and {} verified",
        count(verified.blobs as usize, "blob"),
        count(verified.trees as usize, "tree"),
        count(verified.records as usize, "record")
    );
    if verified.damage.is_empty() {
        printer.talk(format!("{looked}: all is as it was kept"));
        return Ok(());
    }
    let found = count(verified.damage.len(), "finding");
    if repair && left == 0 {
        printer.talk(format!("{looked}: {found}; what was damaged is removed, and made or fetched again when it is next wanted"));
        return Ok(());
    }
    let message = Message::text(format!("the store is damaged: {found}"));
    Err(Failure::No(if repair { message } else { message.hint("`undistro store verify --repair` removes what is damaged") }))
}

fn gc(dry_run: bool, most: Option<Size>, unused_for: u64, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let store = alone(global)?;
    let collected = collect(&store, dry_run, most, unused_for, global)?;
    printer.json(&collected);
    if dry_run || printer.is_verbose() {
        for removed in &collected.removed {
            printer.line(format!("{:>10}  {}", size(removed.bytes), removed.path.display()));
        }
    }
    let did = if dry_run { "would be removed" } else { "removed" };
    let things = count(collected.removed.len(), "thing");
    printer.line(format!("{things} {did}, {}; {} are left", size(collected.freed), size(collected.kept)));
    match most {
        Some(Size(most)) if collected.kept > most => {
            let message = Message::text(format!("what must be kept takes more than {}", size(most)));
            Err(Failure::No(message.hint("the lock files and named images of a distribution are never removed")))
        }
        _ => Ok(()),
    }
}

fn collect(store: &Store, dry_run: bool, most: Option<Size>, unused_for: u64, global: &Global) -> Result<Collected, Failure> {
    let since = SystemTime::now().checked_sub(Duration::from_secs(unused_for.saturating_mul(24 * 60 * 60)));
    let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs().cast_signed());
    let keep = Keep { since, pinned: pinned(global)?, most: most.map(|Size(most)| most) };
    base::store::collect(store, &keep, dry_run).map_err(|error| Failure::fault(&error))
}

/// What the lock files of the distribution name, if there is one here.
fn pinned(global: &Global) -> Result<BTreeSet<Digest>, Failure> {
    let folder = match project::distro(global) {
        Ok(folder) => folder,
        Err(error) if global.distro.is_some() => return Err(error),
        Err(_) => return Ok(BTreeSet::new()),
    };
    let mut found = BTreeSet::new();
    for name in ["distro.lock", "seed.lock", "source.lock"] {
        match fs_err::read(folder.join(name)) {
            Ok(text) => found.extend(base::store::references(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::input(&error)),
        }
    }
    Ok(found)
}

fn du(global: &Global, printer: &Printer) -> Result<(), Failure> {
    let store = project::store(global)?;
    let usage = base::store::usage(&store).map_err(|error| Failure::fault(&error))?;
    printer.json(&usage);
    let Usage { sources, made, trees, records, work, tmp, total } = &usage;
    let mut all = base::store::Room::default();
    for room in records.values() {
        all.count += room.count;
        all.bytes += room.bytes;
    }
    let rows = [
        ("sources", sources),
        ("packages, layers, logs", made),
        ("trees", trees),
        ("records", &all),
        ("left by failed builds", work),
        ("in flight", tmp),
        ("in all", total),
    ];
    for (name, room) in rows {
        printer.line(format!("{:>10}  {:>7}  {name}", size(room.bytes), room.count));
    }
    Ok(())
}

/// Opens the store for this process alone.
fn alone(global: &Global) -> Result<Store, Failure> {
    Store::open_alone(&project::store_path(global)?).map_err(|error| match error {
        StoreError::InUse { .. } => Failure::No(Message::of(&error)),
        error => Failure::fault(&error),
    })
}

/// After a verb that fills the store: brings it below the size that the environment sets, unless others are using it.
pub(crate) fn trim(global: &Global, printer: &Printer) -> Result<(), Failure> {
    let Some(most) = environment::MAX_SIZE.text() else { return Ok(()) };
    let most: Size = most.parse().map_err(|why: String| Failure::Input(Message::text(format!("{}: {why}", environment::MAX_SIZE.name))))?;
    let Ok(store) = Store::open_alone(&project::store_path(global)?) else { return Ok(()) };
    let collected = collect(&store, false, Some(most), UNUSED_DAYS, global)?;
    if !collected.removed.is_empty() {
        printer.talk(format!("the store was over {}: {} were removed", size(most.0), size(collected.freed)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [("0", 0), ("1000", 1000), ("4k", 4096), ("20G", 20 << 30), ("1MiB", 1 << 20), ("2TB", 2 << 40)];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1X", "99999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
