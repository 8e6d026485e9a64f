//! The text of a definition with all that it means: enough to evaluate it again, elsewhere, without the folder it lay in.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use attest::intoto::{Bytes, Resource};
use base::Digest;
use base::tree::TreePath;
use fs_err as fs;
use spec::Recipe;
use spec::recipe::{Action, Step};

use super::ProvenanceError;
use crate::distro::{Definition, Distro, products};

/// The most that one file of a definition may have: provenance holds its bytes. Patches and settings have some kilobytes;
/// what is larger is a source, and belongs to the steps that fetch.
const MAX_FILE: u64 = 4 << 20;

/// Reads a definition: settings, steps, the pipelines that these use, and the files beside it. Names are paths below the folder of definitions.
pub(crate) fn materials(distro: &Distro, definition: &Definition) -> io::Result<Vec<Resource>> {
    let mut all = vec![file(distro, "distro.yaml")?];
    // It tells the licences of seeds that are linked in.
    if distro.folder.join("seed.yaml").is_file() {
        all.push(file(distro, "seed.yaml")?);
    }
    for pipeline in pipelines(&definition.recipe) {
        let name = format!("pipelines/{pipeline}.yaml");
        // A pipeline that comes with undistro is part of the program, and the program is named by digest.
        if distro.folder.join(&name).is_file() {
            all.push(file(distro, &name)?);
        }
    }
    let folder = format!("packages/{}", definition.recipe.name);
    all.push(file(distro, &format!("{folder}/package.yaml"))?);
    // It tells which patches close which holes, and packages say so.
    let fixes = format!("{folder}/fixes.yaml");
    if distro.folder.join(&fixes).is_file() {
        all.push(file(distro, &fixes)?);
    }
    let files = format!("{folder}/files");
    if distro.folder.join(&files).is_dir() {
        walk(distro, &files, &mut all)?;
    }
    Ok(all)
}

fn walk(distro: &Distro, below: &str, all: &mut Vec<Resource>) -> io::Result<()> {
    all.push(material(below, Vec::new()).annotate("type", "directory"));
    let names = fs::read_dir(distro.folder.join(below))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<BTreeSet<_>>>()?;
    for name in names {
        let name = name.into_string().map_err(|name| invalid(&format!("the name {} is not UTF-8", name.display())))?;
        let path = format!("{below}/{name}");
        let place = distro.folder.join(&path);
        let metadata = fs::symlink_metadata(&place)?;
        if metadata.is_dir() {
            walk(distro, &path, all)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&place)?.into_os_string().into_string();
            let target = target.map_err(|_| invalid(&format!("the target of {path} is not UTF-8")))?;
            all.push(material(&path, target.into_bytes()).annotate("type", "symlink"));
        } else if metadata.permissions().mode() & 0o100 != 0 {
            all.push(file(distro, &path)?.annotate("type", "executable"));
        } else {
            all.push(file(distro, &path)?);
        }
    }
    Ok(())
}

fn file(distro: &Distro, path: &str) -> io::Result<Resource> {
    let place = distro.folder.join(path);
    let size = fs::metadata(&place)?.len();
    if size > MAX_FILE {
        return Err(invalid(&format!(
            "{} has {size} bytes; at most {MAX_FILE} are kept with provenance: fetch it as a source",
            place.display()
        )));
    }
    Ok(material(path, fs::read(place)?))
}

fn material(path: &str, bytes: Vec<u8>) -> Resource {
    let resource = Resource::sha256(path, &Digest::of(&bytes)).annotate("kind", "definition");
    Resource { content: Some(Bytes(bytes)), ..resource }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The names of every pipeline that a recipe's steps, those of its tests too, come from.
fn pipelines(recipe: &Recipe) -> BTreeSet<String> {
    fn collect(steps: &[Step], into: &mut BTreeSet<String>) {
        for step in steps {
            into.extend(step.origin.clone());
            match &step.action {
                Action::Group(steps) => collect(steps, into),
                Action::Native { pipeline, .. } => drop(into.insert(pipeline.clone())),
                Action::Run { .. } => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    let subpackages = recipe.subpackages.iter().map(|sub| &sub.pipeline);
    for steps in std::iter::once(&recipe.pipeline).chain(subpackages) {
        collect(steps, &mut found);
    }
    for test in products(recipe).iter().filter_map(|product| product.test) {
        collect(&test.pipeline, &mut found);
    }
    found
}

/// Writes the definition that a statement holds below `folder`, which becomes a folder of definitions with this one in it.
pub(crate) fn restore<'a>(materials: impl Iterator<Item = &'a Resource>, folder: &Path) -> Result<(), ProvenanceError> {
    for one in materials {
        let name = one.name.as_deref().unwrap_or_default();
        let error = |source| ProvenanceError::Restore { path: name.into(), source };
        let path = TreePath::parse(name).map_err(|wrong| error(invalid(&wrong.to_string())))?;
        let Some(Bytes(bytes)) = &one.content else { return Err(error(invalid("its bytes are not in the provenance"))) };
        if one.digest() != Some(Digest::of(bytes)) {
            return Err(error(invalid("its bytes have another digest than is stated")));
        }
        let place = folder.join(&path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(error)?;
        }
        let made = match one.annotation("type") {
            Some("directory") => fs::create_dir_all(&place),
            Some("symlink") => std::os::unix::fs::symlink(String::from_utf8_lossy(bytes).as_ref(), &place),
            Some("executable") => {
                fs::write(&place, bytes).and_then(|()| fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)))
            }
            _ => fs::write(&place, bytes),
        };
        made.map_err(error)?;
    }
    Ok(())
}
