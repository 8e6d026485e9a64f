//! A machine that does not let undistro work: stores that can not be used, a full disk, no namespaces, a user who stops it.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::desk::{DIGEST, Desk, UNDISTRO, package, skip};

/// A user who is not there on any machine.
const NOBODY: u32 = 65_534;

/// Replaces the numbers of users.
fn users(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let number = words[at].trim_end_matches([',', ';']);
        if matches!(words[at - 1].as_str(), "id" | "are") && number.parse::<u32>().is_ok() {
            words[at] = words[at].replace(number, "<number>");
        }
    }
    words.join(" ")
}

#[test]
fn the_store_of_another_user() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    let store = if geteuid().is_root() {
        fs::create_dir(desk.path("theirs")).unwrap();
        fs::os::unix::fs::chown(desk.path("theirs"), Some(12_345), Some(12_345)).unwrap();
        "theirs"
    } else {
        "/usr"
    };
    let seen = desk.run(&["build", "hello", "--store", store]);
    insta::assert_snapshot!(users(&seen).replace("<dir>/theirs", "<store>").replace(store, "<store>"));
}

#[test]
fn a_store_that_can_not_be_read() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    fs::create_dir(desk.path("store")).unwrap();
    fs::set_permissions(desk.path("store"), PermissionsExt::from_mode(0o000)).unwrap();
    let mut command = desk.command(UNDISTRO);
    if geteuid().is_root() {
        // Root reads everything, so another user has to try.
        fs::set_permissions(desk.path("."), PermissionsExt::from_mode(0o755)).unwrap();
        fs::os::unix::fs::chown(desk.path("store"), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    match command.args(["build", "hello"]).output() {
        Ok(output) => insta::assert_snapshot!(desk.seen("undistro build hello", &output)),
        Err(error) => skip(&format!("another user can not run what was built here: {error}")),
    }
}

#[test]
fn a_store_of_another_kind() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    desk.write("file", "");
    desk.write("newer/store.json", "{\"format\":99}");
    let runs = ["file", "newer"].map(|store| desk.run(&["build", "hello", "--store", store]));
    insta::assert_snapshot!(runs.join("\n"));
}

/// Runs a script as root of namespaces of its own; nothing where the machine does not allow that.
fn apart(desk: &Desk, unshare: &str, script: &str) -> Option<std::process::Output> {
    let possible = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !possible(desk.command("unshare").args([unshare, "true"])) {
        return None;
    }
    let script = script.replace("UNDISTRO", UNDISTRO);
    Some(desk.command("unshare").args([unshare, "sh", "-ec", &script]).output().unwrap())
}

#[test]
fn no_user_namespaces() {
    let desk = Desk::new();
    let text = package("stepped", &desk.source(), DIGEST) + "  - runs: echo hello\n";
    desk.write("distro/packages/stepped/package.yaml", &text);
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec UNDISTRO build stepped";
    match apart(&desk, "-rU", script) {
        Some(output) => insta::assert_snapshot!(desk.seen("undistro build stepped", &output)),
        None => skip("no namespaces can be made here, so none can be forbidden (unshare -rU)"),
    }
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec UNDISTRO doctor";
    let Some(output) = apart(&desk, "-rU", script) else { return };
    let seen = desk.seen("undistro doctor", &output);
    let lines: Vec<_> =
        seen.lines().filter(|line| line.contains("namespaces") || line.starts_with("error") || line.contains("exit")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_full_disk() {
    let desk = Desk::new();
    fs::write(desk.path("large"), vec![7; 8 << 20]).unwrap();
    let digest = base::Digest::of(vec![7; 8 << 20]).hex().to_string();
    desk.package("hello", &format!("file://{}", desk.path("large").display()), &digest);
    let script = "mkdir store; mount -t tmpfs -o size=2m none store; exec UNDISTRO build hello";
    match apart(&desk, "-rm", script) {
        Some(output) => insta::assert_snapshot!(desk.seen("undistro build hello", &output)),
        None => skip("no small disk can be mounted here (unshare -rm)"),
    }
}

#[test]
fn a_user_who_stops_it_while_a_server_is_silent() {
    let desk = Desk::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    desk.package("hello", &format!("http://{}/hello.txt", server.local_addr().unwrap()), DIGEST);
    let (asked, is_asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        for connection in server.incoming() {
            // Kept open, and never answered.
            connections.push(connection.unwrap());
            if asked.send(()).is_err() {
                break;
            }
        }
    });
    let mut command = desk.command(UNDISTRO);
    let mut child = command.args(["build", "hello"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    is_asked.recv_timeout(Duration::from_secs(60)).unwrap();
    let since = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert!(since.elapsed() < Duration::from_secs(20), "it took {:?}", since.elapsed());
    insta::assert_snapshot!(desk.seen("undistro build hello", &std::process::Output { status, stdout, stderr }));
}

#[test]
fn a_reader_who_has_heard_enough() {
    let desk = Desk::new();
    let mut child = desk.command(UNDISTRO).args(["schema", "package"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
