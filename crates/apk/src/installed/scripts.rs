//! The scripts of installed packages (`scripts.tar`) and the directories that they watch (`triggers`).

use std::io::Read as _;

use base::tarball;
use base::tree::{Entry, Kind, TreePath};

use super::InstalledError;
use crate::package::SCRIPT_NAMES;
use crate::{Checksum, ChecksumError, Record, Scripts};

/// A script of an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// `name-version` of the package.
    pub package: String,
    /// The checksum of the package.
    pub checksum: Checksum,
    /// The name of the script, such as `.post-install`.
    pub name: String,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// The directories whose change runs a package's trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The checksum of the package.
    pub checksum: Checksum,
    /// The directories; may hold `*`.
    pub paths: Vec<String>,
}

/// Writes `scripts.tar`: every script as `name-version.checksum.script`, in the order of the packages.
pub fn write_scripts<'s>(packages: impl IntoIterator<Item = (&'s Record, &'s Scripts)>, epoch: i64) -> Result<Vec<u8>, InstalledError> {
    let mut tar = tarball::Writer::new(Vec::new());
    for (record, scripts) in packages {
        for (script, bytes) in scripts {
            let name = format!("{}.{}{script}", record.info.identity(), record.checksum);
            let path = TreePath::parse(&name).map_err(|_| InstalledError::ScriptName { name: name.clone() })?;
            // The base64 of a checksum may hold `//`, which a path can not.
            let exact = (path.as_str() != name).then(|| ("path".to_owned(), name.clone().into_bytes()));
            let entry = Entry::new(path, Kind::File { size: bytes.len() as u64, digest: None }, 0o755, epoch);
            tar.append(&entry, &exact.into_iter().collect(), &mut &bytes[..]).map_err(InstalledError::Write)?;
        }
    }
    tar.finish().map_err(InstalledError::Write)
}

/// Reads `scripts.tar`.
pub fn read_scripts(tar: &[u8]) -> Result<Vec<Script>, InstalledError> {
    let unreadable = |error| InstalledError::Scripts(tarball::ReadError::Format(error));
    // Not by `tarball::read`: these names are no paths, and cleaning one would break its checksum.
    let mut archive = tar::Archive::new(tar);
    let mut scripts = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        scripts.push(parse_name(&name, bytes).ok_or(InstalledError::ScriptName { name })?);
    }
    Ok(scripts)
}

/// Splits from behind: a version holds dots, and so does a script's name at its front only.
fn parse_name(name: &str, bytes: Vec<u8>) -> Option<Script> {
    let script = SCRIPT_NAMES.into_iter().find(|script| name.ends_with(script))?;
    let (package, checksum) = name.strip_suffix(script)?.rsplit_once('.')?;
    Some(Script { package: package.to_owned(), checksum: checksum.parse().ok()?, name: script.to_owned(), bytes })
}

/// Prints `triggers`: a line for each package that watches directories.
#[must_use]
pub fn print_triggers(triggers: &[Trigger]) -> String {
    triggers.iter().map(|trigger| format!("{} {}\n", trigger.checksum, trigger.paths.join(" "))).collect()
}

/// Parses `triggers`.
pub fn parse_triggers(text: &str) -> Result<Vec<Trigger>, ChecksumError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.split_ascii_whitespace();
            let checksum = words.next().unwrap_or_default().parse()?;
            Ok(Trigger { checksum, paths: words.map(str::to_owned).collect() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Info;

    #[test]
    fn scripts_survive_their_archive() {
        let record = Record {
            info: Info::new("a-b.c".parse().unwrap(), "1.2.3-r0".parse().unwrap(), "x86_64"),
            // Its base64 holds a slash.
            checksum: Checksum::Sha1([0xff; 20]),
            size: 0,
            content: None,
            file: None,
            uninstallable: None,
        };
        let scripts = Scripts::from([(".post-install".into(), b"one".to_vec()), (".trigger".into(), b"two".to_vec())]);
        let tar = write_scripts([(&record, &scripts)], 7).unwrap();
        let read = read_scripts(&tar).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].package.as_str(), read[0].checksum, read[0].name.as_str()),
            ("a-b.c-1.2.3-r0", record.checksum, ".post-install")
        );
        assert_eq!(write_scripts([], 7).unwrap(), [0; 1024]);
    }

    #[test]
    fn triggers_survive_their_text() {
        let text = "Q1Meo+LHGPSi3uY9gIouEVb9z8Fbo= /bin /usr/bin /lib/modules/*\n";
        assert_eq!(print_triggers(&parse_triggers(text).unwrap()), text);
        assert!(parse_triggers("x /bin").is_err());
    }
}
