//! Why each package is in an image: the shortest chain of requirements from what was asked for.

use std::collections::{BTreeMap, VecDeque};

use apk::Info;
use base::Dependency;
use serde::Serialize;

use crate::require::{providers, requirements};

/// Why one package is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The package: `name-version`.
    pub package: String,
    /// The chain to it, from what was asked for; it ends with the package itself.
    pub chain: Vec<Step>,
}

/// One package of a chain, and why it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The package: `name-version`.
    pub package: String,
    /// Why.
    pub because: Because,
}

/// Why a package is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// The definition asks for it by this.
    Wanted(Dependency),
    /// The package before it in the chain needs this.
    Needed(Dependency),
    /// All of these are there (`install_if`).
    Companion(Vec<Dependency>),
    /// Nobody needs it. Where it is not known what was asked for, this is what was.
    Top,
}

/// Explains every package, in the order given. Without `wants` the chains begin at packages that no other needs.
#[must_use]
pub fn explain(packages: &[&Info], wants: &[Dependency]) -> Vec<Reason> {
    let found = search(packages, wants);
    let reason = |place: usize| {
        let mut chain = Vec::new();
        let mut at = Some(place);
        while let Some(here) = at {
            let (before, because) = &found[&here];
            chain.push(Step { package: packages[here].identity(), because: because.clone() });
            at = *before;
        }
        chain.reverse();
        Reason { package: packages[place].identity(), chain }
    };
    (0..packages.len()).map(reason).collect()
}

type Found = BTreeMap<usize, (Option<usize>, Because)>;

/// Goes breadth first, so that each package is reached by the fewest steps.
fn search(packages: &[&Info], wants: &[Dependency]) -> Found {
    let needs = requirements(packages);
    let mut found = Found::new();
    let mut waiting = VecDeque::new();
    let mut reach = |place: usize, before: Option<usize>, because: Because, waiting: &mut VecDeque<usize>| {
        if let std::collections::btree_map::Entry::Vacant(free) = found.entry(place) {
            free.insert((before, because));
            waiting.push_back(place);
            return true;
        }
        false
    };
    for want in wants.iter().filter(|want| !want.conflict) {
        for place in providers(packages, want) {
            reach(place, None, Because::Wanted(want.clone()), &mut waiting);
        }
    }
    if wants.is_empty() {
        for place in
            (0..packages.len()).filter(|place| needs.iter().all(|need| need.to != *place) && packages[*place].install_if.is_empty())
        {
            reach(place, None, Because::Top, &mut waiting);
        }
    }
    loop {
        while let Some(here) = waiting.pop_front() {
            for need in needs.iter().filter(|need| need.from == here) {
                reach(need.to, Some(here), Because::Needed(need.dependency.clone()), &mut waiting);
            }
        }
        // What nothing led to: a companion of what is there, else the top of a circle or something left over.
        let mut rest = (0..packages.len()).collect::<Vec<_>>();
        rest.sort_by_key(|place| packages[*place].install_if.is_empty());
        let next = rest.into_iter().any(|place| {
            let conditions = &packages[place].install_if;
            let because = if conditions.is_empty() { Because::Top } else { Because::Companion(conditions.clone()) };
            reach(place, None, because, &mut waiting)
        });
        if !next {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, depends: &str) -> Info {
        let info = Info::new(name.parse().unwrap(), "1".parse().unwrap(), "x86_64");
        Info { depends: Dependency::parse_list(depends).unwrap(), ..info }
    }

    fn text(packages: &[Info], wants: &str) -> String {
        let infos: Vec<_> = packages.iter().collect();
        let step = |step: &Step| match &step.because {
            Because::Wanted(want) => format!("{} (wanted {want})", step.package),
            Because::Needed(need) => format!("{need} → {}", step.package),
            Because::Companion(of) => {
                format!("{} (with {})", step.package, of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            Because::Top => format!("{} (top)", step.package),
        };
        let reasons = explain(&infos, &Dependency::parse_list(wants).unwrap());
        reasons.iter().map(|reason| reason.chain.iter().map(step).collect::<Vec<_>>().join(" ") + "\n").collect()
    }

    fn packages() -> Vec<Info> {
        let musl = Info { provides: Dependency::parse_list("so:libc.so=1").unwrap(), ..info("musl", "") };
        let extra = Info { install_if: Dependency::parse_list("nginx musl").unwrap(), ..info("extra", "late") };
        vec![musl, info("zlib", "so:libc.so"), info("nginx", "zlib so:libc.so"), extra, info("late", "")]
    }

    #[test]
    fn tells_the_shortest_chain_from_what_was_asked_for() {
        insta::assert_snapshot!(text(&packages(), "nginx"), @r"
        nginx-1 (wanted nginx) so:libc.so → musl-1
        nginx-1 (wanted nginx) zlib → zlib-1
        nginx-1 (wanted nginx)
        extra-1 (with nginx musl)
        extra-1 (with nginx musl) late → late-1
        ");
    }

    #[test]
    fn begins_at_the_top_where_nothing_was_asked_for() {
        insta::assert_snapshot!(text(&[info("a", "b"), info("b", "c"), info("c", "b"), info("x", "y"), info("y", "x")], ""), @r"
        a-1 (top)
        a-1 (top) b → b-1
        a-1 (top) b → b-1 c → c-1
        x-1 (top)
        x-1 (top) y → y-1
        ");
    }
}
