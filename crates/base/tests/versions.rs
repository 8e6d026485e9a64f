//! Versions compare as apk-tools' own vectors say, where that corpus lies beside the project.

use std::cmp::Ordering;
use std::io::Write as _;
use std::path::PathBuf;

use base::{Constraint, Operator, Version};

/// Finds the corpus beside the workspace; tests pass without it.
fn corpus(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(path);
    path.exists().then_some(path)
}

fn parse_operator(text: &str) -> Result<Operator, String> {
    Ok(match text {
        "=" => Operator::Equal,
        "<" => Operator::Less,
        ">" => Operator::Greater,
        "~" => Operator::Fuzzy,
        "<~" => Operator::LessFuzzy,
        ">~" => Operator::GreaterFuzzy,
        other => return Err(format!("unknown operator {other}")),
    })
}

fn holds(line: &str) -> Result<bool, String> {
    let words: Vec<_> = line.split_whitespace().collect();
    // Two vectors hold `_post1`, which breaks the grammar.
    let version = |text: &str| Version::tolerate(text).map_err(|error| error.to_string());
    match words[..] {
        [one] => Ok(match one.strip_prefix('!') {
            Some(invalid) => invalid.parse::<Version>().is_err(),
            None => one.parse::<Version>().is_ok(),
        }),
        [left, operator, right] => {
            let (operator, negated) = operator.strip_prefix('!').map_or((operator, false), |operator| (operator, true));
            let (left, right) = (version(left)?, version(right)?);
            let mirrored = right.cmp(&left) == left.cmp(&right).reverse();
            let answer = Constraint::Compare(parse_operator(operator)?, right).accepts(&left);
            Ok(mirrored && answer != negated)
        }
        _ => Err("neither a version nor a comparison".into()),
    }
}

#[test]
fn every_vector_of_apk_tools_holds() {
    let Some(path) = corpus("apk/apk-tools/version.data") else {
        // Past the harness, which keeps what a test that passes prints; on a line of its own, so that `./check` finds it.
        let _ = std::io::stderr().write_all(b"\nSKIP: the corpus is not there: apk/apk-tools/version.data\n");
        return;
    };
    let text = fs_err::read_to_string(path).unwrap();
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty()) {
        count += 1;
        match holds(line) {
            Ok(true) => {}
            other => wrong.push(format!("{line}: {other:?}")),
        }
    }
    assert!(count > 500, "only {count} vectors were read");
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_order_is_total() {
    let texts = [
        "0",
        "00",
        "1",
        "01",
        "1.0",
        "1.00",
        "1.01",
        "1.010",
        "1.1",
        "1.9",
        "1.10",
        "1a",
        "1b",
        "1_alpha",
        "1_rc",
        "1_rc1",
        "1_p",
        "1_p1",
        "1_p1_pre2",
        "1~ab",
        "1~abc",
        "1-r0",
        "1-r1",
        "1.0-r0",
        "1_alpha_pre",
        "1a_p1",
        "1a~1",
    ];
    let versions = texts.map(|text| Version::tolerate(text).unwrap());
    for a in &versions {
        assert_eq!(a.cmp(a), Ordering::Equal);
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} {b}");
            for c in &versions {
                if a.cmp(b) != Ordering::Greater && b.cmp(c) != Ordering::Greater {
                    assert_ne!(a.cmp(c), Ordering::Greater, "{a} {b} {c}");
                }
            }
        }
    }
}
