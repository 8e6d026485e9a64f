//! Finding definitions and what each file is: a package, a pipeline, an image or the distribution itself.

use std::path::{Path, PathBuf};

use spec::pipeline::Folder;
use spec::schema::Language;

use crate::args::Global;
use crate::failure::Failure;

/// Options of verbs that evaluate definitions.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PipelineArgs {
    /// A folder of pipelines, searched before those beside the definitions. May be given more than once.
    #[arg(long, value_name = "DIR")]
    pub(crate) pipeline_dir: Vec<PathBuf>,
}

/// A file that was named, or found below a folder that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Whether the user named the file itself. Then it is a definition, whatever it holds.
    pub(crate) named: bool,
}

/// Collects YAML files; below a folder, in order of name.
pub(crate) fn collect(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            below(path, &mut found)?;
        } else {
            found.push(Found { path: path.clone(), named: true });
        }
    }
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<Found>) -> Result<(), Failure> {
    let entries = fs_err::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|error| Failure::input(&error))?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        // A link to a folder is not followed: it may lead back.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !hidden && is_folder {
            below(&path, found)?;
        } else if !hidden && is_yaml && !path.is_dir() {
            found.push(Found { path, named: false });
        }
    }
    Ok(())
}

/// The folders that pipelines are searched in: named, beside the definitions or above them, and the distribution's own.
pub(crate) fn pipeline_folders(args: &PipelineArgs, paths: &[PathBuf], global: &Global) -> Vec<PathBuf> {
    let beside = paths.iter().flat_map(|path| path.ancestors().map(|above| above.join("pipelines"))).filter(|folder| folder.is_dir());
    let own = crate::project::distro(global).ok().map(|distro| distro.join("pipelines"));
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in args.pipeline_dir.iter().cloned().chain(beside).chain(own) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Makes the search for pipelines.
pub(crate) fn pipelines(folders: &[PathBuf]) -> Folder {
    Folder::new(folders.iter().cloned())
}

/// Keys at the top of an image that a package does not have.
const IMAGE_KEYS: [&str; 9] = ["accounts", "archs", "cmd", "include", "layering", "paths", "stop-signal", "volumes", "work-dir"];

/// Says what a file is, by the keys at its top; nothing for YAML of another kind, such as an image's tests.
pub(crate) fn language(found: &Found, text: &str, pipeline_folders: &[PathBuf]) -> Option<Language> {
    let path = &found.path;
    let json = text.trim_start().starts_with('{');
    let has = |key: &str| {
        let top = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
        text.lines().any(top) || json && text.contains(&format!("\"{key}\""))
    };
    if path.file_name().is_some_and(|name| name == "distro.yaml") {
        return Some(Language::Distro);
    }
    // It belongs to the definition beside it, and is checked with that.
    if path.file_name().is_some_and(|name| name == "fixes.yaml") && !has("package") {
        return None;
    }
    let of_pipelines = pipeline_folders.iter().any(|folder| path.starts_with(folder));
    if of_pipelines && !has("package") && (found.named || has("pipeline") || has("inputs") || has("needs")) {
        return Some(Language::Pipeline);
    }
    if has("package") {
        return Some(Language::Package);
    }
    let steps = has("pipeline") || has("subpackages");
    let image = has("contents") || has("entrypoint") || found.named && IMAGE_KEYS.iter().any(|key| has(key));
    if image && !steps {
        return Some(Language::Image);
    }
    // A mistake in the key that tells must not make a definition pass unread.
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match () {
        () if stem == "image" || stem.ends_with(".apko") => Some(Language::Image),
        () if found.named || stem == "package" || steps => Some(Language::Package),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_definitions_apart_by_place_and_keys() {
        let folders = [PathBuf::from("pipelines")];
        let cases = [
            ("a.yaml", "package:\n  name: a\n", false, Some(Language::Package)),
            ("a.yaml", "contents:\n  packages: []\n", false, Some(Language::Image)),
            ("a.json", r#"{"contents":{"packages":[]}}"#, true, Some(Language::Image)),
            ("distro.yaml", "name: a\n", false, Some(Language::Distro)),
            ("pipelines/a.yaml", "pipeline:\n  - runs: a\n", false, Some(Language::Pipeline)),
            ("pipelines/a.yaml", "piepline:\n  - runs: a\n", true, Some(Language::Pipeline)),
            ("a.yaml", "pakage:\n  name: a\npipeline:\n", false, Some(Language::Package)),
            ("a.yaml", "pakage:\n  name: a\n", true, Some(Language::Package)),
            ("a.yaml", "paths: []\n", true, Some(Language::Image)),
            ("images/a/image.yaml", "content: {}\n", false, Some(Language::Image)),
            ("test.yaml", "schemaVersion: 2.0.0\n", false, None),
        ];
        for (path, text, named, language) in cases {
            let found = Found { path: path.into(), named };
            assert_eq!(super::language(&found, text, &folders), language, "{path}: {text}");
        }
    }
}
