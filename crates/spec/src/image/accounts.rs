//! Users and groups, checked.

use std::collections::BTreeMap;

use super::{Accounts, AccountsDocument, Group, User};
use crate::{Code, Diagnostic, Diagnostics};

/// Fills in what accounts leave out: `/bin/sh`, `/home/NAME`, the group of the same number.
pub(crate) fn accounts(written: &AccountsDocument, out: &mut Diagnostics) -> Accounts {
    let mut names = BTreeMap::new();
    let users = written.users.iter().filter_map(|user| {
        if let Some(first) = names.insert(user.username.as_str(), user.username.span) {
            let message = format!("two users are called `{}`", user.username);
            out.push(Diagnostic::error(Code::BadAccount, user.username.span, message).related(first, "the first"));
        }
        let Some(uid) = user.uid.as_ref().filter(|uid| uid.value != 0) else {
            let span = user.uid.as_ref().map_or(user.username.span, |uid| uid.span);
            let message = format!("the user `{}` has no number of its own", user.username);
            out.push(Diagnostic::error(Code::BadAccount, span, message).help("set `uid` to a number other than 0, which is root"));
            return None;
        };
        let filled = |text: &Option<crate::yaml::Text>| text.as_ref().map(|t| t.value.clone()).filter(|t| !t.is_empty());
        Some(User {
            username: user.username.value.clone(),
            uid: uid.value,
            gid: user.gid.unwrap_or(uid.value),
            shell: filled(&user.shell).unwrap_or_else(|| "/bin/sh".to_owned()),
            homedir: filled(&user.homedir).unwrap_or_else(|| format!("/home/{}", user.username)),
        })
    });
    let users = users.collect();
    let mut names = BTreeMap::new();
    let groups = written.groups.iter().map(|group| {
        if let Some(first) = names.insert(group.groupname.as_str(), group.groupname.span) {
            let message = format!("two groups are called `{}`", group.groupname);
            out.push(Diagnostic::error(Code::BadAccount, group.groupname.span, message).related(first, "the first"));
        }
        Group {
            groupname: group.groupname.value.clone(),
            gid: group.gid.as_ref().map_or(0, |gid| gid.value),
            members: group.members.iter().map(|name| name.value.clone()).collect(),
        }
    });
    let groups = groups.collect();
    let run_as = written.run_as.as_ref().map(|text| text.value.clone()).filter(|text| !text.is_empty());
    Accounts { run_as, users, groups }
}
