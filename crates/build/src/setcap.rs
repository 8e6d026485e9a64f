//! File capabilities that a definition asks for, as the attribute that the kernel reads.

use std::collections::BTreeMap;

use base::tree::Entry;
use spec::recipe::SetCap;

/// The attribute.
pub(crate) const ATTRIBUTE: &str = "security.capability";

/// Capabilities in the order of their numbers (linux/capability.h).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A capability can not be given.
#[derive(Debug, thiserror::Error)]
pub enum SetCapError {
    /// The package holds no such file.
    #[error("`setcap` names {path}, which the package does not hold as a file")]
    NoFile {
        /// The path.
        path: String,
    },
    /// There is no such capability.
    #[error("`setcap` of {path}: there is no capability `{name}`")]
    Name {
        /// The path.
        path: String,
        /// What was written.
        name: String,
    },
    /// The sets are not written as `+ep`.
    #[error("`setcap` of {path}: `{sets}` is not `+` or `=` and some of `e`, `i`, `p`")]
    Sets {
        /// The path.
        path: String,
        /// What was written.
        sets: String,
    },
}

/// Gives the files of a package what its definition asks for.
pub(crate) fn apply(wanted: &[SetCap], entries: &mut [Entry]) -> Result<(), SetCapError> {
    for one in wanted {
        let value = attribute(&one.path, &one.add)?;
        let path = one.path.trim_start_matches('/');
        let is_file = |entry: &&mut Entry| entry.path.as_str() == path && matches!(entry.kind, base::tree::Kind::File { .. });
        let entry = entries.iter_mut().find(is_file).ok_or_else(|| SetCapError::NoFile { path: one.path.clone() })?;
        entry.xattrs.insert(ATTRIBUTE.to_owned(), value);
    }
    Ok(())
}

/// The attribute's value: `struct vfs_cap_data`, revision 2.
fn attribute(path: &str, add: &BTreeMap<String, String>) -> Result<Vec<u8>, SetCapError> {
    const REVISION: u32 = 0x0200_0000;
    let (mut effective, mut permitted, mut inheritable) = (false, 0_u64, 0_u64);
    for (names, sets) in add {
        let letters = sets.strip_prefix(['+', '=']).filter(|letters| !letters.is_empty() && letters.bytes().all(|b| b"eip".contains(&b)));
        let letters = letters.ok_or_else(|| SetCapError::Sets { path: path.to_owned(), sets: sets.clone() })?;
        for name in names.split(',').map(str::trim) {
            let plain = name.to_ascii_lowercase();
            let number = NAMES.iter().position(|known| Some(*known) == plain.strip_prefix("cap_"));
            let bit = 1_u64 << number.ok_or_else(|| SetCapError::Name { path: path.to_owned(), name: name.to_owned() })?;
            effective |= letters.contains('e');
            permitted |= if letters.contains('p') { bit } else { 0 };
            inheritable |= if letters.contains('i') { bit } else { 0 };
        }
    }
    let low = |set: u64| (set & u64::from(u32::MAX)) as u32;
    let high = |set: u64| (set >> 32) as u32;
    let words = [REVISION | u32::from(effective), low(permitted), low(inheritable), high(permitted), high(inheritable)];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::tree::{Kind, TreePath};

    fn value(names: &str, sets: &str) -> Result<String, String> {
        let add = BTreeMap::from([(names.to_owned(), sets.to_owned())]);
        let bytes = attribute("/x", &add).map_err(|error| error.to_string())?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    #[test]
    fn the_value_is_what_setcap_writes() {
        // As `setcap` of libcap writes and `getfattr -e hex` shows them.
        assert_eq!(value("cap_net_bind_service", "+ep").unwrap(), "0100000200040000000000000000000000000000");
        assert_eq!(value("cap_net_admin,cap_net_raw", "+eip").unwrap(), "0100000200300000003000000000000000000000");
        assert_eq!(value("cap_bpf", "=p").unwrap(), "0000000200000000000000008000000000000000");
    }

    #[test]
    fn what_is_no_capability_is_refused() {
        assert_eq!(value("cap_fly", "+ep").unwrap_err(), "`setcap` of /x: there is no capability `cap_fly`");
        assert_eq!(value("cap_bpf", "ep").unwrap_err(), "`setcap` of /x: `ep` is not `+` or `=` and some of `e`, `i`, `p`");
        let wanted = SetCap { path: "/usr/bin/x".into(), add: BTreeMap::new(), reason: String::new() };
        let mut entries = [Entry::new(TreePath::parse("usr/bin/x").unwrap(), Kind::Directory, 0o755, 0)];
        assert!(matches!(apply(&[wanted], &mut entries), Err(SetCapError::NoFile { .. })));
    }
}
