//! The locked configurations of real images: what they name comes out, and nothing else.

use std::collections::BTreeSet;
use std::io::Read as _;

use apk::Index;
use apk::solve::{Policy, Repository, World, solve};

use super::corpus;

/// Returns the lists of pinned packages in a locked configuration, one for each image and architecture.
///
/// The configurations are JSON in strings of JSON; of them only the lists `\"packages\":[\"a=1\",…]` are looked at.
fn package_lists(text: &str) -> Vec<Vec<String>> {
    let lists = text.split("\\\"packages\\\":[").skip(1).map(|rest| rest.split(']').next().unwrap_or_default());
    lists
        .map(|list| list.split(',').map(|word| word.trim_matches(['\\', '"', ' ']).to_owned()).filter(|word| !word.is_empty()).collect())
        .collect()
}

/// Makes an index of the packages that a list names, each in an older and a newer version, too.
fn index(list: &[String]) -> Index {
    let mut text = String::new();
    for pinned in list {
        let (name, version) = pinned.split_once('=').unwrap();
        for version in ["0.0.0_alpha1-r0", version, "99999999.9-r0"] {
            text += &format!("P:{name}\nV:{version}\nI:1\n\n");
        }
    }
    Index::parse(text.as_bytes()).unwrap()
}

#[test]
fn locked_images_come_out_as_they_are_locked() {
    let Some(path) = corpus("images.tar.gz") else { return };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs_err::File::open(path).unwrap()));
    let mut lists = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.path().unwrap().ends_with("locked_config.json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        for list in package_lists(&text) {
            lists += 1;
            let index = index(&list);
            let repositories = [Repository::new(&index.records)];
            for policy in [Policy::Apk, Policy::Apko] {
                let world = World::parse(&list.join(" ")).unwrap();
                let solution = solve(&world, &repositories, policy, &[]).unwrap();
                let found: BTreeSet<String> =
                    solution.packages.iter().map(|chosen| format!("{}={}", chosen.record.info.name, chosen.record.info.version)).collect();
                assert_eq!(found, list.iter().cloned().collect(), "{policy:?}");
            }
        }
    }
    assert!(lists > 100, "only {lists} lists were found");
}
