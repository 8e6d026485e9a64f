//! Which packages share a layer: those of one origin, so that images share layers.

use std::collections::BTreeMap;

use apk::Info;

/// Divides packages into at most `budget` groups, the largest first, each in the order of [`in_order`].
///
/// As apko's `origin` strategy: packages of one origin stay together, as do origins of which one replaces files of the
/// other; what is beyond the budget shares the last group.
pub(crate) fn groups(packages: &[&Info], budget: u32) -> Vec<Vec<usize>> {
    let budget = usize::try_from(budget.max(1)).unwrap_or(usize::MAX);
    let mut groups = joined(packages);
    let size = |group: &Vec<usize>| group.iter().map(|place| packages[*place].installed_size).sum::<u64>();
    let greatest = |group: &Vec<usize>| group.iter().map(|place| &packages[*place].name).max();
    groups.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| greatest(b).cmp(&greatest(a))));
    if groups.len() > budget {
        let rest = groups.split_off(budget - 1).concat();
        groups.push(rest);
    }
    groups.into_iter().map(|group| in_order(packages, group)).collect()
}

/// Sorts packages by their time, then by name: what changes often has changed lately and comes last, so the start of a
/// layer stays the same the longest.
pub(crate) fn in_order(packages: &[&Info], mut group: Vec<usize>) -> Vec<usize> {
    group.sort_by_key(|place| (packages[*place].build_time, &packages[*place].name));
    group
}

/// Joins packages by origin, and origins by `replaces`.
fn joined(packages: &[&Info]) -> Vec<Vec<usize>> {
    let origin = |info: &Info| info.origin.clone().unwrap_or_else(|| info.name.clone());
    let mut leader: Vec<usize> = (0..packages.len()).collect();
    let find = |leader: &[usize], mut one: usize| {
        while leader[one] != one {
            one = leader[one];
        }
        one
    };
    for (second, b) in packages.iter().enumerate() {
        for (first, a) in packages.iter().enumerate().take(second) {
            let replaces = |one: &Info, other: &Info| {
                one.replaces.iter().any(|it| it.name == other.name.as_str() && it.constraint.accepts(&other.version))
            };
            if origin(a) == origin(b) || replaces(a, b) || replaces(b, a) {
                let (a, b) = (find(&leader, first), find(&leader, second));
                leader[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..packages.len() {
        groups.entry(find(&leader, place)).or_default().push(place);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, origin: &str, size: u64) -> Info {
        let info = Info::new(name.parse().unwrap(), "1".parse().unwrap(), "x86_64");
        Info { origin: (!origin.is_empty()).then(|| origin.parse().unwrap()), installed_size: size, ..info }
    }

    fn named(infos: &[Info], budget: u32) -> Vec<Vec<&str>> {
        let packages: Vec<_> = infos.iter().collect();
        groups(&packages, budget).iter().map(|group| group.iter().map(|place| infos[*place].name.as_str()).collect()).collect()
    }

    #[test]
    fn origins_stay_together_and_the_largest_come_first() {
        let infos = [info("b-lib", "b", 5), info("a", "", 9), info("b", "b", 5), info("c", "c", 1)];
        assert_eq!(named(&infos, 9), [vec!["b", "b-lib"], vec!["a"], vec!["c"]]);
        assert_eq!(named(&infos, 2), [vec!["b", "b-lib"], vec!["a", "c"]]);
        assert_eq!(named(&infos, 1), [vec!["a", "b", "b-lib", "c"]]);
        assert_eq!(named(&[], 3), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn what_replaces_another_shares_its_layer() {
        let replacing = Info { replaces: vec!["a<2".parse().unwrap()], ..info("c", "c", 1) };
        let other = Info { replaces: vec!["a<1".parse().unwrap()], ..info("d", "d", 1) };
        assert_eq!(named(&[info("a", "", 9), info("b", "", 8), replacing, other], 9), [vec!["a", "c"], vec!["b"], vec!["d"]]);
    }
}
