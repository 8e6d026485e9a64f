//! Properties over random trees, texts and bytes.

use std::collections::BTreeMap;

use apk::installed::{Database, Installed};
use apk::package::{Limits, write_data};
use apk::{Index, Info, Record};
use base::Dependency;
use base::tree::{Entry, Kind, TreePath};
use proptest::prelude::*;

use crate::common::{Workshop, path};

/// A tree without clashes: names of one letter decide directories, longer ones are leaves.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let name = prop_oneof![Just("a"), Just("b"), Just("é"), Just("usr")];
    let place = proptest::collection::vec(name, 0..3).prop_map(|parts| parts.join("/"));
    let leaf = (place, "[a-z]{2,9}[.]x", 0..6_u8, 0..0o10000_u32, 0..2000_i64, proptest::collection::vec(any::<u8>(), 0..20));
    proptest::collection::vec(leaf, 0..20).prop_map(|leaves| {
        let mut found: BTreeMap<TreePath, Entry> = BTreeMap::new();
        for (place, name, kind, mode, mtime, value) in leaves {
            let at = path(&format!("{place}/{name}"));
            for above in at.ancestors().take(usize::from(mode % 3 != 0) * 9) {
                let directory = Entry::new(above.clone(), Kind::Directory, 0o700 | mode, mtime);
                found.entry(above).or_insert(directory);
            }
            let first_file = found.values().find(|entry| matches!(entry.kind, Kind::File { .. })).map(|entry| entry.path.clone());
            let kind = match (kind, first_file) {
                (0, _) => Kind::Symlink { target: format!("../{name}") },
                (1, Some(target)) => Kind::Hardlink { target },
                (2, _) => Kind::CharDevice { major: 1, minor: mode },
                (3, _) => Kind::Fifo,
                _ => Kind::File { size: at.to_string().len() as u64, digest: None },
            };
            let mut entry = Entry::new(at.clone(), kind, mode, mtime);
            (entry.uid, entry.gid) = (mode, mode / 2);
            if mode % 5 == 0 {
                entry.xattrs.insert("user.test".into(), value);
            }
            found.entry(at).or_insert(entry);
        }
        found.into_values().collect()
    })
}

/// Forgets what packing may decide: which name of a file is the file, whose metadata all of its names share, and digests.
fn shape(entries: &[Entry]) -> BTreeMap<String, String> {
    let linked = |kind: &Kind| matches!(kind, Kind::Hardlink { .. });
    let targets: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::Hardlink { target } => Some([entry.path.clone(), target.clone()]),
            _ => None,
        })
        .flatten()
        .collect();
    entries
        .iter()
        .map(|entry| {
            let text = match &entry.kind {
                kind if linked(kind) || targets.contains(&entry.path) => "linked".to_owned(),
                Kind::File { size, .. } => {
                    format!("file of {size} {:o} {}:{} {} {:?}", entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
                }
                kind => format!("{kind:?} {:o} {}:{} {} {:?}", entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs),
            };
            (entry.path.to_string(), text)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_package_holds_what_was_packed_whatever_the_order(entries in entries(), seed in any::<u64>()) {
        let workshop = Workshop::shared();
        // A file is read under the name that it is packed as; of linked files, that may be any of their names, so all of
        // them hold the same: the length of the file's own name decides the size.
        let mut open = |entry: &Entry| -> std::io::Result<Box<dyn std::io::Read>> {
            Ok(Box::new(std::io::Read::take(std::io::repeat(b'x'), entry.size())))
        };
        let mut first = Vec::new();
        write_data(&entries, &mut open, &mut first).unwrap();
        let mut shuffled = entries.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut second = Vec::new();
        write_data(&shuffled, &mut open, &mut second).unwrap();
        prop_assert_eq!(&first, &second);
        let info = Info::new("random".parse().unwrap(), "1".parse().unwrap(), "x86_64");
        let package = apk::package::store_package(&workshop.store, &info, &apk::Scripts::new(), &entries, &mut open, 5000).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let table = package.extract(dir.path(), &Limits::default()).unwrap();
        prop_assert_eq!(shape(&table.entries), shape(&entries));
        let database = Database { packages: vec![Installed::new(package.record().clone(), &table)] };
        let text = database.to_text().unwrap();
        let read = Database::parse(text.as_bytes()).unwrap();
        let mut known: Vec<_> = read.packages[0].paths().collect();
        let implied = |path: &String| !entries.iter().any(|entry| entry.path.as_str() == path);
        known.retain(|path| !implied(path));
        known.sort();
        let mut packed: Vec<_> = entries.iter().map(|entry| entry.path.to_string()).collect();
        packed.sort();
        prop_assert_eq!(known, packed);
    }

    #[test]
    fn an_index_survives_its_text(
        names in proptest::collection::vec("[a-z0-9][a-z0-9+_.-]{0,8}", 1..8),
        description in "[^\\p{Cc}]{0,40}",
        depends in proptest::collection::vec("(!)?[a-z:/.]{1,9}((=|<|>=|~|><Q1)[0-9]{1,3}(-r[0-9])?)?", 0..6),
    ) {
        let records: Vec<_> = names.iter().map(|name| Record {
            info: Info {
                description: description.clone(),
                depends: depends.iter().filter_map(|text| text.parse::<Dependency>().ok()).collect(),
                ..Info::new(name.parse().unwrap(), "1.2-r3".parse().unwrap(), "x86_64")
            },
            checksum: apk::Checksum::sha1(name),
            size: 1,
            content: Some(base::Digest::of(name)),
            file: None,
            uninstallable: None,
        }).collect();
        let index = Index { records, ..Index::default() };
        let text = index.to_text().unwrap();
        let read = Index::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.to_text().unwrap(), text);
        let sorted = |index: &Index| index.records.iter().map(|record| format!("{record:?}")).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(sorted(&read), sorted(&index));
    }

    #[test]
    fn nonsense_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "([A-Za-z]:[^\n]{0,12}\n?){0,20}") {
        let _ = Index::parse(&bytes);
        let _ = Index::parse(text.as_bytes());
        let _ = Database::parse(&bytes);
        let _ = Database::parse(text.as_bytes());
        let _ = apk::info::PackageInfo::parse(&bytes);
        let _ = apk::installed::read_scripts(&bytes);
        let workshop = Workshop::shared();
        prop_assert!(apk::Package::open(&workshop.file(&bytes)).is_err());
    }
}
