//! The SBOM of an image: each package's own, read from the image, joined.

use std::collections::BTreeSet;

use attest::spdx::{self, Component, Contents, Document, MadeFile, Part};
use base::tree::{Kind, TreePath};
use base::{Arch, Digest, Store};
use spec::distro::Distro;

use crate::contents::Opened;
use crate::table::{Content, Row, Table};
use crate::{Files, ImageError, requirements};

/// Returns the base of the namespaces of a distribution's SBOMs: below its home page, or where SPDX sends who has none.
#[must_use]
pub fn namespace(distro: &Distro) -> String {
    match &distro.home_url {
        Some(home) => format!("{}/spdx", home.trim_end_matches('/')),
        None => format!("{}/{}", spdx::DEFAULT_NAMESPACE, distro.id),
    }
}

/// The folder of the packages' SBOMs.
pub(crate) const FOLDER: &str = "var/lib/db/sbom/";

/// Where a package's SBOM lies, as melange and apko have it.
fn place(name: &str) -> TreePath {
    TreePath::parse(&format!("{FOLDER}{name}.spdx.json")).expect("names and versions of packages are no paths")
}

/// The files that os-release may be.
pub(crate) const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Makes the SBOM. The packages' documents and os-release are read from the table, as a person with the image would.
pub(crate) fn make(
    store: &Store,
    name: &str,
    (arch, created): (Arch, i64),
    manifest: Digest,
    distro: &Distro,
    table: &Table,
    opened: &[Opened],
) -> Result<Document, ImageError> {
    let release = OS_RELEASE.map(|path| TreePath::parse(path).expect("a constant path"));
    let wanted: BTreeSet<_> = opened.iter().map(|one| place(&one.name())).chain(release.clone()).collect();
    let files = Files::read(store, opened, table, &wanted)?;
    let system = release.iter().find_map(|path| files.text(path).transpose()).transpose()?.map(os_release);
    let namespace_of_packages = system.as_ref().map_or(distro.id.as_str(), |(id, _)| id.as_str());
    let parts = opened.iter().map(|one| part(one, &files, namespace_of_packages)).collect::<Result<Vec<_>, _>>()?;
    let infos: Vec<_> = opened.iter().map(|one| one.package.info()).collect();
    let requires: Vec<_> = requirements(&infos).iter().map(|one| (one.from, one.to)).collect();
    let contents = Contents {
        name,
        manifest,
        arch: arch.oci().0,
        created,
        supplier: Some(&distro.name),
        distro: system.as_ref().map(|(id, version)| (id.as_str(), version.as_str())),
        parts: &parts,
        requires: &requires,
        made: &made(table),
    };
    Ok(spdx::image(&contents, &namespace(distro))?)
}

/// What no package brings: its files and symbolic links. Directories have no content to account for.
fn made(table: &Table) -> Vec<MadeFile> {
    let file = |row: &Row| {
        let (bytes, target) = match (&row.content, &row.entry.kind) {
            (Content::Bytes(bytes), _) => (bytes.to_vec(), None),
            (_, Kind::Symlink { target }) => (target.as_bytes().to_vec(), Some(target.clone())),
            _ => return None,
        };
        let sha1 = apk::Checksum::sha1(&bytes).hex();
        Some(MadeFile { path: row.entry.path.to_string(), sha1, sha256: Digest::of(&bytes), target })
    };
    table.rows().filter(|row| row.owner.is_none()).filter_map(file).collect()
}

fn part(one: &Opened, files: &Files, distro: &str) -> Result<Part, ImageError> {
    let info = one.package.info();
    let name = one.name();
    let document = files.get(&place(&name)).map(|text| Document::from_json(text, &name)).transpose()?;
    let component = Component {
        name: info.name.to_string(),
        version: info.version.to_string(),
        arch: info.arch.clone(),
        distro: distro.to_owned(),
        // Without an SBOM of its own a package is nobody's that is known here, but for who says to have built it.
        supplier: info.packager.clone(),
        description: info.description.clone(),
        license: info.license.clone(),
        homepage: Some(info.url.clone()).filter(|url| !url.is_empty()),
        origin: info.origin.as_ref().map(ToString::to_string),
        ..Component::default()
    };
    Ok(Part { component, content: one.package.content(), document })
}

/// Returns `ID` and `VERSION_ID` of os-release(5).
fn os_release(text: &str) -> (String, String) {
    let value = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.map(|value| value.trim_matches(['"', '\'']).to_owned())
    };
    (value("ID").unwrap_or_else(|| "linux".into()), value("VERSION_ID").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_os_release_with_and_without_quotes() {
        assert_eq!(os_release("NAME=\"x\"\nID=undistro\nVERSION_ID=\"1\"\n"), ("undistro".into(), "1".into()));
        assert_eq!(os_release("VERSION=3"), ("linux".into(), String::new()));
    }
}
