//! Long chains and wide choices: no stack overflows, and nothing takes for ever.

use std::fmt::Write as _;

use apk::Index;
use apk::solve::{Flags, Policy, Repository, Request, Universe, World, solve};

/// Packages that each need the next.
fn chain(length: usize, last: &str) -> Index {
    let mut text = String::new();
    for at in 0..length {
        let next = if at + 1 < length { format!("p{}", at + 1) } else { last.to_owned() };
        writeln!(text, "P:p{at}\nV:1\nI:1\nD:{next}\n").unwrap();
    }
    Index::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_long_chain_is_installed_from_its_end() {
    let index = chain(20_000, "p0");
    let repositories = [Repository::new(&index.records)];
    let request = Request { flags: Flags::UPGRADE, ..Request::new(World::parse("p0").unwrap(), Policy::Apk) };
    let solution = Universe::new(&repositories, &[], None).solve(&request).unwrap();
    let (first, last) = (solution.packages.first().unwrap(), solution.packages.last().unwrap());
    assert_eq!((first.record.info.identity(), last.record.info.identity()), ("p19999-1".to_owned(), "p0-1".to_owned()));
}

#[test]
fn a_long_chain_that_breaks_is_told_in_short() {
    let index = chain(1500, "gone");
    let repositories = [Repository::new(&index.records)];
    let error = solve(&World::parse("p0").unwrap(), &repositories, Policy::Apk, &[]).unwrap_err();
    assert!(error.reasons.len() < 50, "{} sentences", error.reasons.len());
    assert_eq!(error.reasons.last().unwrap(), "no package has or provides gone");
}

#[test]
fn a_puzzle_without_an_answer_is_refused() {
    // Seven pigeons, six holes: each pigeon needs a hole that no other has.
    let mut text = String::new();
    for pigeon in 0..7 {
        writeln!(text, "P:pigeon{pigeon}\nV:1\nI:1\nD:nest{pigeon}\n").unwrap();
        for hole in 0..6 {
            writeln!(text, "P:nest{pigeon}\nV:{hole}\nI:1\np:hole{hole}=1\n").unwrap();
        }
    }
    let index = Index::parse(text.as_bytes()).unwrap();
    let repositories = [Repository::new(&index.records)];
    let all: Vec<String> = (0..7).map(|pigeon| format!("pigeon{pigeon}")).collect();
    assert!(solve(&World::parse(&all[..6].join(" ")).unwrap(), &repositories, Policy::Apk, &[]).is_ok());
    assert!(solve(&World::parse(&all.join(" ")).unwrap(), &repositories, Policy::Apk, &[]).is_err());
}
