//! The one-letter fields that index and installed database share, read leniently as apk reads them.

use base::{Dependency, DependencyError, Digest, PackageName, Version};

use crate::{Checksum, Info, Record};

/// A record that is being read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: Option<PackageName>,
    pub(crate) version: Option<Version>,
    arch: String,
    description: String,
    url: String,
    pub(crate) license: String,
    origin: Option<PackageName>,
    commit: Option<String>,
    maintainer: Option<String>,
    pub(crate) packager: Option<String>,
    build_time: Option<i64>,
    installed_size: u64,
    depends: Vec<Dependency>,
    provides: Vec<Dependency>,
    replaces: Vec<Dependency>,
    install_if: Vec<Dependency>,
    provider_priority: Option<u64>,
    replaces_priority: Option<u64>,
    pub(crate) triggers: Vec<String>,
    checksum: Checksum,
    size: u64,
    content: Option<Digest>,
    file: Option<Digest>,
    uninstallable: Option<String>,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was taken.
    Taken,
    /// It is of the installed database (`F`, `M`, `R`, `Z`, `a`, `s`, `f`, `g`): the caller's business.
    Database,
}

fn number<T: std::str::FromStr>(what: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("the {what} `{value}` is no number"))
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|text| !text.is_empty())
}

impl Draft {
    /// Takes one field. An error says what is wrong with the value.
    ///
    /// As in apk, an unknown lower-case field is ignored and an unknown upper-case one makes the package uninstallable:
    /// its writer says so that an older reader must not install what it does not understand.
    pub(crate) fn apply(&mut self, field: u8, value: &str) -> Result<Applied, String> {
        match field {
            b'P' => self.name = Some(value.parse().map_err(|error: base::NameError| error.to_string())?),
            b'V' => self.version = Some(Version::tolerate(value).map_err(|error| error.to_string())?),
            b'A' => value.clone_into(&mut self.arch),
            b'T' => value.clone_into(&mut self.description),
            b'U' => value.clone_into(&mut self.url),
            b'L' => value.clone_into(&mut self.license),
            b'o' if value.is_empty() => self.origin = None,
            b'o' => self.origin = Some(value.parse().map_err(|error: base::NameError| error.to_string())?),
            b'm' => self.maintainer = text(value),
            b'c' => self.commit = text(value),
            b't' => self.build_time = Some(number("build time", value)?),
            b'I' => self.installed_size = number("installed size", value)?,
            b'S' => self.size = number("size", value)?,
            b'k' => self.provider_priority = Some(number("provider priority", value)?),
            b'q' => self.replaces_priority = Some(number("replaces priority", value)?),
            b'D' => {
                let (list, wrong) = dependencies(value, str::parse);
                self.depends.extend(list);
                if let Some(reason) = wrong {
                    self.refuse(&reason);
                }
            }
            // apk keeps what it can read of these, whatever the versions.
            b'p' => self.provides.extend(dependencies(value, Dependency::tolerate).0),
            b'r' => self.replaces.extend(dependencies(value, Dependency::tolerate).0),
            b'i' => {
                // apko prints the list as Go prints a slice: `[a b]`.
                let value = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
                match dependencies(value, str::parse) {
                    (list, None) => self.install_if.extend(list),
                    // A rule of which a part is missing would hold too often.
                    (_, Some(_)) => self.install_if.clear(),
                }
            }
            b'C' => match value.parse() {
                Ok(sum) => self.checksum = sum,
                Err(error) => self.refuse(&error.to_string()),
            },
            b'F' | b'M' | b'R' | b'Z' | b'a' | b's' | b'f' | b'g' => return Ok(Applied::Database),
            field if field.is_ascii_lowercase() => {}
            field => self.refuse(&format!("its field `{}:` is not known, and says by its upper case that it matters", char::from(field))),
        }
        Ok(Applied::Taken)
    }

    /// Takes the digests that an index of ours carries (see [`crate::index`]).
    pub(crate) fn apply_digest(&mut self, value: &str) -> Result<(), String> {
        let Some((key, hex)) = value.split_once('=') else { return Ok(()) };
        let place = match key {
            "content" => &mut self.content,
            "file" => &mut self.file,
            _ => return Ok(()),
        };
        *place = Some(Digest::from_hex(hex).map_err(|error| format!("the {key} digest: {error}"))?);
        Ok(())
    }

    /// Notes why the package can not be installed; the first reason stays.
    fn refuse(&mut self, reason: &str) {
        self.uninstallable.get_or_insert_with(|| reason.to_owned());
    }

    /// Ends with the info and why it is uninstallable, or with the key that is missing.
    pub(crate) fn into_info(self) -> Result<(Info, Option<String>), &'static str> {
        self.into_record().map(|record| (record.info, record.uninstallable))
    }

    /// Ends the record, or names the key that is missing.
    pub(crate) fn into_record(self) -> Result<Record, &'static str> {
        let info = Info {
            name: self.name.ok_or("pkgname")?,
            version: self.version.ok_or("pkgver")?,
            arch: self.arch,
            description: self.description,
            url: self.url,
            license: self.license,
            origin: self.origin,
            commit: self.commit,
            maintainer: self.maintainer,
            packager: self.packager,
            build_time: self.build_time,
            installed_size: self.installed_size,
            depends: self.depends,
            provides: self.provides,
            replaces: self.replaces,
            install_if: self.install_if,
            provider_priority: self.provider_priority,
            replaces_priority: self.replaces_priority,
            triggers: self.triggers,
        };
        let Self { checksum, size, content, file, uninstallable, .. } = self;
        Ok(Record { info, checksum, size, content, file, uninstallable })
    }
}

/// Reads a list; what can not be read is left out, and the first such named. A package may not name a repository's tag.
fn dependencies(value: &str, read: impl Fn(&str) -> Result<Dependency, DependencyError>) -> (Vec<Dependency>, Option<String>) {
    let mut list = Vec::new();
    let mut wrong = None;
    for word in value.split_ascii_whitespace() {
        match read(word) {
            Ok(dependency) if dependency.pin.is_none() => list.push(dependency),
            Ok(_) => drop(wrong.get_or_insert_with(|| format!("`{word}` names a repository's tag, which only a world may"))),
            Err(error) => drop(wrong.get_or_insert_with(|| chain(&error))),
        }
    }
    (list, wrong)
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
