//! The part of `undistro check` about known holes: what became of the patches that are carried for pinned revisions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::Store;
use build::fixes::{Review, Unchecked};
use source::{Fetcher, Settings};
use spec::Context;

use super::{Check, Format, Report, Unreadable};
use crate::args::Global;
use crate::definitions::Found;
use crate::failure::Message;
use crate::printer::Printer;
use crate::project;

/// Compares the fixes of every definition that has, or needs, a `fixes.yaml` beside it. Only what the store has is read:
/// checking stays quick and works offline, and what could not be compared is said.
pub(super) fn check(check: &Check, files: &[Found], global: &Global, format: Format, report: &mut Report, printer: &Printer) {
    // A store that is not there yet has nothing to read, and checking makes none.
    let store = project::store_path(global).ok().filter(|path| path.is_dir()).and_then(|path| Store::open(&path).ok());
    let settings = Settings { offline: true, ..Settings::default() };
    let fetcher = store.as_ref().and_then(|store| Fetcher::new(store, settings).ok());
    let mut unchecked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let folders = folders(files);
    // Where nothing but a `fixes.yaml` was named, its definition is what is checked.
    if report.files == 0 {
        report.files = folders.len();
    }
    for folder in folders {
        for reviewed in review(check, &folder, fetcher.as_ref()) {
            match reviewed {
                Ok(review) => tell(&review, &folder, format, report, printer, &mut unchecked),
                Err(reason) if !report.unreadable.iter().any(|known| known.reason == reason) => {
                    report.unreadable.push(Unreadable { file: folder.join("package.yaml"), reason });
                }
                Err(_) => {}
            }
        }
    }
    for (reason, names) in unchecked {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        printer.talk(format!("known holes of {names}: not checked: {reason}"));
        report.unchecked.push(format!("{names}: {reason}"));
    }
}

/// The folders of definitions that were named, or of which the `fixes.yaml` was.
fn folders(files: &[Found]) -> BTreeSet<PathBuf> {
    let of_definition = |path: &Path| path.file_name().is_some_and(|name| name == "package.yaml" || name == "fixes.yaml");
    let folder = |file: &Found| Some(file.path.parent()?.to_owned());
    files
        .iter()
        .filter(|file| of_definition(&file.path))
        .filter_map(folder)
        .filter(|folder| folder.join("package.yaml").is_file())
        .collect()
}

/// Reviews a definition for each architecture; one that can not be evaluated is told of already.
fn review(check: &Check, folder: &Path, fetcher: Option<&Fetcher<'_>>) -> Vec<Result<Review, String>> {
    let Ok(text) = spec::package::read_text(&folder.join("package.yaml")) else { return Vec::new() };
    let recipes = check.archs.iter().filter_map(|arch| spec::check(&text, &Context::new(*arch, &check.pipelines)).ok());
    let supported = recipes.filter(|recipe| recipe.supported);
    let review = |recipe| match build::fixes::review(&recipe, folder, fetcher) {
        // That a step can not be carried out is told when it is to be.
        Ok(None) | Err(build::fixes::FixesError::Work { .. }) => None,
        Ok(Some(review)) => Some(Ok(review)),
        Err(error) => Some(Err(Message::of(&error).chain.join(": "))),
    };
    supported.filter_map(review).collect()
}

fn tell(
    review: &Review,
    folder: &Path,
    format: Format,
    report: &mut Report,
    printer: &Printer,
    unchecked: &mut BTreeMap<String, BTreeSet<String>>,
) {
    let name = review.path.display().to_string();
    let located = review.found.located(&name, &review.text);
    // Another architecture finds the same again.
    let news: Vec<_> = located.into_iter().filter(|one| !report.findings.contains(one)).collect();
    if format == Format::Text && !news.is_empty() {
        printer.raw(format!("{}\n", review.found.render(&name, &review.text).trim_matches('\n')).as_bytes());
    }
    report.findings.extend(news);
    let package = folder.file_name().unwrap_or_default().to_string_lossy();
    for one in &review.unchecked {
        let reason = match one {
            Unchecked::NotStored { .. } => "source not in the store; `undistro source mirror DIR` or a build brings it",
            Unchecked::NotPinned => "the sources are Debian's, and the file with its patches is not pinned",
        };
        unchecked.entry(reason.to_owned()).or_default().insert(package.clone().into_owned());
    }
}
