//! Writes a small signed repository that shows every shape a package can have, and beside it what a reader should find.
//!
//! `cargo run -p apk --example repository -- DIR`; the readers of others in `tests/outside` are run on it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::PathBuf;

use apk::package::{Scripts, store_package};
use apk::{Info, Package, repository};
use attest::key::{Named, PrivateKey};
use base::tree::{Entry, Kind, TreePath};
use base::{Dependency, Store};

const EPOCH: i64 = 1_700_000_000;

fn entry(path: &str, kind: Kind, mode: u32) -> anyhow::Result<Entry> {
    Ok(Entry::new(TreePath::parse(path)?, kind, mode, EPOCH))
}

/// Adds the directories above every entry: some readers want each to be named.
fn with_directories(entries: Vec<Entry>) -> Vec<Entry> {
    let named: BTreeSet<_> = entries.iter().map(|entry| entry.path.clone()).collect();
    let above: BTreeSet<_> = entries.iter().flat_map(|entry| entry.path.ancestors().collect::<Vec<_>>()).collect();
    let missing = above.difference(&named).map(|path| Entry::new(path.clone(), Kind::Directory, 0o755, EPOCH));
    missing.chain(entries.clone()).collect()
}

/// A file that holds its own path, `times` over.
fn file(path: &str, mode: u32, times: u64) -> anyhow::Result<Entry> {
    entry(path, Kind::File { size: path.len() as u64 * times, digest: None }, mode)
}

fn content(entry: &Entry) -> io::Result<Box<dyn Read>> {
    let path = entry.path.to_string();
    let times = entry.size() as usize / path.len().max(1);
    Ok(Box::new(io::Cursor::new(path.repeat(times))))
}

fn app() -> anyhow::Result<Vec<Entry>> {
    let mut capable = file("usr/bin/capable", 0o755, 1)?;
    capable.xattrs.insert("security.capability".into(), b"\x01\0\0\x02\0\n\0\0".to_vec());
    let mut owned = file("var/lib/app/owned", 0o640, 1)?;
    (owned.uid, owned.gid) = (65532, 65532);
    let deep = format!("usr/share/{}file", "a-rather-long-name/".repeat(10));
    Ok(vec![
        entry("bin", Kind::Symlink { target: "usr/bin".into() }, 0o777)?,
        file("usr/bin/app", 0o755, 200_000)?,
        entry("usr/bin/app-link", Kind::Hardlink { target: TreePath::parse("usr/bin/app")? }, 0o755)?,
        capable,
        file("usr/bin/su", 0o4755, 1)?,
        file(&deep, 0o644, 3)?,
        file("usr/share/ünïcode", 0o644, 1)?,
        entry("var/lib/app", Kind::Directory, 0o700)?,
        owned,
        entry("var/tmp", Kind::Directory, 0o1777)?,
    ])
}

fn packages(store: &Store) -> anyhow::Result<Vec<Package>> {
    let info = |name: &str, version: &str| -> anyhow::Result<Info> {
        let mut info = Info::new(name.parse()?, version.parse()?, "x86_64");
        (info.description, info.license) = (format!("{name}, made to be read"), "Apache-2.0".into());
        (info.url, info.origin) = ("https://example.org".into(), Some(name.parse()?));
        (info.commit, info.build_time) = (Some("0123456789012345678901234567890123456789".into()), Some(EPOCH));
        Ok(info)
    };
    let mut application = info("demo-app", "1.2.3-r4")?;
    application.depends = Dependency::parse_list("so:libdemo.so.1 demo-virtual !demo-enemy")?;
    application.provides = Dependency::parse_list("cmd:app=1.2.3-r4")?;
    application.triggers = vec!["/usr/lib".into(), "/usr/share/*".into()];
    let scripts =
        Scripts::from([(".post-install".into(), b"#!/bin/sh\nexit 0\n".to_vec()), (".trigger".into(), b"#!/bin/sh\nexit 0\n".to_vec())]);
    let mut older = info("demo-lib", "1.9-r0")?;
    older.provides = Dependency::parse_list("so:libdemo.so.1=1.9")?;
    let mut library = info("demo-lib", "1.10-r0")?;
    library.provides = Dependency::parse_list("so:libdemo.so.1=1.10")?;
    library.replaces = Dependency::parse_list("demo-old<2")?;
    let mut provider = info("demo-provider", "5-r0")?;
    (provider.provides, provider.provider_priority) = (Dependency::parse_list("demo-virtual")?, Some(10));
    let lib = |version: &str| -> anyhow::Result<_> { Ok(vec![file(&format!("usr/lib/libdemo.so.{version}"), 0o755, 10)?]) };
    let made = [
        (application, scripts, app()?),
        (older, Scripts::new(), lib("1.9")?),
        (library, Scripts::new(), lib("1.10")?),
        (provider, Scripts::new(), Vec::new()),
    ];
    let make = |(info, scripts, entries): &(Info, Scripts, Vec<Entry>)| {
        store_package(store, info, scripts, &with_directories(entries.clone()), &mut content, EPOCH)
    };
    Ok(made.iter().map(make).collect::<Result<_, _>>()?)
}

/// One line for each path of the packages that `demo-app` brings.
fn expected(packages: &[Package]) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for package in packages.iter().filter(|package| package.info().version.as_str() != "1.9-r0") {
        let table = package.table()?;
        let digest = |path: &TreePath| table.entries.iter().find(|entry| entry.path == *path).map(|entry| &entry.kind);
        for entry in &table.entries {
            let mut line = format!("{} {:o} ", entry.path, entry.mode);
            match &entry.kind {
                Kind::File { digest: Some(digest), .. } => write!(line, "file {}", digest.hex())?,
                Kind::Hardlink { target } => match digest(target) {
                    Some(Kind::File { digest: Some(digest), .. }) => write!(line, "file {}", digest.hex())?,
                    other => anyhow::bail!("{target} is {other:?}"),
                },
                Kind::Symlink { target } => write!(line, "link {target}")?,
                Kind::Directory => line.push_str("directory"),
                other => anyhow::bail!("{other:?}"),
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines.dedup();
    Ok(lines.join("\n") + "\n")
}

fn main() -> anyhow::Result<()> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or_else(|| anyhow::anyhow!("usage: repository DIR"))?.into();
    fs_err::create_dir_all(&dir)?;
    let store = Store::open(&dir.join("store"))?;
    let key = Named::new("demo.rsa.pub", PrivateKey::generate(2048)?)?;
    key.save(&dir)?;
    let packages = packages(&store)?;
    repository::write(&dir.join("repository"), "x86_64", "demonstration", &packages, &key)?;
    fs_err::write(dir.join("expected"), expected(&packages)?)?;
    Ok(())
}
