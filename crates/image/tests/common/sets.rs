//! Random sets of packages, and image definitions for them: what the fast and the slow way of composing must agree on.
#![allow(dead_code, clippy::unwrap_used, reason = "each user takes its part; a test that can not go on has failed")]

use std::collections::BTreeMap;

use base::Store;
use base::tree::{Entry, Kind, TreePath};
use image::table::{Contribution, Table, merge};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};

use super::common::{Draft, directory, file, hard, link, path};

/// Paths that meet often, some of them below a link to a directory.
const PATHS: [&str; 9] = ["bin/a", "bin/b", "usr/bin/a", "usr/bin/b", "usr/lib/c", "lib/c", "lib/d/e", "etc/f", "usr/share/g/h"];
const DIRECTORIES: [&str; 5] = ["usr", "usr/bin", "usr/lib", "usr/share/g", "var/empty"];
const LINKS: [(&str, &str); 3] = [("bin", "usr/bin"), ("lib", "/usr/lib"), ("etc/link", "f")];
/// A file capability, cap_net_bind_service=ep (linux/capability.h, `vfs_cap_data` version 2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

type Files = Vec<(Entry, Vec<u8>)>;

/// Packages, and how an image is made of them.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) drafts: Vec<Draft>,
    /// Layers, compression, and which change `paths` asks for.
    pub(crate) choices: (usize, bool, usize, usize),
}

fn one_entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let modes = prop_oneof![6 => Just(0o644), 2 => Just(0o4755), 1 => Just(0o2711), 1 => Just(0o400)];
    let owners = prop_oneof![3 => Just((0, 0)), 1 => Just((65532, 65532)), 1 => Just((0, 42))];
    prop_oneof![
        4 => (0..PATHS.len(), "[xy]{0,2}", modes, owners, 0..6).prop_map(|(at, content, mode, (uid, gid), attribute)| {
            let (mut entry, content) = file(PATHS[at], &content);
            (entry.mode, entry.uid, entry.gid) = (mode, uid, gid);
            match attribute {
                0 => entry.xattrs.insert("security.capability".into(), CAPABILITY.to_vec()),
                1 => entry.xattrs.insert("user.note".into(), b"a=b\nc".to_vec()),
                _ => None,
            };
            (entry, content)
        }),
        2 => (0..DIRECTORIES.len(), prop_oneof![Just(0o755), Just(0o1777), Just(0o500)]).prop_map(|(at, mode)| directory(DIRECTORIES[at], mode)),
        1 => (0..LINKS.len()).prop_map(|at| link(LINKS[at].0, LINKS[at].1)),
    ]
}

/// Entries of one package that apk would take: each path once, nothing below a link or file.
fn sound(entries: Files, links: &[(usize, usize)]) -> Files {
    let mut taken: BTreeMap<TreePath, (Entry, Vec<u8>)> = BTreeMap::new();
    for (entry, content) in entries {
        let above_is_directory = entry.path.ancestors().all(|above| taken.get(&above).is_none_or(|(there, _)| there.is_directory()));
        let is_above = taken.keys().any(|other| other.ancestors().any(|above| above == entry.path));
        if above_is_directory && (entry.is_directory() || !is_above) {
            taken.entry(entry.path.clone()).or_insert((entry, content));
        }
    }
    let files: Vec<_> =
        taken.values().filter(|(entry, _)| matches!(entry.kind, Kind::File { .. })).map(|(entry, _)| entry.path.clone()).collect();
    for (n, (from, _)) in links.iter().enumerate().filter(|_| !files.is_empty()) {
        let at = format!("opt/link{n}-{from}");
        taken.insert(path(&at), hard(&at, files[from % files.len()].as_str()));
    }
    taken.into_values().collect()
}

pub(crate) fn packages() -> impl Strategy<Value = Vec<Draft>> {
    let package =
        (prop::collection::vec(one_entry(), 0..8), prop::collection::vec((0..5usize, 0..5usize), 0..3), any::<bool>(), any::<bool>());
    prop::collection::vec(package, 1..4).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(n, (entries, links, replaces, shares_origin))| {
            let mut draft = Draft::new(&format!("p{n}"), sound(entries, &links));
            if replaces {
                draft.info.replaces = (0..n).map(|other| format!("p{other}").parse().unwrap()).collect();
            }
            if shares_origin {
                draft.info.origin = Some("shared".parse().unwrap());
            }
            draft
        })
        .collect()
    })
}

pub(crate) fn sets() -> impl Strategy<Value = Set> {
    (packages(), (0..4usize, any::<bool>(), 0..4usize, 0..100usize)).prop_map(|(drafts, choices)| Set { drafts, choices })
}

/// The first `count` sets of a fixed sequence whose packages fit together.
pub(crate) fn fitting(store: &Store, count: usize) -> impl Iterator<Item = (Set, Table)> + '_ {
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(SEED), ..ProptestConfig::default() });
    let all = std::iter::repeat_with(move || sets().new_tree(&mut runner).unwrap().current());
    all.filter_map(|set| table(store, &set.drafts).map(|table| (set, table))).take(count)
}

/// The same sets each time.
pub(crate) const SEED: u64 = 500;

/// Lays the packages over each other; `None` if they do not fit.
pub(crate) fn table(store: &Store, drafts: &[Draft]) -> Option<Table> {
    let packages: Vec<_> = drafts.iter().map(|draft| draft.store(store)).collect();
    let tables: Vec<_> = packages.iter().map(|package| package.table().unwrap()).collect();
    let contributions: Vec<_> =
        packages.iter().zip(&tables).map(|(package, table)| Contribution { info: package.info(), entries: &table.entries }).collect();
    merge(&contributions).ok()
}

impl Set {
    /// Whether its layers are zstd.
    pub(crate) fn is_zstd(&self) -> bool {
        self.choices.1 && self.choices.0 == 3
    }

    /// The text of its image definition: `paths` changes something that `table` holds.
    pub(crate) fn definition(&self, table: &Table) -> String {
        let (budget, _, change, which) = self.choices;
        let mut text = String::from("accounts:\n  users: [{username: nonroot, uid: 65532}]\n");
        if budget > 0 {
            text += &format!("layering: {{strategy: origin, budget: {budget}}}\n");
        }
        if self.is_zstd() {
            text += "compression: zstd\n";
        }
        text += "paths:\n  - {path: /srv/made, type: directory, permissions: 0o700}\n";
        let files: Vec<_> = table.rows().filter(|row| matches!(row.entry.kind, Kind::File { .. })).map(|row| &row.entry.path).collect();
        if let Some(file) = files.get(which % files.len().max(1)) {
            text += &match change {
                0 => format!("  - {{path: /{file}, type: permissions, permissions: 0o4711, uid: 7, gid: 8}}\n"),
                1 => format!("  - {{path: /opt/again, type: hardlink, source: /{file}, permissions: 0o600}}\n"),
                2 => format!("  - {{path: /{file}, type: empty-file}}\n"),
                _ => String::new(),
            };
        }
        text
    }
}
