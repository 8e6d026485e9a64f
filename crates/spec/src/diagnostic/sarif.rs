//! Findings in the form that code hosts read: SARIF 2.1.0.

use serde_json::{Value, json};

use super::{Code, Located, Severity};

/// Returns a SARIF log of the findings in any number of files.
#[must_use]
pub fn sarif(findings: &[Located], version: &str) -> Value {
    let rules = Code::ALL.iter().map(|code| json!({ "id": code.as_str(), "shortDescription": { "text": code.description() } }));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "undistro", "version": version, "rules": rules.collect::<Vec<_>>() } },
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Located) -> Value {
    let level = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let text = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    let mut place = json!({ "artifactLocation": { "uri": finding.file } });
    if let (Some(line), Some(column), Some(end_line), Some(end_column)) =
        (finding.line, finding.column, finding.end_line, finding.end_column)
    {
        place["region"] = json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column });
    }
    json!({
        "ruleId": finding.code.as_str(),
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_rule_place_and_level() {
        let text = "pakage: {}\n";
        let found = crate::package::parse(text).unwrap_err().located("a.yaml", text);
        let log = sarif(&found, "1.0");
        let first = &log["runs"][0]["results"][0];
        assert_eq!((first["ruleId"].as_str(), first["level"].as_str()), (Some("unknown-key"), Some("error")));
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a.yaml");
        assert_eq!(place["region"], json!({ "startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 7 }));
    }
}
