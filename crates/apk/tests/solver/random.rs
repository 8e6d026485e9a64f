//! Small random repositories, the same ones in every run.

use apk::info::Info;
use apk::{Checksum, Record};
use base::Dependency;

/// Numbers that look random (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.roll(at as u64 + 1) as usize);
        }
    }
}

/// What a random repository may hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds {
    /// `!name`.
    pub(crate) conflicts: bool,
    /// Names that are only provided.
    pub(crate) virtuals: bool,
    /// Provided without a version and without a priority.
    pub(crate) weak: bool,
    /// `install_if`.
    pub(crate) triggers: bool,
    /// `install_if` with `!name`.
    pub(crate) absences: bool,
    /// A repository with a tag, and wants that are pinned to it.
    pub(crate) tags: bool,
    /// Some packages are installed already.
    pub(crate) installed: bool,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const VIRTUALS: [&str; 3] = ["v", "w", "x"];

/// Makes up to twelve packages.
pub(crate) fn records(dice: &mut Dice, kinds: Kinds) -> Vec<Record> {
    let mut records = Vec::new();
    for name in NAMES {
        for version in 1..=1 + dice.roll(2) {
            records.push(record(dice, kinds, name, version));
        }
    }
    records
}

fn record(dice: &mut Dice, kinds: Kinds, name: &str, version: u64) -> Record {
    let mut info = Info::new(name.parse().unwrap(), version.to_string().parse().unwrap(), "noarch");
    info.installed_size = 1;
    for _ in 0..dice.roll(3) {
        let mut dependency = dependency(dice, kinds);
        dependency.conflict = kinds.conflicts && dice.one_in(4);
        if dependency.name != name {
            info.depends.push(dependency);
        }
    }
    if kinds.virtuals && dice.one_in(2) {
        let name = VIRTUALS[dice.roll(3) as usize];
        let weak = kinds.weak && dice.one_in(2);
        info.provides.push(match dice.roll(3) {
            0 if !weak => Dependency::exactly(name, (1 + dice.roll(2)).to_string().parse().unwrap()),
            _ => Dependency::any(name),
        });
        if !weak {
            info.provider_priority = Some(1 + dice.roll(3));
        }
    }
    if kinds.triggers && dice.one_in(4) {
        for at in 0..1 + dice.roll(2) {
            let mut trigger = dependency(dice, kinds);
            trigger.conflict = at > 0 && kinds.absences && dice.one_in(2);
            info.install_if.push(trigger);
        }
    }
    let checksum = Checksum::sha1(format!("{name}-{version}"));
    Record { info, checksum, size: 1, content: None, file: None, uninstallable: None }
}

fn dependency(dice: &mut Dice, kinds: Kinds) -> Dependency {
    let virtual_name = kinds.virtuals && dice.one_in(3);
    let name = if virtual_name { VIRTUALS[dice.roll(3) as usize] } else { NAMES[dice.roll(6) as usize] };
    let bound = ["", "", "", "=1", "=2", ">1", "<2"][dice.roll(7) as usize];
    format!("{name}{bound}").parse().unwrap()
}

/// The tag of a repository.
pub(crate) const TAG: &str = "testing";

/// Says which repositories have a record.
pub(crate) fn tags(dice: &mut Dice, kinds: Kinds) -> Vec<Option<String>> {
    let (untagged, tagged) = (None, Some(TAG.to_owned()));
    match dice.roll(6) {
        0 | 1 if kinds.tags => vec![tagged],
        2 if kinds.tags => vec![untagged, tagged],
        _ => vec![untagged],
    }
}

/// Wants one to three things.
pub(crate) fn world(dice: &mut Dice, kinds: Kinds) -> Vec<Dependency> {
    let mut wants: Vec<Dependency> = Vec::new();
    for _ in 0..1 + dice.roll(3) {
        let mut want = dependency(dice, kinds);
        want.conflict = kinds.conflicts && dice.one_in(6);
        want.pin = (kinds.tags && !want.conflict && dice.one_in(2)).then(|| TAG.to_owned());
        if !wants.iter().any(|known| known.name == want.name) {
            wants.push(want);
        }
    }
    wants
}
