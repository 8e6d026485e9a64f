//! A sandbox that has the host's programs, read-only, for tests that need a shell.
#![allow(dead_code)] // each test binary uses a part
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Bind, Launcher, Outcome, Ownership, Plan, Root, record, run};

/// Says to the tests, when they run again as an ordinary user, where the launcher is.
const LAUNCHER: &str = "SANDBOX_TEST_LAUNCHER";
/// A user that no machine gives to a person: `nobody`.
const ORDINARY: u32 = 65534;

/// A directory with a root, a workspace and a place outside.
pub(crate) struct Scene {
    pub(crate) home: tempfile::TempDir,
}

/// What came of a script.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) output: String,
}

pub(crate) fn launcher_path() -> PathBuf {
    std::env::var_os(LAUNCHER).map_or_else(|| env!("CARGO_BIN_EXE_undistro-sandbox").into(), PathBuf::from)
}

pub(crate) fn launcher() -> Launcher {
    Launcher::new(launcher_path())
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["lower", "scratch", "work", "outside", "source"] {
            fs_err::create_dir(home.path().join(name)).unwrap();
        }
        Self { home }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A plan for a shell script with the workspace at /home/build.
    pub(crate) fn plan(&self, script: &str) -> Plan {
        let root = Root::overlay(vec![self.path("lower")], self.path("scratch"));
        let mut plan = Plan::new(root, ["/bin/bash", "-c", script]);
        plan.binds = programs();
        plan.binds.push(Bind { source: self.path("work"), target: "/home/build".to_owned(), writable: true });
        plan.environment.insert("PATH".to_owned(), "/usr/bin:/bin:/usr/sbin:/sbin".to_owned());
        plan.directory = "/home/build".to_owned();
        plan
    }

    pub(crate) fn script(&self, script: &str) -> Seen {
        see(&self.plan(script))
    }
}

impl Scene {
    /// Runs a script, recorded, and returns what the files of the workspace then have on record, a line each.
    pub(crate) fn record(&self, script: &str) -> (Seen, String) {
        let mut ownership = Ownership::new();
        let seen = see_recorded(&self.plan(script), &mut ownership);
        (seen, self.on_record(&ownership))
    }

    pub(crate) fn on_record(&self, ownership: &Ownership) -> String {
        let mut found = BTreeMap::new();
        collect(ownership, &self.path("work"), Path::new(""), &mut found);
        found.into_iter().map(|(path, record)| format!("{path} {record}\n")).collect()
    }
}

fn collect(ownership: &Ownership, root: &Path, below: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs_err::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if let Some(record) = ownership.at(&entry.path()).unwrap() {
            found.insert(path.display().to_string(), serde_json::to_string(record).unwrap());
        }
        if entry.file_type().unwrap().is_dir() {
            collect(ownership, root, &path, found);
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        clear(&self.path("scratch")).unwrap();
    }
}

/// Gives its owner every right on each directory in a scratch directory, so that it can be removed.
pub(crate) fn clear(path: &Path) -> std::io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    for entry in fs_err::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            clear(&entry.path())?;
        }
    }
    Ok(())
}

/// The host's programs and libraries.
fn programs() -> Vec<Bind> {
    ["/usr", "/bin", "/sbin", "/lib", "/lib64"]
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .map(|path| Bind { source: path.into(), target: path.to_owned(), writable: false })
        .collect()
}

pub(crate) fn see(plan: &Plan) -> Seen {
    let mut output = Vec::new();
    let outcome = run(plan, &launcher(), &mut |bytes| output.extend_from_slice(bytes)).unwrap();
    Seen { outcome, output: String::from_utf8(output).unwrap() }
}

pub(crate) fn see_recorded(plan: &Plan, ownership: &mut Ownership) -> Seen {
    let mut output = Vec::new();
    let recorded = record(plan, &launcher(), ownership, &mut |bytes| output.extend_from_slice(bytes)).unwrap();
    assert_eq!(recorded.unrecorded, None);
    Seen { outcome: recorded.outcome, output: String::from_utf8(output).unwrap() }
}

/// Says that a part of a test did not run. Not by a macro: those are caught when the test passes.
pub(crate) fn skip(what: &str) {
    std::io::stderr().write_all(format!("SKIP {what}\n").as_bytes()).unwrap();
}

impl Seen {
    /// The output of a script that must have succeeded.
    pub(crate) fn good(&self) -> &str {
        assert_eq!(self.outcome, Outcome::Exited(0), "{}", self.output);
        self.output.trim_end()
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// When the tests run as root, runs all others of this binary again as an ordinary user.
pub(crate) fn again_as_ordinary_user(this_test: &str) {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = place.path().join(name);
        fs_err::copy(from, &to).unwrap();
        fs_err::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap(), "tests");
    let launcher = copy(&launcher_path(), "launcher");
    let home = place.path().join("home");
    fs_err::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(ORDINARY), Some(ORDINARY)).unwrap();
    fs_err::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(tests)
        .args(["--skip", this_test, "--test-threads", "2"])
        .env(LAUNCHER, launcher)
        .env("TMPDIR", &home)
        .env("INSTA_UPDATE", "no")
        .current_dir(&home)
        .uid(ORDINARY)
        .gid(ORDINARY)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
