//! `check`, `fmt`, `render` and `schema`.

use super::desk::{DIGEST, Desk, package};

#[test]
fn check_mends_what_is_safe_and_lists_the_rest() {
    let desk = Desk::new();
    let steps = "  - runs: echo ${{vars.who}}\n  - uses: autoconf/mak\n";
    let text = package("hello", "https://example.org/${{package.nmae}}.txt", DIGEST).replace("uses: fetch", "uses: fecth") + steps;
    desk.write("hello.yaml", &text);
    let mended = [desk.run(&["check", "hello.yaml"]), desk.run(&["check", "--fix", "hello.yaml"])].join("\n");
    insta::assert_snapshot!(format!("{mended}\n{}", desk.read("hello.yaml")));
}

#[test]
fn check_leaves_what_is_right_alone() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    let before = fs_err::metadata(desk.path("distro/packages/hello/package.yaml")).unwrap().modified().unwrap();
    insta::assert_snapshot!(desk.run(&["check", "--fix", "distro"]));
    assert_eq!(fs_err::metadata(desk.path("distro/packages/hello/package.yaml")).unwrap().modified().unwrap(), before);
}

#[test]
fn check_writes_for_programs() {
    let desk = Desk::new();
    desk.write("hello.yaml", &package("hello", "https://example.org/a", DIGEST).replace("epoch", "epohc"));
    let json = |arguments: &[&str]| {
        let output = desk.command(super::desk::UNDISTRO).args(arguments).output().unwrap();
        (output.status.code(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
    };
    let (code, report) = json(&["check", "--json", "hello.yaml"]);
    assert_eq!((code, &report["errors"]), (Some(1), &serde_json::json!(2)));
    assert_eq!(json(&["check", "--format", "json", "hello.yaml"]).1, report);
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["missing-key", "unknown-key"]);
    let (code, log) = json(&["check", "--format", "sarif", "hello.yaml"]);
    assert_eq!((code, &log["version"]), (Some(1), &serde_json::json!("2.1.0")));
    let places = log["runs"][0]["results"].as_array().unwrap().iter().map(|result| &result["locations"][0]["physicalLocation"]);
    assert!(places.clone().all(|place| place["artifactLocation"]["uri"] == "hello.yaml"));
    assert_eq!(places.clone().count(), 2);
}

#[test]
fn check_says_what_can_not_be_read() {
    let desk = Desk::new();
    desk.write("bytes.yaml", "package:\n  name: a\n");
    fs_err::write(desk.path("bytes.yaml"), b"package: \xff\n").unwrap();
    desk.write("typo.yaml", "pakage:\n  name: a\n");
    desk.write("empty/readme.txt", "");
    let runs = [&["check", "gone.yaml", "typo.yaml"][..], &["check", "bytes.yaml"], &["check", "empty"]];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}

#[test]
fn check_tells_once_what_is_wrong_with_a_pipeline() {
    let desk = Desk::new();
    desk.write("pipelines/greet.yaml", "descriptoin: says hello\npipeline:\n  - runs: echo ${{inputs.who}}\n");
    for name in ["a", "b"] {
        let text = format!("package:\n  name: {name}\n  version: \"1.0\"\n  epoch: 0\npipeline:\n  - uses: greet\n");
        desk.write(&format!("{name}.yaml"), &text);
    }
    insta::assert_snapshot!([desk.run(&["check", "."]), desk.run(&["check", "a.yaml"]), desk.run(&["check", "--fix", "."])].join("\n"));
    assert!(desk.read("pipelines/greet.yaml").starts_with("description:"));
}

#[test]
fn fmt_orders_keys_and_keeps_comments() {
    let desk = Desk::new();
    let text = "# who it is\npackage:\n    epoch: 0   # from upstream\n    version: \"1.0\"\n    name: hello\npipeline:\n- runs: |\n    echo hello\n";
    desk.write("hello.yaml", text);
    desk.write("anchors.yaml", "package: &a\n  name: hello\nvars: *a\n");
    let before =
        [desk.run(&["fmt", "--check", "hello.yaml"]), desk.run(&["fmt", "hello.yaml"]), desk.run(&["fmt", "--check", "hello.yaml"])];
    insta::assert_snapshot!(format!("{}\n{}\n{}", before.join("\n"), desk.read("hello.yaml"), desk.run(&["fmt", "anchors.yaml"])));
}

#[test]
fn render_expands_pipelines_beside_the_definition() {
    let desk = Desk::new();
    desk.write(
        "pipelines/greet.yaml",
        "inputs:\n  who:\n    default: world\npipeline:\n  - runs: echo hello ${{inputs.who}} on ${{build.arch}}\n",
    );
    let text = "package:\n  name: hello\n  version: \"1.0\"\n  epoch: 0\nvars:\n  who: you\npipeline:\n  - uses: greet\n    with:\n      who: ${{vars.who}}\n  - if: ${{build.arch}} == 'x86_64'\n    runs: echo here only\n";
    desk.write("hello.yaml", text);
    let output = desk.command(super::desk::UNDISTRO).args(["render", "hello.yaml", "--arch", "aarch64"]).output().unwrap();
    let recipe: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&recipe["pipeline"]).unwrap());
    desk.write("broken.yaml", &text.replace("vars.who", "vars.whom"));
    insta::assert_snapshot!(desk.run(&["render", "broken.yaml"]));
}

#[test]
fn schema_describes_each_language() {
    let desk = Desk::new();
    for language in ["package", "image", "pipeline", "distro"] {
        let output = desk.command(super::desk::UNDISTRO).args(["schema", language]).output().unwrap();
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{language}");
    }
}
