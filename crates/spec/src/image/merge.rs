//! What `include` means: the file itself wins for single values and per key, lists begin with the included entries.

use std::collections::BTreeMap;

use super::ImageDocument;
use crate::yaml::Text;

/// Adds `base`, an included file, below `document`.
pub(super) fn merge(document: &mut ImageDocument, base: ImageDocument) {
    let own = document;
    contents(own, base.contents);
    if let Some(entrypoint) = base.entrypoint {
        match &mut own.entrypoint {
            Some(mine) => {
                fill(&mut mine.kind, entrypoint.kind);
                fill(&mut mine.command, entrypoint.command);
                fill(&mut mine.shell_fragment, entrypoint.shell_fragment);
                keys(&mut mine.services, entrypoint.services);
            }
            mine => *mine = Some(entrypoint),
        }
    }
    fill(&mut own.cmd, base.cmd);
    fill(&mut own.stop_signal, base.stop_signal);
    fill(&mut own.work_dir, base.work_dir);
    if let Some(accounts) = base.accounts {
        match &mut own.accounts {
            Some(mine) => {
                fill(&mut mine.run_as, accounts.run_as);
                prepend(&mut mine.users, accounts.users);
                prepend(&mut mine.groups, accounts.groups);
            }
            mine => *mine = Some(accounts),
        }
    }
    keys(&mut own.environment, base.environment);
    prepend(&mut own.paths, base.paths);
    prepend(&mut own.archs, base.archs);
    keys(&mut own.annotations, base.annotations);
    prepend(&mut own.volumes, base.volumes);
    fill(&mut own.layering, base.layering);
    fill(&mut own.certificates, base.certificates);
    fill(&mut own.format, base.format);
    fill(&mut own.compression, base.compression);
    // `vcs-url` says where this very file is kept, so it is not taken over.
}

fn contents(own: &mut ImageDocument, base: Option<super::ContentsDocument>) {
    let Some(base) = base else { return };
    let Some(mine) = &mut own.contents else {
        own.contents = Some(base);
        return;
    };
    prepend(&mut mine.repositories, base.repositories);
    prepend(&mut mine.build_repositories, base.build_repositories);
    prepend(&mut mine.runtime_repositories, base.runtime_repositories);
    prepend(&mut mine.keyring, base.keyring);
    prepend(&mut mine.runtime_keyring, base.runtime_keyring);
    prepend(&mut mine.packages, base.packages);
    fill(&mut mine.baseimage, base.baseimage);
}

fn fill<T>(own: &mut Option<T>, base: Option<T>) {
    if own.is_none() {
        *own = base;
    }
}

fn prepend<T>(own: &mut Vec<T>, base: Vec<T>) {
    own.splice(0..0, base);
}

fn keys(own: &mut BTreeMap<Text, Text>, base: BTreeMap<Text, Text>) {
    for (key, value) in base {
        own.entry(key).or_insert(value);
    }
}
