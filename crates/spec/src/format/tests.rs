//! What `fmt` changes, and what it leaves.

use super::format;
use crate::schema::Language;

fn package(text: &str) -> String {
    format(Language::Package, text).unwrap_or_else(|d| panic!("{}", d.render("test", text)))
}

#[test]
fn puts_keys_in_order_and_keeps_comments_with_them() {
    let text = r#"# Copyright line

test:
    pipeline:
    -   runs: |
            demo --version
            # inside the script

        name: Runs  # why
pipeline:
  - with:
      # from upstream
      uri: https://example.org/x.tar.gz
      expected-sha256: abc   # checked
    uses: fetch


  # then build it
  - runs: >-
      make
    # an afterthought
package:
  epoch: 0 # first
  version: "1.0"
  # what it is called
  name: demo
environment: {contents: {packages: [make,
  cc]}}
vars:
  b: "two
    lines"
  a: 1
# the end
"#;
    insta::assert_snapshot!(package(text), @r#"
    # Copyright line

    package:
      # what it is called
      name: demo
      version: "1.0"
      epoch: 0 # first

    environment: {contents: {packages: [make,
      cc]}}

    vars:
      b: "two
        lines"
      a: 1

    pipeline:
      - uses: fetch
        with:
          # from upstream
          uri: https://example.org/x.tar.gz
          expected-sha256: abc   # checked

      # then build it
      - runs: >-
          make
        # an afterthought

    test:
      pipeline:
        - name: Runs  # why
          runs: |
            demo --version
            # inside the script
    # the end
    "#);
}

#[test]
fn what_is_in_order_stays_as_it_is() {
    let text = "package:\n  name: demo\n  version: 1.0\n  epoch: 0\n\npipeline:\n  - runs: |\n      a\n\n      b\n\n  - uses: strip\n";
    assert_eq!(package(text), text);
}

#[test]
fn what_can_not_be_moved_is_refused() {
    for text in ["a: &x 1\nb: *x\n", "vars:\n  a: !!str 1\n", "pipeline:\n  - - runs: x\n", "a: |2\n    b\n", "- a\n"] {
        assert!(format(Language::Package, text).is_err(), "{text}");
    }
}

#[test]
fn single_lines_stay_together_and_sections_apart() {
    let text = "id: a\nname: a\nversion-id: \"1\"\n\narchs:\n  - x86_64\nsource-date-ceiling: 2\n";
    let once = format(Language::Distro, text).unwrap_or_else(|d| panic!("{}", d.render("test", text)));
    assert!(once.starts_with("name: a\nid: a\nversion-id: \"1\"\n\narchs:\n  - x86_64\n\n"), "{once}");
    assert_eq!(format(Language::Distro, &once).ok().as_deref(), Some(once.as_str()));
}

#[test]
fn what_would_not_settle_is_left_as_it_is() {
    // Found by fuzzing: YAML ends a line at a lone carriage return, too.
    let text = "# a\r# b:\n  - runs: |\n      x\n\nneeds:\nuns:  y\n";
    if let Ok(once) = format(Language::Pipeline, text) {
        assert_eq!(format(Language::Pipeline, &once).ok(), Some(once));
    }
}
