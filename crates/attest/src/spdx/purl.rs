//! Package URLs (<https://github.com/package-url/purl-spec>).

use std::collections::BTreeMap;
use std::fmt;

/// A package URL: `pkg:type/namespace/name@version?qualifiers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purl {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<&'static str, String>,
}

impl Purl {
    /// Begins a package URL of a registered type.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into(), version: None, qualifiers: BTreeMap::new() }
    }

    /// Sets who distributes it.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds a qualifier; an empty value adds nothing, as the specification has it.
    #[must_use]
    pub fn qualifier(mut self, key: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.qualifiers.insert(key, value);
        }
        self
    }

    /// Names a package of an apk distribution.
    #[must_use]
    pub fn apk(distro: &str, name: &str, version: &str, arch: &str, origin: Option<&str>) -> Self {
        let upstream = origin.filter(|origin| *origin != name).unwrap_or_default();
        Self::new("apk", name.to_lowercase())
            .namespace(distro.to_lowercase())
            .version(version)
            .qualifier("arch", arch)
            .qualifier("upstream", upstream)
    }
}

/// Percent-encodes all but what a package URL leaves as it is.
fn encode(text: &str, also: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        let c = char::from(b);
        if c.is_ascii_alphanumeric() || "-._~:".contains(c) || (c.is_ascii() && also.contains(c)) {
            out.push(c);
        } else {
            use fmt::Write as _;
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{}/", encode(namespace, "/"))?;
        }
        f.write_str(&encode(&self.name, ""))?;
        if let Some(version) = &self.version {
            write!(f, "@{}", encode(version, ""))?;
        }
        for (n, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}={}", if n == 0 { '?' } else { '&' }, encode(value, "/"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_specification_writes() {
        let purl = Purl::apk("Undistro", "libstdc++", "14.2.0-r1", "x86_64", Some("gcc"));
        assert_eq!(purl.to_string(), "pkg:apk/undistro/libstdc%2B%2B@14.2.0-r1?arch=x86_64&upstream=gcc");
        let purl = Purl::new("generic", "zlib").version("1.3.1").qualifier("download_url", "https://zlib.net/zlib-1.3.1.tar.gz?a=b");
        assert_eq!(purl.to_string(), "pkg:generic/zlib@1.3.1?download_url=https://zlib.net/zlib-1.3.1.tar.gz%3Fa%3Db");
    }
}
