//! The host's own apt configuration: where Debian's archive is for this machine (sources.list(5)).

use std::path::PathBuf;

use super::Paragraphs;

/// Where Debian keeps the public keys of its archive, on hosts that have them.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What a host says of Debian's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The root of the mirror, without a `/` at its end.
    pub mirror: String,
    /// The keys that sign it, where the entry names a file.
    pub keyring: Option<PathBuf>,
}

/// Finds Debian's main archive in one file of apt's sources: `sources.list`, or a `.list` or `.sources` file below
/// `sources.list.d`. Entries of others, and of the security archive, are passed over: a mirror of Debian's main archive
/// ends in `/debian`.
#[must_use]
pub fn host(text: &str) -> Option<Host> {
    let is_stanza = |line: &str| line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("types:"));
    if text.lines().any(is_stanza) { from_stanzas(text) } else { text.lines().find_map(from_line) }
}

/// Returns the root of the host's Debian mirror; see [`host`].
#[must_use]
pub fn host_mirror(text: &str) -> Option<String> {
    host(text).map(|host| host.mirror)
}

fn from_stanzas(text: &str) -> Option<Host> {
    Paragraphs::new(text.as_bytes()).map_while(Result::ok).find_map(|stanza| {
        let is = |field: &str, wanted: &str| stanza.get(field).is_some_and(|value| value.split_whitespace().any(|word| word == wanted));
        let enabled = stanza.get("Enabled").is_none_or(|value| !matches!(value.trim(), "no" | "false" | "0"));
        if !enabled || !is("Components", "main") || !(is("Types", "deb") || is("Types", "deb-src")) {
            return None;
        }
        let mirror = stanza.get("URIs")?.split_whitespace().find_map(debian_root)?;
        // A key may also stand there itself; gpgv reads only files.
        let keyring = stanza.get("Signed-By").and_then(|value| value.split_whitespace().next()).filter(|path| path.starts_with('/'));
        Some(Host { mirror, keyring: keyring.map(PathBuf::from) })
    })
}

/// `deb [ option=value … ] uri suite [component …]`
fn from_line(line: &str) -> Option<Host> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = rest.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let mirror = debian_root(words.next()?)?;
    words.skip(1).find(|component| *component == "main")?;
    let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).and_then(|list| list.split(',').next());
    Some(Host { mirror, keyring: keyring.map(PathBuf::from) })
}

fn debian_root(uri: &str) -> Option<String> {
    let known = ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme));
    let root = uri.trim_end_matches('/');
    (known && root.ends_with("/debian")).then(|| root.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mirror_in_stanzas() {
        let text = "# comment\nTypes: deb\nURIs: https://node.example/node_20.x\nSuites: nodistro\nComponents: main\n\n\
            Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\nComponents: main\n\n\
            Types: deb deb-src\nURIs: http://mirror.example/debian/\nSuites: trixie trixie-updates\nComponents: main contrib\n\
            Signed-By: /keys/debian.gpg\n";
        let expected = Host { mirror: "http://mirror.example/debian".into(), keyring: Some("/keys/debian.gpg".into()) };
        assert_eq!(host(text), Some(expected));
    }

    #[test]
    fn finds_the_mirror_in_lines() {
        let text = "# deb http://no.example/debian trixie main\ndeb https://other.example/tool stable main\n\
            deb [ arch=amd64 signed-by=/keys/a.gpg ] http://mirror.example/debian trixie main # comment\n";
        let expected = Host { mirror: "http://mirror.example/debian".into(), keyring: Some("/keys/a.gpg".into()) };
        assert_eq!(host(text), Some(expected));
        assert_eq!(host_mirror("deb http://mirror.example/debian trixie main").as_deref(), Some("http://mirror.example/debian"));
    }

    #[test]
    fn finds_nothing_on_other_hosts() {
        for text in
            ["", "deb http://a.example/ubuntu noble main", "debris", "deb", "deb [x", "deb cdrom:[x]/debian trixie main", "Types: deb\n"]
        {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
