//! What a build takes: how long, as it took before, and what its definition says it needs of the machine.

use std::collections::BTreeMap;

use base::{Arch, Digest, PackageName, Store, StoreError};
use serde::{Deserialize, Serialize};
use spec::recipe::Resources;

use crate::resources::quantity;

/// What may be used at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Builds at one time, and processors that each may count on.
    pub jobs: usize,
    /// Bytes of memory, of what definitions say that they need. What needs more than all of it is built alone.
    pub memory: u64,
    /// The first of the caller's processors that is used where not all are.
    pub first_cpu: usize,
}

impl Limits {
    /// So many builds at one time, whatever memory they need.
    #[must_use]
    pub fn jobs(jobs: usize) -> Self {
        Self { jobs, memory: u64::MAX, first_cpu: 0 }
    }

    /// Reads an amount of memory as definitions write it: `4Gi`, `512M`, or bytes.
    #[must_use]
    pub fn amount(text: &str) -> Option<u64> {
        bytes(text)
    }
}

/// What one build takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// How long, in seconds.
    pub(crate) seconds: f64,
    /// Whether that is how long it took before, and no guess.
    pub(crate) is_known: bool,
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// Processors that its definition asks for; 0 where it asks for none.
    pub(crate) processors: usize,
}

/// The memory of a build whose definition says nothing of it. A C++ compiler takes this much for one file.
const MEMORY: u64 = 1 << 30;

impl Default for Load {
    fn default() -> Self {
        Self { seconds: SECONDS, is_known: false, memory: MEMORY, processors: 0 }
    }
}

/// How long a build is thought to take when nothing is known of any.
const SECONDS: f64 = 30.0;

/// The kind of record that tells how long something took when it was last done.
const DURATION: &str = "duration";

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Duration {
    seconds: f64,
}

fn key(what: &str, name: &PackageName, arch: Arch) -> Digest {
    Digest::of(format!("{what} {name} {arch}"))
}

/// Notes how long something took: `what` is `build` or `test`.
pub(crate) fn note(store: &Store, what: &str, name: &PackageName, arch: Arch, seconds: f64) -> Result<(), StoreError> {
    store.put_record(DURATION, &key(what, name, arch), &Duration { seconds })
}

/// What each of these takes: as long as it took before, or as the others did on average.
pub(crate) fn loads<'a>(
    store: &Store,
    what: &str,
    arch: Arch,
    all: impl Iterator<Item = (&'a PackageName, &'a Resources)>,
) -> BTreeMap<&'a PackageName, Load> {
    let mut loads = BTreeMap::new();
    let (mut known, mut sum) = (0_u32, 0.0);
    for (name, resources) in all {
        // It is a guess in any case: a record that can not be read is none.
        let seconds = store.record::<Duration>(DURATION, &key(what, name, arch)).ok().flatten().map(|record| record.seconds);
        if let Some(seconds) = seconds {
            known += 1;
            sum += seconds;
        }
        let memory = resources.memory.as_deref().and_then(bytes).unwrap_or(MEMORY);
        let processors = resources.cpu.as_deref().and_then(processors).unwrap_or(0);
        loads.insert(name, Load { seconds: seconds.unwrap_or(0.0), is_known: seconds.is_some(), memory, processors });
    }
    let usual = if known > 0 { sum / f64::from(known) } else { SECONDS };
    loads.values_mut().filter(|load| !load.is_known).for_each(|load| load.seconds = usual);
    loads
}

/// Reads an amount of memory.
fn bytes(text: &str) -> Option<u64> {
    quantity(text).map(|thousandths| thousandths / 1000)
}

/// Reads a number of processors, rounded up.
fn processors(text: &str) -> Option<usize> {
    quantity(text).and_then(|thousandths| usize::try_from(thousandths.div_ceil(1000)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_processor_is_one() {
        assert_eq!(["4", "500m", "2500m", "0"].map(processors), [Some(4), Some(1), Some(3), Some(0)]);
        assert_eq!((bytes("1.5Ki"), bytes("lots")), (Some(1536), None));
    }

    #[test]
    fn what_was_never_built_is_thought_to_take_as_long_as_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let names: Vec<PackageName> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
        let resources = Resources { memory: Some("2Gi".to_owned()), ..Resources::default() };
        let all = || names.iter().map(|name| (name, &resources));
        assert!(loads(&store, "build", Arch::X86_64, all()).values().all(|load| load.seconds == SECONDS && !load.is_known));
        note(&store, "build", &names[0], Arch::X86_64, 10.0).unwrap();
        note(&store, "build", &names[1], Arch::X86_64, 20.0).unwrap();
        let loads = loads(&store, "build", Arch::X86_64, all());
        let seconds: Vec<_> = names.iter().map(|name| (loads[name].seconds, loads[name].memory)).collect();
        assert_eq!(seconds, [(10.0, 2 << 30), (20.0, 2 << 30), (15.0, 2 << 30)]);
    }
}
