//! What holds for every run: who and where the command is, what it sees, how it ends.

mod common;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Scene, launcher, see};
use sandbox::{Bind, Outcome, OverlayMethod, Plan, Root, SandboxError, Step, run};

#[test]
fn the_same_holds_for_an_ordinary_user() {
    common::again_as_ordinary_user("the_same_holds_for_an_ordinary_user");
}

#[test]
fn the_world_inside_is_constant() {
    let script = "id -u; id -g; id -G; uname -n; cat /proc/sys/kernel/domainname; umask; pwd; echo $$ $PPID; \
                  readlink /proc/self/fd/0; echo $(ls /dev); ls -A /tmp /run /dev/pts /dev/shm; cat /proc/net/dev | grep -c :";
    let expected = "0\n0\n0\nbuild\n(none)\n0022\n/home/build\n2 1\n/dev/null\n\
                    fd full null ptmx pts random shm stderr stdin stdout tty urandom zero\n\
                    /dev/pts:\nptmx\n\n/dev/shm:\n\n/run:\n\n/tmp:\n1";
    assert_eq!(Scene::new().script(script).good(), expected);
}

#[test]
fn the_environment_is_exactly_the_plans() {
    let scene = Scene::new();
    let mut plan = scene.plan("");
    plan.command = vec!["env".to_owned()];
    plan.environment.insert("A".to_owned(), "1 2".to_owned());
    assert_eq!(see(&plan).good(), "A=1 2\nPATH=/usr/bin:/bin:/usr/sbin:/sbin");
}

#[test]
fn files_belong_to_the_caller_outside_and_to_root_inside() {
    let scene = Scene::new();
    let seen = scene.script("touch a && chown 0:0 a && mkdir -p melange-out/p && stat -c %u:%g a && chown 5 a");
    assert_eq!(seen.outcome, Outcome::Exited(1));
    assert!(seen.output.starts_with("0:0\n"), "{}", seen.output);
    assert!(seen.output.contains("Invalid argument"), "{}", seen.output);
    let metadata = fs_err::metadata(scene.path("work/a")).unwrap();
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    assert_eq!(metadata.mode() & 0o777, 0o644);
    assert!(scene.path("work/melange-out/p").is_dir());
}

#[test]
fn the_root_is_scratch_and_its_lowers_stay_as_they_were() {
    let scene = Scene::new();
    fs_err::write(scene.path("lower/file"), "lower").unwrap();
    let seen = scene.script("cat /file; echo changed > /file; mkdir /new; rm -r /srv 2>/dev/null; cat /file");
    assert_eq!(seen.good(), "lowerchanged");
    assert_eq!(fs_err::read_to_string(scene.path("lower/file")).unwrap(), "lower");
    assert_eq!(fs_err::read_to_string(scene.path("scratch/upper/file")).unwrap(), "changed\n");
    assert_eq!(scene.script("cat /file; ls -d /new").good(), "changed\n/new");
}

#[test]
fn a_read_only_root_leaves_the_workspace_and_tmp_writable() {
    let scene = Scene::new();
    let mut plan = scene.plan("touch /x; touch /usr/x; touch /tmp/x /run/x /dev/shm/x /home/build/x && echo done > /dev/null");
    plan.read_only_root = true;
    let seen = see(&plan);
    assert_eq!(seen.outcome, Outcome::Exited(0), "{}", seen.output);
    assert_eq!(seen.output.matches("Read-only file system").count(), 2, "{}", seen.output);
}

#[test]
fn output_and_errors_come_in_order() {
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
    assert_eq!(Scene::new().script(script).good(), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3");
}

#[test]
fn large_output_arrives_whole() {
    let seen = Scene::new().script("seq 1 200000");
    assert_eq!(seen.good().lines().count(), 200_000);
    assert!(seen.output.ends_with("\n200000\n"));
}

#[test]
fn ends_are_told_apart() {
    let scene = Scene::new();
    for (script, outcome) in [
        ("exit 0", Outcome::Exited(0)),
        ("exit 42", Outcome::Exited(42)),
        ("kill -TERM $$", Outcome::Signaled(15)),
        ("kill -SEGV $$", Outcome::Signaled(11)),
        // A signal from outside the sandbox or to init has no way in.
        ("kill -9 1; exit 7", Outcome::Exited(7)),
    ] {
        assert_eq!(scene.script(script).outcome, outcome, "{script}");
    }
}

#[test]
fn a_broken_pipe_kills_as_it_does_everywhere() {
    let seen = Scene::new().script("yes | head -n 1; echo ${PIPESTATUS[0]}");
    assert_eq!(seen.good(), "y\n141");
}

#[test]
fn the_wall_clock_ends_everything() {
    let scene = Scene::new();
    let mut plan = scene.plan("trap '' TERM; echo started; sleep 60 & sleep 60");
    plan.limits.wall = Some(Duration::from_millis(400));
    let started = Instant::now();
    let seen = see(&plan);
    assert_eq!(seen.outcome, Outcome::TimedOut);
    assert_eq!(seen.output, "started\n");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn processes_are_limited() {
    let scene = Scene::new();
    let mut plan = scene.plan("for i in {1..500}; do sleep 30 & done 2>&1; echo all");
    plan.limits.processes = 310;
    plan.limits.wall = Some(Duration::from_secs(3)); // the shell waits longer and longer before it tries again
    let seen = see(&plan);
    assert!(seen.output.contains("Resource temporarily unavailable"), "{}", seen.output);
}

#[test]
fn files_are_limited() {
    let scene = Scene::new();
    let mut plan = scene.plan("ulimit -n; ulimit -c; ulimit -n 5000 2>/dev/null; head -c 20000 /dev/zero > big");
    plan.limits.open_files = 100;
    plan.limits.file_size = 10_000;
    let seen = see(&plan);
    assert_ne!(seen.outcome, Outcome::Exited(0));
    assert!(seen.output.starts_with("100\n0\n"), "{}", seen.output);
    assert_eq!(fs_err::metadata(scene.path("work/big")).unwrap().len(), 10_000);
}

#[test]
fn the_number_of_cpus_can_be_smaller() {
    let scene = Scene::new();
    let mut plan = scene.plan("nproc");
    let all: usize = see(&plan).good().parse().unwrap();
    for (wanted, expected) in [(1, 1), (0, 1), (2, all.min(2)), (usize::MAX, all)] {
        plan.limits.cpus = Some(wanted);
        assert_eq!(see(&plan).good(), expected.to_string(), "{wanted}");
    }
}

#[test]
fn the_first_cpu_is_counted_round() {
    let scene = Scene::new();
    let mut plan = scene.plan("grep Cpus_allowed_list /proc/self/status");
    plan.limits.cpus = Some(1);
    let all = std::thread::available_parallelism().unwrap().get();
    let mut on = |first| {
        plan.limits.first_cpu = first;
        see(&plan).good().to_owned()
    };
    assert_eq!(on(0), on(all), "as many as there are is none");
    assert!(all == 1 || on(0) != on(1));
}

#[test]
fn the_loopback_works() {
    // A connection to a closed port is refused by someone; without a loopback it is unreachable.
    let seen = Scene::new().script("exec 3<>/dev/tcp/127.0.0.1/9");
    assert!(seen.output.contains("Connection refused"), "{}", seen.output);
}

#[test]
fn a_run_that_is_stopped_ends_with_all_it_started() {
    let scene = Scene::new();
    let launcher = launcher();
    let stop = std::sync::Arc::clone(&launcher.stop);
    let plan = scene.plan("sleep 4321 & echo started; wait");
    let mut told = Vec::new();
    let ended = run(&plan, &launcher, &mut |bytes| {
        told.extend_from_slice(bytes);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(matches!(ended, Err(SandboxError::Stopped)), "{ended:?}");
    assert_eq!(told, b"started\n");
}

#[test]
fn a_killed_caller_takes_all_with_it() {
    let scene = Scene::new();
    let plan = scene.plan("while :; do echo $RANDOM $EPOCHREALTIME > beat; sleep 0.02; done");
    let file = scene.path("plan.json");
    fs_err::write(&file, serde_json::to_string(&plan).unwrap()).unwrap();
    let mut caller = Command::new(common::launcher_path()).arg("run").arg(&file).stdout(Stdio::null()).spawn().unwrap();
    let beat = || fs_err::read_to_string(scene.path("work/beat")).unwrap_or_default();
    let started = Instant::now();
    while beat().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "the command never started");
        std::thread::sleep(Duration::from_millis(10));
    }
    caller.kill().unwrap();
    caller.wait().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let last = beat();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(beat(), last);
}

#[test]
fn a_caller_that_panics_leaves_nothing_running() {
    let scene = Scene::new();
    let plan = scene.plan("while :; do echo $EPOCHREALTIME | tee beat; sleep 0.02; done");
    let panicked = std::panic::catch_unwind(|| run(&plan, &common::launcher(), &mut |_| panic!("the caller's mistake")));
    assert!(panicked.is_err());
    let last = fs_err::read(scene.path("work/beat")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(fs_err::read(scene.path("work/beat")).unwrap(), last);
}

#[test]
fn a_directory_can_be_the_root() {
    let scene = Scene::new();
    fs_err::write(scene.path("outside/here"), "").unwrap();
    let mut plan = scene.plan("echo /h*; touch /made");
    plan.root = Root::Directory { path: scene.path("outside") };
    assert_eq!(see(&plan).good(), "/here /home");
    assert!(scene.path("outside/made").exists());
}

#[test]
fn three_hundred_directories_make_one_root_in_every_way() {
    for method in [OverlayMethod::Fsconfig, OverlayMethod::MountOptions, OverlayMethod::Merged, OverlayMethod::Copied] {
        let scene = Scene::new();
        let lowers: Vec<_> = (0..300).map(|number| scene.path(&format!("lower/{number:0>200}"))).collect();
        for (number, lower) in lowers.iter().enumerate() {
            fs_err::create_dir(lower).unwrap();
            fs_err::write(lower.join(format!("only-{number}")), "").unwrap();
            fs_err::write(lower.join("all"), number.to_string()).unwrap();
        }
        let mut plan = scene.plan("ls / | grep -c only; cat /all; grep -c lower/ /proc/self/mounts");
        plan.root = Root::Overlay { lowers, scratch: scene.path("scratch"), method };
        let seen = see(&plan);
        assert_eq!(seen.output.lines().take(1).collect::<String>(), "300", "{method:?}");
        if method == OverlayMethod::Copied {
            // The one way in which a path shows, of the scratch directory itself: the root is a part of the disk.
            assert!(seen.output.starts_with("300\n0"), "{}", seen.output);
        } else {
            assert_eq!(seen.output, "300\n00\n", "{method:?}: the topmost wins, and no path of the host shows");
        }
    }
}

#[test]
fn however_the_root_is_made_runs_share_its_changes_and_lowers_stay() {
    for method in [OverlayMethod::Fsconfig, OverlayMethod::MountOptions, OverlayMethod::Merged, OverlayMethod::Copied] {
        let scene = Scene::new();
        fs_err::write(scene.path("lower/file"), "lower").unwrap();
        let run = |script: &str| {
            let mut plan = scene.plan(script);
            plan.root = Root::Overlay { lowers: vec![scene.path("lower")], scratch: scene.path("scratch"), method };
            see(&plan).good().to_owned()
        };
        assert_eq!(run("cat /file; echo changed > /file; mkdir /new; cat /file"), "lowerchanged", "{method:?}");
        assert_eq!(run("cat /file; ls -d /new; rm /file; test ! -e /file"), "changed\n/new", "{method:?}");
        assert_eq!(fs_err::read_to_string(scene.path("lower/file")).unwrap(), "lower", "{method:?}");
    }
}

#[test]
fn a_link_in_the_root_leads_no_mount_out_of_it() {
    let scene = Scene::new();
    std::os::unix::fs::symlink(scene.path("outside"), scene.path("lower/home")).unwrap();
    let error = run(&scene.plan("true"), &common::launcher(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SandboxError::Setup(failure) if failure.step == Step::MountPoint));
    assert_eq!(fs_err::read_dir(scene.path("outside")).unwrap().count(), 0);
}

#[test]
fn what_is_missing_is_named() {
    type Spoil = fn(&mut Plan);
    let scene = Scene::new();
    let cases: &[(&str, Spoil)] = &[
        ("cannot execute no-such-program: No such file", |p| p.command = vec!["no-such-program".to_owned()]),
        ("cannot execute /home/build: Permission denied", |p| p.command = vec!["/home/build".to_owned()]),
        ("cannot enter the directory /nowhere: No such file", |p| p.directory = "/nowhere".to_owned()),
        ("cannot bind /no/such/source: No such file", |p| {
            p.binds.push(Bind { source: "/no/such/source".into(), target: "/s".to_owned(), writable: false });
        }),
        ("cannot open the lower directory /no/such/lower: No such file", |p| {
            if let Root::Overlay { lowers, .. } = &mut p.root {
                lowers.push("/no/such/lower".into());
            }
        }),
    ];
    for (expected, spoil) in cases {
        let mut plan = scene.plan("true");
        spoil(&mut plan);
        let error = run(&plan, &common::launcher(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
}

#[test]
fn a_program_that_is_no_launcher_is_found_out() {
    let scene = Scene::new();
    let error = run(&scene.plan("true"), &sandbox::Launcher::new("/bin/true"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SandboxError::Silent { .. }), "{error}");
    let error = run(&scene.plan("true"), &sandbox::Launcher::new("/no/launcher"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SandboxError::Launch { .. }), "{error}");
}

#[test]
fn a_file_can_be_bound() {
    let scene = Scene::new();
    fs_err::write(scene.path("source/file"), "content").unwrap();
    let mut plan = scene.plan("cat /etc/deep/file");
    plan.binds.push(Bind { source: scene.path("source/file"), target: "/etc/deep/file".to_owned(), writable: false });
    assert_eq!(see(&plan).good(), "content");
}

#[test]
fn a_machine_that_runs_sandboxes_is_found_fit() {
    let scene = Scene::new();
    let findings = sandbox::probe(&common::launcher(), &scene.path("scratch/probe")).unwrap();
    let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "kernel",
            "user namespaces",
            "overlay root",
            "root with /proc and /dev",
            "ownership on record",
            "system call filter",
            "landlock",
            "process count",
            "open files"
        ]
    );
    for finding in &findings {
        assert_ne!(finding.health, sandbox::Health::Missing, "{finding:?}");
        assert_eq!(finding.health == sandbox::Health::Good, finding.mend.is_none(), "{finding:?}");
    }
}

#[test]
fn a_machine_without_user_namespaces_is_told_so() {
    // Inside a sandbox no further user namespace can be made: the honest way to such a machine.
    let scene = Scene::new();
    let mut plan = scene.plan("/launcher/program run /launcher/plan");
    fs_err::copy(common::launcher_path(), scene.path("source/program")).unwrap();
    let mut inner = scene.plan("true");
    inner.binds.clear();
    inner.root = Root::Directory { path: "/".into() };
    fs_err::write(scene.path("source/plan"), serde_json::to_vec(&inner).unwrap()).unwrap();
    plan.binds.push(Bind { source: scene.path("source"), target: "/launcher".to_owned(), writable: false });
    let seen = see(&plan);
    assert_eq!(seen.outcome, Outcome::Exited(3), "{}", seen.output);
    assert!(seen.output.contains("cannot make namespaces: "), "{}", seen.output);
    assert!(seen.output.contains("user.max_user_namespaces"), "{}", seen.output);
}

#[test]
fn a_shell_gets_the_terminal_and_can_put_nothing_into_it() {
    let scene = Scene::new();
    // 0x5412 is TIOCSTI: it types a character, which the caller's shell would read once the sandbox is gone.
    let mut plan = scene.plan(
        "test -t 0 && test -t 1 && echo on a terminal; read line; echo got $line; read -r _ _ _ _ group _ _ front _ < /proc/$$/stat; echo $group in front $front; \
         perl -e '$x = \"x\"; ioctl(STDIN, 0x5412, $x) or print \"$!\\n\"'; exit 5",
    );
    plan.terminal = true;
    let file = scene.path("plan.json");
    fs_err::write(&file, serde_json::to_string(&plan).unwrap()).unwrap();
    let run = format!("{} run {}", common::launcher_path().display(), file.display());
    let mut caller = Command::new("script")
        .args(["--quiet", "--return", "--command", &run, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    caller.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let output = caller.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(text.contains("on a terminal\n") && text.contains("got typed\n"), "{text}");
    assert!(text.contains("2 in front 2\n"), "the shell is in the foreground: {text}");
    assert!(text.contains("Operation not permitted\n"), "{text}");
    assert_eq!(output.status.code(), Some(5), "{text}");
}
