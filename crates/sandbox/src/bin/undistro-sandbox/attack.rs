//! What a hostile build tries on the recorder, call by call, without a C library in between. Runs inside a sandbox, in
//! a directory of its own; prints what each call answered.
#![allow(unsafe_code)]

use std::ffi::{CString, c_long};
use std::io::Write as _;
use std::process::ExitCode;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a race is run: enough for a few thousand flips to fall between two looks at the same memory.
const RACES: usize = 3000;

pub(crate) fn main(name: &str) -> ExitCode {
    match name {
        "errors" => errors(),
        "outside" => outside(),
        "race-path" => race_path(),
        "race-link" => race_link(),
        "race-name" => race_name(),
        "attributes" => attributes(),
        "kill" => kill(),
        "flood" => flood(16, Some(500)),
        "flood-forever" => flood(4, None),
        "signals" => signals(),
        "block" => block(),
        "listen" => return listen(),
        "threads" => threads(),
        "jail" => jail(),
        "fill" => fill(),
        _ => return ExitCode::from(2),
    }
    say("end", 0);
    ExitCode::SUCCESS
}

fn say(what: &str, errno: i32) {
    say_all(what, &[errno]);
}

fn say_all(what: &str, answers: &[i32]) {
    let answers: Vec<&str> = answers.iter().copied().map(name).collect();
    let _ = writeln!(std::io::stdout(), "{what}: {}", answers.join(" ")); // nobody is left to tell
}

const fn name(errno: i32) -> &'static str {
    match errno {
        0 => "done",
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::E2BIG => "E2BIG",
        libc::EBADF => "EBADF",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EEXIST => "EEXIST",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::ENXIO => "ENXIO",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::ERANGE => "ERANGE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ELOOP => "ELOOP",
        libc::ENODATA => "ENODATA",
        libc::ENOSYS => "ENOSYS",
        libc::EAGAIN => "EAGAIN",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        _ => "another error",
    }
}

/// Makes a system call as it stands; returns the error's number, 0 for success.
fn call<const N: usize>(number: c_long, arguments: [usize; N]) -> i32 {
    match value(number, arguments) {
        Ok(_) => 0,
        Err(errno) => errno,
    }
}

fn value<const N: usize>(number: c_long, arguments: [usize; N]) -> Result<i32, i32> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the calls made here read memory at most, where the kernel finds an address invalid if it is.
    let done = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    if done >= 0 { Ok(i32::try_from(done).unwrap_or(i32::MAX)) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)) }
}

fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

const HERE: usize = libc::AT_FDCWD as isize as usize;
const CHOWN: c_long = libc::SYS_fchownat;
/// `cap_net_bind_service=p`.
const CAPABILITY: [u8; 20] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const CREATE: i32 = libc::O_CREAT | libc::O_WRONLY;

fn chown(path: &str) -> i32 {
    call(CHOWN, [HERE, text(path).as_ptr() as usize, 33, 33, 0])
}

fn chmod(path: &str) -> i32 {
    call(libc::SYS_fchmodat, [HERE, text(path).as_ptr() as usize, 0o6777])
}

fn mknod(path: &str) -> i32 {
    call(libc::SYS_mknodat, [HERE, text(path).as_ptr() as usize, 0o020_666, 0x103])
}

fn open(path: &str, flags: i32) -> i32 {
    call(libc::SYS_openat, [HERE, text(path).as_ptr() as usize, flags as usize, 0o4755])
}

fn set_attribute(path: &str, name: &str, value: &[u8]) -> i32 {
    call(libc::SYS_setxattr, [text(path).as_ptr() as usize, text(name).as_ptr() as usize, value.as_ptr() as usize, value.len(), 0])
}

fn touch(path: &str) {
    let _ = fs_err::write(path, "");
}

/// Wrong arguments get the kernel's errors.
fn errors() {
    touch("file");
    let _ = std::os::unix::fs::symlink("loop", "loop");
    let end = end_of_mapping();
    let long = "x/".repeat(2100);
    let file = text("file");
    let file = file.as_ptr() as usize;
    let cases: [(&str, i32); 20] = [
        ("no file", chown("missing")),
        ("no directory", chown("file/x")),
        ("empty path", chown("")),
        ("endless link", chown("loop")),
        ("long path", chown(&long)),
        ("no address", call(CHOWN, [HERE, 0, 1, 1, 0])),
        ("address of the kernel", call(CHOWN, [HERE, usize::MAX - 100, 1, 1, 0])),
        ("text without end", call(CHOWN, [HERE, end - 3, 1, 1, 0])),
        ("unknown flag", call(CHOWN, [HERE, file, 1, 1, 0x8000_0000])),
        ("closed descriptor", call(CHOWN, [77, file, 1, 1, 0])),
        ("absolute path, closed descriptor", call(CHOWN, [77, text("/tmp").as_ptr() as usize, 1, 1, 0])),
        ("file as directory", value(libc::SYS_openat, [HERE, file, 0]).map_or(-1, |fd| call(CHOWN, [fd as usize, file, 1, 1, 0]))),
        ("fchown of nothing", call(libc::SYS_fchown, [usize::MAX, 1, 1])),
        ("fchmod of a large number", call(libc::SYS_fchmod, [0x7fff_ffff, 0o4755])),
        ("upper halves of arguments", call(CHOWN, [HERE, file, 0xffff_ffff_0000_0001, 1 << 40, 0])),
        ("chmod of a link", call(452, [HERE, text("loop").as_ptr() as usize, 0o777, libc::AT_SYMLINK_NOFOLLOW as usize])),
        ("device over a file", mknod("file")),
        ("device without a name", mknod("new/")),
        ("exclusive open", open("file", CREATE | libc::O_EXCL)),
        ("read-only place", chown("/victim")),
    ];
    for (what, errno) in cases {
        say(what, errno);
    }
}

/// The address after which nothing is mapped. The three bytes before it are no NUL.
fn end_of_mapping() -> usize {
    let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, given back by half at once; the first half stays and is ours.
    unsafe {
        let start = libc::mmap(null_mut(), 8192, read_write, private, -1, 0);
        libc::munmap(start.byte_add(4096), 4096);
        start.cast::<u8>().add(4093).write_bytes(b'x', 3);
        start as usize + 4096
    }
}

/// Every way out that a path could have. `victim` is bound here read-only; `VICTIM` tells where it is on the host.
fn outside() {
    let _ = fs_err::create_dir("sub");
    let host = std::env::var("VICTIM").unwrap_or_default();
    let _ = std::os::unix::fs::symlink(&host, "link");
    let _ = std::os::unix::fs::symlink("/proc/1/exe", "to-init");
    let paths = [
        "/victim".to_owned(),
        "../../victim".to_owned(),
        "sub/../../../victim".to_owned(),
        "/proc/self/root/victim".to_owned(),
        "/proc/self/cwd/../../victim".to_owned(),
        host.clone(),
        format!("../../../../../../../..{host}"),
        format!("/proc/self/root/../..{host}"),
        format!("/proc/1/root{host}"),
        format!("/proc/1/cwd{host}"),
        "link".to_owned(),
        "to-init".to_owned(),
        "/proc/1/exe".to_owned(),
        "/proc/1/mem".to_owned(),
        "/proc/self/mem".to_owned(),
        "/proc/self/exe".to_owned(),
        "/proc/self/fd/../../1/exe".to_owned(),
        "/dev/fd/../../proc/1/exe".to_owned(),
        "/proc/sys/kernel/core_pattern".to_owned(),
    ];
    for path in &paths {
        let answers = [
            chown(path),
            chmod(path),
            open(path, CREATE | libc::O_TRUNC),
            mknod(&format!("{path}/new")),
            set_attribute(path, "user.attack", b"x"),
            set_attribute(path, "security.capability", &CAPABILITY),
        ];
        say_all(&path.replace(&host, "HOST"), &answers);
    }
    // Whether they are found missing or closed differs with the user.
    let of_init = (0..20).map(|number| format!("/proc/1/fd/{number}"));
    let reached = of_init.filter(|path| [chown(path), chmod(path), open(path, CREATE)].contains(&0)).count();
    say("descriptors of init", if reached == 0 { libc::EACCES } else { 0 });
}

/// Changes memory from another thread while calls with it go on.
fn race<const N: usize>(one: [u8; N], other: [u8; N], mut attack: impl FnMut(usize)) {
    let mut shared = Box::new(one);
    let address = std::ptr::from_mut(&mut *shared) as usize;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let shared = address as *mut [u8; N];
            while !over.load(Ordering::Relaxed) {
                // SAFETY: the box outlives the scope; only the kernel reads it meanwhile.
                unsafe {
                    shared.write_volatile(other);
                    shared.write_volatile(one);
                }
            }
        });
        for _ in 0..RACES {
            attack(address);
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn race_path() {
    touch("mine");
    race(*b"mine\0\0\0\0\0\0\0\0", *b"/proc/1/exe\0", |path| {
        call(CHOWN, [HERE, path, 33, 33, 0]);
        call(libc::SYS_fchmodat, [HERE, path, 0o6777]);
        call(libc::SYS_openat, [HERE, path, (CREATE | libc::O_TRUNC) as usize, 0o4755]);
    });
    race(*b"mine\0\0\0\0", *b"/victim\0", |path| {
        call(CHOWN, [HERE, path, 33, 33, 0]);
        call(libc::SYS_fchmodat, [HERE, path, 0o6777]);
    });
    say("mine", chown("mine"));
}

fn race_link() {
    touch("mine");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for target in ["mine", "/victim", "/proc/1/exe"] {
                    let _ = std::os::unix::fs::symlink(target, "next");
                    let _ = fs_err::rename("next", "link");
                }
            }
        });
        for _ in 0..RACES {
            chown("link");
            chmod("link");
            open("link", CREATE | libc::O_TRUNC);
        }
        over.store(true, Ordering::Relaxed);
    });
    say("mine", chown("mine"));
}

fn race_name() {
    touch("mine");
    let path = text("mine");
    race(*b"user.abcdefghijklmn\0", *b"security.capability\0", |name| {
        call(libc::SYS_setxattr, [path.as_ptr() as usize, name, CAPABILITY.as_ptr() as usize, CAPABILITY.len(), 0]);
        call(libc::SYS_removexattr, [path.as_ptr() as usize, name]);
    });
    say("mine", set_attribute("mine", "security.capability", &CAPABILITY));
}

fn attributes() {
    touch("file");
    let large = vec![b'x'; 70_000];
    let (path, name) = (text("file"), text("user.a"));
    let (file, user) = (path.as_ptr() as usize, name.as_ptr() as usize);
    let set = |value: usize, size: usize, flags: usize| call(libc::SYS_setxattr, [file, user, value, size, flags]);
    let cases = [
        ("65,537 bytes", set_attribute("file", "user.a", &large[..65_537])),
        ("more than there is memory", set(large.as_ptr() as usize, usize::MAX, 0)),
        ("no value", set(8, 100, 0)),
        ("value beyond the mapping", set(end_of_mapping() - 3, 4, 0)),
        ("unknown flag", set(large.as_ptr() as usize, 1, 8)),
        ("long name", set_attribute("file", &format!("user.{}", "n".repeat(300)), b"x")),
        ("no name", set_attribute("file", "", b"x")),
        ("large capability", set_attribute("file", "security.capability", &large[..65_536])),
        ("short capability", set_attribute("file", "security.capability", b"x")),
        ("another security", set_attribute("file", "security.evil", b"x")),
        ("trusted", set_attribute("file", "trusted.overlay.opaque", b"y")),
        ("on a directory", set_attribute(".", "security.capability", &CAPABILITY)),
        ("remove what is not there", call(libc::SYS_removexattr, [file, text("security.capability").as_ptr() as usize])),
        ("ordinary", set_attribute("file", "user.a", &large[..100])),
        ("again, new only", set(large.as_ptr() as usize, 1, 1)),
    ];
    for (what, errno) in cases {
        say(what, errno);
    }
    let packed = [large.as_ptr() as u64, 10];
    let at = |size: usize| call(463, [HERE, file, 0, user, packed.as_ptr() as usize, size]);
    say("packed", at(16));
    say("packed, short", at(8));
    say("packed, of a newer kernel", at(24));
}

/// Kills callers while they wait.
fn kill() {
    touch("mine");
    for round in 0..300_u32 {
        // SAFETY: this process has one thread here.
        match unsafe { libc::fork() } {
            0 => loop {
                chown("mine");
                mknod("device");
                let _ = fs_err::remove_file("device");
            },
            child => {
                std::thread::sleep(std::time::Duration::from_micros(u64::from(round * 7)));
                // SAFETY: the child is ours and not yet waited for.
                unsafe {
                    libc::kill(child, libc::SIGKILL);
                    libc::waitpid(child, null_mut(), 0);
                }
            }
        }
    }
    say("mine", chown("mine"));
}

/// Many processes that ask at once, each `times` or for ever.
fn flood(processes: usize, times: Option<usize>) {
    let mut children = Vec::new();
    for number in 0..processes {
        let name = format!("file-{number}");
        // SAFETY: this process has one thread here.
        match unsafe { libc::fork() } {
            0 => {
                touch(&name);
                let mut left = times;
                while left != Some(0) {
                    chown(&name);
                    left = left.map(|left| left - 1);
                }
                // SAFETY: ends this child.
                unsafe { libc::_exit(0) }
            }
            child => children.push(child),
        }
    }
    for child in children {
        // SAFETY: the child is ours.
        unsafe { libc::waitpid(child, null_mut(), 0) };
    }
}

/// Calls that a signal interrupts are done once: a device is made, and not found to be there already.
fn signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    let often = libc::timeval { tv_sec: 0, tv_usec: 50 };
    let timer = libc::itimerval { it_interval: often, it_value: often };
    // SAFETY: the handler does nothing; the timer is a whole one.
    unsafe {
        libc::signal(libc::SIGALRM, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t);
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut());
    }
    let failed = (0..2000).filter(|number| mknod(&format!("device-{number}")) != 0).count();
    say("devices", i32::try_from(failed).unwrap_or(-1));
}

/// What could keep the recorder waiting for ever.
fn block() {
    let pipe = text("pipe");
    call(libc::SYS_mknodat, [HERE, pipe.as_ptr() as usize, 0o010_644, 0]);
    touch("leased");
    let lease = value(libc::SYS_openat, [HERE, text("leased").as_ptr() as usize, libc::O_RDONLY as usize]).unwrap_or(-1);
    call(libc::SYS_fcntl, [lease as usize, 1024, libc::F_WRLCK as usize]); // F_SETLEASE
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors; the action "ignore" runs no code. The signal tells of a broken lease.
    unsafe {
        libc::pipe(ends.as_mut_ptr());
        libc::signal(libc::SIGIO, libc::SIG_IGN);
    }
    let fill = value(libc::SYS_memfd_create, [text("m").as_ptr() as usize, 0]).unwrap_or(-1);
    for (what, errno) in [
        ("open of a pipe", open("pipe", CREATE)),
        ("open of a leased file", open("leased", CREATE)),
        ("open of a device", open("/dev/tty", CREATE)),
        ("owner of a pipe", chown("pipe")),
        ("owner of a pipe without a name", call(libc::SYS_fchown, [ends[0] as usize, 5, 5])),
        ("owner of memory", call(libc::SYS_fchown, [fill as usize, 5, 5])),
        ("mode of memory", call(libc::SYS_fchmod, [fill as usize, 0o4700])),
    ] {
        say(what, errno);
    }
}

/// Threads with working directories of their own: each path means what it means to its thread.
fn threads() {
    for name in ["one", "two"] {
        let _ = fs_err::create_dir(name);
        touch(&format!("{name}/file"));
    }
    let work = |directory: &'static str, id: usize| {
        move || {
            // SAFETY: it changes what the threads share of the file system's view, no memory.
            unsafe { libc::unshare(libc::CLONE_FS) };
            call(libc::SYS_chdir, [text(directory).as_ptr() as usize]);
            (0..200).filter(|_| call(CHOWN, [HERE, text("file").as_ptr() as usize, id, id, 0]) != 0).count()
        }
    };
    let threads = [std::thread::spawn(work("one", 1)), std::thread::spawn(work("two", 2))];
    let failed: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(1)).sum();
    say("threads", i32::try_from(failed).unwrap_or(-1));
}

/// A changed root bounds paths as it does for the kernel.
fn jail() {
    let _ = fs_err::create_dir_all("jail/etc");
    touch("jail/file");
    touch("file");
    let _ = std::os::unix::fs::symlink("/file", "jail/link");
    let root = value(libc::SYS_openat, [HERE, text("/").as_ptr() as usize, 0]).unwrap_or(-1);
    call(libc::SYS_chdir, [text("jail").as_ptr() as usize]);
    say("chroot", call(libc::SYS_chroot, [text(".").as_ptr() as usize]));
    for (what, errno) in [
        ("absolute", chown("/file")),
        ("through the top", chmod("../../file")),
        ("link", call(CHOWN, [HERE, text("link").as_ptr() as usize, 44, 44, 0])),
        ("from an older root", call(CHOWN, [root as usize, text("../../../proc/1/exe").as_ptr() as usize, 1, 1, 0])),
        ("from an older root, victim", call(CHOWN, [root as usize, text("victim").as_ptr() as usize, 1, 1, 0])),
    ] {
        say(what, errno);
    }
}

/// More records than the table takes, which is nearly full.
fn fill() {
    for name in ["one", "two", "three"] {
        touch(name);
        say(name, chown(name));
    }
    say("a device", mknod("device"));
    say("is it there", chown("device"));
    say("one again", call(CHOWN, [HERE, text("one").as_ptr() as usize, 34, 34, 0]));
    say("an ordinary file", call(CHOWN, [HERE, text("two").as_ptr() as usize, 0, 0, 0]));
}

/// Answers no call, but is a listener: then runs what follows its name.
fn listen() -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let allow = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }];
    let program = libc::sock_fprog { len: 1, filter: allow.as_ptr().cast_mut() };
    call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]);
    let listener = value(
        libc::SYS_seccomp,
        [libc::SECCOMP_SET_MODE_FILTER as usize, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as usize, std::ptr::from_ref(&program) as usize],
    );
    let Ok(listener) = listener else { return ExitCode::from(4) };
    call(libc::SYS_fcntl, [listener as usize, libc::F_SETFD as usize, 0]); // it ends with its last descriptor
    let mut words = std::env::args_os().skip(3);
    let Some(program) = words.next() else { return ExitCode::from(2) };
    let _ = std::process::Command::new(program).args(words).exec();
    ExitCode::from(5)
}
