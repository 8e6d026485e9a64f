//! Definitions that are wrong on purpose: each gets its own message, at the right place.
//!
//! The name of a fixture begins with the code it must be refused with; what a person sees is a snapshot.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use base::Arch;
use spec::pipeline::Folder;
use spec::{Code, Context, Diagnostics, Severity};

/// Relative, as tests run in their package's folder: where the checkout lies must not change how a message wraps.
fn root() -> PathBuf {
    PathBuf::from("tests/broken")
}

fn fixtures(kind: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs_err::read_dir(root().join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs_err::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Checks what holds for every refusal, and compares what is shown.
fn refused(kind: &str, name: &str, text: &str, diagnostics: &Diagnostics) {
    let codes: BTreeSet<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).map(|d| d.code.as_str()).collect();
    if let Some((code, _)) = name.split_once("--") {
        assert!(codes.contains(code), "{name}: {codes:?}");
        let own = diagnostics.iter().filter(|d| d.code.as_str() == code && d.source.is_none());
        for diagnostic in own {
            let span = diagnostic.span.unwrap();
            assert!(span.start < span.end && span.end <= text.len(), "{kind}/{name}: {span:?} of {}", text.len());
        }
    }
    let shown = diagnostics.render(&format!("{name}.yaml"), text);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("broken/snapshots/{kind}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), shown));
}

#[test]
fn package_definitions() {
    let pipelines = Folder::new([root().join("pipelines")]);
    for (name, text) in fixtures("package") {
        let diagnostics = spec::check(&text, &Context::new(Arch::X86_64, &pipelines)).expect_err(&name);
        refused("package", &name, &text, &diagnostics);
    }
}

#[test]
fn image_definitions() {
    for (name, text) in fixtures("image") {
        let result = spec::image::parse(&text).and_then(|image| spec::image::evaluate(&image, &(), Some(Arch::X86_64)));
        refused("image", &name, &text, &result.expect_err(&name));
    }
}

#[test]
fn distributions() {
    for (name, text) in fixtures("distro") {
        refused("distro", &name, &text, &spec::distro::parse(&text).expect_err(&name));
    }
}

#[test]
fn fixes() {
    for (name, text) in fixtures("fixes") {
        refused("fixes", &name, &text, &spec::fixes::parse(&text).expect_err(&name));
    }
}

#[test]
fn every_kind_of_mistake_has_a_fixture() {
    let names: BTreeSet<_> = ["package", "image", "distro", "fixes"].into_iter().flat_map(fixtures).map(|(name, _)| name).collect();
    assert!(names.len() >= 60);
    // Limits and options need more than a small file; what is only warned of breaks nothing; fixes are compared where sources are.
    let elsewhere = [
        Code::Limit,
        Code::UnknownOption,
        Code::OutsideValue,
        Code::BadLicense,
        Code::Deprecated,
        Code::EmptyStep,
        Code::NotHonoured,
        Code::DuplicateVariable,
        Code::UnlistedFix,
        Code::UntrueFix,
    ];
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(names.iter().any(|name| name.starts_with(&format!("{code}--"))), "{code}");
    }
}
