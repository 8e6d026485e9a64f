//! `undistro compose`: an image from packages.

use std::path::{Path, PathBuf};

use apk::Record;
use apk::solve::{Policy, Repository};
use base::{Arch, Dependency, Digest, Store};
use build::provenance::{Composition, Host as _, seconds};
use build::timeline::Phase;
use build::{Builder, OnFailure};
use image::{Composed, Lock};
use oci::{Descriptor, Format, Tagged, Written as Noted};
use serde::Serialize;
use serde::de::DeserializeOwned;
use spec::image::{Config, Includes};

use crate::args::Global;
use crate::failure::{Failure, Message, with_usual_hints};
use crate::printer::{Printer, size};
use crate::repository::RepositoryArgs;
use crate::workshop::{FetchArgs, PaceArgs, Workshop};

/// Compose an image from packages.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Packages that are not built yet are built first. With --repository they are taken from there instead.

Examples:
  undistro compose nginx -o ./out                                    an OCI layout
  undistro compose nginx -o nginx.tar --format docker-archive        for docker load
  undistro compose ./my-image.yaml -o ./out                          a definition of your own
  undistro compose --all -o ./out                                    every image: ./out/NAME
  undistro compose nginx -o ./out --repository ./repo --key me.rsa.pub   of packages that are there already")]
pub(crate) struct Args {
    /// An image of the distribution, or the file of a definition.
    #[arg(required_unless_present = "all")]
    image: Option<String>,
    /// Compose every image of the distribution.
    #[arg(long, conflicts_with_all = ["image", "name"])]
    all: bool,
    /// What to write; with --all, the folder to write it in, each under its image's name.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Its form: oci (a folder), oci-archive or docker-archive.
    #[arg(long, default_value = "oci")]
    format: Format,
    /// The name in the image's index [default: the image's].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The tag in the image's index.
    #[arg(long, default_value = "latest")]
    tag: String,
    #[command(flatten)]
    repository: RepositoryArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    fetch: FetchArgs,
}

#[derive(Debug, Serialize)]
struct Written {
    output: PathBuf,
    digest: base::Digest,
    size: u64,
    lock: Lock,
    sbom: base::Digest,
}

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let workshop = Workshop::paced(global, &args.fetch, &args.pace, printer)?;
    let images = match &args.image {
        Some(image) => vec![one(image, &workshop)?],
        None => images(&workshop)?,
    };
    let mut written = Vec::new();
    let result = if args.repository.is_empty() {
        workshop.with_builder(|builder| built(builder, &images, args, &workshop, printer, &mut written))
    } else {
        taken(&images, args, &workshop, &mut written)
    };
    for one in &written {
        printer.line(format!("{}  {}  {}, {} packages", one.output.display(), one.digest, size(one.size), one.lock.packages.len()));
    }
    if args.all {
        printer.json(&written);
    } else if let Some(one) = written.first() {
        printer.json(one);
    }
    result
}

/// The one image that was named.
fn one(image: &str, workshop: &Workshop) -> Result<(String, PathBuf, Config), Failure> {
    let (name, path) = find(image, workshop)?;
    let config = definition(&path)?;
    let arch = workshop.distro.arch;
    if !config.archs.contains(&arch) {
        return Err(Failure::Input(
            Message::text(format!("{} is not made for {arch}", path.display())).hint("add the architecture to `archs`"),
        ));
    }
    Ok((name, path, config))
}

/// Composes and writes images of packages that repositories have.
fn taken(images: &[(String, PathBuf, Config)], args: &Args, workshop: &Workshop, written: &mut Vec<Written>) -> Result<(), Failure> {
    let arch = workshop.distro.arch;
    let repositories = args.repository.load(arch)?;
    for (name, path, config) in images {
        let lock = lock(config, &repositories.records(), arch)?;
        repositories.bring(&lock, &workshop.store)?;
        written.push(deliver(put_together(lock, name, path, config, workshop)?, name, args, workshop)?);
    }
    Ok(())
}

/// Builds what the images need, all of it at once; then composes and writes each whose packages are there.
fn built(
    builder: &Builder<'_>,
    images: &[(String, PathBuf, Config)],
    args: &Args,
    workshop: &Workshop,
    printer: &Printer,
    written: &mut Vec<Written>,
) -> Result<(), Failure> {
    let mut wants = Vec::new();
    for (_, _, config) in images {
        wants.extend(wanted(config)?);
    }
    wants.sort();
    wants.dedup();
    let attempt = builder.attempt(&wants).map_err(|error| super::build::failure(&error, printer))?;
    let is_ending = !attempt.failed.is_empty() && builder.on_failure == OnFailure::Finish;
    for (name, path, config) in images.iter().filter(|_| !is_ending) {
        let order = builder.order(&wanted(config)?).map_err(|error| super::build::failure(&error, printer))?;
        let needs: Vec<_> = order.definitions.iter().filter_map(|origin| attempt.report.of(origin)).collect();
        if needs.len() < order.definitions.len() {
            printer.talk(format!("{name}: not composed, since packages of it are not there"));
            continue;
        }
        let piece = format!("image {name}");
        builder.timeline.planned(&piece, order.definitions.iter().map(ToString::to_string).collect(), None);
        let records: Vec<Record> = needs.into_iter().flat_map(|built| built.packages.iter().cloned()).collect();
        written.push(builder.timeline.piece(&piece, Phase::Compose, || {
            let lock = lock(config, &[&records], workshop.distro.arch)?;
            deliver(put_together(lock, name, path, config, workshop)?, name, args, workshop)
        })?);
    }
    super::build::settled(attempt, printer).map(drop)
}

/// Writes an image where it was asked for.
fn deliver(made: Made, name: &str, args: &Args, workshop: &Workshop) -> Result<Written, Failure> {
    let Made { lock, composed, index } = made;
    let output = match (args.all, args.format) {
        (false, _) => args.output.clone(),
        (true, Format::Layout) => args.output.join(name),
        (true, _) => args.output.join(format!("{name}.tar")),
    };
    if args.all {
        fs_err::create_dir_all(&args.output).map_err(|error| Failure::fault(&error))?;
    }
    let name = args.name.clone().unwrap_or_else(|| name.to_owned());
    write(args.format, &output, &[Tagged { descriptor: index.clone(), name, tag: args.tag.clone() }], workshop)?;
    let size = composed.layers.iter().map(|layer| layer.descriptor.size).sum();
    Ok(Written { output, digest: index.digest, size, lock, sbom: composed.sbom })
}

/// The kind of record that tells what was written to a path.
const WRITTEN: &str = "written";

/// Writes the image; of what the last run wrote to the same place, what is there still is left as it is.
fn write(format: Format, output: &Path, images: &[Tagged], workshop: &Workshop) -> Result<(), Failure> {
    let store = &workshop.store;
    let place = std::path::absolute(output).map_err(|error| Failure::fault(&error))?;
    let key = Digest::of(place.as_os_str().as_encoded_bytes());
    // A note that can not be read is as good as none: all is written again.
    let before = store.record::<Noted>(WRITTEN, &key).ok().flatten().unwrap_or_default();
    let now = oci::rewrite(format, output, images, store, &before)
        .map_err(|error| Failure::Fault(with_usual_hints(Message::of(&error), &error)))?;
    note(store, WRITTEN, &key, &now)
}

/// Records what is not recorded yet; writing it again would cost a flush of the disk.
fn note<T: Serialize + DeserializeOwned + PartialEq>(store: &Store, kind: &str, key: &Digest, value: &T) -> Result<(), Failure> {
    if store.record::<T>(kind, key).ok().flatten().as_ref() == Some(value) {
        return Ok(());
    }
    store.put_record(kind, key, value).map_err(|error| Failure::fault(&error))
}

/// An image that was composed, in the store.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) lock: Lock,
    pub(crate) composed: Composed,
    pub(crate) index: Descriptor,
}

/// Builds what an image needs and composes it; notes its SBOM and how it came to be.
pub(crate) fn make(
    builder: &Builder<'_>,
    name: &str,
    path: &Path,
    config: &Config,
    workshop: &Workshop,
    printer: &Printer,
) -> Result<Made, Failure> {
    let report = super::build::build(builder, &wanted(config)?, printer)?;
    let records: Vec<_> = report.packages().cloned().collect();
    put_together(lock(config, &[&records], workshop.distro.arch)?, name, path, config, workshop)
}

/// Chooses the packages of an image.
fn lock(config: &Config, records: &[&[Record]], arch: Arch) -> Result<Lock, Failure> {
    let repositories: Vec<_> = records.iter().map(|records| Repository::new(records)).collect();
    image::lock(config, &repositories, arch, Policy::Apk).map_err(|error| Failure::input(&error))
}

/// Composes an image of packages that the store has; notes its SBOM and how it came to be.
fn put_together(lock: Lock, name: &str, path: &Path, config: &Config, workshop: &Workshop) -> Result<Made, Failure> {
    let started = workshop.host.now();
    let (store, distro) = (&workshop.store, &workshop.distro);
    let told = |error: image::ImageError| Failure::Input(with_usual_hints(Message::of(&error), &error));
    let composed = image::compose(store, name, &lock, config, &distro.settings, &workshop.progress).map_err(told)?;
    let index = image::index(store, std::slice::from_ref(&composed)).map_err(told)?;
    store.name(&format!("image {name} for {}", workshop.distro.arch), &index.digest).map_err(|error| Failure::fault(&error))?;
    for digest in [index.digest, composed.manifest.digest] {
        note(store, SBOM, &digest, &composed.sbom)?;
    }
    let text = spec::package::read_text(path).map_err(|error| Failure::input(&error))?;
    let below = path.strip_prefix(&distro.folder).ok().or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
    let composition = Composition {
        name,
        definition: (&below.display().to_string(), &text),
        distro: &distro.settings,
        lock: &lock,
        composed: &composed,
        index: index.digest,
        started: seconds(started),
        checkout: workshop.host.checkout(&distro.folder),
    };
    build::provenance::image(composition, &workshop.host, store).map_err(|error| Failure::fault(&error))?;
    Ok(Made { lock, composed, index })
}

/// The kind of record that says which SBOM belongs to an image's manifest or index.
pub(super) const SBOM: &str = "sbom";

/// The images of the distribution for this machine's architecture: name, file, definition.
pub(crate) fn images(workshop: &Workshop) -> Result<Vec<(String, PathBuf, Config)>, Failure> {
    let mut found = Vec::new();
    for name in names(&workshop.folder().join("images")) {
        let path = workshop.folder().join("images").join(&name).join("image.yaml");
        if path.is_file() {
            let config = definition(&path)?;
            if config.archs.contains(&workshop.distro.arch) {
                found.push((name, path, config));
            }
        }
    }
    Ok(found)
}

/// The name of an image and its definition's file.
fn find(image: &str, workshop: &Workshop) -> Result<(String, PathBuf), Failure> {
    let path = PathBuf::from(image);
    if path.is_file() {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().trim_end_matches(".apko").to_owned()).unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = if stem == "image" { folder.unwrap_or(stem) } else { stem };
        return Ok((name, path));
    }
    let images = workshop.folder().join("images");
    let known = images.join(image).join("image.yaml");
    if !image.contains('/') && known.is_file() {
        return Ok((image.to_owned(), known));
    }
    let names = names(&images);
    let meant = crate::nearest::nearest(image, names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    let message = Message::text(format!("there is no image `{image}`{meant}"));
    Err(Failure::Input(message.hint(format!("there are: {}; or name the file of a definition", names.join(", ")))))
}

/// What a folder holds, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The names that an image asks for.
pub(super) fn wanted(config: &Config) -> Result<Vec<String>, Failure> {
    let wants = config.contents.packages.iter().map(|text| text.parse::<Dependency>().map(|dependency| dependency.name));
    wants.collect::<Result<_, _>>().map_err(|error| Failure::input(&error))
}

/// Reads an image definition; mistakes are shown with their lines.
pub(super) fn definition(path: &Path) -> Result<Config, Failure> {
    let text = spec::package::read_text(path).map_err(|error| Failure::input(&error))?;
    let mistakes = |found: spec::Diagnostics| {
        Failure::Input(Message::text(format!("{} has mistakes\n{}", path.display(), found.render(&path.display().to_string(), &text))))
    };
    let parsed = spec::image::parse(&text).map_err(mistakes)?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    spec::image::evaluate(&parsed, &Beside(folder), Arch::host()).map_err(mistakes)
}

/// Included files are looked for beside the definition.
pub(super) struct Beside(pub(super) PathBuf);

impl Includes for Beside {
    fn load(&self, name: &str) -> Result<(String, String), String> {
        let path = self.0.join(name);
        let text = spec::package::read_text(&path).map_err(|error| Message::of(&error).chain.join(": "))?;
        Ok((path.display().to_string(), text))
    }
}
