//! Every case of apk-tools' solver tests: the same packages in the same order, or refused for the same reasons.

use std::path::PathBuf;

use super::case::Case;
use super::corpus;

/// Cases in which we answer otherwise, and why. `docs/solver.md` has the same table.
const OTHERWISE: &[(&str, &str)] = &[];

/// Returns where the cases are; `SOLVER_CASES` names another folder.
fn folder() -> Option<PathBuf> {
    std::env::var_os("SOLVER_CASES").map(PathBuf::from).or_else(|| corpus("apk/apk-tools/solver"))
}

#[test]
fn answers_as_apk_does() {
    let Some(folder) = folder() else { return };
    let listing = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = listing.filter(|path| path.extension().is_some_and(|kind| kind == "test")).collect();
    paths.sort();
    let mut wrong = String::new();
    let mut right = 0;
    for path in &paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let case = Case::read(path);
        let answer = case.run();
        let otherwise = OTHERWISE.iter().any(|(known, _)| *known == name);
        if (answer.trim_end() == case.expected) == otherwise {
            wrong += &format!("\n=== {name}: {}\n--- apk\n{}\n--- we\n{answer}\n", case.args.join(" "), case.expected);
        } else {
            right += 1;
        }
    }
    assert!(wrong.is_empty(), "{right} of {} as expected; not so:{wrong}", paths.len());
}
