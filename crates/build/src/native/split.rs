//! Moves files of one package's tree into another's: what `split/*` takes is data, how it moves is one function.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;

/// What a path is, as far as rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Directory,
    File,
    Link,
}

/// What a step takes out of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rule {
    /// Headers, static libraries, links for the linker, build-system files.
    Dev {
        /// Where the package has its files: `usr`.
        prefix: String,
    },
    /// Static libraries.
    Static,
    /// Shared libraries.
    Lib {
        /// Which: `lib<pattern>.so.*`; empty for all.
        patterns: Vec<String>,
        /// Directories besides `lib` and `usr/lib`.
        directories: Vec<String>,
    },
    /// Programs.
    Bin,
    /// Manual pages.
    Manpages,
    /// Info pages.
    Infodir,
    /// Manual, info and other documentation.
    Alldocs,
    /// Translations.
    Locales,
}

/// Why files could not be moved; the message names the path.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// A package was asked to be split from itself.
    #[error("a package can not be split from itself: name another with `package`")]
    Itself,
    /// The target holds something else there.
    #[error("{path} is in both packages")]
    Twice {
        /// The path.
        path: String,
    },
    /// A name is not UTF-8.
    #[error("the name {} is not UTF-8", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("while moving files")]
    Io(#[source] io::Error),
}

impl Rule {
    /// Whether the path is taken; a directory is taken with all it holds.
    fn takes(&self, path: &str, is: Is) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self {
            Self::Dev { prefix } => {
                let below = path.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
                below.is_some_and(is_for_development)
                    || (is == Is::Directory && name == "include")
                    || (is_in_libraries(path, prefix) && has_extension(name, &["a", "c", "h", "o", "prl"]))
                    || (is == Is::Link && name.ends_with(".so") && (parent == "lib" || below == Some(&format!("lib/{name}"))))
            }
            Self::Static => is_in_libraries(path, "usr") && has_extension(name, &["a"]),
            Self::Lib { patterns, directories } => {
                let here = parent == "lib" || parent == "usr/lib" || directories.iter().any(|d| d.trim_matches('/') == parent);
                let starts = |pattern: &String| name.strip_prefix("lib").and_then(|n| n.strip_prefix(pattern.as_str()));
                let named = if patterns.is_empty() {
                    name.contains(".so.")
                } else {
                    patterns.iter().any(|pattern| starts(pattern).is_some_and(|rest| rest.starts_with(".so.")))
                };
                here && named && is != Is::Directory
            }
            Self::Bin => parent == "usr/bin",
            Self::Manpages => is == Is::Directory && MANUALS.contains(&path),
            Self::Infodir => path == "usr/share/info",
            Self::Alldocs => path == "usr/share/info" || (is == Is::Directory && (MANUALS.contains(&path) || DOCS.contains(&path))),
            Self::Locales => path == "usr/share/locale",
        }
    }

    /// Where a path that is taken comes to lie.
    fn moved<'a>(&self, path: &'a str) -> &'a str {
        match self {
            Self::Manpages | Self::Alldocs if MANUALS.contains(&path) => MANUALS[0],
            Self::Alldocs if DOCS.contains(&path) => DOCS[0],
            _ => path,
        }
    }
}

const MANUALS: [&str; 3] = ["usr/share/man", "usr/local/share/man", "usr/man"];
const DOCS: [&str; 2] = ["usr/share/doc", "usr/local/share/doc"];

fn is_for_development(below: &str) -> bool {
    const WHOLE: [&str; 8] = [
        "include",
        "lib/pkgconfig",
        "share/pkgconfig",
        "share/aclocal",
        "share/gettext",
        "share/vala/vapi",
        "lib/cmake",
        "lib/glade/modules",
    ];
    let starts_with_digit = |text: &str| text.bytes().next().is_some_and(|b| b.is_ascii_digit());
    let parts: Vec<&str> = below.split('/').collect();
    WHOLE.contains(&below)
        || match parts.as_slice() {
            ["bin", name] => name.ends_with("-config") || name.ends_with("_config"),
            ["share", name] => name.strip_prefix("gir-").is_some_and(starts_with_digit),
            ["share" | "lib", qt, "mkspecs"] => qt.starts_with("qt"),
            ["share", "glade", "catalogs"] => true,
            _ => false,
        }
}

fn is_in_libraries(path: &str, prefix: &str) -> bool {
    path.starts_with("lib/") || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && extensions.contains(&extension))
}

/// Moves what `rule` takes from the tree `from` to the tree `into` and returns the paths, sorted.
///
/// Directories of `from` that become empty go; those that are made in `into` have the mode of their originals.
pub(crate) fn split(rule: &Rule, from: &Path, into: &Path) -> Result<Vec<String>, SplitError> {
    if from == into {
        return Err(SplitError::Itself);
    }
    if *rule == Rule::Alldocs || *rule == Rule::Infodir {
        // The directory of all info pages of a system is made where they are installed, it belongs to no package.
        remove_file_if_there(&from.join("usr/share/info/dir"))?;
    }
    let mut taken = Vec::new();
    if fs::symlink_metadata(from).is_ok_and(|metadata| metadata.is_dir()) {
        choose(rule, from, "", &mut taken)?;
    }
    for path in &taken {
        let target = rule.moved(path);
        make_parents(from, into, target)?;
        merge(&from.join(path), &into.join(target), target)?;
        remove_empty_parents(from, path);
    }
    Ok(taken)
}

/// Collects the topmost paths that the rule takes, in order.
fn choose(rule: &Rule, root: &Path, below: &str, taken: &mut Vec<String>) -> Result<(), SplitError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(below)).map_err(SplitError::Io)? {
        let entry = entry.map_err(SplitError::Io)?;
        let kind = entry.file_type().map_err(SplitError::Io)?;
        let name = entry.file_name().into_string().map_err(|_| SplitError::Name { path: entry.path() })?;
        names.push((name, kind));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in names {
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let is = match kind {
            kind if kind.is_dir() => Is::Directory,
            kind if kind.is_symlink() => Is::Link,
            _ => Is::File,
        };
        if rule.takes(&path, is) {
            taken.push(path);
        } else if is == Is::Directory {
            choose(rule, root, &path, taken)?;
        }
    }
    Ok(())
}

/// Makes the directories above `path` in `into`, each with the mode it has in `from`.
fn make_parents(from: &Path, into: &Path, path: &str) -> Result<(), SplitError> {
    fs::create_dir_all(into).map_err(SplitError::Io)?;
    for (at, _) in path.match_indices('/') {
        let directory = into.join(&path[..at]);
        match fs::symlink_metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(_) => return Err(SplitError::Twice { path: path[..at].to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&directory).map_err(SplitError::Io)?,
            Err(error) => return Err(SplitError::Io(error)),
        }
        if let Ok(original) = fs::symlink_metadata(from.join(&path[..at])) {
            let mode = original.permissions().mode() & 0o7777;
            fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).map_err(SplitError::Io)?;
        }
    }
    Ok(())
}

/// Renames `from` to `to`; where both are directories, what they hold is brought together.
fn merge(from: &Path, to: &Path, path: &str) -> Result<(), SplitError> {
    let is_directory = |path: &Path| fs::symlink_metadata(path).map(|metadata| metadata.is_dir());
    match is_directory(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::rename(from, to).map_err(SplitError::Io),
        Ok(true) if is_directory(from).map_err(SplitError::Io)? => {}
        Ok(_) => return Err(SplitError::Twice { path: path.to_owned() }),
        Err(error) => return Err(SplitError::Io(error)),
    }
    for entry in fs::read_dir(from).map_err(SplitError::Io)? {
        let name = entry.map_err(SplitError::Io)?.file_name();
        merge(&from.join(&name), &to.join(&name), &format!("{path}/{}", name.to_string_lossy()))?;
    }
    fs::remove_dir(from).map_err(SplitError::Io)
}

/// Removes the directories above `path` that hold nothing any more.
fn remove_empty_parents(root: &Path, path: &str) {
    for (at, _) in path.rmatch_indices('/') {
        // Not empty: it stays, and so does all above it.
        if fs::remove_dir(root.join(&path[..at])).is_err() {
            break;
        }
    }
}

fn remove_file_if_there(path: &Path) -> Result<(), SplitError> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(SplitError::Io(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a tree, splits it and says what lies where: `path` in the package, `> path` in the new one.
    fn split_tree(rule: &Rule, files: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let (from, into) = (dir.path().join("from"), dir.path().join("into"));
        for file in files {
            let (path, target) = file.split_once(" -> ").map_or((*file, None), |(path, target)| (path, Some(target)));
            fs::create_dir_all(from.join(path).parent().unwrap()).unwrap();
            match target {
                Some(target) => std::os::unix::fs::symlink(target, from.join(path)).unwrap(),
                None => fs::write(from.join(path), path).unwrap(),
            }
        }
        split(rule, &from, &into).unwrap();
        let mut found = Vec::new();
        list(&from, "", "", &mut found);
        list(&into, "", "> ", &mut found);
        found
    }

    fn list(root: &Path, below: &str, mark: &str, found: &mut Vec<String>) {
        let Ok(entries) = fs::read_dir(root.join(below)) else { return };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        for name in names {
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if root.join(&path).symlink_metadata().unwrap().is_dir() {
                let before = found.len();
                list(root, &path, mark, found);
                if found.len() == before {
                    found.push(format!("{mark}{path}/"));
                }
            } else {
                found.push(format!("{mark}{path}"));
            }
        }
    }

    #[test]
    fn dev_takes_what_a_compiler_needs() {
        let files = [
            "usr/bin/curl",
            "usr/bin/curl-config",
            "usr/include/curl/curl.h",
            "usr/lib/libcurl.a",
            "usr/lib/libcurl.so -> libcurl.so.4.8",
            "usr/lib/libcurl.so.4 -> libcurl.so.4.8",
            "usr/lib/libcurl.so.4.8",
            "usr/lib/plugin/real.so",
            "usr/lib/pkgconfig/libcurl.pc",
            "usr/lib/python/include/x.py",
            "usr/share/aclocal/libcurl.m4",
        ];
        let expected = [
            "usr/bin/curl",
            "usr/lib/libcurl.so.4",
            "usr/lib/libcurl.so.4.8",
            "usr/lib/plugin/real.so",
            "> usr/bin/curl-config",
            "> usr/include/curl/curl.h",
            "> usr/lib/libcurl.a",
            "> usr/lib/libcurl.so",
            "> usr/lib/pkgconfig/libcurl.pc",
            "> usr/lib/python/include/x.py",
            "> usr/share/aclocal/libcurl.m4",
        ];
        assert_eq!(split_tree(&Rule::Dev { prefix: "usr".to_owned() }, &files), expected);
    }

    #[test]
    fn each_rule_takes_its_own() {
        let files = [
            "usr/bin/x",
            "usr/lib/libx.a",
            "usr/lib/libx.so.1",
            "usr/lib/liby.so.2",
            "usr/man/man1/x.1",
            "usr/share/doc/x/README",
            "usr/share/info/dir",
            "usr/share/info/x.info",
            "usr/share/locale/de/x.mo",
        ];
        let cases: [(Rule, &[&str]); 7] = [
            (Rule::Static, &["usr/lib/libx.a"]),
            (Rule::Lib { patterns: vec![], directories: vec![] }, &["usr/lib/libx.so.1", "usr/lib/liby.so.2"]),
            (Rule::Lib { patterns: vec!["y".to_owned()], directories: vec![] }, &["usr/lib/liby.so.2"]),
            (Rule::Bin, &["usr/bin/x"]),
            (Rule::Manpages, &["usr/share/man/man1/x.1"]),
            (Rule::Alldocs, &["usr/share/doc/x/README", "usr/share/info/x.info", "usr/share/man/man1/x.1"]),
            (Rule::Locales, &["usr/share/locale/de/x.mo"]),
        ];
        for (rule, expected) in cases {
            let moved: Vec<_> =
                split_tree(&rule, &files).into_iter().filter_map(|path| path.strip_prefix("> ").map(str::to_owned)).collect();
            assert_eq!(moved, expected, "{rule:?}");
        }
    }

    #[test]
    fn emptied_directories_go() {
        assert_eq!(split_tree(&Rule::Static, &["usr/lib/deep/libx.a", "etc/x"]), ["etc/x", "> usr/lib/deep/libx.a"]);
    }

    #[test]
    fn a_path_of_both_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for tree in ["from/usr/bin", "into/usr/bin"] {
            fs::create_dir_all(dir.path().join(tree)).unwrap();
            fs::write(dir.path().join(tree).join("x"), tree).unwrap();
        }
        let error = split(&Rule::Bin, &dir.path().join("from"), &dir.path().join("into")).unwrap_err();
        assert_eq!(error.to_string(), "usr/bin/x is in both packages");
    }

    #[test]
    fn a_link_in_the_target_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("from/usr/bin")).unwrap();
        fs::create_dir_all(dir.path().join("elsewhere/bin")).unwrap();
        fs::create_dir_all(dir.path().join("into")).unwrap();
        fs::write(dir.path().join("from/usr/bin/x"), "").unwrap();
        std::os::unix::fs::symlink("../elsewhere", dir.path().join("into/usr")).unwrap();
        assert!(matches!(split(&Rule::Bin, &dir.path().join("from"), &dir.path().join("into")), Err(SplitError::Twice { .. })));
        assert!(!dir.path().join("elsewhere/bin/x").exists());
    }
}
