//! Values that came from outside the definition: known by mark until it is clear whether a shell will read them.

use std::collections::BTreeMap;

use crate::text::{OUTSIDE_CLOSE, OUTSIDE_OPEN};

/// The values from outside, by name of variable.
#[derive(Debug, Default)]
pub(super) struct Outside(BTreeMap<String, String>);

impl Outside {
    /// Notes a value and returns the mark that stands for it.
    pub(super) fn note(&mut self, variable: &str, value: String) -> String {
        self.0.insert(variable.to_owned(), value);
        format!("{OUTSIDE_OPEN}{variable}{OUTSIDE_CLOSE}")
    }

    /// Whether the text holds a mark.
    pub(super) fn marks(text: &str) -> bool {
        text.contains(OUTSIDE_OPEN)
    }

    /// Puts the values in place of their marks: for everything but scripts.
    pub(super) fn reveal(&self, text: &str) -> String {
        self.replace(text, |_, value| value.to_owned())
    }

    /// Puts shell parameters in place of the marks and returns the environment that they need.
    pub(super) fn script(&self, text: &str) -> (String, BTreeMap<String, String>) {
        let mut environment = BTreeMap::new();
        let script = self.replace(text, |variable, value| {
            let name = parameter(variable);
            let parameter = format!("${{{name}}}");
            environment.insert(name, value.to_owned());
            parameter
        });
        (script, environment)
    }

    fn replace(&self, text: &str, mut with: impl FnMut(&str, &str) -> String) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OUTSIDE_OPEN) {
            let (variable, after) = after.split_once(OUTSIDE_CLOSE).unwrap_or((after, ""));
            out.push_str(before);
            out.push_str(&with(variable, self.0.get(variable).map_or("", String::as_str)));
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

/// Names the environment variable for a variable: bytes that a name can not hold are written as hexadecimal numbers,
/// so that two variables never share one.
fn parameter(variable: &str) -> String {
    let mut name = "UNDISTRO_".to_owned();
    for byte in variable.strip_prefix("vars.").unwrap_or(variable).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte as char),
            b'-' => name.push_str("__"),
            other => name.push_str(&format!("_{other:02x}_")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_a_parameter_and_everything_else_the_value() {
        let mut outside = Outside::default();
        let mark = outside.note("vars.flag-x", "$(id); '".to_owned());
        let text = format!("echo {mark}!");
        assert_eq!(outside.reveal(&text), "echo $(id); '!");
        let (script, environment) = outside.script(&text);
        assert_eq!(script, "echo ${UNDISTRO_flag__x}!");
        assert_eq!(environment["UNDISTRO_flag__x"], "$(id); '");
    }
}
