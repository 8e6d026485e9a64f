//! `undistro apk files`: what a package holds.

use std::path::PathBuf;

use apk::Package;
use base::tree::{Entry, Kind};

use crate::failure::Failure;
use crate::printer::Printer;

/// List what a package holds: mode, owner, size, path. Checksums and the data's hash are checked on the way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  undistro apk files nginx-1.26.3-r0.apk")]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let package = Package::open(&args.file).map_err(|error| super::package_failure(&error))?;
    let table = package.table().map_err(|error| super::package_failure(&error))?;
    for entry in &table.entries {
        printer.line(line(entry));
    }
    printer.json(&table);
    Ok(())
}

/// One line, as `ls -l` and `tar -tv` write it.
fn line(entry: &Entry) -> String {
    let (letter, size, target) = match &entry.kind {
        Kind::Directory => ('d', String::new(), String::new()),
        Kind::File { size, .. } => ('-', size.to_string(), String::new()),
        Kind::Symlink { target } => ('l', String::new(), format!(" -> {target}")),
        Kind::Hardlink { target } => ('h', String::new(), format!(" link to {target}")),
        Kind::CharDevice { major, minor } => ('c', format!("{major},{minor}"), String::new()),
        Kind::BlockDevice { major, minor } => ('b', format!("{major},{minor}"), String::new()),
        Kind::Fifo => ('p', String::new(), String::new()),
    };
    let owner = format!("{}:{}", entry.uid, entry.gid);
    let xattrs = if entry.xattrs.is_empty() { "" } else { "+" };
    format!("{letter}{}{xattrs:<1} {owner:<9} {size:>10} {}{target}", permissions(entry.mode), entry.path)
}

/// Nine letters, with set-id and sticky bits in their places.
fn permissions(mode: u32) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut text = String::new();
    for (shift, (bit, with, without)) in [6, 3, 0].into_iter().zip(special) {
        let triple = mode >> shift;
        text.push(if triple & 4 == 0 { '-' } else { 'r' });
        text.push(if triple & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & bit != 0, triple & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_modes_as_ls_does() {
        let cases = [
            (0o755, "rwxr-xr-x"),
            (0o644, "rw-r--r--"),
            (0o4755, "rwsr-xr-x"),
            (0o2644, "rw-r-Sr--"),
            (0o1777, "rwxrwxrwt"),
            (0o1000, "--------T"),
        ];
        for (mode, text) in cases {
            assert_eq!(permissions(mode), text);
        }
    }
}
