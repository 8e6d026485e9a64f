//! A folder to work in: a small distribution, a store, and the command.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs_err as fs;
use tempfile::TempDir;

/// The command that is tested.
pub(crate) const UNDISTRO: &str = env!("CARGO_BIN_EXE_undistro");

/// A distribution without seeds: what undistro carries out itself can be built, nothing else.
const DISTRO: &str = "\
name: mini
id: mini
archs: [x86_64, aarch64]
source-date-epoch: 1767225600
repositories:
  - name: mini
";

/// The sha256 of [`SOURCE`].
pub(crate) const DIGEST: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
/// What the source file of the desk holds.
const SOURCE: &str = "hello\n";

pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Makes a folder with `distro/distro.yaml` and the file `hello.txt`.
    pub(crate) fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("distro/distro.yaml", DISTRO);
        desk.write("hello.txt", SOURCE);
        desk
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Defines a package of one file that is fetched.
    pub(crate) fn package(&self, name: &str, uri: &str, sha256: &str) {
        self.write(&format!("distro/packages/{name}/package.yaml"), &package(name, uri, sha256));
    }

    /// The URL of `hello.txt`.
    pub(crate) fn source(&self) -> String {
        format!("file://{}", self.path("hello.txt").display())
    }

    /// A command in the folder, with an environment that is the same everywhere.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.path("home"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("UNDISTRO_DISTRO", "distro").env("UNDISTRO_STORE", "store").env("UNDISTRO_JOBS", "1");
        command
    }

    /// Runs undistro and returns what a user sees.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(UNDISTRO).args(arguments).output().unwrap();
        self.seen(&format!("undistro {}", arguments.join(" ")), &output)
    }

    /// What a user sees of a command: with the same paths, times and numbers everywhere.
    pub(crate) fn seen(&self, command: &str, output: &Output) -> String {
        let mut text = format!("$ {command}\n");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let said = String::from_utf8_lossy(bytes);
                write!(text, "--- {name}\n{}\n", said.trim_end()).unwrap();
            }
        }
        writeln!(text, "--- exit {}", output.status.code().map_or("by a signal".to_owned(), |code| code.to_string())).unwrap();
        normal(&text, self.folder.path())
    }
}

/// The definition of a package of one file.
pub(crate) fn package(name: &str, uri: &str, sha256: &str) -> String {
    format!(
        "\
package:
  name: {name}
  version: \"1.0\"
  epoch: 0
  description: one file
  copyright:
    - license: MIT

pipeline:
  - uses: fetch
    with:
      uri: {uri}
      expected-sha256: {sha256}
      extract: \"false\"
"
    )
}

/// Replaces what differs between machines and runs.
fn normal(text: &str, folder: &Path) -> String {
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let text = text.replace(&real.display().to_string(), "<dir>").replace(&folder.display().to_string(), "<dir>");
    processes(&seconds(&text))
}

/// Replaces the number of the process in the names of its folders: `store/tmp/4711-0`.
fn processes(text: &str) -> String {
    let mut parts = text.split("store/tmp/");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += "store/tmp/<process>";
        out += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out
}

/// Replaces times: `in 0.2 s`.
fn seconds(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" in ") {
        let (before, after) = rest.split_at(at + " in ".len());
        out += before;
        let number = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
        rest = after;
        if number > 0 && after[number..].starts_with(" s") {
            out += "<time>";
            rest = &after[number..];
        }
    }
    out + rest
}

/// Says in the log of the tests that something could not be tested here. It is written past the harness, which keeps what
/// a test that passes prints.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "\nSKIP: {why}");
}
