//! The filter of system calls.
//!
//! It denies what a build has no use for and what would open the sandbox or leave something behind in the
//! caller's files. It is a list of denials: compilers and test suites use nearly all of the kernel, and what
//! matters is already held by namespaces and missing capabilities. A recorded run sends some calls to the recorder.

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use crate::error::{Failure, Step};
use crate::exec::record::{FCHMODAT2, REMOVEXATTRAT, SETXATTRAT};
use crate::notify::Listener;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Compiled<T> = Result<T, seccompiler::BackendError>;

/// Denied with `EPERM`, whatever the arguments.
const DENIED: &[i64] = &[
    // The mount tree: the sandbox is made of it.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    // Kernel interfaces with a long history of holes, and none of a build's business.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Answered with `ENOSYS`, so that programs take their older way: their arguments lie in memory, where no filter
/// can look (`clone3` makes namespaces, `openat2` set-user-id files), or they pass by the filter (`io_uring`).
const ABSENT: &[i64] =
    &[libc::SYS_clone3, libc::SYS_openat2, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// What lists a directory.
pub(super) const LISTING: &[i64] = &[
    libc::SYS_getdents64,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
];

/// Flags of `clone` and `unshare` that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Set-user-id and set-group-id: on a file of the caller they would outlive the sandbox, and any user of the host
/// who reaches the file would become the caller by it.
const SET_ID: [u32; 2] = [libc::S_ISUID, libc::S_ISGID];

/// Where each call has its mode argument.
const MODES: &[(i64, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (FCHMODAT2, 2),
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
];

/// The same for calls whose mode counts only when they create a file: (call, flags, mode).
const OPENS: &[(i64, u8, u8)] = &[
    (libc::SYS_openat, 2, 3),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1, 2),
];

/// Where each call has the mode argument by which it can make a device.
const MAKES: &[(i64, u8)] = &[
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
];

/// What the recorder always answers: a change back to the ordinary must reach the table too. Names of attributes lie
/// in memory, so all of them are asked.
const RECORDED: &[i64] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    REMOVEXATTRAT,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// Execution domains that a program may ask for: plain, 32 bits, either with compatible `uname`, without address
/// randomisation, and the question which one it has.
const DOMAINS: [u64; 6] = [0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff];

/// Socket families that stay inside: the local ones, the internet (only the loopback is there) and routing.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The newest call that this list was made for: `file_setattr` of Linux 6.17. What comes later may do, in other
/// words, what is denied or recorded here, as `setxattrat` did; programs take their older way. It also keeps builds on
/// newer kernels as they are on older ones. The x32 interface repeats every call above.
const NEWEST: u32 = 469;

/// Sends the recorded calls of this process, and of all it starts, to a listener; if asked, those that list too.
pub(super) fn listen(listing: bool) -> Result<Listener, Errno> {
    let mut rules = recorded().map_err(|_| Errno::INVAL)?;
    if listing {
        rules.extend(LISTING.iter().map(|call| (*call, Vec::new())));
    }
    let mut program = program(rules, SeccompAction::Trap).map_err(|_| Errno::INVAL)?;
    // The compiler does not know this answer; "trap" is used for nothing else.
    let trap = program.iter_mut().filter(|instruction| instruction.code == RETURN && instruction.k == libc::SECCOMP_RET_TRAP);
    trap.for_each(|instruction| instruction.k = libc::SECCOMP_RET_USER_NOTIF);
    Listener::install(&program)
}

/// Filters the calls of this process and of all it starts, for good. Calls that are `recorded` are let through to the
/// listener; a refusal here would come first.
pub(super) fn apply(recorded: bool) -> Result<(), Failure> {
    let programs = programs(recorded).map_err(|_| Failure::new(Step::Seccomp, "", Errno::INVAL))?;
    for program in programs {
        apply_filter(&program).map_err(|error| {
            let errno = match error {
                seccompiler::Error::Prctl(source) | seccompiler::Error::Seccomp(source) => source.raw_os_error(),
                _ => None,
            };
            Failure::new(Step::Seccomp, "", errno.map_or(Errno::INVAL, Errno::from_raw_os_error))
        })?;
    }
    Ok(())
}

fn programs(recorded: bool) -> Compiled<Vec<BpfProgram>> {
    let absent = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    // An ordinary user keeps its further groups, which look like `nobody` inside; all see none, as root does.
    let none = Rules::from([(libc::SYS_getgroups, Vec::new())]);
    Ok(vec![nothing_newer(), refuse(denied(recorded)?, libc::EPERM)?, refuse(absent, libc::ENOSYS)?, refuse(none, 0)?])
}

fn refuse(rules: Rules, errno: i32) -> Compiled<BpfProgram> {
    program(rules, SeccompAction::Errno(errno.unsigned_abs()))
}

fn program(rules: Rules, answer: SeccompAction) -> Compiled<BpfProgram> {
    SeccompFilter::new(rules, SeccompAction::Allow, answer, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn recorded() -> Compiled<Rules> {
    let mut rules: Rules = RECORDED.iter().map(|call| (*call, Vec::new())).collect();
    let named = |flags, mode, bit| rule([has(flags, libc::O_CREAT.unsigned_abs())?, has(mode, bit)?]);
    for (call, flags, mode) in OPENS {
        rules.insert(*call, SET_ID.iter().map(|bit| named(*flags, *mode, *bit)).collect::<Compiled<_>>()?);
    }
    for (call, mode) in MODES.iter().filter(|(call, _)| !RECORDED.contains(call)) {
        rules.insert(*call, SET_ID.iter().map(|bit| rule([has(*mode, *bit)?])).collect::<Compiled<_>>()?);
    }
    for (call, mode) in MAKES {
        for kind in [libc::S_IFCHR, libc::S_IFBLK] {
            let device = condition(*mode, SeccompCmpOp::MaskedEq(libc::S_IFMT.into()), kind.into())?;
            rules.entry(*call).or_default().push(rule([device])?);
        }
    }
    Ok(rules)
}

fn denied(recorded: bool) -> Compiled<Rules> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    let namespaces =
        |argument| -> Compiled<Vec<SeccompRule>> { NAMESPACES.iter().map(|flag| rule([has(argument, flag.unsigned_abs())?])).collect() };
    rules.insert(libc::SYS_clone, namespaces(0)?);
    rules.insert(libc::SYS_unshare, namespaces(0)?);
    if !recorded {
        for (call, mode) in MODES {
            rules.insert(*call, SET_ID.iter().map(|bit| rule([has(*mode, *bit)?])).collect::<Compiled<_>>()?);
        }
    }
    for (call, flags, mode) in OPENS {
        // An open that makes a nameless file has another flag; both have a mode. The recorder knows named files only.
        let creating = if recorded { &[TMPFILE][..] } else { &[libc::O_CREAT.unsigned_abs(), TMPFILE] };
        let pairs = creating.iter().flat_map(|flag| SET_ID.iter().map(move |bit| (*flag, *bit)));
        let denied = pairs.map(|(flag, bit)| rule([has(*flags, flag)?, has(*mode, bit)?])).collect::<Compiled<_>>()?;
        rules.insert(*call, denied);
    }
    rules.insert(libc::SYS_personality, vec![rule_of(none_of(0, DOMAINS)?)?]);
    let families = FAMILIES.map(|family| u64::from(family.unsigned_abs()));
    let other_netlink = [equals(0, families[3])?, differs(2, 0)?];
    rules.insert(libc::SYS_socket, vec![rule_of(none_of(0, families)?)?, rule(other_netlink)?]);
    // Both put input into a terminal, which would be the caller's.
    rules.insert(libc::SYS_ioctl, vec![rule([equals(1, TIOCSTI)?])?, rule([equals(1, TIOCLINUX)?])?]);
    Ok(rules)
}

/// `O_TMPFILE` without the bit that it shares with `O_DIRECTORY`.
const TMPFILE: u32 = 0o20_000_000;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Compiled<SeccompRule> {
    rule_of(conditions.into())
}

fn rule_of(conditions: Vec<SeccompCondition>) -> Compiled<SeccompRule> {
    SeccompRule::new(conditions)
}

/// The argument has this bit. All arguments looked at are 32 bits wide to the kernel.
fn has(argument: u8, bit: u32) -> Compiled<SeccompCondition> {
    condition(argument, SeccompCmpOp::MaskedEq(bit.into()), bit.into())
}

fn equals(argument: u8, value: u64) -> Compiled<SeccompCondition> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn differs(argument: u8, value: u64) -> Compiled<SeccompCondition> {
    condition(argument, SeccompCmpOp::Ne, value)
}

fn none_of<const N: usize>(argument: u8, values: [u64; N]) -> Compiled<Vec<SeccompCondition>> {
    values.into_iter().map(|value| differs(argument, value)).collect()
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Compiled<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// Answers every call after [`NEWEST`], and so of the x32 interface, with `ENOSYS`; the other filters compare numbers
/// and would miss them.
fn nothing_newer() -> BpfProgram {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0), // the call's number
        instruction((libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16, 0, 1, NEWEST),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_for_this_machine() {
        for recorded in [false, true] {
            let programs = programs(recorded).unwrap();
            assert_eq!(programs.len(), 4);
            // The kernel's limit for one program.
            assert!(programs.iter().all(|program| program.len() < 4096));
        }
    }

    #[test]
    fn every_call_that_is_no_longer_denied_is_recorded() {
        let without: Vec<i64> = denied(false).unwrap().into_keys().collect();
        let with = denied(true).unwrap();
        let recorded = recorded().unwrap();
        let let_through: Vec<&i64> = without.iter().filter(|call| !with.contains_key(call)).collect();
        assert_eq!(let_through.len(), MODES.len() - MODES.iter().filter(|(call, _)| with.contains_key(call)).count());
        assert!(let_through.iter().all(|call| recorded.contains_key(call)));
        assert!(OPENS.iter().all(|(call, ..)| recorded.contains_key(call)));
    }

    #[test]
    fn no_call_has_two_rules() {
        let special = [libc::SYS_clone, libc::SYS_unshare, libc::SYS_personality, libc::SYS_socket, libc::SYS_ioctl, libc::SYS_getgroups];
        let mut calls: Vec<i64> = DENIED.iter().chain(ABSENT).copied().chain(special).collect();
        calls.extend(MODES.iter().map(|(call, _)| *call));
        calls.extend(OPENS.iter().map(|(call, ..)| *call));
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }
}
