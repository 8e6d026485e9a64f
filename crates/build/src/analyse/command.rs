//! Commands: what a package puts where a shell looks, and what its scripts are run by.

use base::tree::{Entry, Kind};

use super::Table;

/// The directories whose programs are commands.
const COMMAND_DIRECTORIES: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];

/// The directories whose scripts are looked into for what runs them.
const SCRIPT_DIRECTORIES: [&str; 7] = ["bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/libexec"];

/// Linux's own bound on the line (`BINPRM_BUF_SIZE`).
pub(super) const MAX_LINE: usize = 256;

/// Read and execute for everybody.
const EXECUTABLE: u32 = 0o555;

/// Whether `entry` can be called by its name.
///
/// A symbolic link is a command unless it leads, inside this package, to something that is none: the applets of
/// busybox and the alternatives of a seed are links, and scripts ask for them by name.
pub(super) fn is_command(entry: &Entry, table: &Table<'_>) -> bool {
    is_in(entry, &COMMAND_DIRECTORIES)
        && match &entry.kind {
            Kind::File { .. } | Kind::Hardlink { .. } => is_executable(entry),
            Kind::Symlink { target } => table.resolve(&entry.path, target).is_none_or(is_executable),
            _ => false,
        }
}

/// Whether `entry` may be a script that someone calls by name.
pub(super) fn may_be_script(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { .. }) && is_executable(entry) && is_in(entry, &SCRIPT_DIRECTORIES)
}

fn is_in(entry: &Entry, directories: &[&str]) -> bool {
    entry.path.parent().is_some_and(|parent| directories.contains(&parent.as_str()))
}

fn is_executable(entry: &Entry) -> bool {
    !entry.is_directory() && entry.mode & EXECUTABLE == EXECUTABLE
}

/// Returns the command that runs a script, from its first bytes: the last part of the interpreter's path, or what
/// `env` is told to run.
pub(super) fn interpreter(first: &[u8]) -> Option<String> {
    let line = first.strip_prefix(b"#!")?;
    let line = line.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let program = base_name(words.next()?)?;
    if program != "env" {
        return Some(program.to_owned());
    }
    // `env -S program args`, `env NAME=value program`.
    words.find(|word| !word.starts_with('-') && !word.contains('=')).and_then(base_name).map(str::to_owned)
}

fn base_name(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_runs_a_script() {
        let cases = [
            ("#!/bin/sh\n", Some("sh")),
            ("#! /usr/bin/perl -w\nuse strict;", Some("perl")),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S bash -e\n", Some("bash")),
            ("#!/usr/bin/env LANG=C awk -f\n", Some("awk")),
            ("#!/usr/bin/env\n", None),
            ("#!\n", None),
            ("\u{7f}ELF", None),
            ("", None),
        ];
        for (first, command) in cases {
            assert_eq!(interpreter(first.as_bytes()).as_deref(), command, "{first:?}");
        }
    }
}
