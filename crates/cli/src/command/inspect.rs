//! `undistro inspect`: what is in an image.

use std::path::Path;

use base::Arch;
use oci::{Blobs, Descriptor, Inspection, Manifest, Platform, Source};
use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use crate::printer::{Printer, size};
use crate::project;
use crate::remote::RegistryArgs;
use crate::subject;

/// Say what is in an image: layers, packages, sizes, user, entrypoint.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  undistro inspect ./out\n  undistro inspect image.tar --json\n  undistro inspect 127.0.0.1:5000/nginx:1"
)]
pub(crate) struct Args {
    /// An OCI layout, an OCI archive, a docker archive, or a name in a registry.
    #[arg(value_name = "IMAGE")]
    path: String,
    /// Only the image for this architecture.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, Serialize)]
struct Image {
    #[serde(flatten)]
    inspection: Inspection,
    packages: Vec<Package>,
}

#[derive(Debug, Serialize)]
struct Package {
    name: String,
    version: String,
    license: String,
    installed_size: u64,
}

/// Where the database of installed packages lies.
const DATABASE: &str = "usr/lib/apk/db/installed";

pub(crate) fn run(args: &Args, global: &Global, printer: &Printer) -> Result<(), Failure> {
    let images = match subject::registry_reference(&args.path) {
        None => {
            let source = Source::open(Path::new(&args.path)).map_err(|error| Failure::input(&error))?;
            let manifests = match args.arch {
                Some(arch) => source.manifest(Some(arch)).map(|one| vec![one]),
                None => source.manifests(),
            };
            images(&source, &manifests.map_err(|error| Failure::input(&error))?)?
        }
        Some(reference) => {
            let store = project::store(global)?;
            let mut manifests = subject::pulled(&reference?, &args.registry, &store, printer)?.manifests;
            if let Some(wanted) = args.arch.map(Platform::linux) {
                manifests.retain(|one| one.platform.as_ref().is_none_or(|platform| *platform == wanted));
            }
            images(&store, &manifests)?
        }
    };
    for image in &images {
        tell(image, printer);
    }
    printer.json(&images);
    Ok(())
}

fn images(blobs: &dyn Blobs, manifests: &[Descriptor]) -> Result<Vec<Image>, Failure> {
    let mut images = Vec::new();
    for descriptor in manifests {
        let inspection = oci::inspect(blobs, descriptor).map_err(|error| Failure::input(&error))?;
        let manifest = Manifest::read(blobs, descriptor).map_err(|error| Failure::input(&error))?;
        let packages = packages(blobs, &manifest)?;
        images.push(Image { inspection, packages });
    }
    Ok(images)
}

fn packages(blobs: &dyn Blobs, manifest: &Manifest) -> Result<Vec<Package>, Failure> {
    let tree = oci::tree::merged(blobs, manifest, &|path| path.as_str() == DATABASE).map_err(|error| Failure::input(&error))?;
    let Some(bytes) = tree.content(DATABASE) else { return Ok(Vec::new()) };
    let database = apk::installed::Database::parse(bytes).map_err(|error| Failure::input(&error))?;
    let package = |one: &apk::installed::Installed| {
        let info = &one.record.info;
        Package {
            name: info.name.to_string(),
            version: info.version.to_string(),
            license: info.license.clone(),
            installed_size: info.installed_size,
        }
    };
    Ok(database.packages.iter().map(package).collect())
}

fn tell(image: &Image, printer: &Printer) {
    let about = &image.inspection;
    let variant = about.platform.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    printer.line(format!("{}/{}{variant}  {}", about.platform.os, about.platform.architecture, about.manifest));
    let rows = [
        ("created", about.created.clone().unwrap_or_default()),
        ("user", about.user.clone()),
        ("entrypoint", about.entrypoint.join(" ")),
        ("cmd", about.cmd.join(" ")),
        ("work-dir", about.work_dir.clone()),
        ("stop-signal", about.stop_signal.clone()),
        ("volumes", about.volumes.join(" ")),
        ("environment", about.environment.join(" ")),
    ];
    for (key, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        printer.line(format!("  {key:<12} {value}"));
    }
    printer.line(format!("  {:<12} {} in {} layers", "size", size(about.size), about.layers.len()));
    for layer in &about.layers {
        printer.line(format!("    {}  {:>10}  {}", layer.digest, size(layer.size), layer.comment.clone().unwrap_or_default()));
    }
    printer.line(format!("  {:<12} {}", "packages", image.packages.len()));
    for package in &image.packages {
        let name = format!("{}-{}", package.name, package.version);
        printer.line(format!("    {name:<40} {:>10}  {}", size(package.installed_size), package.license));
    }
}
