//! What a verb looks at: a package's file, an image wherever it lies, or what the definitions make under a name.

use std::path::Path;

use apk::Package;
use apk::package::PackageError;
use base::tree::TreePath;
use base::{Digest, Store};
use fs_err as fs;
use image::Snapshot;
use oci::remote::{Reference, Referrers};
use oci::{Blobs, Descriptor, Source};

use crate::args::Global;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::printer::Printer;
use crate::project;
use crate::remote::{self, RegistryArgs};
use crate::workshop::{FetchArgs, Workshop};

/// What a verb looks at, and the store that may know more of it.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What it is called by who asked.
    pub(crate) name: String,
    pub(crate) thing: Thing,
    pub(crate) store: Store,
}

/// What a name means that a package and an image have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    Package,
    Image,
}

/// A package or an image.
#[derive(Debug)]
pub(crate) enum Thing {
    Package(Box<Package>),
    Image(Image),
}

/// An image for one or more architectures.
#[derive(Debug)]
pub(crate) struct Image {
    /// Where it lies, if not in the store.
    source: Option<Source>,
    /// Its manifests.
    pub(crate) manifests: Vec<Descriptor>,
    /// What it is named by: manifests and indexes.
    pub(crate) digests: Vec<Digest>,
}

impl Subject {
    /// Opens `text`: a path, a name in a registry, or one that is built or composed first where that was not done. Of a package and
    /// an image with one name it is what `prefer` says.
    pub(crate) fn find(
        text: &str,
        prefer: Prefer,
        global: &Global,
        fetch: &FetchArgs,
        registry: &RegistryArgs,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let path = Path::new(text);
        if let Some(reference) = registry_reference(text) {
            let store = project::store(global)?;
            let image = pulled(&reference?, registry, &store, printer)?;
            return Ok(Self { name: text.to_owned(), thing: Thing::Image(image), store });
        }
        if path.exists() {
            return Ok(Self { name: text.to_owned(), thing: open(path)?, store: project::store(global)? });
        }
        if text.contains('/') || text.ends_with(".apk") {
            return Err(Failure::Input(Message::text(format!("there is no {text}"))));
        }
        let workshop = Workshop::open(global, fetch, printer)?;
        let thing = made(text, prefer, &workshop, printer)?;
        Ok(Self { name: text.to_owned(), thing, store: workshop.store })
    }

    /// Reads its packages and files, and the small files that `keep` names. An image must be for one architecture.
    pub(crate) fn snapshot(&self, keep: &dyn Fn(&TreePath) -> bool) -> Result<Snapshot, Failure> {
        let read = match &self.thing {
            Thing::Package(package) => Snapshot::of_package(package),
            Thing::Image(image) => Snapshot::of_image(image.blobs(&self.store), image.only(&self.name)?, keep),
        };
        read.map_err(|error| Failure::Input(with_usual_hints(Message::of(&error), &error)))
    }
}

impl Image {
    /// Where its blobs are.
    pub(crate) fn blobs<'a>(&'a self, store: &'a Store) -> &'a dyn Blobs {
        match &self.source {
            Some(source) => source,
            None => store,
        }
    }

    /// Returns its manifest, where it has only one.
    pub(crate) fn only(&self, name: &str) -> Result<&Descriptor, Failure> {
        match self.manifests.as_slice() {
            [one] => Ok(one),
            many => Err(Failure::Input(Message::text(format!("{name} holds {} images; write out the one that is meant", many.len())))),
        }
    }
}

/// What `text` means in a registry, where it is no path and can only be that.
pub(crate) fn registry_reference(text: &str) -> Option<Result<Reference, Failure>> {
    (!Path::new(text).exists() && Reference::is_meant(text)).then(|| remote::reference(text))
}

/// Brings an image from a registry into the store.
pub(crate) fn pulled(from: &Reference, registry: &RegistryArgs, store: &Store, printer: &Printer) -> Result<Image, Failure> {
    let client = registry.client()?;
    let opened = remote::open(&client, from)?;
    let (plan, _) = super::command::fetch(&opened, from, Referrers::Without, store, printer)?;
    let root = plan.root.descriptor;
    let manifests = oci::manifests(store, std::slice::from_ref(&root)).map_err(|error| Failure::input(&error))?;
    let digests = manifests.iter().map(|one| one.digest).chain([root.digest]).collect();
    Ok(Image { source: None, manifests, digests })
}

fn open(path: &Path) -> Result<Thing, Failure> {
    let is_gzip = || {
        let mut magic = [0; 2];
        let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
        read.is_ok() && magic == [0x1f, 0x8b]
    };
    if path.is_file() && is_gzip() {
        let package = Package::open(path).map_err(|error| Failure::input(&error))?;
        return Ok(Thing::Package(Box::new(package)));
    }
    let source = Source::open(path).map_err(|error| Failure::input(&error))?;
    let manifests = source.manifests().map_err(|error| Failure::input(&error))?;
    let digests = manifests.iter().map(|one| one.digest).chain(source.index().manifests.iter().map(|one| one.digest)).collect();
    Ok(Thing::Image(Image { source: Some(source), manifests, digests }))
}

/// What the definitions make under `name`.
fn made(name: &str, prefer: Prefer, workshop: &Workshop, printer: &Printer) -> Result<Thing, Failure> {
    let is_package = prefer == Prefer::Package && workshop.distro.package_names().any(|known| known == name);
    if !is_package && let Some((name, path, config)) = super::command::images(workshop)?.into_iter().find(|(known, ..)| known == name) {
        let made = workshop.with_builder(|builder| super::command::make(builder, &name, &path, &config, workshop, printer))?;
        let manifest = made.composed.manifest;
        let digests = vec![manifest.digest, made.index.digest];
        return Ok(Thing::Image(Image { source: None, manifests: vec![manifest], digests }));
    }
    let report = workshop.with_builder(|builder| super::command::build(builder, &[name.to_owned()], printer))?;
    let record = report.packages().find(|record| record.info.name.as_str() == name);
    let content = record.and_then(|record| record.content).ok_or_else(|| {
        let message = Message::text(format!("no definition makes a package `{name}`"));
        Failure::Input(message.hint("name a package, an image, or a file"))
    })?;
    let package = Package::open_blob(&workshop.store, &content).map_err(|error| Failure::fault(&error))?;
    Ok(Thing::Package(Box::new(package)))
}

/// Reads the files of a package that `wanted` names, each whole.
pub(crate) fn files(package: &Package, wanted: &dyn Fn(&TreePath) -> bool) -> Result<Vec<(TreePath, Vec<u8>)>, Failure> {
    let mut found = Vec::new();
    let read = package.read_data(&apk::package::Limits::default(), |entry, content| -> Result<(), Trouble> {
        if wanted(&entry.path) {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(Trouble::Io)?;
            found.push((entry.path.clone(), bytes));
        }
        Ok(())
    });
    read.map(|_| found).map_err(|error| match error {
        Trouble::Package(error) => Failure::input(&error),
        Trouble::Io(error) => Failure::fault(&error),
    })
}

enum Trouble {
    Package(Box<PackageError>),
    Io(std::io::Error),
}

impl From<PackageError> for Trouble {
    fn from(error: PackageError) -> Self {
        Self::Package(Box::new(error))
    }
}
