//! Texts that mean harm: a clear refusal, within bounded time and memory.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::fmt::Write as _;

use base::Arch;
use proptest::prelude::*;
use spec::yaml::{MAX_BYTES, MAX_DEPTH};
use spec::{Code, Context, Diagnostics};

fn refused(text: &str) -> Diagnostics {
    spec::check(text, &Context::new(Arch::X86_64, &())).unwrap_err()
}

#[test]
fn a_file_that_is_too_large() {
    assert!(refused(&"#".repeat(MAX_BYTES + 1)).iter().any(|d| d.code == Code::Limit));
}

#[test]
fn nesting_that_is_too_deep() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "a:\n".to_owned() + &"- ".repeat(MAX_DEPTH + 5)] {
        assert!(refused(&text).iter().any(|d| matches!(d.code, Code::Limit | Code::Syntax)));
    }
}

#[test]
fn aliases_that_stand_for_ever_more() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let _ = writeln!(text, "a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 10].join(", "));
    }
    assert!(refused(&text).iter().any(|d| d.code == Code::Limit));
}

#[test]
fn an_alias_inside_its_own_anchor() {
    assert!(refused("package: &p\n  name: *p\n").iter().any(|d| d.code == Code::Syntax));
}

#[test]
fn variables_that_double_each_other() {
    let mut text = "package:\n  name: demo\n  version: 1\n  epoch: 0\nvars:\n  v00: \"0123456789\"\n".to_owned();
    for i in 1..60 {
        let _ = writeln!(text, "  v{i:02}: ${{{{vars.v{:02}}}}}${{{{vars.v{:02}}}}}", i - 1, i - 1);
    }
    assert!(refused(&text).iter().any(|d| d.code == Code::Limit));
}

#[test]
fn a_table_of_very_many_rows() {
    let mut text =
        "package:\n  name: demo\n  version: 1\n  epoch: 0\nsubpackages:\n  - name: a-${{range.key}}\n    range: t\n    pipeline:\n"
            .to_owned();
    text += &"      - runs: x\n".repeat(2_000);
    text += "data:\n  - name: t\n    items:\n";
    for i in 0..100_000 {
        let _ = writeln!(text, "      r{i}: v");
    }
    assert!(refused(&text).iter().any(|d| d.code == Code::Limit));
}

#[test]
fn mistakes_without_end() {
    let mut text = "package:\n  name: demo\n  version: 1\n  epoch: 0\nvars:\n".to_owned();
    for i in 0..50_000 {
        let _ = writeln!(text, "  same: ${{{{vars.none{i}}}}}\n  v{i}: ${{{{vars.none{i}}}}}");
    }
    assert!(refused(&text).len() <= spec::MAX_FINDINGS);
}

#[test]
fn bytes_that_are_not_utf8() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), b"package:\n  name: \xff\xfe\n").unwrap();
    let error = spec::package::load(file.path()).unwrap_err();
    assert!(matches!(error, spec::package::LoadError::Read { .. }), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "[ -~\n\t${}'\"äß]{0,200}") {
        let context = Context::new(Arch::X86_64, &());
        let _ = spec::check(&text, &context).map_err(|d| d.render("x", &text));
        let _ = spec::image::parse(&text).and_then(|image| spec::image::evaluate(&image, &(), None));
        let _ = spec::distro::parse(&text);
        let _ = spec::pipeline::parse("x", &text);
    }

    #[test]
    fn no_script_condition_or_pattern_makes_them_panic(a in "[ -~\n\tä\u{fdd0}]{0,80}", b in "(if|fi|do|done|case|esac|in|;;|<<E|E|\\$\\(|\\)|\\{|\\}|'|\"|`|\\$\\{\\{|\\}\\}|&&|\\||\n| ){0,40}") {
        for script in [&a, &b] {
            let text = format!(
                "package:\n  name: demo\n  version: 1\n  epoch: 0\nvar-transforms:\n  - from: {0}\n    match: {0}\n    replace: {0}\n    to: t\npipeline:\n  - if: {0}\n    runs: {0}\n",
                serde_json::Value::String(script.clone()),
            );
            let _ = spec::check(&text, &Context::new(Arch::X86_64, &())).map_err(|d| d.render("x", &text));
        }
    }
}
