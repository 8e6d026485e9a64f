//! Path mutations, checked.

use super::{PathDocument, PathKind, PathMutation};
use crate::diagnostic::nearest;
use crate::{Code, Diagnostic, Diagnostics};

const KINDS: [&str; 5] = ["directory", "empty-file", "hardlink", "symlink", "permissions"];

/// Checks one mutation: a known type, a source where it needs one, a path that stays inside.
pub(super) fn mutation(written: &PathDocument, out: &mut Diagnostics) -> Option<PathMutation> {
    climbs(&written.path, out);
    let source = |out: &mut Diagnostics| {
        let source = written.source.as_ref().map(|text| text.value.clone()).filter(|text| !text.is_empty());
        if source.is_none() {
            let message = format!("a {} needs `source`", written.kind);
            out.push(Diagnostic::error(Code::MissingKey, written.path.span, message).help("say what it points to"));
        }
        source
    };
    let kind = match written.kind.as_str() {
        "directory" => PathKind::Directory,
        "empty-file" => PathKind::EmptyFile,
        "hardlink" => PathKind::HardLink(source(out)?),
        "symlink" => PathKind::SymLink(source(out)?),
        "permissions" => PathKind::Permissions,
        other => {
            let error = Diagnostic::error(Code::BadValue, written.kind.span, format!("`{other}` is no type of path"));
            out.push(match nearest(other, KINDS) {
                Some(meant) => error.help(format!("did you mean `{meant}`?")).fix(written.kind.span, meant),
                None => error.help(format!("there are {}", KINDS.join(", "))),
            });
            return None;
        }
    };
    if kind == PathKind::Permissions && written.permissions.is_none() && written.uid.is_none() && written.gid.is_none() {
        let error = Diagnostic::error(Code::MissingKey, written.path.span, "this changes nothing");
        out.push(error.help("set `permissions`, `uid` or `gid`"));
    }
    Some(PathMutation {
        path: written.path.value.clone(),
        kind,
        uid: written.uid,
        gid: written.gid,
        permissions: written.permissions.as_ref().map(|mode| mode.value.0),
        recursive: written.recursive == Some(true),
    })
}

fn climbs(path: &crate::yaml::Text, out: &mut Diagnostics) {
    if path.is_empty() || path.split('/').any(|part| part == "..") {
        let error = Diagnostic::error(Code::BadPath, path.span, format!("`{path}` is no path inside the image"));
        out.push(error.help("write it from the root, without `..`"));
    }
}
