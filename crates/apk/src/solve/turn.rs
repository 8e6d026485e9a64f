//! In which order names get their turn to be decided.
//!
//! Names are discovered depth first from the world; one that is discovered late, hence stands near the world, has its turn early.
//! Names of which the user asked something special come first, and names that some package really has before names that are only
//! provided: by the time that a virtual name has its turn, most packages that may provide it are decided. apk proceeds so, and the
//! order is part of what it answers, since an earlier choice narrows a later one.

use super::request::Request;
use super::table::{Name, Package, Table};
use super::universe::Universe;

/// The turn of each name: higher is earlier, 0 is never reached from the world.
pub(crate) struct Turns(Table<Name, u32>);

const MARKED: u32 = 1 << 31;
const REAL: u32 = 1 << 30;

/// A name in the middle of its discovery.
struct Frame {
    name: Name,
    phase: Phase,
    /// Which provider is looked at, and how far its list was read.
    provider: usize,
    read: usize,
}

#[derive(PartialEq)]
enum Phase {
    Depends,
    Triggers,
    Provided,
    InstallIf,
}

struct Walk<'u> {
    universe: &'u Universe<'u>,
    seen: Table<Package, bool>,
    /// How many of a package's triggers and provided names have been looked at, through whichever name.
    looked_at: Table<Package, usize>,
}

impl Turns {
    pub(crate) fn new(universe: &Universe<'_>, request: &Request, world: impl Iterator<Item = Name>) -> Self {
        let mut turns = Self(Table::filled(0, universe.names.len()));
        let mut marked = Table::filled(false, universe.names.len());
        for name in request.marks.iter().filter_map(|mark| universe.find(&mark.name)) {
            marked[name] = true;
        }
        let mut walk =
            Walk { universe, seen: Table::filled(false, universe.packages.len()), looked_at: Table::filled(0, universe.packages.len()) };
        let mut reached = Table::filled(false, universe.names.len());
        let mut last = 0;
        let mut stack = Vec::new();
        for root in world {
            if !std::mem::replace(&mut reached[root], true) {
                stack.push(Frame { name: root, phase: Phase::Depends, provider: 0, read: 0 });
            }
            while let Some(frame) = stack.last_mut() {
                let before = frame.phase == Phase::InstallIf;
                let next = walk.next(frame);
                if !before && frame.phase == Phase::InstallIf {
                    last += 1;
                    let name = frame.name;
                    let real = universe.names[name].providers.iter().any(|&(package, _)| universe.packages[package].name == name);
                    turns.0[name] = last | if real { REAL } else { 0 } | if marked[name] { MARKED } else { 0 };
                }
                match next {
                    Some(name) if !std::mem::replace(&mut reached[name], true) => {
                        stack.push(Frame { name, phase: Phase::Depends, provider: 0, read: 0 });
                    }
                    Some(_) => {}
                    None => {
                        stack.pop();
                    }
                }
            }
        }
        turns
    }

    pub(crate) fn of(&self, name: Name) -> u32 {
        self.0[name]
    }
}

impl Walk<'_> {
    /// Returns the next name that the discovery of a name leads to.
    fn next(&mut self, frame: &mut Frame) -> Option<Name> {
        let universe = self.universe;
        let entry = &universe.names[frame.name];
        loop {
            if frame.phase == Phase::Triggers {
                if let Some(&name) = entry.triggers.get(frame.read) {
                    frame.read += 1;
                    return Some(name);
                }
                (frame.phase, frame.provider, frame.read) = (Phase::Provided, 0, 0);
                continue;
            }
            let Some(&(package, _)) = entry.providers.get(frame.provider) else {
                (frame.provider, frame.read) = (0, 0);
                frame.phase = match frame.phase {
                    Phase::Depends => Phase::Triggers,
                    Phase::Triggers | Phase::Provided => Phase::InstallIf,
                    Phase::InstallIf => return None,
                };
                continue;
            };
            let provider = &universe.packages[package];
            let found = match frame.phase {
                Phase::Depends if frame.read == 0 && std::mem::replace(&mut self.seen[package], true) => None,
                Phase::Depends => provider.depends_on.get(frame.read).copied(),
                Phase::InstallIf => provider.install_if.get(frame.read).map(|&requirement| universe.requirements[requirement].name),
                Phase::Triggers | Phase::Provided => {
                    let triggers = &universe.names[provider.name].triggers;
                    let at = &mut self.looked_at[package];
                    let found = triggers.get(*at).copied().or_else(|| provider.offers.get(1 + *at - triggers.len()).map(|offer| offer.0));
                    *at += usize::from(found.is_some());
                    found
                }
            };
            if found.is_some() {
                frame.read += 1;
                return found;
            }
            frame.provider += 1;
            frame.read = 0;
        }
    }
}
