//! Reads pkg-config files: what a library is called there, and which others it needs.

use std::collections::BTreeMap;

use base::tree::Entry;

/// The directories that pkg-config looks into, below each prefix.
const DIRECTORIES: [&str; 6] = [
    "usr/lib/pkgconfig",
    "usr/lib64/pkgconfig",
    "usr/share/pkgconfig",
    "usr/local/lib/pkgconfig",
    "usr/local/lib64/pkgconfig",
    "usr/local/share/pkgconfig",
];

/// The largest file that is read; real ones have a few hundred bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// Substitutions in one value; a file may refer to itself for ever.
const MAX_SUBSTITUTIONS: usize = 64;

/// What a pkg-config file says.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct PkgConfig {
    /// The version of the library, as upstream writes it.
    pub(super) version: String,
    /// The names after `Requires`, `Requires.private` and `Requires.internal`, without versions.
    pub(super) requires: Vec<String>,
}

/// Returns the name that pkg-config knows the file by, if it is one that pkg-config finds.
pub(super) fn name<'a>(entry: &'a Entry, library_directories: &[String]) -> Option<&'a str> {
    let name = entry.path.file_name().strip_suffix(".pc")?;
    let parent = entry.path.parent()?;
    let below_library =
        || parent.as_str().strip_suffix("/pkgconfig").is_some_and(|lib| library_directories.iter().any(|known| known == lib));
    (DIRECTORIES.contains(&parent.as_str()) || below_library()).then_some(name)
}

/// Reads a file's text. Lines that are neither a variable nor a keyword are passed over, as pkg-config does.
pub(super) fn parse(text: &str) -> PkgConfig {
    let mut variables = BTreeMap::new();
    let mut file = PkgConfig::default();
    for line in text.replace("\\\n", " ").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(at) = line.find(['=', ':']) else { continue };
        let (key, value) = (line[..at].trim(), expand(line[at + 1..].trim(), &variables));
        match (&line[at..=at], key) {
            ("=", key) => drop(variables.insert(key.to_owned(), value)),
            (_, "Version") => file.version = value,
            (_, "Requires" | "Requires.private" | "Requires.internal") => file.requires.extend(names(&value)),
            _ => {}
        }
    }
    file
}

fn expand(value: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = value.to_owned();
    for _ in 0..MAX_SUBSTITUTIONS {
        let Some(start) = text.find("${") else { break };
        let Some(length) = text[start..].find('}') else { break };
        let with = variables.get(&text[start + 2..start + length]).cloned().unwrap_or_default();
        text.replace_range(start..=start + length, &with);
    }
    text
}

/// Splits `a >= 1, b c<2` into names.
fn names(list: &str) -> Vec<String> {
    let spaced = list.replace(',', " ").replace(['<', '>', '=', '!'], " \0 ");
    let mut names = Vec::new();
    let mut version_follows = false;
    for word in spaced.split_whitespace() {
        match word {
            "\0" => version_follows = true,
            _ if version_follows => version_follows = false,
            name => names.push(name.to_owned()),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_version_and_requires() {
        let text = "prefix=/usr\nmajor=3\nName: OpenSSL\nVersion: ${major}.5.1\nRequires: libssl >= 3.0, libcrypto\nRequires.private: zlib>1 , \\\n  libzstd # not = this\n";
        let expected = ["libssl", "libcrypto", "zlib", "libzstd"].map(str::to_owned).to_vec();
        assert_eq!(parse(text), PkgConfig { version: "3.5.1".to_owned(), requires: expected });
    }

    #[test]
    fn a_variable_of_itself_comes_to_an_end() {
        assert_eq!(parse("a=${a}${a}x\nVersion: ${a}\n").version, "x");
    }
}
