//! The installed database of an image: what each package holds in it, as the file table has it in the end.
//!
//! It lies where scanners look, `usr/lib/apk/db/installed`, in an image without apk too. A file that another package or
//! the image itself took the place of is nobody's entry but its holder's, so the database and the file system agree.

use std::collections::BTreeMap;

use apk::Checksum;
use apk::installed::{Database, Installed};
use base::tree::{Kind, TreePath};

use crate::ImageError;
use crate::contents::Opened;
use crate::table::{Content, Table};

/// Where the database lies.
pub const PLACE: &str = "usr/lib/apk/db/installed";

/// Adds the database to the table.
pub(crate) fn add(table: &mut Table, opened: &[Opened], epoch: i64) -> Result<(), ImageError> {
    let packages = opened.iter().enumerate().map(|(place, one)| {
        let held = held(table, place, one);
        Installed::new(one.package.record().clone(), &held)
    });
    let database = Database { packages: packages.collect() };
    let text = database.to_text()?;
    let path = TreePath::parse(PLACE).expect("a constant path");
    Ok(table.put_file(&path, 0o644, epoch, text.into_bytes())?)
}

/// What a package holds in the merged table.
fn held(table: &Table, place: usize, one: &Opened) -> apk::Table {
    let directories = table.directories_of(place).into_iter().flatten().filter_map(|path| table.get(path));
    let mut entries: Vec<_> = directories.map(|row| row.entry.clone()).collect();
    let mut checksums: BTreeMap<TreePath, Checksum> = BTreeMap::new();
    for row in table.rows().filter(|row| row.owner == Some(place) && !row.entry.is_directory()) {
        let checksum = match (&row.content, &row.entry.kind) {
            (Content::Member(member), _) => one.table.checksums.get(member).copied(),
            (_, Kind::Symlink { target }) => Some(Checksum::sha1(target)),
            _ => None,
        };
        checksums.extend(checksum.map(|checksum| (row.entry.path.clone(), checksum)));
        entries.push(row.entry.clone());
    }
    apk::Table { entries, checksums }
}
