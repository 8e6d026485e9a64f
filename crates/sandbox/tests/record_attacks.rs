//! A hostile build against the recorder: it neither falls nor hangs, and no file of the host changes.

#![allow(clippy::unwrap_used)] // allowed in tests, but clippy knows functions marked as tests only

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use common::{Scene, Seen, see_recorded};
use sandbox::{Bind, Outcome, Ownership, Plan, Record};

#[test]
fn the_same_holds_for_an_ordinary_user() {
    common::again_as_ordinary_user("the_same_holds_for_an_ordinary_user");
}

/// A scene with a file outside, which is bound read-only at `/victim`.
struct Attack {
    scene: Scene,
    before: Vec<String>,
}

impl Attack {
    fn new() -> Self {
        let scene = Scene::new();
        fs_err::write(scene.path("outside/victim"), "as it was").unwrap();
        let before = watched(&scene).iter().map(state).collect();
        Self { scene, before }
    }

    fn plan(&self, name: &str) -> Plan {
        let mut plan = self.scene.plan("");
        plan.command = vec!["/attack".to_owned(), "attack".to_owned(), name.to_owned()];
        plan.binds.push(Bind { source: common::launcher_path(), target: "/attack".to_owned(), writable: false });
        plan.binds.push(Bind { source: self.scene.path("outside/victim"), target: "/victim".to_owned(), writable: false });
        plan.environment.insert("VICTIM".to_owned(), self.scene.path("outside/victim").display().to_string());
        plan
    }

    /// Runs the attack. The recorder must have served to the end, and what is outside must be as it was.
    fn run(&self, name: &str) -> (Seen, String) {
        let mut ownership = Ownership::new();
        let seen = see_recorded(&self.plan(name), &mut ownership);
        assert!(seen.good().ends_with("end: done"), "{}", seen.output);
        self.assert_unharmed();
        (seen, self.scene.on_record(&ownership))
    }

    fn assert_unharmed(&self) {
        let now: Vec<String> = watched(&self.scene).iter().map(state).collect();
        assert_eq!(now, self.before);
    }
}

/// Files outside that an attack could reach for: the victim, where it lies, the launcher, a program and devices.
fn watched(scene: &Scene) -> Vec<PathBuf> {
    let of_host = ["/usr/bin/env", "/dev/null", "/dev/tty"].map(PathBuf::from);
    [scene.path("outside/victim"), scene.path("outside"), common::launcher_path()].into_iter().chain(of_host).collect()
}

fn state(path: &PathBuf) -> String {
    let of = fs_err::symlink_metadata(path).unwrap();
    // Others use the devices meanwhile.
    let changed = of.is_file().then_some((of.ctime(), of.ctime_nsec()));
    format!("{} {:o} {}:{} {} {changed:?}", path.display(), of.mode(), of.uid(), of.gid(), of.len())
}

#[test]
fn wrong_arguments_get_the_errors_of_the_kernel() {
    let (seen, on_record) = Attack::new().run("errors");
    insta::assert_snapshot!(seen.output, @r"
    no file: ENOENT
    no directory: ENOTDIR
    empty path: ENOENT
    endless link: ELOOP
    long path: ENAMETOOLONG
    no address: EFAULT
    address of the kernel: EFAULT
    text without end: EFAULT
    unknown flag: EINVAL
    closed descriptor: EBADF
    absolute path, closed descriptor: done
    file as directory: ENOTDIR
    fchown of nothing: EBADF
    fchmod of a large number: EBADF
    upper halves of arguments: done
    chmod of a link: EOPNOTSUPP
    device over a file: EEXIST
    device without a name: ENOENT
    exclusive open: EEXIST
    read-only place: EROFS
    end: done
    ");
    assert_eq!(on_record, "file {\"uid\":1}\n");
}

#[test]
fn no_path_leads_outside() {
    let (seen, on_record) = Attack::new().run("outside");
    // Of owner, mode, open, device, attribute, capability.
    insta::assert_snapshot!(seen.output, @r"
    /victim: EROFS EROFS EROFS ENOTDIR EROFS EROFS
    ../../victim: EROFS EROFS EROFS ENOTDIR EROFS EROFS
    sub/../../../victim: EROFS EROFS EROFS ENOTDIR EROFS EROFS
    /proc/self/root/victim: EROFS EROFS EROFS ENOTDIR EROFS EROFS
    /proc/self/cwd/../../victim: EROFS EROFS EROFS ENOTDIR EROFS EROFS
    HOST: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    ../../../../../../../..HOST: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /proc/self/root/../..HOST: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /proc/1/rootHOST: EACCES EACCES EACCES EACCES EACCES EACCES
    /proc/1/cwdHOST: EACCES EACCES EACCES EACCES EACCES EACCES
    link: ENOENT ENOENT EEXIST ENOENT ENOENT ENOENT
    to-init: EACCES EACCES EACCES EACCES EACCES EACCES
    /proc/1/exe: EACCES EACCES EACCES EACCES EACCES EACCES
    /proc/1/mem: EPERM EPERM EPERM ENOTDIR EPERM EPERM
    /proc/self/mem: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /proc/self/exe: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /proc/self/fd/../../1/exe: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /dev/fd/../../proc/1/exe: ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT
    /proc/sys/kernel/core_pattern: EPERM EPERM EPERM ENOTDIR EPERM EPERM
    descriptors of init: EACCES
    end: done
    ");
    assert_eq!(on_record, "");
}

#[test]
fn arguments_that_change_meanwhile_reach_nothing_outside() {
    for (race, of_mine) in
        [("race-path", "mine {\"uid\":33,\"gid\":33"), ("race-link", "mine {\"uid\":33,\"gid\":33"), ("race-name", "mine {\"capability\":")]
    {
        let attack = Attack::new();
        let (seen, on_record) = attack.run(race);
        assert!(seen.output.starts_with("mine: done\n"), "{race}: {}", seen.output);
        assert!(on_record.starts_with(of_mine) && on_record.lines().count() == 1, "{race}: {on_record}");
        let mine = attack.scene.path("work/mine");
        assert_eq!(fs_err::metadata(&mine).unwrap().mode() & 0o6000, 0, "{race}");
        let real = rustix::fs::getxattr(&mine, "security.capability", &mut [0; 64]);
        assert_eq!(real, Err(rustix::io::Errno::NODATA), "{race}");
    }
}

#[test]
fn attributes_are_bounded() {
    let (seen, _) = Attack::new().run("attributes");
    insta::assert_snapshot!(seen.output, @r"
    65,537 bytes: E2BIG
    more than there is memory: E2BIG
    no value: EFAULT
    value beyond the mapping: EFAULT
    unknown flag: EINVAL
    long name: ERANGE
    no name: ERANGE
    large capability: EINVAL
    short capability: EINVAL
    another security: EPERM
    trusted: EPERM
    on a directory: EPERM
    remove what is not there: ENODATA
    ordinary: done
    again, new only: EEXIST
    packed: done
    packed, short: EINVAL
    packed, of a newer kernel: E2BIG
    end: done
    ");
}

#[test]
fn callers_that_die_are_forgotten() {
    let (seen, on_record) = Attack::new().run("kill");
    assert_eq!(seen.output, "mine: done\nend: done\n");
    assert!(on_record.contains("mine {\"uid\":33,\"gid\":33}\n"), "{on_record}");
}

#[test]
fn many_callers_at_once_are_all_answered() {
    let (_, on_record) = Attack::new().run("flood");
    assert_eq!(on_record.matches("{\"uid\":33,\"gid\":33}\n").count(), 16);
}

#[test]
fn a_flood_of_calls_does_not_stop_the_clock() {
    let attack = Attack::new();
    let mut plan = attack.plan("flood-forever");
    plan.limits.wall = Some(Duration::from_secs(1));
    let mut ownership = Ownership::new();
    assert_eq!(see_recorded(&plan, &mut ownership).outcome, Outcome::TimedOut);
    assert!(!ownership.is_empty());
}

#[test]
fn signals_interrupt_no_call_halfway() {
    let (seen, on_record) = Attack::new().run("signals");
    assert_eq!(seen.output, "devices: done\nend: done\n");
    assert_eq!(on_record.lines().count(), 2000);
}

#[test]
fn nothing_keeps_the_recorder_waiting() {
    let (seen, _) = Attack::new().run("block");
    insta::assert_snapshot!(seen.output, @r"
    open of a pipe: EPERM
    open of a leased file: EAGAIN
    open of a device: EPERM
    owner of a pipe: done
    owner of a pipe without a name: done
    owner of memory: done
    mode of memory: done
    end: done
    ");
}

#[test]
fn a_path_means_what_it_means_to_its_thread() {
    let (seen, on_record) = Attack::new().run("threads");
    assert_eq!(seen.output, "threads: done\nend: done\n");
    assert_eq!(on_record, "one/file {\"uid\":1,\"gid\":1}\ntwo/file {\"uid\":2,\"gid\":2}\n");
}

#[test]
fn a_changed_root_bounds_paths() {
    let (seen, on_record) = Attack::new().run("jail");
    insta::assert_snapshot!(seen.output, @r"
    chroot: done
    absolute: done
    through the top: done
    link: done
    from an older root: EACCES
    from an older root, victim: EROFS
    end: done
    ");
    assert_eq!(on_record, "jail/file {\"uid\":44,\"gid\":44}\n");
}

#[test]
fn a_full_table_refuses_and_serves_on() {
    let attack = Attack::new();
    let records: BTreeMap<String, Record> =
        (1..1 << 18).map(|number| (format!("0.0.{number:x}"), Record { uid: 1, ..Record::default() })).collect();
    let mut ownership: Ownership = serde_json::from_value(serde_json::to_value(records).unwrap()).unwrap();
    let seen = see_recorded(&attack.plan("fill"), &mut ownership);
    insta::assert_snapshot!(seen.output, @r"
    one: done
    two: ENOSPC
    three: ENOSPC
    a device: ENOSPC
    is it there: ENOENT
    one again: done
    an ordinary file: done
    end: done
    ");
    assert_eq!(attack.scene.on_record(&ownership), "one {\"uid\":34,\"gid\":34}\n");
}
