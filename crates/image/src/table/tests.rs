//! What the table does with packages that share paths.

use apk::Info;
use base::Digest;

use super::*;

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn info(name: &str) -> Info {
    Info::new(name.parse().unwrap(), "1-r0".parse().unwrap(), "x86_64")
}

fn file(at: &str, text: &str) -> Entry {
    Entry::new(path(at), Kind::File { size: text.len() as u64, digest: Some(Digest::of(text)) }, 0o644, 9)
}

fn entry(at: &str, kind: Kind) -> Entry {
    Entry::new(path(at), kind, 0o755, 9)
}

fn link(at: &str, target: &str) -> Entry {
    entry(at, Kind::Symlink { target: target.into() })
}

fn hard(at: &str, target: &str) -> Entry {
    Entry { mode: 0o644, ..entry(at, Kind::Hardlink { target: path(target) }) }
}

fn merged(packages: &[(Info, Vec<Entry>)]) -> Result<Table, TableError> {
    let contributions: Vec<_> = packages.iter().map(|(info, entries)| Contribution { info, entries }).collect();
    merge(&contributions)
}

/// One line per row: path, owner, kind.
fn text(table: &Table) -> String {
    let owner = |path: &TreePath| table.get(path).and_then(|row| row.owner).map_or("-".to_owned(), |owner| owner.to_string());
    let kind = |kind: &Kind| match kind {
        Kind::Directory => "directory".to_owned(),
        Kind::File { size, .. } => format!("{size} bytes"),
        Kind::Symlink { target } => format!("-> {target}"),
        Kind::Hardlink { target } => format!("= {target}"),
        other => format!("{other:?}"),
    };
    table.entries().map(|entry| format!("{} {} {}\n", entry.path, owner(&entry.path), kind(&entry.kind))).collect()
}

#[test]
fn packages_without_shared_files_lie_beside_each_other() {
    let table = merged(&[(info("a"), vec![entry("usr", Kind::Directory), file("usr/a", "1")]), (info("b"), vec![file("usr/b/c", "22")])]);
    insta::assert_snapshot!(text(&table.unwrap()), @r"
    usr 0 directory
    usr/a 0 1 bytes
    usr/b - directory
    usr/b/c 1 2 bytes
    ");
}

#[test]
fn a_stated_directory_takes_the_place_of_one_that_followed_from_a_file() {
    let mut open = entry("srv", Kind::Directory);
    open.mode = 0o1777;
    let table = merged(&[(info("a"), vec![file("srv/a", "1")]), (info("b"), vec![open])]).unwrap();
    let row = table.get(&path("srv")).unwrap();
    assert_eq!((row.entry.mode, row.owner, row.entry.mtime), (0o1777, Some(1), DIRECTORY_TIME));
}

#[test]
fn equal_content_is_shared_and_other_content_is_a_conflict_that_names_both() {
    let table = merged(&[(info("a"), vec![file("f", "same")]), (info("b"), vec![file("f", "same")])]).unwrap();
    assert_eq!(table.get(&path("f")).unwrap().owner, Some(0));
    let error =
        merged(&[(info("a"), vec![file("f", "1"), file("g", "1")]), (info("b"), vec![file("f", "2"), link("g", "f")])]).unwrap_err();
    insta::assert_snapshot!(error, @r"
    a-1-r0 and b-1-r0 both hold `f`: the content differs, and neither replaces the other
    a-1-r0 and b-1-r0 both hold `g`: the content differs, and neither replaces the other
    ");
}

#[test]
fn who_replaces_holds_the_file() {
    let replacing = |name: &str, other: &str, priority: Option<u64>| Info {
        replaces: vec![other.parse().unwrap()],
        replaces_priority: priority,
        ..info(name)
    };
    let same_origin = |name: &str| Info { origin: Some("o".parse().unwrap()), ..info(name) };
    let cases = [
        ("the later replaces", info("a"), replacing("b", "a", None), Some(1)),
        ("the earlier replaces", replacing("a", "b", None), info("b"), Some(0)),
        ("it replaces another version", info("a"), replacing("b", "a<1", None), None),
        ("it replaces this version", info("a"), replacing("b", "a>=1", None), Some(1)),
        ("both replace, neither before the other", replacing("a", "b", None), replacing("b", "a", None), None),
        ("both replace, the first before the second", replacing("a", "b", Some(2)), replacing("b", "a", Some(1)), Some(0)),
        ("one origin", same_origin("a"), same_origin("b"), Some(1)),
        (
            "one origin, and the earlier replaces",
            Info { replaces: vec!["b".parse().unwrap()], ..same_origin("a") },
            same_origin("b"),
            Some(0),
        ),
    ];
    for (what, first, second, holder) in cases {
        let table = merged(&[(first, vec![file("f", "1")]), (second, vec![file("f", "2")])]);
        assert_eq!(table.ok().map(|table| table.get(&path("f")).unwrap().owner), holder.map(Some), "{what}");
    }
}

#[test]
fn what_lies_below_a_link_to_a_directory_lies_where_it_leads() {
    let layout = (info("layout"), vec![entry("usr", Kind::Directory), entry("usr/lib", Kind::Directory), link("lib", "usr/lib")]);
    let table = merged(&[layout.clone(), (info("a"), vec![entry("lib", Kind::Directory), file("lib/ld.so", "1"), file("lib/d/e", "1")])]);
    insta::assert_snapshot!(text(&table.unwrap()), @r"
    lib 0 -> usr/lib
    usr 0 directory
    usr/lib 0 directory
    usr/lib/d - directory
    usr/lib/d/e 1 1 bytes
    usr/lib/ld.so 1 1 bytes
    ");
    let both = merged(&[layout, (info("a"), vec![file("lib/x", "1"), file("usr/lib/x", "2")])]).unwrap_err();
    insta::assert_snapshot!(both, @"a-1-r0 holds `usr/lib/x` twice: the content differs, and neither replaces the other");
}

#[test]
fn a_directory_and_anything_else_are_a_conflict() {
    let directory = || vec![entry("d", Kind::Directory), file("d/e", "1")];
    for (first, second) in [
        (directory(), vec![file("d", "1")]),
        (vec![file("d", "1")], directory()),
        (directory(), vec![link("d", "usr")]),
        (vec![link("d", "nowhere")], vec![entry("d", Kind::Directory)]),
        (vec![file("d", "1")], vec![file("d/e", "1")]),
        (vec![link("d", "d")], vec![file("d/e", "1")]),
    ] {
        let error = merged(&[(info("a"), first), (info("b"), second)]).unwrap_err();
        assert!(error.to_string().starts_with("a-1-r0 and b-1-r0 both hold `d"), "{error}");
    }
}

#[test]
fn links_stay_below_the_root() {
    let table =
        merged(&[(info("a"), vec![link("out", "../../etc"), entry("etc", Kind::Directory)]), (info("b"), vec![file("out/f", "1")])])
            .unwrap();
    assert!(table.get(&path("etc/f")).is_some());
}

#[test]
fn a_hard_link_whose_target_was_replaced_is_a_file_of_its_own() {
    let a = (info("a"), vec![file("bin/1", "old"), hard("bin/2", "bin/1"), hard("bin/3", "bin/1")]);
    let b = (Info { replaces: vec!["a".parse().unwrap()], ..info("b") }, vec![file("bin/1", "newer")]);
    let table = merged(&[a, b]).unwrap();
    insta::assert_snapshot!(text(&table), @r"
    bin - directory
    bin/1 1 5 bytes
    bin/2 0 3 bytes
    bin/3 0 = bin/2
    ");
    assert_eq!(table.get(&path("bin/3")).unwrap().content, Content::Member(path("bin/1")));
}

#[test]
fn a_hard_link_comes_after_its_file_whatever_the_package_says() {
    let table = merged(&[(info("a"), vec![file("b", "1"), hard("a", "b")])]).unwrap();
    insta::assert_snapshot!(text(&table), @r"
    a 0 1 bytes
    b 0 = a
    ");
    let error = merged(&[(info("a"), vec![hard("a", "b")])]).unwrap_err();
    insta::assert_snapshot!(error, @"in a-1-r0, `a` is a hard link to `b`, which the package does not hold");
}

#[test]
fn refuses_names_that_would_remove_files() {
    let error = merged(&[(info("a"), vec![file("etc/.wh.passwd", "")])]).unwrap_err();
    insta::assert_snapshot!(error, @"a-1-r0 holds `etc/.wh.passwd`: names that begin with `.wh.` remove files from an image");
}

#[test]
fn what_is_made_here_takes_the_place_of_a_file_but_not_of_a_directory() {
    let mut table =
        merged(&[(info("a"), vec![file("etc/passwd", "old"), hard("etc/copy", "etc/passwd"), link("lib", "usr/lib")])]).unwrap();
    table.put_file(&path("etc/passwd"), 0o644, 1, b"newer".to_vec()).unwrap();
    insta::assert_snapshot!(text(&table), @r"
    etc - directory
    etc/copy 0 3 bytes
    etc/passwd - 5 bytes
    lib 0 -> usr/lib
    ");
    assert!(matches!(table.put_file(&path("etc"), 0o644, 1, vec![]), Err(TableError::Made { reason: Reason::Directory, .. })));
    table.put_file(&path("lib/made"), 0o644, 1, vec![]).unwrap();
    assert!(table.get(&path("usr/lib/made")).is_some(), "through the link");
}
