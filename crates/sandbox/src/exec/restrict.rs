//! Landlock: the second lock on what the command may write to and signal.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, Scope,
};
use rustix::io::Errno;

use crate::error::{Failure, Step};
use crate::plan::{Plan, Root};

/// The newest interface whose rights we know; a kernel with less enforces what it has.
const INTERFACE: ABI = ABI::V6;

/// Restricts this process for good: it reads all of its root, writes where `plan` says, and reaches no process
/// and no abstract socket that was started outside.
pub(super) fn apply(plan: &Plan) -> Result<(), Failure> {
    let failed = |subject: &str| {
        let subject = subject.to_owned();
        move |_| Failure::new(Step::Landlock, subject, Errno::INVAL)
    };
    let all = AccessFs::from_all(INTERFACE);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|rules| rules.scope(Scope::from_all(INTERFACE)))
        .and_then(Ruleset::create)
        .map_err(failed("ruleset"))?;
    rules = allow(rules, "/", AccessFs::from_read(INTERFACE))?;
    rules = allow(rules, "/dev", AccessFs::from_file(INTERFACE) | AccessFs::ReadDir)?;
    for path in writable(plan) {
        rules = allow(rules, path, all)?;
    }
    rules.restrict_self().map(|_| ()).map_err(failed("process"))
}

/// What the command may write below. `/dev` gets its own, smaller rule: no file is made there.
fn writable(plan: &Plan) -> Vec<&str> {
    if plan.root == Root::HostUnsafe {
        return Vec::new();
    }
    if !plan.read_only_root {
        // The mounts make the read-only parts read-only; a rule on `/` is what lets a build make `/anything`.
        return vec!["/"];
    }
    let binds = plan.binds.iter().filter(|bind| bind.writable).map(|bind| bind.target.as_str());
    ["/tmp", "/run", "/dev/shm", "/proc"].into_iter().chain(binds).collect()
}

fn allow(rules: RulesetCreated, path: &str, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Failure> {
    let failed = || Failure::new(Step::Landlock, path, Errno::NOENT);
    let file = PathFd::new(path).map_err(|_| failed())?;
    let is_file = fs_err::metadata(path).is_ok_and(|metadata| !metadata.is_dir());
    let access = if is_file { access & AccessFs::from_file(INTERFACE) } else { access };
    rules.add_rule(PathBeneath::new(file, access)).map_err(|_| failed())
}
