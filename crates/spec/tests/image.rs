//! What image definitions mean.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use base::Arch;
use spec::image::{Config, Entrypoint, Includes, PathKind, evaluate, parse};

struct Files(&'static [(&'static str, &'static str)]);

impl Includes for Files {
    fn load(&self, name: &str) -> Result<(String, String), String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).ok_or_else(|| "no such file".to_owned())
    }
}

fn config(text: &str) -> Config {
    let image = parse(text).unwrap_or_else(|d| panic!("{}", d.render("test", text)));
    evaluate(&image, &(), Some(Arch::Aarch64)).unwrap_or_else(|d| panic!("{}", d.render("test", text)))
}

#[test]
fn modes_are_octal_as_people_mean_them() {
    for (written, mode) in [("0755", 0o755), ("0o755", 0o755), ("\"0755\"", 0o755), ("493", 0o755), ("0o1777", 0o1777), ("0", 0)] {
        let config = config(&format!("paths:\n  - path: /x\n    type: directory\n    permissions: {written}\n"));
        assert_eq!(config.paths[0].permissions, Some(mode), "{written}");
    }
}

#[test]
fn accounts_are_filled_in() {
    let config = config(
        "accounts:\n  run-as: web\n  users:\n    - username: web\n      uid: 65532\n      shell: \"\"\n    - username: db\n      uid: 70\n      gid: 80\n      shell: /bin/false\n      homedir: /var/db\n  groups:\n    - groupname: web\n      gid: 65532\n",
    );
    let users = &config.accounts.users;
    assert_eq!((users[0].gid, users[0].shell.as_str(), users[0].homedir.as_str()), (65532, "/bin/sh", "/home/web"));
    assert_eq!((users[1].gid, users[1].shell.as_str(), users[1].homedir.as_str()), (80, "/bin/false", "/var/db"));
    assert_eq!(config.accounts.user().as_deref(), Some("65532"));
}

#[test]
fn run_as_may_name_nobody_that_is_listed() {
    assert_eq!(config("accounts:\n  run-as: 65532\n").accounts.user().as_deref(), Some("65532"));
    assert_eq!(config("accounts:\n  run-as: \"\"\n").accounts.user(), None);
}

#[test]
fn entrypoints_become_words() {
    for (text, words) in [
        ("entrypoint:\n  command: /bin/sh -c \"a b\"\n", vec!["/bin/sh", "-c", "a b"]),
        ("entrypoint:\n  command: [/bin/app, \"a b\"]\n", vec!["/bin/app", "a b"]),
        ("entrypoint:\n  shell-fragment: echo $HOME\n", vec!["/bin/sh", "-c", "echo $HOME"]),
        ("entrypoint:\n  type: service-bundle\n  services:\n    web: /usr/bin/web\n", vec!["/bin/s6-svscan", "/sv"]),
        ("entrypoint:\n  command: \"\"\n  shell-fragment: \"\"\n  type: \"\"\n  services: {}\n", vec![]),
    ] {
        assert_eq!(config(text).entrypoint.words(), words, "{text}");
    }
    assert_eq!(config("cmd: -g 'daemon off;'\n").cmd, ["-g", "daemon off;"]);
}

#[test]
fn architectures_are_sorted_and_known_by_both_names() {
    assert_eq!(config("archs: [x86_64, arm64, amd64]\n").archs, [Arch::X86_64, Arch::Aarch64]);
    assert_eq!(config("archs: [host]\n").archs, [Arch::Aarch64]);
    assert_eq!(config("archs: [all]\n").archs.len(), Arch::ALL.len());
    assert!(config("").archs.is_empty());
}

#[test]
fn links_keep_their_target_and_no_mode() {
    let config = config("paths:\n  - path: /bin/sh\n    type: symlink\n    source: /bin/busybox\n");
    assert_eq!((&config.paths[0].kind, config.paths[0].permissions), (&PathKind::SymLink("/bin/busybox".to_owned()), None));
}

#[test]
fn an_included_file_lies_below() {
    let files = Files(&[
        (
            "base.yaml",
            "include: deeper.yaml\ncontents:\n  repositories:\n    - https://one/\n  packages: [base]\nenvironment:\n  A: base\n  B: base\nwork-dir: /base\narchs: [amd64]\nvcs-url: base\nentrypoint:\n  command: /bin/base\n",
        ),
        ("deeper.yaml", "contents:\n  packages: [deep]\nstop-signal: SIGQUIT\nwork-dir: /deep\n"),
    ]);
    let text = "include: base.yaml\ncontents:\n  packages: [own]\nenvironment:\n  A: own\nwork-dir: /own\nvcs-url: own\n";
    let config = evaluate(&parse(text).unwrap(), &files, None).unwrap();
    assert_eq!(config.contents.packages, ["deep", "base", "own"]);
    assert_eq!(config.contents.repositories, ["https://one"]);
    assert_eq!((config.environment["A"].as_str(), config.environment["B"].as_str()), ("own", "base"));
    assert_eq!((config.work_dir.as_deref(), config.stop_signal.as_deref()), (Some("/own"), Some("SIGQUIT")));
    assert_eq!(config.vcs_url.as_deref(), Some("own"));
    assert_eq!(config.entrypoint, Entrypoint::Command(vec!["/bin/base".to_owned()]));
}

#[test]
fn mistakes_in_an_included_file_are_shown_there() {
    let files = Files(&[("base.yaml", "content: {}\narchs: [amd63]\n"), ("loop.yaml", "include: loop.yaml\n")]);
    let found = evaluate(&parse("include: base.yaml\n").unwrap(), &files, None).unwrap_err();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|d| d.source.as_ref().unwrap().name == "base.yaml"));
    assert!(evaluate(&parse("include: loop.yaml\n").unwrap(), &files, None).is_err());
}
