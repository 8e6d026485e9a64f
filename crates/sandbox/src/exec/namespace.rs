//! Enters the namespaces, as one user with one id.

use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use crate::error::{During as _, Failure, Step};
use crate::plan::{DOMAIN, Guard, HOSTNAME, Plan};
use crate::system;

/// Moves this process into namespaces of its own; its children will be in a process namespace of their own too.
pub(super) fn enter(plan: &Plan) -> Result<(), Failure> {
    let (uid, gid) = (geteuid(), getegid());
    // Root's further groups would be seen inside, an ordinary user's can not be dropped (the filter of system
    // calls answers that there are none). Only root may do this, so a refusal is what most get.
    let _ = rustix::thread::set_thread_groups(&[]);

    let mut flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    flags.set(UnshareFlags::NEWPID, plan.guards(Guard::Processes));
    flags.set(UnshareFlags::NEWNET, plan.guards(Guard::Network));
    system::unshare(flags).during(Step::Unshare, "")?;

    write_map("setgroups", "deny")?;
    write_map("uid_map", &format!("0 {} 1", uid.as_raw()))?;
    write_map("gid_map", &format!("0 {} 1", gid.as_raw()))?;

    rustix::system::sethostname(HOSTNAME.as_bytes()).during(Step::Hostname, HOSTNAME)?;
    rustix::system::setdomainname(DOMAIN.as_bytes()).during(Step::Hostname, DOMAIN)?;
    if plan.guards(Guard::Network) {
        // Test suites talk to themselves over 127.0.0.1.
        system::bring_up_loopback().during(Step::Loopback, "")?;
    }
    Ok(())
}

fn write_map(name: &str, text: &str) -> Result<(), Failure> {
    fs_err::write(format!("/proc/self/{name}"), text).during(Step::MapIds, name)
}
