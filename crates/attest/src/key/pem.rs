//! PEM: base64 between two lines (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;

/// Returns the first block whose label is one of `labels`, as label and bytes. Text around blocks is ignored.
pub(crate) fn decode<'t>(text: &'t str, labels: &[&str], wanted: &'static str) -> Result<(&'t str, Vec<u8>), KeyError> {
    let mut found = None;
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = begun.split_once("-----") else { break };
        let Some((body, after)) = body.split_once(&format!("-----END {label}-----")) else { break };
        if labels.contains(&label) {
            let digits: String = body.split_whitespace().collect();
            let bytes = STANDARD.decode(digits).map_err(|source| KeyError::Base64 { label: label.to_owned(), source })?;
            return Ok((label, bytes));
        }
        found.get_or_insert_with(|| label.to_owned());
        rest = after;
    }
    Err(KeyError::Pem { wanted, found })
}

/// Writes one block with lines of 64 characters.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    let digits = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        let bytes: Vec<u8> = (0..200).collect();
        let text = format!("# a comment\n{}{}", encode("OTHER", b"x"), encode("KEY", &bytes).replace('\n', "\r\n"));
        assert_eq!(decode(&text, &["KEY"], "KEY").unwrap(), ("KEY", bytes));
    }

    #[test]
    fn refuses_a_block_without_end() {
        assert!(decode("-----BEGIN KEY-----\nAAAA\n", &["KEY"], "KEY").is_err());
    }
}
