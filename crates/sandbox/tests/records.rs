//! What a recorded run promises: the usual tools succeed, and what they asked for is in the table, however the run was
//! started. As an ordinary user the same tests expect the same text.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use common::{Scene, see_recorded};
use sandbox::{Guard, Outcome, Ownership, record};

#[test]
fn the_same_holds_for_an_ordinary_user() {
    common::again_as_ordinary_user("the_same_holds_for_an_ordinary_user");
}

/// The attribute of `cap_net_bind_service=ep`.
const NET_BIND: &str = r#""capability":"0100000200040000000000000000000000000000""#;

fn has(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|place| Path::new(place).join(program).exists())
}

#[test]
fn the_usual_tools_succeed_and_are_recorded() {
    let set_id = |mode: u32| format!(r#""set_id":{mode}"#);
    let (user, group) = (set_id(0o4000), set_id(0o2000));
    let cases: &[(&str, &str, String)] = &[
        ("install", "install -o 33 -g 44 -m 4755 /bin/true a", format!("a {{\"uid\":33,\"gid\":44,{user}}}\n")),
        ("chown", "mkdir -p d/e; touch d/e/f; ln -s f d/e/l; chown -R 5:6 d", {
            let owned = r#"{"uid":5,"gid":6}"#;
            format!("d {owned}\nd/e {owned}\nd/e/f {owned}\nd/e/l {owned}\n")
        }),
        ("chown", "ln -s nowhere l; chown -h 7 l; touch f; ln -s f m; chown 8 m", "f {\"uid\":8}\nl {\"uid\":7}\n".to_owned()),
        ("chgrp", "touch f; chgrp 12 f", "f {\"gid\":12}\n".to_owned()),
        ("chmod", "mkdir d; chmod 2775 d; touch f; chmod 6711 f", format!("d {{{group}}}\nf {{{}}}\n", set_id(0o6000))),
        ("mkfifo", "mkfifo p; chown 3:4 p", "p {\"uid\":3,\"gid\":4}\n".to_owned()),
        ("mknod", "mknod null c 1 3; mknod -m 600 disk b 259 65537; mknod pipe p; test ! -s null", {
            let device = |block, major, minor| format!("{{\"device\":{{\"block\":{block},\"major\":{major},\"minor\":{minor}}}}}");
            format!("disk {}\nnull {}\n", device(true, 259, 65537), device(false, 1, 3))
        }),
        ("setcap", "cp /bin/true a; setcap cap_net_bind_service=ep a", format!("a {{{NET_BIND}}}\n")),
        ("setcap", "cp /bin/true a; setcap cap_net_raw+p a; setcap -r a", String::new()),
        ("cp", "touch a; cp -a a b; chown 4 b; cp -a b c", "b {\"uid\":4}\n".to_owned()),
        ("busybox", "busybox touch a; busybox chown 33:44 a; busybox chmod 4755 a", format!("a {{\"uid\":33,\"gid\":44,{user}}}\n")),
        (
            "busybox",
            "busybox mkdir d; busybox touch d/f; busybox chown -R 9 d; busybox chmod g+s d",
            format!("d {{\"uid\":9,{group}}}\nd/f {{\"uid\":9}}\n"),
        ),
        ("busybox", "busybox mknod tty c 5 0", "tty {\"device\":{\"block\":false,\"major\":5,\"minor\":0}}\n".to_owned()),
        ("rsync", "mkdir s; touch s/f; rsync -a s/ d/; chown 9 d/f", "d/f {\"uid\":9}\n".to_owned()),
    ];
    for (tool, script, expected) in cases {
        if !has(tool) {
            common::skip(&format!("{tool} is not here"));
            continue;
        }
        let (seen, on_record) = Scene::new().record(&format!("set -e; {script}"));
        assert_eq!(seen.good(), "", "{script}");
        assert_eq!(on_record, *expected, "{script}");
    }
}

#[test]
fn archives_unpack_with_their_owners() {
    let scene = Scene::new();
    let pack = "mkdir t; install -m 755 /bin/true t/program; ln -s program t/link; \
                tar --owner=33 --group=44 --mode=u+s -cf a.tar t; rm -r t";
    scene.script(pack).good();
    let owned = r#"{"uid":33,"gid":44}"#;
    let bits = r#"{"uid":33,"gid":44,"set_id":2048}"#;
    let all = format!("t {bits}\nt/link {owned}\nt/program {bits}\n");
    for unpack in ["tar -xp --same-owner -f a.tar", "bsdtar -xpf a.tar", "busybox tar -xf a.tar"] {
        if !has(unpack.split(' ').next().unwrap()) {
            common::skip(&format!("{unpack}: not here"));
            continue;
        }
        let (seen, on_record) = scene.record(unpack);
        assert_eq!(seen.good(), "", "{unpack}");
        // Busybox gives links no owner.
        let expected = if unpack.starts_with("busybox") { all.replace(&format!("t/link {owned}\n"), "") } else { all.clone() };
        assert_eq!(on_record, expected, "{unpack}");
        scene.script("rm -r t").good();
    }
}

#[test]
fn no_file_of_the_host_changes_its_owner_or_gets_set_id_bits() {
    let scene = Scene::new();
    let (seen, on_record) =
        scene.record("cp /bin/true a; chown 33:44 a; chmod 6755 a; setcap cap_net_raw+ep a; mknod null c 1 3; mkdir -m 6700 d");
    seen.good();
    assert_eq!(on_record.lines().count(), 3, "{on_record}");
    for entry in fs_err::read_dir(scene.path("work")).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        assert_eq!(metadata.permissions().mode() & 0o6000, 0);
        assert!(metadata.is_file() || metadata.is_dir());
    }
    let attribute = rustix::fs::getxattr(scene.path("work/a"), "security.capability", &mut [0; 64]);
    assert_eq!(attribute, Err(rustix::io::Errno::NODATA));
}

#[test]
fn a_record_follows_its_file_and_ends_with_it() {
    let scene = Scene::new();
    let script = "touch a; chown 1 a; mv a b; ln b c; mkdir d; chown 2 d; mv d e; \
                  for i in {1..200}; do touch x; chown 9 x; rm x; done; touch y{1..100}; \
                  echo text > s; chown 3 s; sed -i s/text/other/ s";
    let (seen, on_record) = scene.record(script);
    seen.good();
    // `sed -i` writes a new file, which it gives the owner that it saw.
    assert_eq!(on_record, "b {\"uid\":1}\nc {\"uid\":1}\ne {\"uid\":2}\n");
}

#[test]
fn runs_of_one_workspace_make_one_table() {
    let scene = Scene::new();
    let mut ownership = Ownership::new();
    for script in ["touch a b c; chown 1:1 a b c; chmod 4711 a", "chown 2 a; chown 0:0 b; mv c d", "chgrp 0 a; ls >/dev/null"] {
        see_recorded(&scene.plan(script), &mut ownership).good();
    }
    assert_eq!(scene.on_record(&ownership), "a {\"uid\":2}\nd {\"uid\":1,\"gid\":1}\n");
    let text = serde_json::to_string(&ownership).unwrap();
    assert_eq!(serde_json::from_str::<Ownership>(&text).unwrap(), ownership);
    assert_eq!(ownership.len(), 2, "b is ordinary again");
}

#[test]
fn rights_end_with_a_change_of_owner() {
    // As the kernel does it: set-group-id stays where the group may not execute, and on directories.
    let script = "cp /bin/true a; setcap cap_net_raw+ep a; chmod 6755 a; chown 0:0 a; cp a b; chmod 2644 b; chown 1 b; \
                  mkdir d; chmod 6755 d; chown 1 d";
    let (seen, on_record) = Scene::new().record(script);
    seen.good();
    assert_eq!(on_record, "b {\"uid\":1,\"set_id\":1024}\nd {\"uid\":1,\"set_id\":3072}\n");
}

#[test]
fn bits_that_a_program_did_not_see_and_took_away_are_told() {
    let (seen, on_record) = Scene::new().record("touch a b; chmod 4777 a b; chmod go-w a; chmod 755 b; chmod u+s b");
    seen.good();
    assert_eq!(on_record, "a {\"cleared\":2048}\nb {\"set_id\":2048}\n");
}

#[test]
fn descriptors_and_their_names_mean_the_file() {
    let script = "touch a b c d; exec 5<a 6<b 7<.; chown 1 /proc/self/fd/5; chown 2 /dev/fd/6; chown 3 /proc/self/fd/7/c; \
                  chown 4 /proc/self/cwd/../build/d; perl -e 'open F, \"<\", \"a\"; chown -1, 7, *F; chmod 04700, *F or die'";
    let (seen, on_record) = Scene::new().record(script);
    assert_eq!(seen.good(), "");
    assert_eq!(on_record, "a {\"uid\":1,\"gid\":7,\"set_id\":2048}\nb {\"uid\":2}\nc {\"uid\":3}\nd {\"uid\":4}\n");
}

#[test]
fn only_what_outlives_the_run_is_kept() {
    let scene = Scene::new();
    fs_err::write(scene.path("lower/file"), "").unwrap();
    let mut ownership = Ownership::new();
    let script = "touch /tmp/a /run/b /c a; chown 1:2 /tmp/a /run/b /c /file a; chmod 4755 /file; mv /tmp/a moved; rm a";
    see_recorded(&scene.plan(script), &mut ownership).good();
    assert_eq!(scene.on_record(&ownership), "", "`mv` to another file system copies what it sees");
    assert_eq!(ownership.len(), 1, "and the file that is gone: {ownership:?}");
    assert_eq!(fs_err::metadata(scene.path("lower/file")).unwrap().permissions().mode() & 0o7777, 0o644);
}

#[test]
fn a_nested_run_gives_the_same_table() {
    let scene = Scene::new();
    let script = "install -o 33 -g 44 -m 4755 /bin/true a; mkdir d; touch d/f; chown -R 1:1 d; mknod null c 1 3";
    let (_, expected) = scene.record(script);
    let plan = scene.path("plan.json");
    fs_err::write(&plan, serde_json::to_string(&scene.plan(&format!("rm -r *; {script}"))).unwrap()).unwrap();
    // As root of a user namespace of its own, and there in a process namespace too.
    for nesting in [&["-Ur"][..], &["-Urpf", "--mount-proc"], &["-Umn", "-r"]] {
        let output = Command::new("unshare")
            .args(nesting)
            .arg(common::launcher_path())
            .arg("record")
            .args([&plan, &scene.path("work")])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{nesting:?}: {output:?}");
    }
}

#[test]
fn other_file_systems_give_the_same_table() {
    let scene = Scene::new();
    let script = "install -o 33 -g 44 -m 4755 /bin/true a; mkdir d; chown 5 d; ln -s a l; chown -h 7 l; mv d e; mknod null c 1 3; \
                  for i in {1..50}; do touch x; chown 9 x; rm x; done; touch y{1..60}";
    let (seen, expected) = scene.record(script);
    seen.good();
    scene.script("rm -r *").good();
    let plan = scene.path("plan.json");
    fs_err::write(&plan, serde_json::to_string(&scene.plan(script)).unwrap()).unwrap();
    for mount in ["-t tmpfs tmpfs", "-t overlay overlay -o userxattr,lowerdir=lower,upperdir=outside,workdir=source"] {
        let script = format!("mount {mount} work && exec {} record plan.json work", common::launcher_path().display());
        let output = Command::new("unshare").args(["-Urm", "sh", "-c", &script]).current_dir(scene.home.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{mount}: {output:?}");
    }
}

#[test]
fn what_cannot_be_recorded_runs_as_without_and_says_so() {
    let scene = Scene::new();
    let mut plan = scene.plan("touch a; chown 33 a");
    plan.lift_unsafe(Guard::Processes);
    let mut ownership = Ownership::new();
    let mut output = Vec::new();
    let recorded = record(&plan, &common::launcher(), &mut ownership, &mut |bytes| output.extend_from_slice(bytes)).unwrap();
    assert_eq!(recorded.outcome, Outcome::Exited(1));
    assert_eq!(
        recorded.unrecorded.unwrap().to_string(),
        "cannot record ownership in an open sandbox: Operation not permitted (os error 1)"
    );
    assert!(ownership.is_empty() && String::from_utf8_lossy(&output).contains("Invalid argument"));
}

#[test]
fn a_container_that_listens_itself_leaves_no_record_and_no_capability() {
    let scene = Scene::new();
    let plan = scene.path("plan.json");
    let script = "touch a; chown 33 a; chmod 4755 a; mknod null c 1 3; grep CapEff /proc/self/status";
    fs_err::write(&plan, serde_json::to_string(&scene.plan(script)).unwrap()).unwrap();
    let launcher = common::launcher_path();
    let output = Command::new(&launcher)
        .args(["attack", "listen"])
        .arg(&launcher)
        .arg("record")
        .args([&plan, &scene.path("work")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in
        ["Invalid argument", "Operation not permitted", "CapEff:\t00000000000404fb", "nothing recorded: cannot record ownership: "]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_run_that_is_out_of_time_keeps_what_was_recorded() {
    let scene = Scene::new();
    let mut plan = scene.plan("touch a; chown 33 a; echo recorded; sleep 60");
    plan.limits.wall = Some(std::time::Duration::from_secs(2));
    let mut ownership = Ownership::new();
    assert_eq!(see_recorded(&plan, &mut ownership).outcome, Outcome::TimedOut);
    assert_eq!(scene.on_record(&ownership), "a {\"uid\":33}\n");
}

#[test]
fn directories_can_list_in_reverse() {
    let scene = Scene::new();
    scene.script("mkdir few many; touch few/{1..50}; cd many; seq 10000 | xargs touch").good();
    let lists = |script: &str, reverse| {
        let mut plan = scene.plan(script);
        plan.reverse_directories = reverse;
        see_recorded(&plan, &mut Ownership::new()).good().to_owned()
    };
    let busybox = if has("busybox") { "busybox find few -type f | sed s:few/::;" } else { "" };
    let script = format!(
        "ls -U few; find few -type f | sed s:few/::; {busybox} perl -e 'opendir D, \"few\"; print \"$_\\n\" for grep /\\d/, readdir D'"
    );
    let (straight, reversed) = (lists(&script, false), lists(&script, true));
    let blocks = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>().chunks(50).map(<[String]>::to_vec).collect::<Vec<_>>();
    let turned: Vec<Vec<String>> = blocks(&straight).into_iter().map(|block| block.into_iter().rev().collect()).collect();
    assert_eq!(blocks(&reversed), turned);
    assert_ne!(straight, reversed);

    assert_ne!(lists("ls -U many", false), lists("ls -U many", true));
    assert_eq!(lists("ls -U many | sort -n", true), (1..=10_000).map(|number| number.to_string()).collect::<Vec<_>>().join("\n"));
    assert_eq!(lists("rm -r many && ls", true), "few", "a directory that is emptied while it is read");
}
