//! Real definitions of the field, where they are at hand: every one parses and evaluates.
//!
//! They are not part of this project, so the tests look for `../shared/corpus` beside the workspace and say so when it is not there.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails says so")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base::Arch;
use spec::pipeline::Folder;
use spec::{Context, Libc};

fn corpus(name: &str) -> Option<tempfile::TempDir> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(name);
    if !archive.exists() {
        // Past the harness, which keeps what a test that passes prints; on a line of its own, so that `./check` finds it.
        let _ = std::io::stderr().write_all(format!("\nSKIP: the corpus is not there: {name}\n").as_bytes());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = fs_err::File::open(&archive).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(folder.path()).unwrap();
    Some(folder)
}

fn definitions(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_wolfi_definition_evaluates_for_both_architectures() {
    let Some(folder) = corpus("wolfi-os.tar.gz") else { return };
    let paths = definitions(folder.path());
    assert!(paths.len() > 2_700, "{} definitions", paths.len());
    let texts: Vec<_> = paths.iter().map(|path| (path, fs_err::read_to_string(path).unwrap())).collect();
    let pipelines = Folder::new([folder.path().join("pipelines")]);
    let begin = Instant::now();
    let mut failed = 0;
    for (path, text) in &texts {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let context = Context { libc: Libc::Gnu, ..Context::new(arch, &pipelines) };
            match spec::check(text, &context) {
                Ok(recipe) => {
                    let json = if cfg!(debug_assertions) { serde_json::to_string(&recipe).unwrap() } else { String::new() };
                    let left = json.find("${{").map(|at| &json[at..json.len().min(at + 60)]);
                    assert_eq!(left, None, "{} {arch}", path.display());
                }
                Err(diagnostics) => {
                    failed += 1;
                    if failed <= 40 {
                        eprintln!("{} {arch}\n{}", path.display(), diagnostics.render(&path.display().to_string(), text));
                    }
                }
            }
        }
    }
    let taken = begin.elapsed();
    eprintln!("{} definitions, two architectures: {taken:?}", paths.len());
    if !cfg!(debug_assertions) {
        assert!(taken.as_secs_f64() <= 2.0, "{taken:?}");
    }
    assert_eq!(failed, 0, "evaluations that failed");
}

#[test]
fn every_locked_image_configuration_is_read() {
    let Some(folder) = corpus("images.tar.gz") else { return };
    let mut count = 0;
    for image in fs_err::read_dir(folder.path().join("images")).unwrap() {
        let path = image.unwrap().path().join("locked_config.json");
        let Ok(text) = fs_err::read_to_string(&path) else { continue };
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for config in strings(&json).into_iter().filter(|text| text.starts_with('{')) {
            let outer: serde_json::Value = serde_json::from_str(config).unwrap();
            let text = outer["config"].to_string();
            let image = spec::image::parse(&text).unwrap_or_else(|d| panic!("{}\n{}", path.display(), d.render("config", &text)));
            let config = spec::image::evaluate(&image, &(), Some(Arch::X86_64))
                .unwrap_or_else(|d| panic!("{}\n{}", path.display(), d.render("config", &text)));
            assert!(!config.contents.packages.is_empty());
            count += 1;
        }
    }
    eprintln!("{count} configurations");
    assert!(count > 100);
}

fn strings(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(items) => items.iter().flat_map(strings).collect(),
        serde_json::Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn formatting_keeps_meaning_and_comments_and_settles_at_once() {
    let Some(folder) = corpus("wolfi-os.tar.gz") else { return };
    let comments = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::trim).filter(|line| line.starts_with('#')).map(str::to_owned).collect();
        lines
            .extend(text.lines().filter(|line| !line.trim().starts_with('#')).filter_map(|line| Some(line.split_once(" #")?.1.to_owned())));
        lines.sort();
        lines
    };
    let mut refused = 0;
    for path in definitions(folder.path()) {
        let text = fs_err::read_to_string(&path).unwrap();
        // What formatting would change in meaning it refuses by itself.
        let Ok(once) = spec::format(spec::schema::Language::Package, &text) else {
            refused += 1;
            eprintln!("refused: {}", path.display());
            continue;
        };
        assert_eq!(comments(&text), comments(&once), "{}", path.display());
        let twice = spec::format(spec::schema::Language::Package, &once).unwrap();
        assert_eq!(once, twice, "{}", path.display());
    }
    eprintln!("{refused} definitions can not be formatted");
    assert!(refused <= 10);
}
