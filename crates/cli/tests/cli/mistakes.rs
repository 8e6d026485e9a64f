//! The usual mistakes: what is said, and how it goes on.

use super::desk::{DIGEST, Desk, package};

#[test]
fn what_is_right_is_built_and_there_the_second_time() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    let seen = [desk.run(&["build", "hello"]), desk.run(&["build", "hello"])].join("\n");
    // What the package weighs depends on what its SBOM says.
    let is_size = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let shown = |word: &str| if is_size(word.trim()) { "<size> ".to_owned() } else { word.to_owned() };
    let seen: String = seen.split_inclusive(char::is_whitespace).map(shown).collect();
    insta::assert_snapshot!(seen);
}

#[test]
fn a_typo_in_a_key() {
    let desk = Desk::new();
    let text = package("hello", &desk.source(), DIGEST).replace("epoch:", "epohc:").replace("description:", "desciption:");
    desk.write("distro/packages/hello/package.yaml", &text);
    insta::assert_snapshot!([desk.run(&["check", "distro"]), desk.run(&["build", "hello"])].join("\n"));
}

#[test]
fn an_undefined_variable() {
    let desk = Desk::new();
    let text = package("hello", "https://example.org/${{package.nmae}}-${{vars.mangled}}.txt", DIGEST);
    desk.write("distro/packages/hello/package.yaml", &text);
    insta::assert_snapshot!([desk.run(&["check", "distro"]), desk.run(&["build", "hello"])].join("\n"));
}

#[test]
fn a_pipeline_that_is_not_there() {
    let desk = Desk::new();
    let text = package("hello", &desk.source(), DIGEST).replace("uses: fetch", "uses: fetchh");
    desk.write("distro/packages/hello/package.yaml", &text);
    insta::assert_snapshot!(desk.run(&["check", "distro"]));
}

#[test]
fn an_unknown_package_or_image() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    desk.write("distro/images/web/image.yaml", "contents:\n  packages: [helo]\narchs: [x86_64, aarch64]\n");
    let runs =
        [&["build", "helo"][..], &["compose", "wbe", "-o", "out"], &["compose", "web", "-o", "out"], &["test", "helo"], &["shell", "helo"]];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}

#[test]
fn a_mistake_in_an_image() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    desk.write("distro/images/web/image.yaml", "contents:\n  pakages: [hello]\naccounts:\n  run-as: nobdy\n");
    insta::assert_snapshot!([desk.run(&["check", "distro"]), desk.run(&["compose", "web", "-o", "out"])].join("\n"));
}

#[test]
fn a_wrong_hash() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), &DIGEST.replace("5891b5", "000000"));
    insta::assert_snapshot!(desk.run(&["build", "hello"]));
}

#[test]
fn a_hash_that_is_none() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), &DIGEST[..40]);
    insta::assert_snapshot!(desk.run(&["build", "hello"]));
}

#[test]
fn a_source_that_can_not_be_reached() {
    let desk = Desk::new();
    desk.package("hello", "http://127.0.0.1:1/hello.txt", DIGEST);
    desk.package("gone", &format!("file://{}", desk.path("gone.txt").display()), DIGEST);
    let runs = [&["build", "hello"][..], &["build", "hello", "--offline"], &["build", "gone"]];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}

#[test]
fn a_dependency_that_nothing_makes() {
    let desk = Desk::new();
    desk.package("hello", &desk.source(), DIGEST);
    let text = package("needy", &desk.source(), DIGEST) + "environment:\n  contents:\n    packages: [hello, zlbi-dev]\n";
    desk.write("distro/packages/needy/package.yaml", &text);
    desk.write("distro/images/web/image.yaml", "contents:\n  packages: [\"hello>2\"]\narchs: [x86_64, aarch64]\n");
    insta::assert_snapshot!([desk.run(&["build", "needy"]), desk.run(&["compose", "web", "-o", "out"])].join("\n"));
}

#[test]
fn packages_that_need_each_other() {
    let desk = Desk::new();
    for (name, needs) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let text = package(name, &desk.source(), DIGEST) + &format!("environment:\n  contents:\n    packages: [{needs}]\n");
        desk.write(&format!("distro/packages/{name}/package.yaml"), &text);
    }
    insta::assert_snapshot!(desk.run(&["build", "a"]));
}

#[test]
fn no_distribution_here() {
    let desk = Desk::new();
    let alone = |arguments: &[&str]| {
        let output = desk.command(super::desk::UNDISTRO).env_remove("UNDISTRO_DISTRO").args(arguments).output().unwrap();
        desk.seen(&format!("undistro {}", arguments.join(" ")), &output)
    };
    fs_err::rename(desk.path("distro"), desk.path("elsewhere")).unwrap();
    insta::assert_snapshot!([alone(&["build", "hello"]), alone(&["build", "hello", "--distro", "nowhere"])].join("\n"));
}

#[test]
fn mistyped_commands() {
    let desk = Desk::new();
    let runs = [&["biuld"][..], &["build"], &["build", "hello", "--ofline"], &["compose", "web", "-o", "x", "--format", "zip"]];
    insta::assert_snapshot!(runs.map(|run| desk.run(run)).join("\n"));
}
