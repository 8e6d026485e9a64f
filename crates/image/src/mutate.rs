//! `paths`: changes of the file system that an image definition asks for, in order, after packages and accounts.

use base::tree::{Entry, Kind, TreePath};
use spec::image::{PathKind, PathMutation};

use crate::ImageError;
use crate::error::PathReason;
use crate::table::{Content, DIRECTORY_TIME, Row, Table};

/// Carries out one entry of `paths`.
pub(crate) fn apply(table: &mut Table, mutation: &PathMutation, epoch: i64) -> Result<(), ImageError> {
    let fail = |reason| ImageError::Path { path: mutation.path.clone(), reason };
    let path = TreePath::parse(&mutation.path).map_err(|_| fail(PathReason::Invalid))?;
    // Where a symbolic link leads counts, except where a link is made.
    let followed = table.follow(&path, true).map_err(|_| fail(PathReason::Occupied))?;
    match &mutation.kind {
        PathKind::Directory => directory(table, mutation, followed, &fail),
        PathKind::EmptyFile => {
            table.put_file(&followed, mutation.permissions.unwrap_or(0o644), epoch, Vec::new())?;
            own(table, mutation, &followed);
            Ok(())
        }
        PathKind::HardLink(source) => {
            let source = TreePath::parse(source).map_err(|_| fail(PathReason::Source))?;
            let source = table.resolve(&source).map_err(|_| fail(PathReason::Source))?;
            let row =
                table.get(&source).filter(|row| matches!(row.entry.kind, Kind::File { .. })).ok_or_else(|| fail(PathReason::Source))?;
            table.put(Row { entry: Entry { path: path.clone(), ..row.entry.clone() }, ..row.clone() })?;
            permit(table, mutation, &path);
            Ok(())
        }
        PathKind::SymLink(target) => {
            let entry = Entry::new(path.clone(), Kind::Symlink { target: target.clone() }, 0o777, epoch);
            table.put(Row { entry, owner: None, content: Content::Nothing })?;
            own(table, mutation, &path);
            Ok(())
        }
        PathKind::Permissions => {
            table.get(&followed).ok_or_else(|| fail(PathReason::Absent))?;
            permit_all(table, mutation, &followed);
            Ok(())
        }
    }
}

fn directory(
    table: &mut Table,
    mutation: &PathMutation,
    path: TreePath,
    fail: &dyn Fn(PathReason) -> ImageError,
) -> Result<(), ImageError> {
    match table.get(&path) {
        Some(row) if row.entry.is_directory() => {}
        Some(_) => return Err(fail(PathReason::Occupied)),
        None => {
            let entry = Entry::new(path.clone(), Kind::Directory, 0o755, DIRECTORY_TIME);
            table.put(Row { entry, owner: None, content: Content::Nothing })?;
        }
    }
    permit_all(table, mutation, &path);
    Ok(())
}

/// Sets mode and owner of `path`, and with `recursive` of all below it.
fn permit_all(table: &mut Table, mutation: &PathMutation, path: &TreePath) {
    permit(table, mutation, path);
    if mutation.recursive {
        let prefix = format!("{path}/");
        let below: Vec<_> = table.rows().map(|row| row.entry.path.clone()).filter(|other| other.as_str().starts_with(&prefix)).collect();
        for path in below {
            permit(table, mutation, &path);
        }
    }
}

fn permit(table: &mut Table, mutation: &PathMutation, path: &TreePath) {
    own(table, mutation, path);
    if let Some(mode) = mutation.permissions {
        table.change(path, &|entry| {
            // A symbolic link has no mode of its own on Linux.
            if !matches!(entry.kind, Kind::Symlink { .. }) {
                entry.mode = mode;
            }
        });
    }
}

/// Sets the owner. As apko has it: with neither number given it stays, with one given the other is 0.
fn own(table: &mut Table, mutation: &PathMutation, path: &TreePath) {
    if mutation.uid.is_some() || mutation.gid.is_some() {
        let (uid, gid) = (mutation.uid.unwrap_or(0), mutation.gid.unwrap_or(0));
        table.change(path, &|entry| (entry.uid, entry.gid) = (uid, gid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(path: &str, kind: PathKind) -> PathMutation {
        PathMutation { path: path.into(), kind, uid: None, gid: None, permissions: None, recursive: false }
    }

    fn table() -> Table {
        let mut table = Table::default();
        let path = |text: &str| TreePath::parse(text).unwrap();
        table.put_file(&path("usr/bin/x"), 0o755, 1, b"x".to_vec()).unwrap();
        apply(&mut table, &mutation("/bin", PathKind::SymLink("usr/bin".into())), 1).unwrap();
        table
    }

    fn text(table: &Table) -> Vec<String> {
        table.entries().map(|e| format!("{} {:o} {}:{} {:?}", e.path, e.mode, e.uid, e.gid, kind(&e.kind))).collect()
    }

    fn kind(kind: &Kind) -> String {
        match kind {
            Kind::Directory => "d".into(),
            Kind::File { size, .. } => format!("f{size}"),
            Kind::Symlink { target } => format!("-> {target}"),
            Kind::Hardlink { target } => format!("= {target}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn makes_what_is_asked_for() {
        let mut table = table();
        for mutation in [
            PathMutation { uid: Some(5), permissions: Some(0o1777), ..mutation("/var/run/x", PathKind::Directory) },
            mutation("/etc/empty", PathKind::EmptyFile),
            mutation("/usr/bin/y", PathKind::HardLink("/bin/x".into())),
            PathMutation { permissions: Some(0), ..mutation("/usr/bin/z", PathKind::SymLink("x".into())) },
        ] {
            apply(&mut table, &mutation, 1).unwrap();
        }
        insta::assert_debug_snapshot!(text(&table), @r#"
        [
            "bin 777 0:0 \"-> usr/bin\"",
            "etc 755 0:0 \"d\"",
            "etc/empty 644 0:0 \"f0\"",
            "usr 755 0:0 \"d\"",
            "usr/bin 755 0:0 \"d\"",
            "usr/bin/x 755 0:0 \"f1\"",
            "usr/bin/y 755 0:0 \"= usr/bin/x\"",
            "usr/bin/z 777 0:0 \"-> x\"",
            "var 755 0:0 \"d\"",
            "var/run 755 0:0 \"d\"",
            "var/run/x 1777 5:0 \"d\"",
        ]
        "#);
    }

    #[test]
    fn changes_modes_through_links_and_below() {
        let mut table = table();
        apply(&mut table, &mutation("/usr/bin/y", PathKind::HardLink("usr/bin/x".into())), 1).unwrap();
        let all = PathMutation { permissions: Some(0o500), gid: Some(7), recursive: true, ..mutation("/bin", PathKind::Permissions) };
        apply(&mut table, &all, 1).unwrap();
        let one = PathMutation { permissions: Some(0o4755), ..mutation("/usr/bin/y", PathKind::Permissions) };
        apply(&mut table, &one, 1).unwrap();
        insta::assert_debug_snapshot!(text(&table), @r#"
        [
            "bin 777 0:0 \"-> usr/bin\"",
            "usr 755 0:0 \"d\"",
            "usr/bin 500 0:7 \"d\"",
            "usr/bin/x 4755 0:7 \"f1\"",
            "usr/bin/y 4755 0:7 \"= usr/bin/x\"",
        ]
        "#);
    }

    #[test]
    fn says_what_can_not_be_done() {
        for (mutation, text) in [
            (mutation("/nowhere", PathKind::Permissions), "`paths` names `/nowhere`: there is nothing at it"),
            (mutation("/usr/bin/x", PathKind::Directory), "`paths` names `/usr/bin/x`: something else lies there"),
            (mutation("/a", PathKind::HardLink("/usr".into())), "`paths` names `/a`: its source is no file of the image"),
            (mutation("/", PathKind::Permissions), "`paths` names `/`: it is no path below the root"),
            (mutation("/usr", PathKind::EmptyFile), "`usr` can not be made: one is a directory, the other is not"),
        ] {
            assert_eq!(apply(&mut table(), &mutation, 1).unwrap_err().to_string(), text);
        }
    }
}
