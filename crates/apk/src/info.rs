//! What a package says of itself, and its text in a package: `.PKGINFO`.

use std::fmt::Write as _;

use base::{Dependency, Digest, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::fields::Draft;

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its name.
    pub name: PackageName,
    /// Its version with revision. Others have published some that break the grammar.
    #[serde(deserialize_with = "tolerate")]
    pub version: Version,
    /// The architecture as text: one of apk's, or `noarch`.
    pub arch: String,
    /// One line for a person.
    pub description: String,
    /// Upstream's page.
    pub url: String,
    /// The licence, an SPDX expression where the packager wrote one.
    pub license: String,
    /// The package whose definition made it.
    pub origin: Option<PackageName>,
    /// The commit of the definition.
    pub commit: Option<String>,
    /// Who looks after it.
    pub maintainer: Option<String>,
    /// Who built it.
    pub packager: Option<String>,
    /// Seconds since 1970.
    pub build_time: Option<i64>,
    /// Bytes that its files take.
    pub installed_size: u64,
    /// What it needs, or may not stand beside (`!name`).
    pub depends: Vec<Dependency>,
    /// What it provides besides its name. Others have published versions here that break the grammar.
    #[serde(deserialize_with = "tolerate_all")]
    pub provides: Vec<Dependency>,
    /// Packages whose files it may overwrite.
    #[serde(deserialize_with = "tolerate_all")]
    pub replaces: Vec<Dependency>,
    /// When all of these are installed, it is installed too.
    pub install_if: Vec<Dependency>,
    /// Preference among providers; without one, an unversioned `provides` is never chosen by itself.
    pub provider_priority: Option<u64>,
    /// Preference among packages that replace each other's files.
    pub replaces_priority: Option<u64>,
    /// Directories whose change runs its `.trigger`; may hold `*`.
    pub triggers: Vec<String>,
}

/// Why a `.PKGINFO` can not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The text is not UTF-8.
    #[error("line {line} of .PKGINFO is not UTF-8")]
    Encoding {
        /// Counted from 1.
        line: usize,
    },
    /// A value does not fit its key.
    #[error("line {line} of .PKGINFO: {reason}")]
    Value {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A key that every package has is missing.
    #[error(".PKGINFO has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value would end its line, and what follows would be read as another key.
    #[error("the {field} of {package} holds a line break or another control character")]
    Control {
        /// Which package.
        package: String,
        /// Which field.
        field: &'static str,
    },
}

/// A `.PKGINFO` as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInfo {
    /// What the package says of itself.
    pub info: Info,
    /// sha256 of the data member.
    pub datahash: Option<Digest>,
    /// Why apk would not install it, such as a dependency that can not be read.
    pub uninstallable: Option<String>,
}

impl Info {
    /// Makes an info that says nothing but its name, version and architecture.
    #[must_use]
    pub fn new(name: PackageName, version: Version, arch: impl Into<String>) -> Self {
        Self {
            name,
            version,
            arch: arch.into(),
            description: String::new(),
            url: String::new(),
            license: String::new(),
            origin: None,
            commit: None,
            maintainer: None,
            packager: None,
            build_time: None,
            installed_size: 0,
            depends: Vec::new(),
            provides: Vec::new(),
            replaces: Vec::new(),
            install_if: Vec::new(),
            provider_priority: None,
            replaces_priority: None,
            triggers: Vec::new(),
        }
    }

    /// Returns `name-version`, as files and scripts are called.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Refuses values that hold a line break: they would add fields to an index or a `.PKGINFO`.
    pub fn check(&self) -> Result<(), InfoError> {
        let texts = [
            ("architecture", Some(&self.arch)),
            ("description", Some(&self.description)),
            ("url", Some(&self.url)),
            ("license", Some(&self.license)),
            ("commit", self.commit.as_ref()),
            ("maintainer", self.maintainer.as_ref()),
            ("packager", self.packager.as_ref()),
        ];
        let triggers = self.triggers.iter().map(|trigger| ("trigger", Some(trigger)));
        for (field, text) in texts.into_iter().chain(triggers) {
            if text.is_some_and(|text| text.chars().any(char::is_control)) {
                return Err(InfoError::Control { package: self.name.to_string(), field });
            }
        }
        Ok(())
    }

    /// Prints `.PKGINFO`, in melange's order of keys. `datahash` is the sha256 of the data member.
    pub fn to_pkginfo(&self, datahash: &Digest) -> Result<String, InfoError> {
        self.check()?;
        let mut text = String::new();
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{key} = {value}");
        };
        line("pkgname", &self.name);
        line("pkgver", &self.version);
        line("arch", &self.arch);
        line("size", &self.installed_size);
        if let Some(origin) = &self.origin {
            line("origin", origin);
        }
        line("pkgdesc", &self.description);
        line("url", &self.url);
        for (key, value) in [("commit", &self.commit), ("maintainer", &self.maintainer), ("packager", &self.packager)] {
            if let Some(value) = value {
                line(key, value);
            }
        }
        if let Some(time) = self.build_time {
            line("builddate", &time);
        }
        line("license", &self.license);
        for (key, list) in [("depend", &self.depends), ("provides", &self.provides), ("replaces", &self.replaces)] {
            list.iter().for_each(|dependency| line(key, dependency));
        }
        if !self.install_if.is_empty() {
            line("install_if", &join(&self.install_if));
        }
        for (key, value) in [("provider_priority", self.provider_priority), ("replaces_priority", self.replaces_priority)] {
            if let Some(value) = value {
                line(key, &value);
            }
        }
        if !self.triggers.is_empty() {
            line("triggers", &self.triggers.join(" "));
        }
        line("datahash", &datahash.hex());
        Ok(text)
    }
}

fn tolerate<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    Version::tolerate(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn tolerate_all<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Dependency>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Dependency::tolerate(text).map_err(serde::de::Error::custom)).collect()
}

/// Joins dependencies by spaces, as lists stand on one line.
pub(crate) fn join(list: &[Dependency]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl PackageInfo {
    /// Parses `.PKGINFO`. Unknown keys are passed over, as apk does.
    pub fn parse(bytes: &[u8]) -> Result<Self, InfoError> {
        let mut draft = Draft::default();
        let mut datahash = None;
        for (line, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let text = std::str::from_utf8(bytes).map_err(|_| InfoError::Encoding { line })?.trim();
            // Comments; and what is no `key = value` at all, apk passes over.
            let Some((key, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) else { continue };
            let (key, value) = (key.trim(), value.trim());
            if key == "datahash" {
                let hash = Digest::from_hex(value).map_err(|error| InfoError::Value { line, reason: format!("datahash: {error}") })?;
                datahash = Some(hash);
                continue;
            }
            apply(&mut draft, key, value).map_err(|reason| InfoError::Value { line, reason })?;
        }
        let (info, uninstallable) = draft.into_info().map_err(|key| InfoError::Missing { key })?;
        Ok(Self { info, datahash, uninstallable })
    }
}

/// Applies one `key = value`. Lists may be given in several lines.
fn apply(draft: &mut Draft, key: &str, value: &str) -> Result<(), String> {
    let field = match key {
        "pkgname" => b'P',
        "pkgver" => b'V',
        "arch" => b'A',
        "size" => b'I',
        "origin" => b'o',
        "pkgdesc" => b'T',
        "url" => b'U',
        "commit" => b'c',
        "maintainer" => b'm',
        "builddate" => b't',
        // melange writes a line for each part of a package under another licence; all of them hold.
        "license" if !draft.license.is_empty() && !value.is_empty() => {
            draft.license = format!("{} AND {value}", draft.license);
            return Ok(());
        }
        "license" => b'L',
        "depend" => b'D',
        "provides" => b'p',
        "replaces" => b'r',
        "install_if" => b'i',
        "provider_priority" => b'k',
        "replaces_priority" => b'q',
        "packager" => {
            draft.packager = Some(value.to_owned()).filter(|text| !text.is_empty());
            return Ok(());
        }
        "triggers" => {
            draft.triggers.extend(value.split_whitespace().map(str::to_owned));
            return Ok(());
        }
        _ => return Ok(()),
    };
    draft.apply(field, value).map(|_| ())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An info with every field set.
    pub(crate) fn full() -> Info {
        Info {
            description: "a web server: small = good".into(),
            url: "https://nginx.example".into(),
            license: "BSD-2-Clause AND MIT".into(),
            origin: Some("nginx".parse().unwrap()),
            commit: Some("c57128b0e49d551220aff88af0f1487d80cdccf8".into()),
            maintainer: Some("A <a@example.org>".into()),
            packager: Some("undistro".into()),
            build_time: Some(1_700_000_000),
            installed_size: 123_456,
            depends: Dependency::parse_list("so:libc.musl-x86_64.so.1 !apache2 zlib>=1.2").unwrap(),
            provides: Dependency::parse_list("cmd:nginx=1.29.0-r0 httpd").unwrap(),
            replaces: Dependency::parse_list("nginx-old<2").unwrap(),
            install_if: Dependency::parse_list("docs nginx=1.29.0-r0").unwrap(),
            provider_priority: Some(10),
            replaces_priority: Some(5),
            triggers: vec!["/usr/lib".into(), "/etc/*".into()],
            ..Info::new("nginx".parse().unwrap(), "1.29.0-r0".parse().unwrap(), "x86_64")
        }
    }

    #[test]
    fn prints_what_it_parses() {
        let datahash = Digest::of(b"data");
        let text = full().to_pkginfo(&datahash).unwrap();
        insta::assert_snapshot!(text);
        let read = PackageInfo::parse(text.as_bytes()).unwrap();
        assert_eq!(read, PackageInfo { info: full(), datahash: Some(datahash), uninstallable: None });
    }

    #[test]
    fn says_which_line_is_wrong() {
        let cases: [(&[u8], &str); 5] = [
            (b"pkgname = a\nsize = big", "line 2 of .PKGINFO: the installed size `big` is no number"),
            (b"pkgname = a b", "line 1 of .PKGINFO: `a b` is not a package name"),
            (b"# x\n\xff", "line 2 of .PKGINFO is not UTF-8"),
            (b"pkgname = a\npkgver", ".PKGINFO has no `pkgver`"),
            (b"datahash = 00", "line 1 of .PKGINFO: datahash: `00` is not 64 lower-case hex digits"),
        ];
        for (text, message) in cases {
            let error = PackageInfo::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_dependency_that_can_not_be_read_makes_it_uninstallable() {
        let read = PackageInfo::parse(b"pkgname = a\npkgver = 1\ndepend = b=x").unwrap();
        assert!(read.uninstallable.unwrap().contains("`b=x`"));
    }

    #[test]
    fn survives_json_with_the_odd_versions_of_others() {
        let text = b"pkgname = a\npkgver = 6.8.0p2-r4\nprovides = cmd:a=6.8.0p2-r4\nreplaces = b<1_post1";
        let read = PackageInfo::parse(text).unwrap();
        assert_eq!(read.uninstallable, None);
        let json = serde_json::to_string(&read.info).unwrap();
        assert_eq!(serde_json::from_str::<Info>(&json).unwrap(), read.info);
    }

    #[test]
    fn joins_several_licences() {
        let read = PackageInfo::parse(b"pkgname = a\npkgver = 1\nlicense = MIT\nlicense = ISC\nunknown = x").unwrap();
        assert_eq!(read.info.license, "MIT AND ISC");
    }

    #[test]
    fn refuses_to_write_a_line_break_into_a_field() {
        let info = Info { description: "x\ndatahash = 0".into(), ..full() };
        let error = info.to_pkginfo(&Digest::of(b"")).unwrap_err();
        assert_eq!(error, InfoError::Control { package: "nginx".into(), field: "description" });
    }
}
