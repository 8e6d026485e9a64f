//! The YAML languages, and the small languages inside them: shell, conditions, patterns, command lines.

use std::collections::BTreeMap;

use base::Arch;
use spec::schema::Language;
use spec::{Context, Diagnostics};

use crate::Target;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "spec-package", samples: packages, run: package },
    Target {
        name: "spec-image",
        samples: || [super::files("distro/images", "image.yaml"), super::files("crates/spec/tests/broken/image", ".yaml")].concat(),
        run: image,
    },
    Target { name: "spec-pipeline", samples: || super::files("distro/pipelines", ".yaml"), run: pipeline },
    Target { name: "spec-others", samples: others, run: other },
    Target { name: "spec-shell", samples: scripts, run: shell },
    Target { name: "spec-expressions", samples: expressions, run: expression },
];

fn packages() -> Vec<Vec<u8>> {
    [super::files("distro/packages", "package.yaml"), super::files("crates/spec/tests/broken/package", ".yaml"), vec![EVERYTHING.into()]]
        .concat()
}

/// What is refused is told without a panic, and mended texts are texts.
fn told(found: &Diagnostics, text: &str) {
    let _ = found.render("sample.yaml", text);
    let _ = found.located("sample.yaml", text);
    let _ = found.mend(text);
}

fn formatted(language: Language, text: &str) {
    match spec::format(language, text) {
        Ok(once) => assert_eq!(spec::format(language, &once).ok().as_deref(), Some(once.as_str()), "formatting twice is formatting once"),
        Err(found) => told(&found, text),
    }
}

fn package(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for arch in [Arch::X86_64, Arch::Aarch64] {
        match spec::check(text, &Context::new(arch, &())) {
            Ok(recipe) => assert!(serde_json::to_string(&recipe).is_ok()),
            Err(found) => told(&found, text),
        }
    }
    formatted(Language::Package, text);
}

fn image(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match spec::image::check(text, &(), Some(Arch::X86_64)) {
        Ok((config, found)) => {
            assert!(serde_json::to_string(&config).is_ok());
            told(&found, text);
        }
        Err(found) => told(&found, text),
    }
    formatted(Language::Image, text);
}

fn pipeline(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(found) = spec::pipeline::parse("sample", text) {
        told(&found, text);
    }
    formatted(Language::Pipeline, text);
}

fn others() -> Vec<Vec<u8>> {
    let beside = |name: &str| super::files("distro", name);
    [
        beside("distro.yaml"),
        beside("seed.yaml"),
        beside("fixes.yaml"),
        super::files("crates/spec/tests/broken/distro", ".yaml"),
        super::files("crates/spec/tests/broken/fixes", ".yaml"),
    ]
    .concat()
}

fn other(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let found = [spec::distro::parse(text).err(), spec::seed::parse(text).err(), spec::fixes::parse(text).err()];
    found.iter().flatten().for_each(|found| told(found, text));
    formatted(Language::Distro, text);
}

/// A text as a YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

const HEAD: &str = "package:\n  name: demo\n  version: 1\n  epoch: 0\n  copyright:\n    - license: MIT\n";

fn scripts() -> Vec<Vec<u8>> {
    [
        "for a in $(ls \"${x:-y}\"); do case $a in b|c) echo `d`;; *) ;; esac; done\n",
        "cat <<-'E' | { read x && : $((1+2)); } >/dev/null 2>&1 || f() { [ a = b ]; }\n\tx\nE\n",
        "if [[ a =~ b ]]; then a+=(1 2); fi; while ! x; do y & done; until (z); do :; done\n",
    ]
    .map(Into::into)
    .to_vec()
}

fn shell(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    package(format!("{HEAD}pipeline:\n  - runs: {}\n", quoted(text)).as_bytes());
}

fn expressions() -> Vec<Vec<u8>> {
    [
        "${{build.arch}} == 'x86_64' && (\"a\" != \"b\\n\" || 'c' == ${{vars.x}})",
        r"^(\d+)\.(?P<m>\d+)(?:-r(\d+))?$",
        "/usr/bin/x -g \"daemon off;\" 'a b' \\c",
        "MIT AND (Apache-2.0 WITH LLVM-exception OR LicenseRef-x)",
        "1h30m2.5s",
        "cap_net_raw+ep",
    ]
    .map(Into::into)
    .to_vec()
}

/// One text at every place that has a language of its own.
fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let text = quoted(text);
    let head = HEAD.replace("MIT", &text);
    package(format!("{head}  timeout: {text}\nvar-transforms:\n  - from: x\n    match: {text}\n    replace: {text}\n    to: y\nvars:\n  x: {text}\npipeline:\n  - if: {text}\n    uses: {text}\n").as_bytes());
    image(format!("contents:\n  packages:\n    - {text}\nentrypoint:\n  command: {text}\ncmd: {text}\nstop-signal: {text}\nenvironment:\n  A: {text}\n").as_bytes());
    let _ = BTreeMap::from([(0, spec::image::split(&text))]);
}

/// A definition with most keys of the language.
const EVERYTHING: &str = include_str!("everything.yaml");
