//! Places: where the bytes of a source may lie.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

/// A folder of files, here or on a server: a mirror, Debian's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A URL; what lies below is found by appending its path.
    Web(Url),
}

/// One file, here or on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// A URL with the scheme `http` or `https`.
    Web(Url),
}

/// The text names no place from which a source can be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No URL.
    #[error("`{text}` is no URL: {source}")]
    Url {
        /// What was given.
        text: String,
        /// What the parser said.
        #[source]
        source: url::ParseError,
    },
    /// A scheme that nothing here speaks.
    #[error("the scheme of `{0}` is not supported; there are https, http, file and debian")]
    Scheme(String),
    /// `debian:` needs a base URL.
    #[error("no Debian mirror is known: none is set, and the host's apt names none")]
    NoDebian,
    /// `debian:` names a path below the archive's root.
    #[error("`{0}` is no path below the archive's root, such as debian:pool/main/m/musl/musl_1.2.5.orig.tar.gz")]
    DebianPath(String),
}

impl Location {
    /// Returns the file at `path` below it. `path` is ours or was checked: relative, without `..`.
    #[must_use]
    pub fn join(&self, path: &str) -> Place {
        match self {
            Self::Folder(folder) => Place::File(folder.join(path)),
            Self::Web(url) => {
                let mut url = url.clone();
                if let Ok(mut parts) = url.path_segments_mut() {
                    parts.pop_if_empty().extend(path.split('/'));
                }
                Place::Web(url)
            }
        }
    }
}

impl Location {
    /// Returns the location called `new` beside this one, if this one is called `old`.
    fn sibling(&self, old: &str, new: &str) -> Option<Self> {
        match self {
            Self::Folder(folder) => folder.ends_with(old).then(|| Self::Folder(folder.with_file_name(new))),
            Self::Web(url) => {
                let last = url.path_segments()?.rfind(|part| !part.is_empty())?;
                let mut url = (last == old).then(|| url.clone())?;
                url.path_segments_mut().ok()?.pop_if_empty().pop().push(new);
                Some(Self::Web(url))
            }
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    /// Accepts a path (with a `/`, or without a `:`) or a URL.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.starts_with(['/', '.']) || !text.contains(':') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        match Place::parse_url(text)? {
            Place::File(path) => Ok(Self::Folder(path)),
            Place::Web(url) => Ok(Self::Web(url)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Web(url) => f.write_str(&without_secrets(url)),
        }
    }
}

impl Place {
    /// Parses a source's URI. `debian:` names a path below `debian`.
    pub fn parse(uri: &str, debian: Option<&Location>) -> Result<Self, LocationError> {
        let Some(path) = uri.strip_prefix("debian:") else { return Self::parse_url(uri) };
        let clean = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !clean {
            return Err(LocationError::DebianPath(uri.to_owned()));
        }
        debian.map(|base| base.join(path)).ok_or(LocationError::NoDebian)
    }

    /// Returns where the archive of security updates has what `uri` names in the main one: a fix lies there first, and comes to the
    /// main archive with the next point release. Mirrors keep the two side by side, as `debian` and `debian-security`.
    #[must_use]
    pub(crate) fn security(uri: &str, debian: Option<&Location>) -> Option<Self> {
        let path = uri.strip_prefix("debian:pool/").filter(|path| !path.starts_with("updates/"))?;
        Self::parse(uri, debian).ok()?;
        Some(debian?.sibling("debian", "debian-security")?.join(&format!("pool/updates/{path}")))
    }

    fn parse_url(text: &str) -> Result<Self, LocationError> {
        let url = Url::parse(text).map_err(|source| LocationError::Url { text: text.to_owned(), source })?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Web(url)),
            "file" => url.to_file_path().map(Self::File).map_err(|()| LocationError::Scheme(text.to_owned())),
            _ => Err(LocationError::Scheme(text.to_owned())),
        }
    }

    /// Returns the path, if it is a file of this machine.
    #[must_use]
    pub fn as_file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Web(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Web(url) => f.write_str(&without_secrets(url)),
        }
    }
}

/// A URL as it may be shown: without the password that a mirror may need.
fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return String::from("***");
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(text: &str) -> Result<String, LocationError> {
        let base: Location = "https://mirror.example/debian/".parse().unwrap();
        Place::parse(text, Some(&base)).map(|place| place.to_string())
    }

    #[test]
    fn finds_a_debian_path_below_the_base() {
        assert_eq!(debian("debian:pool/main/z/zlib/z_1+x.tar.gz").unwrap(), "https://mirror.example/debian/pool/main/z/zlib/z_1+x.tar.gz");
        let folder: Location = "/srv/debian".parse().unwrap();
        assert_eq!(folder.join("pool/x").to_string(), "/srv/debian/pool/x");
    }

    #[test]
    fn finds_a_fix_in_the_archive_of_security_updates() {
        let security = |base: &str, uri: &str| Place::security(uri, Some(&base.parse().unwrap())).map(|place| place.to_string());
        let uri = "debian:pool/main/p/pcre2/p_1.diff.gz";
        for base in ["https://mirror.example/debian/", "https://mirror.example/debian"] {
            let expected = "https://mirror.example/debian-security/pool/updates/main/p/pcre2/p_1.diff.gz";
            assert_eq!(security(base, uri).as_deref(), Some(expected));
        }
        assert_eq!(security("/srv/debian", uri).as_deref(), Some("/srv/debian-security/pool/updates/main/p/pcre2/p_1.diff.gz"));
        for (base, uri) in [("/srv/other", uri), ("/srv/debian", "debian:dists/trixie/InRelease"), ("/srv/debian", "debian:pool/../x")] {
            assert_eq!(security(base, uri), None, "{base} {uri}");
        }
    }

    #[test]
    fn refuses_what_leads_out_of_the_archive() {
        for path in ["debian:", "debian:/etc/passwd", "debian:../x", "debian:pool/../../x", "debian:pool//x"] {
            assert!(matches!(debian(path), Err(LocationError::DebianPath(_))), "{path}");
        }
        assert_eq!(Place::parse("debian:pool/x", None), Err(LocationError::NoDebian));
    }

    #[test]
    fn refuses_schemes_that_nothing_here_speaks() {
        for text in ["ftp://h/x", "git://h/x", "data:x", "ssh://h/x"] {
            assert!(matches!(Place::parse(text, None), Err(LocationError::Scheme(_))), "{text}");
        }
        assert!(matches!(Place::parse("no url", None), Err(LocationError::Url { .. })));
    }

    #[test]
    fn hides_a_password() {
        let location: Location = "https://me:secret@h/x".parse().unwrap();
        assert_eq!(location.join("y").to_string(), "https://me:***@h/x/y");
    }
}
