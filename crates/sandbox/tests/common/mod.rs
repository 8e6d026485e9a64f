//! A sandbox that has the host's programs, read-only, for tests that need a shell.
#![allow(dead_code)] // each test binary uses a part
#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Bind, Launcher, Outcome, Plan, Root, run};

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
        plan.environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        plan.directory = "/home/build".to_owned();
        plan
    }

    pub(crate) fn script(&self, script: &str) -> Seen {
        see(&self.plan(script))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        sandbox::discard(&self.path("scratch")).unwrap();
    }
}

/// The host's programs and libraries.
fn programs() -> Vec<Bind> {
    ["/usr", "/bin", "/lib", "/lib64"]
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
        .current_dir(&home)
        .uid(ORDINARY)
        .gid(ORDINARY)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
