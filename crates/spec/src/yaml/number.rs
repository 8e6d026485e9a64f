//! Whole numbers as people write them in YAML 1.1 and 1.2: `0755` and `0o755` are both octal.

/// Reads a whole number: decimal, `0x`, `0b`, `0o`, or octal with a leading zero; `_` may separate digits.
pub(crate) fn parse_integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.chars().next()?.is_digit(radix) || digits.ends_with('_') {
        return None;
    }
    let value = i128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::parse_integer;

    #[test]
    fn a_leading_zero_means_octal() {
        for (text, value) in
            [("0", 0), ("755", 755), ("0755", 493), ("0o755", 493), ("0x1F", 31), ("0b101", 5), ("-7", -7), ("1_000", 1000)]
        {
            assert_eq!(parse_integer(text), Some(value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", "0x", "08", "1.5", "ten", "0o9", "_1", "1_", "--1", "1 "] {
            assert_eq!(parse_integer(text), None, "{text:?}");
        }
    }
}
