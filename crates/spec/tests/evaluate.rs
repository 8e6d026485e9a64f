//! What definitions mean.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Arch;
use spec::pipeline::{FolderError, Pipeline, Pipelines};
use spec::recipe::{Action, Recipe, Step};
use spec::{Code, Context, Diagnostics, Libc};

/// Pipelines given as texts.
struct Texts(Vec<(&'static str, &'static str)>);

impl Pipelines for Texts {
    fn find(&self, name: &str) -> Result<Option<Arc<Pipeline>>, Arc<FolderError>> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found
            .map(|(name, text)| spec::pipeline::parse(name, text).map(Arc::new))
            .transpose()
            .map_err(|e| Arc::new(FolderError::Mistakes(e)))
    }
}

const HEAD: &str = "package:\n  name: demo\n  version: 1.2.3\n  epoch: 4\n";

fn evaluate_with(rest: &str, pipelines: &Texts, change: impl FnOnce(&mut Context<'_>)) -> Result<Recipe, Diagnostics> {
    let text = format!("{HEAD}{rest}");
    let mut context = Context::new(Arch::X86_64, pipelines);
    change(&mut context);
    spec::check(&text, &context)
}

fn evaluate(rest: &str) -> Recipe {
    let text = format!("{HEAD}{rest}");
    evaluate_with(rest, &Texts(Vec::new()), |_| {}).unwrap_or_else(|d| panic!("{}", d.render("test", &text)))
}

fn script(step: &Step) -> &str {
    match &step.action {
        Action::Run { script } => script,
        Action::Group(steps) => script(&steps[0]),
        Action::Native { .. } => panic!("{step:?}"),
    }
}

#[test]
fn variables_have_melanges_values() {
    for (written, value) in [
        ("package.name", "demo"),
        ("package.version", "1.2.3"),
        ("package.epoch", "4"),
        ("package.full-version", "1.2.3-r4"),
        ("package.description", ""),
        ("package.srcdir", "/home/build"),
        ("targets.outdir", "/home/build/melange-out"),
        ("targets.destdir", "/home/build/melange-out/demo"),
        ("targets.contextdir", "/home/build/melange-out/demo"),
        ("targets.package.demo-doc", "/home/build/melange-out/demo-doc"),
        ("context.name", "demo"),
        ("build.arch", "x86_64"),
        ("build.goarch", "amd64"),
        ("host.triplet.gnu", "x86_64-pc-linux-gnu"),
        ("host.triplet.rust", "x86_64-unknown-linux-gnu"),
        ("cross.triplet.gnu.musl", "x86_64-pc-linux-musl"),
        ("cross.triplet.rust.glibc", "x86_64-unknown-linux-gnu"),
        ("options.fast.enabled", "false"),
        ("vars.plain", "1.10"),
        (" vars.plain ", "1.10"),
    ] {
        let rest = format!(
            "vars:\n  plain: 1.10\noptions:\n  fast:\nsubpackages:\n  - name: demo-doc\npipeline:\n  - runs: say ${{{{{written}}}}}\n"
        );
        let recipe = evaluate_with(&rest, &Texts(Vec::new()), |context| context.libc = Libc::Gnu).unwrap();
        assert_eq!(script(&recipe.pipeline[0]), format!("say {value}"), "{written}");
    }
}

#[test]
fn a_subpackage_has_its_own_directory_and_name() {
    let recipe = evaluate(
        "subpackages:\n  - name: ${{package.name}}-doc\n    pipeline:\n      - runs: say ${{targets.destdir}} ${{targets.subpkgdir}} ${{targets.contextdir}} ${{subpkg.name}} ${{context.name}}\n",
    );
    let out = "/home/build/melange-out";
    assert_eq!(script(&recipe.subpackages[0].pipeline[0]), format!("say {out}/demo {out}/demo-doc {out}/demo-doc demo-doc demo-doc"));
}

#[test]
fn a_range_makes_a_subpackage_for_each_row_in_order_of_key() {
    let recipe = evaluate(
        "data:\n  - name: modules\n    items:\n      zlib: libz-${{package.version}}\n      acl: libacl\nsubpackages:\n  - name: demo-${{range.key}}\n    range: modules\n    pipeline:\n      - runs: mv ${{range.value}}\n",
    );
    let found: Vec<_> = recipe.subpackages.iter().map(|s| (s.name.as_str(), script(&s.pipeline[0]))).collect();
    assert_eq!(found, [("demo-acl", "mv libacl"), ("demo-zlib", "mv libz-1.2.3")]);
}

#[test]
fn transforms_follow_each_other_and_may_bring_variables_in() {
    let recipe = evaluate(
        "  description: major ${{vars.major}}\nvars:\n  tag: v${{package.version}}\n  cfg: --host=HOST\nvar-transforms:\n  - from: ${{package.version}}\n    match: ^(\\d+)\\.(\\d+)\\..*\n    replace: ${1}_${2}\n    to: short\n  - from: ${{vars.short}}\n    match: _.*\n    replace: \"\"\n    to: major\n  - from: ${{vars.cfg}}\n    match: HOST\n    replace: ${{build.arch}}\n    to: cfg\npipeline:\n  - runs: say ${{vars.tag}} ${{vars.short}} ${{vars.major}} ${{vars.cfg}}\n",
    );
    assert_eq!(script(&recipe.pipeline[0]), "say v1.2.3 1_2 1 --host=x86_64");
    assert_eq!(recipe.description, "major 1");
}

#[test]
fn what_does_not_run_is_gone_and_needs_nothing() {
    let recipe = evaluate(
        "environment:\n  contents:\n    packages:\n      - make\n      - cc\npipeline:\n  - if: ${{build.arch}} == 'aarch64'\n    runs: arm\n    needs:\n      packages:\n        - arm-tools\n  - if: ${{build.arch}} != 'aarch64'\n    runs: intel\n    needs:\n      packages:\n        - intel-tools\n        - make\nsubpackages:\n  - name: demo-arm\n    if: ${{build.arch}} == 'aarch64'\n    pipeline:\n      - runs: x\n        needs:\n          packages:\n            - arm-split\n",
    );
    assert_eq!(recipe.pipeline.len(), 1);
    assert!(recipe.subpackages.is_empty());
    assert_eq!(recipe.environment.packages, ["cc", "intel-tools", "make"]);
}

#[test]
fn a_native_pipeline_gets_its_defaults_and_needs_nothing_in_the_root() {
    let recipe = evaluate(
        "pipeline:\n  - uses: patch\n    working-directory: sub\n    with:\n      patches: a.patch\n      fuzz: \"\"\n  - uses: autoconf/make\n",
    );
    let Action::Native { pipeline, inputs } = &recipe.pipeline[0].action else { panic!() };
    assert_eq!(pipeline, "patch");
    let inputs: Vec<_> = inputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(inputs, [("fuzz", "2"), ("patches", "a.patch"), ("strip-components", "1")]);
    assert_eq!(recipe.pipeline[0].working_directory.as_deref(), Some("sub"));
    // `make` is for autoconf/make, whose steps run in the root.
    assert_eq!(recipe.environment.packages, ["make"]);
}

#[test]
fn pipelines_use_pipelines_and_hand_their_inputs_down() {
    let pipelines = Texts(vec![
        (
            "outer",
            "inputs:\n  dir:\n    default: ${{targets.contextdir}}/usr\n  tool:\n    default: cc\n  both:\n    default: ${{inputs.tool}}-${{inputs.dir}}\nneeds:\n  packages:\n    - ${{inputs.tool}}\npipeline:\n  - uses: inner\n    with:\n      what: ${{inputs.both}}\n",
        ),
        (
            "inner",
            "inputs:\n  what:\n    required: true\nenvironment:\n  A: inner\npipeline:\n  - runs: say ${{inputs.what}} ${{inputs.tool}} ${{vars.x}}\n",
        ),
    ]);
    let rest = "vars:\n  x: y\npipeline:\n  - name: Mine\n    uses: outer\n    working-directory: here\n    environment:\n      A: outer\n      B: outer\n    with:\n      tool: gcc\n";
    let recipe = evaluate_with(rest, &pipelines, |_| {}).unwrap();
    let outer = &recipe.pipeline[0];
    assert_eq!((outer.name.as_deref(), outer.origin.as_deref()), (Some("Mine"), Some("outer")));
    let Action::Group(steps) = &outer.action else { panic!() };
    let Action::Group(leaves) = &steps[0].action else { panic!() };
    assert_eq!(script(&leaves[0]), "say gcc-/home/build/melange-out/demo/usr gcc y");
    assert_eq!(leaves[0].origin.as_deref(), Some("inner"));
    assert_eq!(leaves[0].working_directory.as_deref(), Some("here"));
    assert_eq!(leaves[0].environment, BTreeMap::from([("A".into(), "inner".into()), ("B".into(), "outer".into())]));
    assert_eq!(recipe.environment.packages, ["gcc"]);
}

#[test]
fn a_range_is_not_seen_inside_a_pipeline_file() {
    let pipelines = Texts(vec![("own", "pipeline:\n  - runs: say ${{range.key}}\n")]);
    let rest = "data:\n  - name: t\n    items:\n      a: b\nsubpackages:\n  - name: demo-${{range.key}}\n    range: t\n    pipeline:\n      - uses: own\n";
    let found = evaluate_with(rest, &pipelines, |_| {}).unwrap_err();
    assert!(found.iter().any(|d| d.code == Code::UndefinedVariable && d.source.as_ref().is_some_and(|s| s.name == "own")));
}

#[test]
fn nested_steps_inherit_and_override() {
    let recipe = evaluate(
        "pipeline:\n  - working-directory: a\n    environment:\n      X: up\n      Y: up\n    pipeline:\n      - runs: one\n      - runs: two\n        working-directory: b\n        environment:\n          X: down\n",
    );
    let Action::Group(steps) = &recipe.pipeline[0].action else { panic!() };
    assert_eq!(steps[0].working_directory.as_deref(), Some("a"));
    assert_eq!(steps[0].environment["X"], "up");
    assert_eq!(steps[1].working_directory.as_deref(), Some("b"));
    assert_eq!((steps[1].environment["X"].as_str(), steps[1].environment["Y"].as_str()), ("down", "up"));
}

#[test]
fn a_test_sees_the_package_and_what_its_steps_need() {
    let recipe = evaluate(
        "test:\n  environment:\n    contents:\n      packages:\n        - jq\n  pipeline:\n    - runs: demo\n      needs:\n        packages:\n          - curl\nsubpackages:\n  - name: demo-doc\n    test:\n      pipeline:\n        - runs: x\n",
    );
    assert_eq!(recipe.test.unwrap().environment.packages, ["curl", "demo", "jq"]);
    assert_eq!(recipe.subpackages[0].test.as_ref().unwrap().environment.packages, ["demo-doc"]);
    assert!(recipe.environment.packages.is_empty());
}

#[test]
fn an_option_changes_variables_and_packages() {
    let rest = "vars:\n  speed: slow\noptions:\n  fast:\n    vars:\n      speed: quick\n    environment:\n      contents:\n        packages:\n          add: [turbo]\n          remove: [brake]\nenvironment:\n  contents:\n    packages: [brake, cc]\npipeline:\n  - runs: say ${{vars.speed}} ${{options.fast.enabled}}\n";
    let plain = evaluate(rest);
    assert_eq!((script(&plain.pipeline[0]), plain.environment.packages.join(" ").as_str()), ("say slow false", "brake cc"));
    let fast = evaluate_with(rest, &Texts(Vec::new()), |c| c.options.extend(["fast".to_owned()])).unwrap();
    assert_eq!((script(&fast.pipeline[0]), fast.environment.packages.join(" ").as_str()), ("say quick true", "cc turbo"));
    let none = evaluate_with(rest, &Texts(Vec::new()), |c| c.options.extend(["slow".to_owned()])).unwrap_err();
    assert!(none.iter().any(|d| d.code == Code::UnknownOption));
}

#[test]
fn values_from_outside_never_become_text_of_a_script() {
    let attack = "1.0'; rm -rf / #$(id)`id`";
    let rest = "vars:\n  v: \"1\"\nvar-transforms:\n  - from: ${{vars.v}}\n    match: \"^1\"\n    replace: \"2\"\n    to: w\npipeline:\n  - runs: make V=\"${{vars.v}}\" W=${{vars.w}}\n  - uses: patch\n    with:\n      series: ${{vars.v}}\n  - uses: own\n    with:\n      x: pre-${{vars.v}}\n";
    let pipelines = Texts(vec![("own", "inputs:\n  x:\n    required: true\npipeline:\n  - runs: say ${{inputs.x}}\n")]);
    let recipe = evaluate_with(rest, &pipelines, |c| drop(c.vars.insert("v".to_owned(), attack.to_owned()))).unwrap();
    assert_eq!(script(&recipe.pipeline[0]), "make V=\"${UNDISTRO_v}\" W=${UNDISTRO_w}");
    assert_eq!(recipe.pipeline[0].environment["UNDISTRO_v"], attack);
    assert_eq!(recipe.pipeline[0].environment["UNDISTRO_w"], attack.replacen('1', "2", 1));
    let Action::Native { inputs, .. } = &recipe.pipeline[1].action else { panic!() };
    assert_eq!(inputs["series"], attack, "what no shell reads gets the value itself");
    let Action::Group(steps) = &recipe.pipeline[2].action else { panic!() };
    assert_eq!(script(&steps[0]), "say pre-${UNDISTRO_v}");
    assert_eq!(steps[0].environment["UNDISTRO_v"], attack);
}

#[test]
fn a_value_from_outside_in_single_quotes_is_refused() {
    let rest = "vars:\n  v: \"1\"\npipeline:\n  - runs: |\n      make\n      echo 'version ${{vars.v}}'\n";
    let found = evaluate_with(rest, &Texts(Vec::new()), |c| drop(c.vars.insert("v".to_owned(), "2".to_owned()))).unwrap_err();
    let diagnostic = found.iter().find(|d| d.code == Code::OutsideValue).unwrap();
    assert!(diagnostic.span.unwrap().slice(&format!("{HEAD}{rest}")).unwrap().starts_with("echo"));
}

#[test]
fn required_steps_are_counted_when_they_would_run() {
    let steps = "    pipeline:\n      - if: ${{build.arch}} == 'x86_64'\n        runs: a\n      - if: ${{build.arch}} == 'aarch64'\n        runs: b\n";
    let recipe = evaluate(&format!("pipeline:\n  - assertions:\n      required-steps: 1\n{steps}"));
    assert_eq!(recipe.pipeline[0].required_steps, Some(1));
    assert!(evaluate_with(&format!("pipeline:\n  - assertions:\n      required-steps: 2\n{steps}"), &Texts(Vec::new()), |_| {}).is_err());
    evaluate(&format!("pipeline:\n  - if: ${{{{build.arch}}}} == 'riscv64'\n    assertions:\n      required-steps: 2\n{steps}"));
}

#[test]
fn other_architectures_are_told_apart() {
    let rest = "  target-architecture:\n    - arm64\n";
    assert!(!evaluate(rest).supported);
    assert!(evaluate_with(rest, &Texts(Vec::new()), |c| c.arch = Arch::Aarch64).unwrap().supported);
    assert!(evaluate("").supported);
}

#[test]
fn a_description_may_hold_what_is_no_variable() {
    let recipe = evaluate("  description: ${{package.name} libraries ${{nothing}}\n");
    assert_eq!(recipe.description, "demo libraries ");
    assert_eq!(recipe.warnings.len(), 2);
}

#[test]
fn what_builds_do_not_honour_is_told() {
    let text = "capabilities:\n  add: [CAP_SYS_ADMIN]\n  drop: [CAP_CHOWN]\nenvironment:\n  accounts:\n    run-as: nonroot\n    \
                users:\n      - username: nonroot\n        uid: 65532\ntest:\n  environment:\n    accounts:\n      run-as: \"0\"\n";
    let recipe = evaluate(text);
    assert!(recipe.warnings.iter().all(|warning| warning.code == spec::Code::NotHonoured));
    assert_eq!(recipe.warnings.len(), 4, "{}", recipe.warnings);
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let recipe = evaluate(
        "vars: &v\n  a: \"1\"\n  b: \"2\"\noptions:\n  o:\n    vars:\n      <<: *v\n      b: \"3\"\nenvironment:\n  contents:\n    packages: &p [cc]\ntest:\n  environment:\n    contents:\n      packages: *p\n",
    );
    assert_eq!(recipe.test.unwrap().environment.packages, ["cc", "demo"]);
}

#[test]
fn the_recipe_prints_as_json() {
    let recipe = evaluate("pipeline:\n  - uses: strip\n");
    let json = serde_json::to_value(&recipe).unwrap();
    assert_eq!(json["pipeline"][0]["action"]["native"]["pipeline"], "strip");
    assert_eq!(recipe.full_version(), "1.2.3-r4");
}

#[test]
fn a_licence_that_spdx_does_not_know_is_told_and_kept() {
    let recipe = evaluate("  copyright:\n    - license: MIT AND Apache2.0\n    - license: NOASSERTION\n");
    assert_eq!(recipe.copyright[0].license, "MIT AND Apache2.0");
    let warnings: Vec<_> = recipe.warnings.iter().filter(|d| d.code == Code::BadLicense).collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].help.as_deref().is_some_and(|help| help.contains("Apache-2.0")), "{warnings:?}");
}

#[test]
fn scripts_of_a_package_that_no_shell_runs_are_not_read_as_shell() {
    let recipe = evaluate(
        "  scriptlets:\n    post-install: |\n      #!/usr/bin/lua\n      if x then y() end\n    pre-install: |\n      #!/usr/bin/env bash\n      [[ $1 == a ]]\n",
    );
    assert!(recipe.scriptlets.post_install.is_some() && recipe.scriptlets.pre_install.is_some());
}

#[test]
fn a_line_that_ends_the_document_is_no_second_one() {
    evaluate("pipeline:\n  - runs: x\n---\n");
    evaluate("pipeline:\n  - runs: x\n...\n");
    assert!(evaluate_with("pipeline:\n  - runs: x\n---\na: b\n", &Texts(Vec::new()), |_| {}).is_err());
}
