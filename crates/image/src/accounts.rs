//! Users and groups: what the image definition adds to `etc/passwd`, `etc/group` and `etc/shadow`.

use base::tree::{Entry, Kind, TreePath};
use spec::image::{Accounts, Group, User};

use crate::error::AccountReason;
use crate::table::{Content, DIRECTORY_TIME, Row, Table};
use crate::{Files, ImageError};

/// The files that accounts are written to.
pub(crate) const FILES: [&str; 3] = ["etc/passwd", "etc/group", "etc/shadow"];

/// Adds the accounts of an image, and a home for each user that has none yet.
///
/// A user or group that a package brings under the same name and number stays as it is.
pub(crate) fn add(table: &mut Table, files: &Files, accounts: &Accounts, epoch: i64) -> Result<(), ImageError> {
    if accounts.users.is_empty() && accounts.groups.is_empty() {
        return Ok(());
    }
    let [passwd, group, shadow] = FILES.map(|path| TreePath::parse(path).expect("a constant path"));
    let mut edit = |path: &TreePath, lines: Vec<Line>, mode: u32| -> Result<(), ImageError> {
        let text = append(files.text(path)?, &lines)?;
        let mode = table.get(path).map_or(mode, |row| row.entry.mode);
        Ok(table.put_file(path, mode, epoch, text.into_bytes())?)
    };
    let groups = accounts.groups.iter().map(group_line).collect::<Result<Vec<_>, _>>()?;
    if !groups.is_empty() {
        edit(&group, groups, 0o644)?;
    }
    let users = accounts.users.iter().map(user_line).collect::<Result<Vec<_>, _>>()?;
    if !users.is_empty() {
        edit(&passwd, users, 0o644)?;
        // Without a shadow file nobody can have a password, so none is made; where there is one, each user is locked in it.
        if files.text(&shadow)?.is_some() {
            let locked = accounts.users.iter().map(|user| Line {
                name: user.username.clone(),
                number: None,
                text: format!("{}:!:::::::", user.username),
            });
            edit(&shadow, locked.collect(), 0o640)?;
        }
    }
    accounts.users.iter().try_for_each(|user| home(table, user))
}

/// A line of an account file.
struct Line {
    name: String,
    number: Option<u32>,
    text: String,
}

fn user_line(user: &User) -> Result<Line, ImageError> {
    let User { username, uid, gid, shell, homedir } = user;
    check(username, [username, shell, homedir])?;
    let text = format!("{username}:x:{uid}:{gid}:{username}:{homedir}:{shell}");
    Ok(Line { name: username.clone(), number: Some(*uid), text })
}

fn group_line(group: &Group) -> Result<Line, ImageError> {
    let Group { groupname, gid, members } = group;
    check(groupname, std::iter::once(groupname).chain(members))?;
    Ok(Line { name: groupname.clone(), number: Some(*gid), text: format!("{groupname}:x:{gid}:{}", members.join(",")) })
}

fn check<'a>(name: &str, fields: impl IntoIterator<Item = &'a String>) -> Result<(), ImageError> {
    let breaks = |field: &&String| field.chars().any(|c| c == ':' || c == ',' || c.is_control());
    match fields.into_iter().find(breaks) {
        Some(field) => Err(ImageError::Account { name: name.to_owned(), reason: AccountReason::Field(field.clone()) }),
        None => Ok(()),
    }
}

/// Appends the lines whose names are not there yet.
fn append(text: Option<&str>, lines: &[Line]) -> Result<String, ImageError> {
    let mut text = text.unwrap_or_default().to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in lines {
        let there = text.lines().find(|there| there.split(':').next() == Some(line.name.as_str()));
        let Some(there) = there else {
            text.push_str(&line.text);
            text.push('\n');
            continue;
        };
        let number = there.split(':').nth(2).unwrap_or_default();
        if let Some(wanted) = line.number.filter(|wanted| number != wanted.to_string()) {
            let reason = AccountReason::Number { there: number.to_owned(), wanted };
            return Err(ImageError::Account { name: line.name.clone(), reason });
        }
    }
    Ok(text)
}

/// Makes a user's home. `/dev/null` and `/` are how people write that there is none.
fn home(table: &mut Table, user: &User) -> Result<(), ImageError> {
    let Ok(path) = TreePath::parse(&user.homedir) else { return Ok(()) };
    if user.homedir == "/dev/null" || table.leads_to_directory(&path).is_some() {
        return Ok(());
    }
    let there = table.follow(&path, true).ok().and_then(|end| table.get(&end).cloned());
    if there.is_some() {
        return Err(ImageError::Account { name: user.username.clone(), reason: AccountReason::Home(user.homedir.clone()) });
    }
    let entry = Entry { uid: user.uid, gid: user.gid, ..Entry::new(path, Kind::Directory, 0o755, DIRECTORY_TIME) };
    Ok(table.put(Row { entry, owner: None, content: Content::Nothing })?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn files(passwd: &str, shadow: Option<&str>) -> Files {
        let path = |text: &str| TreePath::parse(text).unwrap();
        let mut files = BTreeMap::from([(path("etc/passwd"), passwd.as_bytes().to_vec())]);
        files.extend(shadow.map(|text| (path("etc/shadow"), text.as_bytes().to_vec())));
        Files(files)
    }

    fn nonroot() -> Accounts {
        let user = User { username: "nonroot".into(), uid: 65532, gid: 65532, shell: "/bin/sh".into(), homedir: "/home/nonroot".into() };
        let group = Group { groupname: "nonroot".into(), gid: 65532, members: vec!["a".into(), "b".into()] };
        Accounts { run_as: None, users: vec![user], groups: vec![group] }
    }

    fn text(table: &Table, path: &str) -> String {
        match &table.get(&TreePath::parse(path).unwrap()).unwrap().content {
            Content::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn adds_users_groups_and_homes() {
        let mut table = Table::default();
        add(&mut table, &files("root:x:0:0:root:/root:/sbin/nologin", Some("root:!::0:::::\n")), &nonroot(), 7).unwrap();
        assert_eq!(
            text(&table, "etc/passwd"),
            "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/bin/sh\n"
        );
        assert_eq!(text(&table, "etc/group"), "nonroot:x:65532:a,b\n");
        assert_eq!(text(&table, "etc/shadow"), "root:!::0:::::\nnonroot:!:::::::\n");
        let home = &table.get(&TreePath::parse("home/nonroot").unwrap()).unwrap().entry;
        assert_eq!((home.uid, home.gid, home.mode, home.is_directory()), (65532, 65532, 0o755, true));
    }

    #[test]
    fn leaves_what_is_there_and_refuses_another_number() {
        let there = "nonroot:x:65532:65532:old:/nowhere:/bin/false\n";
        let mut table = Table::default();
        add(&mut table, &files(there, None), &nonroot(), 7).unwrap();
        assert_eq!(text(&table, "etc/passwd"), there);
        assert!(table.get(&TreePath::parse("etc/shadow").unwrap()).is_none());
        let error = add(&mut Table::default(), &files("nonroot:x:9:9:::\n", None), &nonroot(), 7).unwrap_err();
        assert_eq!(error.to_string(), "the account `nonroot`: a package gives it the number 9, the image 65532");
    }

    #[test]
    fn refuses_a_field_that_would_make_a_second_account() {
        let mut accounts = nonroot();
        accounts.users[0].homedir = "/\nevil:x:0:0:::".into();
        assert!(matches!(add(&mut Table::default(), &files("", None), &accounts, 7), Err(ImageError::Account { .. })));
    }
}
