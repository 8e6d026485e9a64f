//! Licence expressions: known identifiers stay, all else becomes a `LicenseRef-` with what is known of its text.

use std::collections::BTreeMap;

use super::NO_ASSERTION;
use super::document::ExtractedLicense;
use super::id::{clean, short};

/// A licence expression that SPDX accepts (annex D), with the licences it had to name itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licenses {
    /// The expression, or `NOASSERTION`.
    pub expression: String,
    /// One for each `LicenseRef-` in the expression, in order of identifier.
    pub extracted: Vec<ExtractedLicense>,
}

/// Reads a package's licence as people write it.
///
/// `texts` holds the texts of licences that are not on SPDX's list, by the name used in `written`. A list without
/// operators ("MIT BSD") is no expression: what it means is not known, so the whole becomes one `LicenseRef-`.
#[must_use]
pub fn licenses(written: &str, texts: &BTreeMap<String, String>) -> Licenses {
    let written = written.trim();
    if written.is_empty() || written.eq_ignore_ascii_case(NO_ASSERTION) {
        return Licenses { expression: NO_ASSERTION.into(), extracted: Vec::new() };
    }
    let mut own = BTreeMap::new();
    let expression = words(written).into_iter().map(|word| term(word, texts, &mut own)).collect::<Vec<_>>().join(" ");
    let expression = expression.replace("( ", "(").replace(" )", ")");
    if spdx_list::Expression::parse(&expression).is_ok() {
        return Licenses { expression, extracted: own.into_values().collect() };
    }
    let whole = extracted(written, texts);
    Licenses { expression: whole.license_id.clone(), extracted: vec![whole] }
}

/// Splits an expression into parentheses, operators and identifiers.
fn words(written: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for chunk in written.split_whitespace() {
        let mut rest = chunk;
        while let Some(at) = rest.find(['(', ')']) {
            if at > 0 {
                words.push(&rest[..at]);
            }
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}

fn term(word: &str, texts: &BTreeMap<String, String>, own: &mut BTreeMap<String, ExtractedLicense>) -> String {
    for operator in ["AND", "OR", "WITH"] {
        if word.eq_ignore_ascii_case(operator) {
            return operator.into();
        }
    }
    let known = |name: &str| spdx_list::license_id(name).is_some() || spdx_list::exception_id(name).is_some();
    if matches!(word, "(" | ")") || word.starts_with("DocumentRef-") || known(word) || known(word.trim_end_matches('+')) {
        return word.into();
    }
    let license = extracted(word, texts);
    let id = license.license_id.clone();
    own.insert(id.clone(), license);
    id
}

fn extracted(name: &str, texts: &BTreeMap<String, String>) -> ExtractedLicense {
    let bare = name.strip_prefix("LicenseRef-").unwrap_or(name);
    let cleaned = clean(bare);
    let license_id = if cleaned == bare { format!("LicenseRef-{cleaned}") } else { format!("LicenseRef-{cleaned}-{}", short(bare)) };
    let text = texts.get(name).or_else(|| texts.get(bare)).cloned();
    let unknown = || format!("The package definition names the licence \"{name}\" and gives no text for it.");
    ExtractedLicense { license_id, extracted_text: text.unwrap_or_else(unknown), name: Some(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let cases = [
            ("MIT", "MIT"),
            ("GPL-2.0-only with Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
            ("(MIT and Zlib) OR Apache-2.0", "(MIT AND Zlib) OR Apache-2.0"),
            ("", "NOASSERTION"),
            ("LicenseRef-Public-Domain OR MIT", "LicenseRef-Public-Domain OR MIT"),
            ("MIT AND Nobody's", "MIT AND LicenseRef-Nobody-s-50134dd4"),
            ("MIT BSD", "LicenseRef-MIT-BSD-81411fa5"),
        ];
        for (written, expression) in cases {
            assert_eq!(licenses(written, &BTreeMap::new()).expression, expression, "{written}");
        }
    }

    #[test]
    fn keeps_the_text_of_a_licence_that_is_not_on_the_list() {
        let texts = BTreeMap::from([("Custom".to_owned(), "Do good.".to_owned())]);
        let found = licenses("MIT AND Custom", &texts);
        assert_eq!(found.extracted.len(), 1);
        assert_eq!((found.extracted[0].license_id.as_str(), found.extracted[0].extracted_text.as_str()), ("LicenseRef-Custom", "Do good."));
    }
}
