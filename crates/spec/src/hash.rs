//! Digests and commits as they are given to `fetch` and `git-checkout`.

/// What is wrong with a digest.
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Checks the value of an input that is a digest by its name; other inputs have no problem.
pub(crate) fn problem(input: &str, value: &str) -> Option<Problem> {
    let lengths: &[usize] = match input {
        "expected-sha256" => &[64],
        "expected-sha512" => &[128],
        // A repository may name its commits by SHA-1 or by SHA-256.
        "expected-commit" => &[40, 64],
        _ => return None,
    };
    let hexadecimal = value.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && lengths.contains(&value.len()) {
        return None;
    }
    let message = if let Some(odd) = value.chars().find(|c| !c.is_ascii_hexdigit()) {
        format!("`{input}` is written in hexadecimal digits, and `{odd}` is none")
    } else {
        format!("`{input}` has {} digits, and this has {}", lengths[0], value.len())
    };
    let help = match (input, value.len()) {
        ("expected-sha256", 128) => "a SHA-512 is given as `expected-sha512`".to_owned(),
        ("expected-sha512", 64) => "a SHA-256 is given as `expected-sha256`".to_owned(),
        ("expected-sha256" | "expected-sha512", 40) => "a SHA-1 is not enough to know a file by".to_owned(),
        ("expected-commit", 1..40) => "give the whole commit, not its beginning".to_owned(),
        _ => "copy the whole digest".to_owned(),
    };
    Some(Problem { message, help })
}
